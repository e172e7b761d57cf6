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


"""Taking storage away from partitions, and the disks of volumes from the VIOSes."""

from __future__ import annotations

import collections.abc
import logging
import typing

from ibmvirt.common import capability, exceptions, plan
from ibmvirt.powervm import mappings, owners, parallel, writer
from ibmvirt.powervm import media as media_files
from ibmvirt.powervm.disks import kinds
from ibmvirt.powervm.rest import topology
from ibmvirt.powervm.volumes import base as volume_base
from ibmvirt.powervm.volumes import missed as missed_

LOG = logging.getLogger(__name__)


class Removal:
    """Unmaps, and lets the VIOSes forget what nobody maps any more.

    :param locks: by volume; who changes one holds its lock.
    :param holders: tells mappings of partitions that are gone.
    :param missed: what VIOSes that are away still have.
    """

    def __init__(
        self,
        adapter: typing.Any,
        places: topology.Topology,
        writers: writer.Writers,
        disks: kinds.Disks,
        volumes: dict[str, volume_base.VolumeKind],
        locks: parallel.Locks,
        holders: owners.Owners,
        missed: missed_.Missed,
    ) -> None:
        self._adapter = adapter
        self._topology = places
        self._writers = writers
        self._disks = disks
        self._volumes = volumes
        self._changing = locks
        self._owners = holders
        self._missed = missed

    # -- what there is of a server ---------------------------------------------

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

    def release(self, server: plan.Server, volumes: tuple[plan.Volume, ...]) -> None:
        """Remove mappings of the server's disks and drive, whoever has them.

        Its volumes' only where their partition is gone: another may share them.
        """
        drive = (mappings.MEDIA, *(2 * (media_files.drive_name(server),)))
        volumes = (*volumes, *self._intended(server.system_metadata, volumes))
        gone = plan.GuestRef("", server.name, record=server.system_metadata)
        with self._changing.hold(volume.id for volume in volumes):
            udids = set(self._udids(gone, volumes))

            def choose(wrapper: typing.Any) -> list[typing.Any]:
                found = [
                    mapping
                    for mapping in wrapper.scsi_mappings
                    if self._is_disk(mapping, server)
                    or drive in mappings.identities([mapping])
                ]
                return [*found, *self._owners.lost(_of_volumes(wrapper, udids))]

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

    # -- one volume -------------------------------------------------------------

    def disconnect_volume(self, guest: plan.GuestRef, volume: plan.Volume) -> None:
        """Remove the mappings of one volume, and its disks from the VIOSes."""
        kind = self._volumes.get(volume.protocol)
        with self._changing.hold((volume.id,)):
            udid = self._udid(kind, guest, volume)
            if udid is not None:
                unmapped = self._unmap(
                    lambda wrapper: [
                        mapping
                        for mapping in _of_volumes(wrapper, {udid})
                        if mappings.is_of(mapping, guest.id)
                    ],
                    f"unmap the volume {volume.id} of the partition {guest.name}",
                )
                self._forget(guest, unmapped, (volume,), {volume.id: udid})

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
            if mappings.has_volumes(self._adapter, guest):
                # It may be one of those, and must not stay mapped.
                raise
            LOG.info("%s", error)
            return None

    # -- what VIOSes missed -----------------------------------------------------

    def catch_up(self) -> None:
        """A VIOS is back: unmap what was taken away while it was away.

        Best effort: what fails is tried again when a VIOS comes back again, or
        the service starts.
        """
        if not self._missed.any():
            return
        try:
            active = self._topology.active_vioses()
        except exceptions.IBMVirtError as error:
            LOG.warning("%s", error)
            return
        for entry in self._missed.due(vios.uuid for vios in active):
            with self._changing.hold((entry.volume,)):
                self._make_up(entry, active)

    def before(self, volumes: collections.abc.Collection[plan.Volume]) -> None:
        """The same before volumes are attached, for these (under their locks)."""
        names = {volume.id for volume in volumes}
        active = self._topology.active_vioses()
        for entry in self._missed.due((vios.uuid for vios in active), names):
            self._make_up(entry, active)

    def attached(self, guest: plan.GuestRef, volume: plan.Volume) -> None:
        """A volume is attached again (under its lock)."""
        self._missed.attached(guest, volume.id)

    def _make_up(
        self, entry: missed_.Detached, active: tuple[topology.Vios, ...]
    ) -> None:
        vioses = tuple(vios for vios in active if vios.uuid in entry.vioses)
        if not (vioses and self._missed.is_current(entry)):
            return

        def choose(wrapper: typing.Any) -> list[typing.Any]:
            found = _of_volumes(wrapper, {entry.udid})
            mine = [mapping for mapping in found if entry.is_of(mapping)]
            others = [mapping for mapping in found if not entry.is_of(mapping)]
            return [*mine, *self._owners.lost(others)]

        try:
            unmapped = self._unmap(
                choose,
                f"unmap the volume {entry.volume} of the partition {entry.guest_name}",
            )
            disks = _disks(unmapped.gone)
            # It may have gone away again meanwhile.
            vioses = tuple(vios for vios in vioses if vios.uuid in unmapped.left)
            for vios in vioses:
                if vios.uuid not in disks:
                    # Another try, or the scrub at the start, has unmapped it.
                    for kind in self._volumes.values():
                        disks.setdefault(vios.uuid, set()).update(
                            kind.disks_of(vios, entry.udid)
                        )
            left = self._remove(disks, set(), unmapped)
        except exceptions.IBMVirtError as error:
            LOG.warning("%s", error)
        else:
            done = {vios.uuid for vios in vioses}
            self._missed.made_up(entry, done - _with(left, entry.udid))

    # -- unmapping and forgetting -------------------------------------------------

    def _unmap(self, choose: mappings.Choice, what: str) -> mappings.Unmapped:
        active = self._topology.active_vioses()
        return mappings.unmap(self._writers, active, choose, what)

    def _forget(
        self,
        guest: plan.GuestRef,
        unmapped: mappings.Unmapped,
        volumes: tuple[plan.Volume, ...],
        udids: collections.abc.Mapping[str, str] | None = None,
    ) -> None:
        """Let the VIOSes forget disks that nobody maps any more.

        What some have still, because they are away or do not answer, is kept.

        :param udids: ids of the volumes' disks, where they are known.
        """
        told = {
            volume.id: udid
            for volume in volumes
            if (kind := self._volumes.get(volume.protocol)) is not None
            and (udid := (udids or {}).get(volume.id) or kind.told(volume))
        }
        away = {
            vios.uuid: vios.name
            for vios in self._topology.vioses()
            if vios.uuid not in unmapped.left
        }
        for volume_id, udid in told.items():
            self._missed.note(guest, volume_id, udid, away.keys())
            if away:
                LOG.warning(
                    "the volume %s was taken from the partition %s while %s had no "
                    "RMC connection: it is unmapped there when that is back",
                    volume_id, guest.name, ", ".join(away.values()),
                )  # fmt: skip
        left = self._remove_of(guest, unmapped, volumes)
        for volume_id, udid in told.items():
            self._missed.note(guest, volume_id, udid, away.keys() | _with(left, udid))
        if away.keys() & {vios.uuid for vios in self._topology.active_vioses()}:
            # It came back meanwhile, and what it missed was not noted yet.
            self.before(volumes)

    def _remove_of(
        self,
        guest: plan.GuestRef,
        unmapped: mappings.Unmapped,
        volumes: tuple[plan.Volume, ...],
    ) -> volume_base.Disks:
        """Remove the disks of what was unmapped, and of volumes that were not."""
        disks = _disks(unmapped.gone)
        udids = {identity for some in disks.values() for _name, identity in some}
        # Not all had a mapping of every VIOS: a try that failed, or a service
        # that was killed, may have left further disks.
        mapped = sum(map(len, disks.values()))
        missing = mapped < len(volumes) * len(unmapped.left)
        for volume in volumes:
            kind = self._volumes.get(volume.protocol)
            if kind is not None:
                if kind.uncertain(volume) or (missing and not kind.known(volume)):
                    kind.search(guest, volume)
                for uuid, known in kind.known(volume).items():
                    disks.setdefault(uuid, set()).update(known)
        return self._remove(disks, udids, unmapped)

    def _remove(
        self, disks: volume_base.Disks, udids: set[str], unmapped: mappings.Unmapped
    ) -> volume_base.Disks:
        """What was not removed of them."""
        # A shared volume is another partition's disk too.
        kept = {
            uuid: {
                identity for kind, identity, _name in items if kind == mappings.VOLUME
            }
            for uuid, items in unmapped.left.items()
        }
        left: volume_base.Disks = {}
        for kind_ in self._volumes.values():
            for uuid, some in kind_.forget(disks, udids, kept).items():
                left.setdefault(uuid, set()).update(some)
        return left


def _disks(gone: dict[str, set[mappings.Identity]]) -> volume_base.Disks:
    """The disks of volumes among what was unmapped."""
    disks: volume_base.Disks = {}
    for uuid, items in gone.items():
        for kind, identity, name in items:
            if kind == mappings.VOLUME:
                disks.setdefault(uuid, set()).add((name, identity))
    return disks


def _with(disks: volume_base.Disks, udid: str) -> set[str]:
    """UUIDs of the VIOSes that have a disk of this id."""
    return {
        uuid
        for uuid, some in disks.items()
        if any(identity == udid for _name, identity in some)
    }


def _of_volumes(wrapper: typing.Any, udids: set[str]) -> list[typing.Any]:
    """A VIOS's mappings of these disks of volumes."""
    wanted = {(mappings.VOLUME, udid) for udid in udids}
    return [
        mapping
        for mapping in wrapper.scsi_mappings
        if not wanted.isdisjoint(mappings.keys([mapping]))
    ]
