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

"""Connecting all storage of a partition, VIOS by VIOS, in one write each."""

from __future__ import annotations

import collections.abc
import concurrent.futures
import contextvars
import typing

from pypowervm.wrappers import storage as storage_wrapper
from pypowervm.wrappers import virtual_io_server

from ibmvirt.common import capability, exceptions, plan
from ibmvirt.powervm import writer
from ibmvirt.powervm.disks import ssp
from ibmvirt.powervm.rest import topology

GROUP = "ViosSCSIMapping"
MEDIA = "VirtualOpticalMedia"


class Storage(capability.Storage):
    """Virtual SCSI mappings of disks and config drives."""

    def __init__(
        self,
        adapter: typing.Any,
        places: topology.Topology,
        writers: writer.Writers,
    ) -> None:
        self._adapter = adapter
        self._topology = places
        self._writers = writers

    def connect(
        self,
        guest: plan.GuestRef,
        disks: tuple[plan.DiskRef, ...],
        media: plan.MediaRef | None,
        volumes: tuple[plan.Volume, ...],
    ) -> None:
        """Map disks on every active VIOS, the drive where its repository is."""
        wanted: dict[str, list[typing.Any]] = {}
        vioses = self._topology.active_vioses()
        for vios in vioses:
            wanted[vios.uuid] = [self._element(disk) for disk in disks]
        if media is not None:
            home = self._topology.repository().vios
            element = storage_wrapper.VOptMedia.bld_ref(self._adapter, media.name)
            wanted.setdefault(home.uuid, []).append(element)

        def change(vios: topology.Vios) -> None:
            elements = wanted.get(vios.uuid) or []
            if elements:
                self._writers.of(vios.uuid, vios.name, GROUP).apply(
                    lambda wrapper: self._add(wrapper, guest, elements),
                    f"map {_names(elements)} to the partition {guest.name}",
                )

        in_parallel(change, vioses)

    def _element(self, disk: plan.DiskRef) -> typing.Any:
        if disk.kind == ssp.KIND:
            return storage_wrapper.LU.bld_ref(self._adapter, disk.name, disk.id)
        raise exceptions.InvalidRequest(
            f"map the disk {disk.name}", f"disks of kind {disk.kind} are not known"
        )

    def _add(
        self, wrapper: typing.Any, guest: plan.GuestRef, elements: list[typing.Any]
    ) -> bool:
        there = {
            _identity(mapping.backing_storage)
            for mapping in mappings_of(wrapper, guest.id)
            if mapping.backing_storage is not None
        }
        missing = [element for element in elements if _identity(element) not in there]
        for element in missing:
            wrapper.scsi_mappings.append(
                virtual_io_server.VSCSIMapping.bld(
                    self._adapter, None, guest.id, element
                )
            )
        return bool(missing)

    def disconnect(
        self, guest: plan.GuestRef, volumes: tuple[plan.Volume, ...]
    ) -> capability.Released:
        """Remove every mapping of the partition, whatever it maps."""
        found: dict[str, list[tuple[str, str, str]]] = {}

        def change(vios: topology.Vios) -> None:
            def remove(wrapper: typing.Any) -> bool:
                gone = mappings_of(wrapper, guest.id)
                found[vios.uuid] = [
                    _identity(mapping.backing_storage)
                    for mapping in gone
                    if mapping.backing_storage is not None
                ]
                for mapping in gone:
                    wrapper.scsi_mappings.remove(mapping)
                return bool(gone)

            self._writers.of(vios.uuid, vios.name, GROUP).apply(
                remove, f"unmap the storage of the partition {guest.name}"
            )

        in_parallel(change, self._topology.active_vioses())
        storage = dict.fromkeys(item for items in found.values() for item in items)
        return capability.Released(
            disks=tuple(
                plan.DiskRef(kind, identity, name)
                for kind, identity, name in storage
                if kind == ssp.KIND
            ),
            media=tuple(
                plan.MediaRef(identity, name)
                for kind, identity, name in storage
                if kind == MEDIA
            ),
        )


def mappings_of(wrapper: typing.Any, lpar_uuid: str) -> list[typing.Any]:
    """The mappings of a VIOS whose client is this partition."""
    return [
        mapping
        for mapping in wrapper.scsi_mappings
        if mapping.client_lpar_href
        and mapping.client_lpar_href.rsplit("/", 1)[-1].split("?")[0].upper()
        == lpar_uuid.upper()
    ]


def _identity(element: typing.Any) -> tuple[str, str, str]:
    """Kind, id and name of a backing device."""
    kind = str(element.schema_type)
    identity = element.name if kind == MEDIA else element.udid
    return kind, str(identity), str(element.name)


def _names(elements: list[typing.Any]) -> str:
    return ", ".join(str(element.name) for element in elements)


def in_parallel(
    change: collections.abc.Callable[[topology.Vios], None],
    vioses: tuple[topology.Vios, ...],
) -> None:
    """Call for every VIOS at once; the first error, when all have ended."""
    if len(vioses) == 1:
        change(vioses[0])
        return
    with concurrent.futures.ThreadPoolExecutor(len(vioses)) as pool:
        futures = [
            pool.submit(contextvars.copy_context().run, change, vios) for vios in vioses
        ]
    for future in futures:
        future.result()
