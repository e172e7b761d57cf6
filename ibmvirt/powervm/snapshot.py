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


"""Reading a server's root disk, mapped to the management partition.

Nothing stays mapped: what a failure leaves is removed by another try, by the
next snapshot, by destroy, or when the service starts.
"""

from __future__ import annotations

import collections.abc
import contextlib
import dataclasses
import io
import logging
import os
import typing

from pypowervm.wrappers import virtual_io_server

from ibmvirt.common import capability, context, exceptions, plan
from ibmvirt.powervm import local_tools, mappings, writer
from ibmvirt.powervm.disks import base, kinds
from ibmvirt.powervm.rest import errors, topology

LOG = logging.getLogger(__name__)

_PIECE = 1 << 20


@dataclasses.dataclass(frozen=True)
class _Found:
    """A root disk, its kind, and the VIOSes that can map it, the best first."""

    disk: plan.DiskRef
    kind: base.DiskKind
    vioses: tuple[topology.Vios, ...]


class Snapshots(capability.Snapshots):
    """Root disks of all kinds, of running and stopped servers.

    A running server's disk is read while it is written to, as after a power
    failure; nothing is quiesced.
    """

    def __init__(
        self,
        adapter: typing.Any,
        places: topology.Topology,
        writers: writer.Writers,
        disks: kinds.Disks,
        tools: local_tools.LocalTools,
    ) -> None:
        self._adapter = adapter
        self._topology = places
        self._writers = writers
        self._disks = disks
        self._tools = tools

    @contextlib.contextmanager
    def open(
        self, server: plan.Server, guest: plan.GuestRef
    ) -> collections.abc.Iterator[capability.Captured]:
        """The bytes of the root disk.

        :raises HypervisorError: this is not the management partition, or the
            disk cannot be mapped to it.
        """
        what = f"take a snapshot of {server.name}"
        self._check_place(what)
        found = self._find(server, guest, what)
        with found.kind.readable(server, found.disk) as disk:
            vios, slot = self._map(server, found.kind, disk, found.vioses)
            try:
                with self._read(slot, disk, what) as captured:
                    yield captured
            finally:
                with context.reverting():
                    self._unmap(server, disk, vios)

    @contextlib.contextmanager
    def _read(
        self, slot: int, disk: plan.DiskRef, what: str
    ) -> collections.abc.Iterator[capability.Captured]:
        device = self._tools.find_disk(slot, disk.id, what)
        try:
            with contextlib.closing(self._tools.open(device, what)) as raw:
                size = raw.seek(0, os.SEEK_END)
                raw.seek(0)
                stream = io.BufferedReader(_Checked(raw), _PIECE)
                yield capability.Captured(stream, size)
        finally:
            self._tools.forget(device)

    def _check_place(self, what: str) -> None:
        own, wanted = self._tools.partition_id(), self._topology.management_id()
        if own != wanted:
            raise exceptions.HypervisorError(
                what,
                "the service runs on "
                + (f"partition {own}" if own is not None else "no partition")
                + f", and only the management partition ({wanted}) can read disks",
                "run nova-compute on the NovaLink partition",
            )

    # -- the disk -----------------------------------------------------------

    def _find(self, server: plan.Server, guest: plan.GuestRef, what: str) -> _Found:
        """One call; and a write where a snapshot that was killed left its map."""
        with errors.attempting(what):
            wrappers = {
                wrapper.uuid: wrapper
                for wrapper in virtual_io_server.VIOS.get(
                    self._adapter, xag=[mappings.GROUP]
                )
            }
        found: tuple[plan.DiskRef, base.DiskKind] | None = None
        vioses: list[topology.Vios] = []
        _kind, management = self._topology.management()
        # A VIOS that is the management partition would be its own client.
        active = self._topology.active_vioses()
        for vios in sorted(active, key=lambda one: one.management):
            wrapper = wrappers.get(vios.uuid)
            if wrapper is None:
                continue
            for mapping in mappings.of(wrapper, guest.id):
                root = self._root(mapping.backing_storage, vios)
                if root is not None and (found is None or found[0].id == root[0].id):
                    found = found or root
                    vioses.append(vios)
            disk = found[0] if found is not None else None
            for mapping in mappings.of(wrapper, management):
                if self._is_left(mapping.backing_storage, server, disk):
                    self._unmap_all(server, vios, disk)
        if found is None:
            raise exceptions.HypervisorError(
                what,
                "no VIOS maps a root disk to its partition",
                "a server that boots from a volume is captured through the volume",
            )
        return _Found(*found, tuple(vioses))

    def _root(
        self, element: typing.Any, vios: topology.Vios
    ) -> tuple[plan.DiskRef, base.DiskKind] | None:
        if element is None:
            return None
        name = str(element.name)
        kind = self._disks.of(str(element.schema_type), name)
        if kind is None or not kind.is_root(name):
            return None
        disk = plan.DiskRef(kind.KIND, element.udid, name, extra={"vios": vios.uuid})
        return disk, kind

    def _is_left(
        self, element: typing.Any, server: plan.Server, disk: plan.DiskRef | None
    ) -> bool:
        """Whether a mapping to this partition is a dead snapshot's."""
        if element is None:
            return False
        if disk is not None and element.udid == disk.id:
            return True
        kind, name = str(element.schema_type), str(element.name)
        return self._disks.owned_by(server, kind, name)

    # -- mapping ------------------------------------------------------------

    def _map(
        self,
        server: plan.Server,
        kind: base.DiskKind,
        disk: plan.DiskRef,
        vioses: tuple[topology.Vios, ...],
    ) -> tuple[topology.Vios, int]:
        """Map the disk from the first VIOS that takes it; the client's slot."""
        first: exceptions.IBMVirtError | None = None
        for vios in vioses:
            try:
                return vios, self._map_from(vios, server, kind, disk)
            except exceptions.HypervisorError as error:
                LOG.warning("%s", error)
                first = first or error
                with context.reverting():
                    self._unmap(server, disk, vios)
        assert first is not None
        raise first

    def _map_from(
        self,
        vios: topology.Vios,
        server: plan.Server,
        kind: base.DiskKind,
        disk: plan.DiskRef,
    ) -> int:
        _kind, management = self._topology.management()
        element = kind.element(disk)

        def mapped(wrapper: typing.Any) -> typing.Any:
            for mapping in mappings.of(wrapper, management):
                found = mapping.backing_storage
                if found is not None and mappings.key(found) == mappings.key(element):
                    return mapping
            return None

        def add(wrapper: typing.Any) -> bool:
            if mapped(wrapper) is not None:
                return False
            wrapper.scsi_mappings.append(
                virtual_io_server.VSCSIMapping.bld(
                    self._adapter, None, management, element
                )
            )
            return True

        what = f"map the disk {disk.name} of {server.name} to the management partition"

        def slot(wrapper: typing.Any) -> int:
            made = mapped(wrapper)
            if made is None or made.client_adapter is None:
                raise exceptions.HypervisorError(
                    what, f"{vios.name} took it and does not show it"
                )
            return int(made.client_adapter.lpar_slot_num)

        found: int = self._writers.of(vios.uuid, vios.name, mappings.GROUP).apply(
            add, what, slot
        )
        return found

    def _unmap(
        self, server: plan.Server, disk: plan.DiskRef, vios: topology.Vios
    ) -> None:
        """Best effort: the image is good, or there is another error already."""
        for _try in range(2):
            try:
                self._unmap_all(server, vios, disk)
                return
            except exceptions.IBMVirtError as error:
                LOG.warning("%s", error)

    def _unmap_all(
        self, server: plan.Server, vios: topology.Vios, disk: plan.DiskRef | None
    ) -> None:
        _kind, management = self._topology.management()

        def remove(wrapper: typing.Any) -> bool:
            gone = [
                mapping
                for mapping in mappings.of(wrapper, management)
                if self._is_left(mapping.backing_storage, server, disk)
            ]
            for mapping in gone:
                wrapper.scsi_mappings.remove(mapping)
            return bool(gone)

        self._writers.of(vios.uuid, vios.name, mappings.GROUP).apply(
            remove,
            f"unmap the disks of {server.name} from the management partition",
        )


class _Checked(io.RawIOBase):
    """A disk that is read; it looks now and then whether to stop."""

    def __init__(self, raw: io.FileIO) -> None:
        super().__init__()
        self._raw = raw

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: typing.Any) -> int:
        context.check()
        return self._raw.readinto(buffer)
