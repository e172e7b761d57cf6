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
import logging
import typing

from pypowervm.wrappers import storage as storage_wrapper

from ibmvirt.common import capability, exceptions, plan
from ibmvirt.powervm import mappings, parallel, removal, writer
from ibmvirt.powervm import media as media_files
from ibmvirt.powervm.disks import base, kinds
from ibmvirt.powervm.rest import topology
from ibmvirt.powervm.volumes import base as volume_base
from ibmvirt.powervm.volumes import wwpns

LOG = logging.getLogger(__name__)


class Storage(capability.Storage):
    """Virtual SCSI mappings of disks and config drives."""

    def __init__(
        self,
        adapter: typing.Any,
        places: topology.Topology,
        writers: writer.Writers,
        disks: kinds.Disks,
        repository: media_files.Repository,
        volumes: dict[str, volume_base.VolumeKind],
        locks: parallel.Locks,
        removals: removal.Removal,
    ) -> None:
        self._adapter = adapter
        self._topology = places
        self._writers = writers
        self._disks = disks
        self._repository = repository
        self._volumes = volumes
        # A volume that one partition gives back may be just wanted by another.
        self._changing = locks
        self._removal = removals

    def connect(
        self,
        guest: plan.GuestRef,
        disks: tuple[plan.DiskRef, ...],
        media: plan.MediaRef | None,
        volumes: tuple[plan.Volume, ...],
    ) -> None:
        """Map disks on every VIOS that has them, the drive where its repository is."""
        with self._changing.hold(volume.id for volume in volumes):
            self._removal.before(volumes)
            self._connect(guest, disks, media, volumes)
            for volume in volumes:
                self._removal.attached(guest, volume)

    def _connect(
        self,
        guest: plan.GuestRef,
        disks: tuple[plan.DiskRef, ...],
        media: plan.MediaRef | None,
        volumes: tuple[plan.Volume, ...],
    ) -> None:
        vioses = self._topology.active_vioses()
        wanted: dict[str, list[typing.Any]] = {vios.uuid: [] for vios in vioses}
        for disk in disks:
            made = self._kind(disk)
            for vios in made.vioses(disk, vioses):
                wanted[vios.uuid].append(made.element(disk))
        if media is not None:
            home = self._repository.home().vios
            if home.uuid not in wanted:
                raise exceptions.HypervisorUnavailable(
                    f"map the config drive of the partition {guest.name}",
                    f"{home.name}, which has the media repository, is not active any "
                    "more",
                    "start the VIOS and look at its RMC connection",
                )
            element = storage_wrapper.VOptMedia.bld_ref(self._adapter, media.name)
            wanted[home.uuid].append(element)
        exclusive: dict[mappings.Identity, str] = {}
        for volume in volumes:
            kind = self._volumes[volume.protocol]
            for uuid, found in kind.reach(guest, volume).items():
                if not volume.multiattach:
                    exclusive.update(
                        (mappings.identity(item), volume.id) for item in found
                    )
                # A volume to boot from comes first, as the root disk would.
                # One may have become active since.
                elements = wanted.setdefault(uuid, [])
                place = 0 if volume.boot else len(elements)
                elements[place:place] = found

        def change(vios: topology.Vios) -> None:
            elements = wanted.get(vios.uuid) or []
            if elements:
                self._writers.of(vios.uuid, vios.name, mappings.GROUP).apply(
                    lambda wrapper: self._add(wrapper, guest, elements, exclusive),
                    f"map {mappings.names(elements)} to the partition {guest.name}",
                )

        parallel.over_vioses(change, vioses)

    def _kind(self, disk: plan.DiskRef) -> base.DiskKind:
        found = self._disks.of(disk.kind, disk.name)
        if found is None:
            raise exceptions.InvalidRequest(
                f"map the disk {disk.name}", f"disks of kind {disk.kind} are not known"
            )
        return found

    def _add(
        self,
        wrapper: typing.Any,
        guest: plan.GuestRef,
        elements: list[typing.Any],
        exclusive: collections.abc.Mapping[mappings.Identity, str],
    ) -> bool:
        there = mappings.keys(mappings.of(wrapper, guest.id))
        others = [
            mapping
            for mapping in wrapper.scsi_mappings
            if mapping.client_lpar_href and not mappings.is_of(mapping, guest.id)
        ]
        for taken in mappings.identities(others) & exclusive.keys():
            raise exceptions.HypervisorError(
                f"map the volume {exclusive[taken]} to the partition {guest.name}",
                f"{wrapper.name} maps its disk {taken[-1]} to another partition, "
                "and it is not to be shared",
                "detach it there, or remove the mapping if Nova knows nothing of it",
            )
        missing = [
            element for element in elements if mappings.key(element) not in there
        ]
        for element in missing:
            mappings.add(wrapper, self._adapter, guest.id, element)
        return bool(missing)

    def disconnect(
        self, guest: plan.GuestRef, volumes: tuple[plan.Volume, ...]
    ) -> capability.Released:
        return self._removal.disconnect(guest, volumes)

    def release(self, server: plan.Server, volumes: tuple[plan.Volume, ...]) -> None:
        self._removal.release(server, volumes)

    def adapters(self, spec: plan.GuestSpec) -> int:
        """How many adapters a new partition gets for its storage, at least."""
        # By NPIV volumes have none of their own.
        own = 0 if wwpns.kept(spec.server.system_metadata) else len(spec.volumes)
        if not spec.disks:
            return own
        active = self._topology.active_vioses()
        return own + len(spec.disks) * self._disks.configured.paths(active)

    def count(self, guest: plan.GuestRef) -> int:
        """How many disks a partition has; each counts once. One call."""
        found = mappings.read(self._adapter, guest)
        return len({identity for kind, identity, _n in found if kind != mappings.MEDIA})

    def boot_slots(
        self,
        guest: plan.GuestRef,
        disks: tuple[plan.DiskRef, ...],
        volumes: tuple[plan.Volume, ...],
    ) -> list[int]:
        """Slots of the partition's adapters that lead to what it boots from.

        The first VIOS's first. No call while nobody else changes the mappings.
        """
        wanted = {
            mappings.key(self._kind(disk).element(disk))
            for disk in disks
            if disk.role == "root"
        }
        for volume in volumes:
            if volume.boot:
                kind = self._volumes[volume.protocol]
                udid = kind.udid(guest, volume)
                if udid is None:
                    return kind.slots(guest)
                wanted.add((mappings.VOLUME, udid))
        found: list[int] = []

        def look(wrapper: typing.Any) -> None:
            found.extend(
                int(mapping.client_adapter.lpar_slot_num)
                for mapping in mappings.of(wrapper, guest.id)
                if mapping.backing_storage is not None
                and mappings.key(mapping.backing_storage) in wanted
            )

        for vios in self._topology.active_vioses():
            self._writers.of(vios.uuid, vios.name, mappings.GROUP).look(
                look, f"find the boot disk of the partition {guest.name}"
            )
        return found
