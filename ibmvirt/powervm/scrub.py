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


"""Removing once, at service start, what partitions that are gone have left.

A constant number of calls, however many partitions there are; what is removed
adds one write each. Disks are not deleted here: they may be wanted.
"""

from __future__ import annotations

import logging
import typing

from pypowervm import exceptions as pypowervm
from pypowervm.wrappers import network as network_wrapper
from pypowervm.wrappers import virtual_io_server

from ibmvirt.common import context, exceptions
from ibmvirt.powervm import lpar_cache, storage, writer
from ibmvirt.powervm.guests import partitions
from ibmvirt.powervm.rest import errors, topology

LOG = logging.getLogger(__name__)

# The platform's number for "any partition".
_ANY = 65535
_OWNER = "vm-uuid="


class Scrub:
    """Stale mappings of all VIOSes, and trunks without their partition."""

    def __init__(
        self,
        adapter: typing.Any,
        places: topology.Topology,
        cache: lpar_cache.LparCache,
        writers: writer.Writers,
    ) -> None:
        self._adapter = adapter
        self._topology = places
        self._cache = cache
        self._writers = writers

    def run(self) -> None:
        """Best effort: the service starts all the same."""
        with context.background("scrub"):
            for part in (self._mappings, self._trunks):
                try:
                    part()
                except exceptions.IBMVirtError as error:
                    LOG.warning("leftovers were not removed: %s", error)

    def _mappings(self) -> None:
        # The mappings first: a partition that is made meanwhile is not in
        # them, and one that they name and that is not there now is gone.
        with errors.attempting("read the mappings of the VIOSes"):
            wrappers = virtual_io_server.VIOS.get(self._adapter, xag=[storage.GROUP])
        self._cache.read_all()
        known = {lpar.id for lpar in self._cache.all()} | {_ANY}
        known.update(vios.id for vios in self._topology.vioses())
        for vios in self._topology.active_vioses():
            gone = {
                owner
                for wrapper in wrappers
                if wrapper.uuid == vios.uuid
                for owner in map(_owner, wrapper.scsi_mappings)
                if owner is not None and owner not in known
            }
            if gone:
                self._remove(vios, gone)

    def _remove(self, vios: topology.Vios, gone: set[int]) -> None:
        def change(wrapper: typing.Any) -> bool:
            stale = [m for m in wrapper.scsi_mappings if _owner(m) in gone]
            for mapping in stale:
                wrapper.scsi_mappings.remove(mapping)
            return bool(stale)

        LOG.warning(
            "%s maps storage to partitions that are gone: %s", vios.name, sorted(gone)
        )
        self._writers.of(vios.uuid, vios.name, storage.GROUP).apply(
            change, "remove the mappings of partitions that are gone"
        )

    def _trunks(self) -> None:
        kind, uuid = self._topology.management()
        with errors.attempting("look for trunks without their partition"):
            response = self._adapter.read(kind, uuid, "ClientNetworkAdapter")
            # Read after the trunks, for the same reason.
            self._cache.read_all()
            for trunk in network_wrapper.CNA.wrap(response):
                server = _server(trunk)
                if server and self._cache.get(partitions.uuid_of(server)) is None:
                    LOG.warning("the trunk %s has no partition: removed", trunk.mac)
                    try:
                        self._adapter.delete(
                            kind, uuid, "ClientNetworkAdapter", trunk.uuid
                        )
                    except pypowervm.HttpNotFound:
                        continue
                    finally:
                        self._writers.forget(uuid)


def _owner(mapping: typing.Any) -> int | None:
    """The number of the partition that a mapping is for."""
    adapter = mapping.server_adapter
    return int(adapter.lpar_id) if adapter is not None and adapter.lpar_id else None


def _server(trunk: typing.Any) -> str:
    """The server whose port a trunk was made for, or ''."""
    if not trunk.is_trunk:
        return ""
    for value in str(trunk.ovs_ext_ids or "").split(","):
        if value.startswith(_OWNER):
            return value[len(_OWNER) :]
    return ""
