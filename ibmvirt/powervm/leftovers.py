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


"""Removing once, at service start, what a service that was killed has left.

Nothing is being built or captured yet, so whatever looks like the middle of
that is its end. A constant number of calls, and one write for each VIOS that
has something. Config drives without a partition go also when a VIOS is back:
a drive that is made then has its partition already.
"""

from __future__ import annotations

import collections.abc
import logging
import typing

from ibmvirt.common import context, exceptions
from ibmvirt.powervm import lpar_cache, mappings, writer
from ibmvirt.powervm import media as media_files
from ibmvirt.powervm.disks import kinds
from ibmvirt.powervm.rest import topology

LOG = logging.getLogger(__name__)


class Leftovers:
    """Disks that snapshots mapped, and config drives without a partition."""

    def __init__(
        self,
        places: topology.Topology,
        cache: lpar_cache.LparCache,
        writers: writer.Writers,
        disks: kinds.Disks,
        drives: media_files.Media,
    ) -> None:
        self._topology = places
        self._cache = cache
        self._writers = writers
        self._disks = disks
        self._drives = drives

    def clean(self, vioses: list[typing.Any]) -> None:
        """Best effort: the service starts all the same.

        :param vioses: the VIOSes with their SCSI mappings, read at the start.
        """
        for part in (self._unmap, self._remove_drives):
            self._try(part, vioses)

    def remove_drives(self, vioses: list[typing.Any]) -> None:
        """A VIOS is back, whose media repository missed removals. Best effort."""
        self._try(self._remove_drives, vioses)

    @staticmethod
    def _try(
        part: collections.abc.Callable[[list[typing.Any]], None],
        vioses: list[typing.Any],
    ) -> None:
        with context.background("scrub"):
            try:
                part(vioses)
            except exceptions.IBMVirtError as error:
                LOG.warning("leftovers were not removed: %s", error)

    # -- snapshots ------------------------------------------------------------

    def _unmap(self, vioses: list[typing.Any]) -> None:
        """Take servers' disks, and copies of them, from the management partition.

        Its own disks are nobody else's, and stay.
        """
        _kind, management = self._topology.management()
        servers = {
            mappings.key(mapping.backing_storage)
            for wrapper in vioses
            for mapping in wrapper.scsi_mappings
            if mapping.backing_storage is not None
            and mapping.client_lpar_href
            and not mappings.is_of(mapping, management)
        }

        def stale(wrapper: typing.Any) -> list[typing.Any]:
            return [
                mapping
                for mapping in mappings.of(wrapper, management)
                if self._is_disk(mapping.backing_storage, servers)
            ]

        def change(wrapper: typing.Any) -> bool:
            gone = stale(wrapper)
            for mapping in gone:
                wrapper.scsi_mappings.remove(mapping)
            return bool(gone)

        for vios in self._topology.active_vioses():
            if any(stale(one) for one in vioses if one.uuid == vios.uuid):
                LOG.warning("%s maps disks of a snapshot that was killed", vios.name)
                self._writers.of(vios.uuid, vios.name, mappings.GROUP).apply(
                    change, "unmap the disks of a snapshot that was killed"
                )

    def _is_disk(self, element: typing.Any, servers: set[tuple[str, str]]) -> bool:
        if element is None:
            return False
        kind = self._disks.of(str(element.schema_type), str(element.name))
        if kind is None:
            return False
        return mappings.key(element) in servers or kind.is_copy(str(element.name))

    # -- config drives ----------------------------------------------------------

    def _remove_drives(self, vioses: list[typing.Any]) -> None:
        mapped = {
            str(mapping.backing_storage.name)
            for wrapper in vioses
            for mapping in wrapper.scsi_mappings
            if mapping.backing_storage is not None and mapping.client_lpar_href
        }
        names = self._drives.names() - mapped
        # Read after the drives: a partition is there before its drive is.
        partitions = {
            media_files.partition_digits(lpar.uuid) for lpar in self._cache.all()
        }
        gone = {
            name
            for name in names
            if (digits := media_files.digits_of(name)) is not None
            and digits not in partitions
        }
        if gone:
            LOG.warning("config drives have no partition: %s", sorted(gone))
            self._drives.remove(gone, "remove config drives without a partition")
