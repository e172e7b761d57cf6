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
from ibmvirt.powervm import mappings, owners, parallel, writer
from ibmvirt.powervm import media as media_files
from ibmvirt.powervm.disks import base, kinds
from ibmvirt.powervm.rest import topology
from ibmvirt.powervm.volumes import base as volume_base
from ibmvirt.powervm.volumes import missed, wwpns

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
        holders: owners.Owners,
    ) -> None:
        self._adapter = adapter
        self._topology = places
        self._writers = writers
        self._disks = disks
        self._repository = repository
        self._volumes = volumes
        # A volume that one partition gives back may be just wanted by another.
        self._changing = locks
        self._owners = holders
        self._missed = missed.Missed()

    def connect(
        self,
        guest: plan.GuestRef,
        disks: tuple[plan.DiskRef, ...],
        media: plan.MediaRef | None,
        volumes: tuple[plan.Volume, ...],
    ) -> None:
        """Map disks on every VIOS that has them, the drive where its repository is."""
        with self._changing.hold(volume.id for volume in volumes):
            for volume in volumes:
                self._missed.attached(guest, volume)
            self._connect(guest, disks, media, volumes)

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
                place = 0 if volume.boot else len(wanted.setdefault(uuid, []))
                wanted[uuid][place:place] = found

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
        """Remove every mapping of the partition, whatever it maps.

        Its disks are taken away from the management partition as well, where
        a snapshot that was killed may have left them.
        """
        volumes = (*volumes, *self._intended(guest.record, volumes))
        with self._changing.hold(volume.id for volume in volumes):
            unmapped = self._unmap(
                lambda wrapper: self._all_of(wrapper, guest),
                f"unmap the storage of the partition {guest.name}",
            )
            for kind in self._volumes.values():
                kind.leave(guest)
            self._forget(guest, unmapped, volumes)
        disks: dict[str, plan.DiskRef] = {}
        media: dict[str, plan.MediaRef] = {}
        for vios, items in unmapped.gone.items():
            for kind_, identity, name in items:
                if self._disks.of(kind_, name):
                    disks[identity] = plan.DiskRef(
                        kind_, identity, name, extra={"vios": vios}
                    )
                elif kind_ == mappings.MEDIA:
                    media[identity] = plan.MediaRef(identity, name)
        return capability.Released(tuple(disks.values()), tuple(media.values()))

    def _all_of(self, wrapper: typing.Any, guest: plan.GuestRef) -> list[typing.Any]:
        """The guest's mappings, and those of its disks to anybody."""
        mine = {
            identity
            for identity in mappings.identities(mappings.of(wrapper, guest.id))
            if self._disks.of(identity[0], identity[2])
        }
        server = plan.Server(guest.uuid, guest.name) if guest.uuid else None
        return [
            mapping
            for mapping in wrapper.scsi_mappings
            if mappings.is_of(mapping, guest.id)
            or not mine.isdisjoint(mappings.identities([mapping]))
            or (server is not None and self._is_disk(mapping, server))
        ]

    def _is_disk(self, mapping: typing.Any, server: plan.Server) -> bool:
        """Whether it maps a disk that has a name of the server's."""
        storage = mapping.backing_storage
        if storage is None:
            return False
        kind, _id, name = mappings.identity(storage)
        return self._disks.owned_by(server, kind, name)

    def disconnect_volume(self, guest: plan.GuestRef, volume: plan.Volume) -> None:
        """Remove the mappings of one volume, and its disks from the VIOSes."""
        kind = self._volumes.get(volume.protocol)
        with self._changing.hold((volume.id,)):
            udid = self._udid(kind, guest, volume)
            if udid is not None:
                self._give_back(guest, volume, udid)

    def catch_up(self) -> None:
        """A VIOS is back: unmap what was detached while it was away.

        Best effort: what fails is tried again when a VIOS comes back again.
        """
        for entry in self._missed.due(self._topology.active_vioses()):
            with self._changing.hold((entry.volume.id,)):
                if self._missed.take(entry):
                    try:
                        self._give_back(entry.guest, entry.volume, entry.udid)
                    except exceptions.IBMVirtError as error:
                        LOG.warning("%s", error)
                        self._missed.keep(entry)

    def _give_back(self, guest: plan.GuestRef, volume: plan.Volume, udid: str) -> None:
        """Unmap a volume's disk (under its lock)."""
        vioses = self._topology.vioses()
        unmapped = self._unmap(
            lambda wrapper: [
                mapping
                for mapping in mappings.of(wrapper, guest.id)
                if (mappings.VOLUME, udid) in mappings.keys([mapping])
            ],
            f"unmap the volume {volume.id} of the partition {guest.name}",
        )
        self._missed.note(guest, volume, udid, vioses)
        self._forget(guest, unmapped, (volume,))

    def _intended(
        self, metadata: plan.Values, volumes: tuple[plan.Volume, ...]
    ) -> list[plan.Volume]:
        """Further volumes that a service was attaching when it was killed."""
        known = {volume.id for volume in volumes}
        return [
            volume
            for kind in self._volumes.values()
            for volume in kind.intended(metadata)
            if volume.id not in known
        ]

    def _udid(
        self,
        kind: volume_base.VolumeKind | None,
        guest: plan.GuestRef,
        volume: plan.Volume,
    ) -> str | None:
        """The id of the volume's disk; None = the guest does not have it."""
        try:
            return kind.udid(guest, volume) if kind is not None else None
        except volume_base.Unknown as error:
            if self.has_volumes(guest):
                # It may be one of those, and must not stay mapped.
                raise
            LOG.info("%s", error)
            return None

    def _unmap(self, choose: mappings.Choice, what: str) -> mappings.Unmapped:
        active = self._topology.active_vioses()
        return mappings.unmap(self._writers, active, choose, what)

    def _forget(
        self,
        guest: plan.GuestRef,
        unmapped: mappings.Unmapped,
        volumes: tuple[plan.Volume, ...],
    ) -> None:
        """Let the VIOSes forget disks that nobody maps any more."""
        disks: dict[str, set[volume_base.Disk]] = {}
        udids: set[str] = set()
        for uuid, items in unmapped.gone.items():
            for kind, identity, name in items:
                if kind == mappings.VOLUME:
                    disks.setdefault(uuid, set()).add((name, identity))
                    udids.add(identity)
        # Not all had a mapping of every VIOS: a try that failed, or a service
        # that was killed, may have left further disks.
        mapped = sum(map(len, disks.values()))
        missing = mapped < len(volumes) * len(unmapped.left)
        for volume in volumes:
            kind_ = self._volumes.get(volume.protocol)
            if kind_ is not None:
                if kind_.uncertain(volume) or (missing and not kind_.known(volume)):
                    kind_.search(guest, volume)
                for uuid, known in kind_.known(volume).items():
                    disks.setdefault(uuid, set()).update(known)
        # A shared volume is another partition's disk too.
        kept = {
            uuid: {
                identity for kind, identity, _name in items if kind == mappings.VOLUME
            }
            for uuid, items in unmapped.left.items()
        }
        for kind_ in self._volumes.values():
            kind_.forget(disks, udids, kept)

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

    def has_volumes(self, guest: plan.GuestRef) -> bool:
        """Whether a VIOS maps a volume to the partition. One call."""
        found = mappings.read(self._adapter, guest)
        return any(kind == mappings.VOLUME for kind, *_id in found)

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

    def release(self, server: plan.Server, volumes: tuple[plan.Volume, ...]) -> None:
        """Remove mappings of the server's disks and drive, whoever has them.

        Its volumes' only where their partition is gone: another may share them.
        """
        drive = (mappings.MEDIA, *(2 * (media_files.drive_name(server),)))
        volumes = (*volumes, *self._intended(server.system_metadata, volumes))
        gone = plan.GuestRef("", server.name, record=server.system_metadata)
        with self._changing.hold(volume.id for volume in volumes):
            udids = {(mappings.VOLUME, udid) for udid in self._udids(gone, volumes)}

            def choose(wrapper: typing.Any) -> list[typing.Any]:
                found = [
                    mapping
                    for mapping in wrapper.scsi_mappings
                    if self._is_disk(mapping, server)
                    or drive in mappings.identities([mapping])
                ]
                of_volumes = [
                    mapping
                    for mapping in wrapper.scsi_mappings
                    if any(item[:2] in udids for item in mappings.identities([mapping]))
                ]
                return [*found, *self._owners.lost(of_volumes)]

            unmapped = self._unmap(choose, f"unmap the storage of {server.name}")
            for kind in self._volumes.values():
                kind.release(server)
            self._forget(gone, unmapped, volumes)

    def _udids(
        self, guest: plan.GuestRef, volumes: tuple[plan.Volume, ...]
    ) -> collections.abc.Iterator[str]:
        """Ids of the volumes' disks, as far as they can be told."""
        for volume in volumes:
            kind = self._volumes.get(volume.protocol)
            try:
                udid = kind.udid(guest, volume) if kind is not None else None
            except volume_base.Unknown as error:
                # Its LUN is gone. A mapping without a partition goes when the
                # service starts.
                LOG.warning("%s", error)
                continue
            if udid is not None:
                yield udid
