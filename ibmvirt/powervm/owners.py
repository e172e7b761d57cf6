# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.
"""Which partition a VIOS's mapping is for, and whether that is there still."""

from __future__ import annotations

import collections.abc
import typing

from ibmvirt.powervm.rest import topology

# The platform's number for any partition, and for any slot of one.
ANY = 65535


def owner_of(mapping: typing.Any) -> int | None:
    """The number of the partition that a mapping is for."""
    adapter = mapping.server_adapter
    return int(adapter.lpar_id) if adapter is not None and adapter.lpar_id else None


def is_orphan(mapping: typing.Any) -> bool:
    """Whether the client's adapter of a mapping is gone.

    It went with its partition, whose number another one may have by now. A
    server adapter that is for any client has none either, and is no orphan.
    """
    server = mapping.server_adapter
    return (
        server is not None
        and mapping.client_adapter is None
        and owner_of(mapping) not in (None, ANY)
        and server.lpar_slot_num != ANY
    )


def is_lost(mapping: typing.Any, partitions: collections.abc.Container[int]) -> bool:
    """Whether a mapping is for a partition that is gone.

    :param partitions: numbers of all that there are, and of the VIOSes.
    """
    owner = owner_of(mapping)
    if owner in (None, ANY):
        return False
    return is_orphan(mapping) or owner not in partitions


def signature(mapping: typing.Any) -> tuple[str, str]:
    """What a new mapping, of another partition, has not in common with an old one."""
    client = str(mapping.client_lpar_href or "").split("?")[0]
    return str(mapping.server_adapter.udid), client.rsplit("/", 1)[-1].upper()


class Owners:
    """Tells mappings of partitions that are gone.

    :param partitions: reads the numbers of all partitions that there are.
    """

    def __init__(
        self,
        places: topology.Topology,
        partitions: collections.abc.Callable[[], set[int]],
    ) -> None:
        self._topology = places
        self._partitions = partitions

    def lost(self, mappings: list[typing.Any]) -> list[typing.Any]:
        """Those whose partition is gone. One call, unless there are none.

        The partitions are read after the mappings: one that is made meanwhile
        is then not taken for one that is gone.
        """
        owned = [m for m in mappings if owner_of(m) not in (None, ANY)]
        if not owned:
            return []
        there = self._partitions() | {vios.id for vios in self._topology.vioses()}
        return [mapping for mapping in owned if is_lost(mapping, there)]
