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


"""Removing what partitions that are gone have left.

Once at service start, and when a VIOS is back that was away meanwhile.

A constant number of calls, however many partitions there are; what is removed
adds one write each. Disks are not deleted here: they may be wanted.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import logging
import typing

from oslo_utils import uuidutils
from pypowervm import exceptions as pypowervm
from pypowervm.wrappers import network as network_wrapper
from pypowervm.wrappers import virtual_io_server

from ibmvirt.common import context, exceptions
from ibmvirt.powervm import lpar_cache, mappings, owners, writer
from ibmvirt.powervm.guests import identities
from ibmvirt.powervm.rest import errors, topology
from ibmvirt.powervm.volumes import npiv

LOG = logging.getLogger(__name__)

_OWNER = "vm-uuid="
# Groups of a VIOS that map storage to partitions, and pypowervm's name of each.
_GROUPS = ((mappings.GROUP, "scsi_mappings"), (npiv.GROUP, "vfc_mappings"))


@dataclasses.dataclass
class Found:
    """What there was before the partitions were read."""

    vioses: list[typing.Any] = dataclasses.field(default_factory=list)
    trunks: list[typing.Any] = dataclasses.field(default_factory=list)


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

    def look(self) -> Found:
        """Read mappings and trunks; the partitions are to be read after that.

        A partition that is made meanwhile is then not among them, and one that
        they name and that is not there afterwards is gone.
        """
        found = Found()
        with context.background("scrub"):
            self._try(lambda: self._read_mappings(found))
            self._try(lambda: self._read_trunks(found))
        return found

    def clean(self, found: Found) -> None:
        """Remove what is left of partitions that are gone, as far as it goes."""
        with context.background("scrub"):
            if found.vioses:
                self._try(lambda: self._everywhere(found.vioses))
            if found.trunks:
                self._try(lambda: self._trunks(found.trunks))

    @staticmethod
    def _try(part: collections.abc.Callable[[], None]) -> None:
        """The service goes on all the same."""
        try:
            part()
        except exceptions.IBMVirtError as error:
            LOG.warning("leftovers were not removed: %s", error)

    def _read_mappings(self, found: Found) -> None:
        with errors.attempting("read the mappings of the VIOSes"):
            found.vioses = virtual_io_server.VIOS.get(
                self._adapter, xag=[group for group, _name in _GROUPS]
            )

    def _read_trunks(self, found: Found) -> None:
        kind, uuid = self._topology.management()
        with errors.attempting("look for trunks without their partition"):
            response = self._adapter.read(kind, uuid, "ClientNetworkAdapter")
        found.trunks = [t for t in network_wrapper.CNA.wrap(response) if _server(t)]

    def one(self, vios: topology.Vios) -> bool:
        """Remove stale mappings of one VIOS; whether there were any.

        Two calls, and the writes. The memento is that of the operation which
        they hinder.

        :raises HypervisorError: that failed.
        """
        with errors.attempting(f"read the mappings of {vios.name}"):
            wrapper = virtual_io_server.VIOS.get(
                self._adapter, uuid=vios.uuid, xag=[group for group, _name in _GROUPS]
            )
        self._cache.read_all()
        return self._mappings(vios, wrapper)

    def _everywhere(self, wrappers: list[typing.Any]) -> None:
        for vios in self._topology.active_vioses():
            for wrapper in wrappers:
                if wrapper.uuid == vios.uuid:
                    self._mappings(vios, wrapper)

    def _mappings(self, vios: topology.Vios, wrapper: typing.Any) -> bool:
        """:param wrapper: it was read before the partitions were."""
        known = {lpar.id for lpar in self._cache.all()}
        known.update(one.id for one in self._topology.vioses())
        found = False
        for group, name in _GROUPS:
            stale = {
                owners.signature(mapping)
                for mapping in getattr(wrapper, name)
                if owners.is_lost(mapping, known)
            }
            if stale:
                self._remove(vios, group, name, stale)
                found = True
        return found

    def _remove(
        self, vios: topology.Vios, group: str, name: str, stale: set[tuple[str, str]]
    ) -> None:
        """Not by the partitions' numbers: they may be given again meanwhile."""

        def change(wrapper: typing.Any) -> bool:
            there = getattr(wrapper, name)
            gone = [
                mapping
                for mapping in there
                if mapping.server_adapter is not None
                and owners.signature(mapping) in stale
            ]
            for mapping in gone:
                there.remove(mapping)
            return bool(gone)

        LOG.warning(
            "%s has %d adapters for partitions that are gone: removing them",
            vios.name,
            len(stale),
        )
        mine = self._writers.of(vios.uuid, vios.name, group)
        # What it has kept knows nothing of partitions that went since.
        mine.forget()
        mine.apply(change, "remove the mappings of partitions that are gone")

    def _trunks(self, trunks: list[typing.Any]) -> None:
        kind, uuid = self._topology.management()
        with errors.attempting("remove trunks without their partition"):
            for trunk in trunks:
                if self._cache.get(identities.uuid_of(_server(trunk))) is None:
                    LOG.warning("the trunk %s has no partition: removed", trunk.mac)
                    try:
                        self._adapter.delete(
                            kind, uuid, "ClientNetworkAdapter", trunk.uuid
                        )
                    except pypowervm.HttpNotFound:
                        continue
                    finally:
                        self._writers.forget(uuid)


def _server(trunk: typing.Any) -> str:
    """The server whose port a trunk was made for, or ''."""
    if not trunk.is_trunk:
        return ""
    for value in str(trunk.ovs_ext_ids or "").split(","):
        # Others set what they like there.
        if value.startswith(_OWNER) and uuidutils.is_uuid_like(value[len(_OWNER) :]):
            return value[len(_OWNER) :]
    return ""
