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


"""Disks as logical volumes in volume groups of the VIOSes.

An image is a virtual disk that stays; a boot disk is a copy of it that the
VIOS makes. The images' names are those of nova-powervm, so that its images
are used on. A server's are made of its UUID alone: the platform allows fifteen
characters.
"""

from __future__ import annotations

import base64
import collections.abc
import contextlib
import functools
import hashlib
import logging
import math
import re
import threading
import typing
import uuid as uuids

from pypowervm.wrappers import storage as storage_wrapper

from ibmvirt.common import capability, context, exceptions, plan
from ibmvirt.powervm import writer
from ibmvirt.powervm.disks import base, volume_images
from ibmvirt.powervm.rest import errors, topology, uploads

LOG = logging.getLogger(__name__)

KIND = "VirtualDisk"
_MIB_PER_GB = 1024
_NAME_MAX = 15
_ROOT_VG = "rootvg"
_ROOT, _COPY = "b_", "c_"
_COPIES = re.compile("c_[a-z2-7]{13}")


def disk_name(server_uuid: str, role: str, index: int = 0) -> str:
    """b_<hash of the UUID>; e0_, s0_ for ephemeral and swap disks."""
    prefix = _ROOT if role == "root" else f"{role[0]}{index}_"
    return _cut(prefix, server_uuid)


def copy_name(server_uuid: str) -> str:
    """The name of the copy that a snapshot is read from."""
    return _cut(_COPY, server_uuid)


def _cut(prefix: str, server_uuid: str) -> str:
    digest = hashlib.sha256(uuids.UUID(server_uuid).bytes).digest()
    return f"{prefix}{base64.b32encode(digest).decode().lower()}"[:_NAME_MAX]


@functools.lru_cache(maxsize=64)
def _names(server_uuid: str) -> frozenset[str]:
    """All names of a server's disks; asked for each mapping of a VIOS."""
    return frozenset(
        (
            disk_name(server_uuid, "root"),
            disk_name(server_uuid, "swap"),
            copy_name(server_uuid),
            *(disk_name(server_uuid, "ephemeral", i) for i in range(base.EPHEMERALS)),
        )
    )


class LocalDisks(base.DiskKind):
    """Virtual disks of the volume groups of one name, on one VIOS or several.

    :param group: the name; empty = the only one that is not rootvg.
    :param vios: the VIOS whose group it is; empty = every one that has it.
    """

    KIND = KIND

    def __init__(
        self,
        adapter: typing.Any,
        places: topology.Topology,
        writers: writer.Writers,
        sender: uploads.Uploads,
        group: str,
        vios: str,
    ) -> None:
        self._adapter = adapter
        self._topology = places
        self._writers = writers
        self._group = group
        self._vios = vios
        self.images = volume_images.Images(adapter, writers, sender)
        self._lock = threading.Lock()
        # Copies that snapshots are read from just now.
        self._copying: set[str] = set()

    # -- where ------------------------------------------------------------

    def groups(self) -> tuple[topology.Group, ...]:
        """The volume groups that new disks are made in.

        :raises NotThere: there is none, or more than one name of them.
        """
        known = self._topology.groups()
        found = tuple(
            group
            for group in known
            if group.name == self._group or (not self._group and group.name != _ROOT_VG)
            if self._vios in ("", group.vios.name)
        )
        if len({group.name for group in found}) == 1 and found[0].name != _ROOT_VG:
            return found
        names = sorted(f"{group.name} of {group.vios.name}" for group in known)
        # It may be made now.
        self._topology.drop_groups()
        raise errors.NotThere(
            "find the volume group for disks",
            f"[powervm]volume_group_name is {self._group!r}, volume_group_vios_name "
            f"is {self._vios!r}, and there are: {', '.join(names) or 'none'}",
            f"set them to a group of an active VIOS other than {_ROOT_VG}",
        )

    def where(self) -> str:
        return ", ".join(
            f"{group.name} of {group.vios.name}" for group in self.groups()
        )

    def _read(self, group: topology.Group) -> typing.Any:
        return self._writers.of_group(group).read()

    def _roomiest(self) -> topology.Group:
        """The group with the most free space; no call where there is one."""
        groups = self.groups()
        if len(groups) == 1:
            return groups[0]
        return max(groups, key=lambda group: float(self._read(group).available_size))

    def capacity(self) -> tuple[float, float]:
        """One call for each volume group."""
        read = [self._read(group) for group in self.groups()]
        return (
            sum(float(group.capacity) for group in read),
            sum(float(group.available_size) for group in read),
        )

    def vioses(
        self, disk: plan.DiskRef, active: tuple[topology.Vios, ...]
    ) -> tuple[topology.Vios, ...]:
        home = disk.extra["vios"]
        found = tuple(vios for vios in active if vios.uuid == home)
        if not found:
            raise exceptions.HypervisorUnavailable(
                f"map the disk {disk.name}",
                "the VIOS that has it has no active RMC connection",
                "start the VIOS and look at its RMC connection",
            )
        return found

    def element(self, disk: plan.DiskRef) -> typing.Any:
        return storage_wrapper.VDisk.bld_ref(self._adapter, disk.name)

    def manages(self, name: str) -> bool:
        """Files and RBD images are virtual disks too, with a path as name."""
        return "/" not in name

    def owns(self, server: plan.Server, name: str) -> bool:
        return name in _names(server.uuid)

    def is_root(self, name: str) -> bool:
        return name.startswith(_ROOT)

    def is_copy(self, name: str) -> bool:
        return _COPIES.fullmatch(name) is not None

    @contextlib.contextmanager
    def readable(
        self, server: plan.Server, disk: plan.DiskRef
    ) -> collections.abc.Iterator[plan.DiskRef]:
        """A copy that the VIOS makes: it maps a virtual disk to one client only."""
        group, name = self._home(disk), copy_name(server.uuid)
        change = self._writers.of_group(group).apply
        what = f"copy the disk {disk.name} of {server.name}"

        def remove(wrapper: typing.Any) -> bool:
            return volume_images.remove(wrapper, {name})

        def add(wrapper: typing.Any) -> bool:
            disks = {found.udid: found for found in wrapper.virtual_disks}
            if any(found.name == name for found in disks.values()):
                return False
            if disk.id not in disks:
                raise exceptions.HypervisorError(
                    what, f"the volume group {group.name} does not have it"
                )
            wrapper.virtual_disks.append(
                storage_wrapper.VDisk.bld(
                    self._adapter,
                    name,
                    disks[disk.id].capacity,
                    base_image=disk.id,
                    file_format=storage_wrapper.FileFormatType.RAW,
                )
            )
            return True

        def result(wrapper: typing.Any) -> plan.DiskRef:
            (made,) = (found for found in wrapper.virtual_disks if found.name == name)
            return ref(made, group, "root")

        with self._lock:
            self._copying.add(name)
        try:
            # One that a killed snapshot left has the bytes of another day.
            change(remove, what)
            yield change(add, what, result)
        finally:
            with context.reverting():
                self._remove_copy(group, remove, name)
            with self._lock:
                self._copying.discard(name)

    def _remove_copy(
        self, group: topology.Group, remove: writer.Change, name: str
    ) -> None:
        """Best effort: destroy removes a rest."""
        for _try in range(2):
            try:
                self._writers.of_group(group).apply(remove, f"delete the copy {name}")
                return
            except exceptions.IBMVirtError as error:
                LOG.warning("%s", error)

    # -- disks ------------------------------------------------------------

    def prepare_image(self, image: plan.Image, source: capability.ImageSource) -> str:
        """The volume group and the image's disk in it, uploaded if it is not there."""
        group = self._roomiest()
        return f"{group.uuid} {self.images.prepare(group, image, source)}"

    def age(self, in_use: frozenset[str], minimum: float | None) -> None:
        """What a killed snapshot left goes too."""

        def dead(name: str) -> bool:
            with self._lock:
                return self.is_copy(name) and name not in self._copying

        self.images.age(self.groups(), in_use, minimum, dead)

    def create(
        self,
        server: plan.Server,
        disks: tuple[plan.DiskSpec, ...],
        image_key: str | None,
    ) -> tuple[plan.DiskRef, ...]:
        """All disks of a server in one write; the VIOS copies the image."""
        if not disks:
            return ()
        home, _, udid = (image_key or "").partition(" ")
        group = self._group_of(home) if home else self._roomiest()
        wanted = {disk_name(server.uuid, disk.role, disk.index): disk for disk in disks}

        what = f"create the disks {', '.join(wanted)} of {server.name}"
        asked: set[str] = set()

        def add(wrapper: typing.Any) -> bool:
            there = {disk.name for disk in wrapper.virtual_disks}
            stale = sorted(name for name in wanted if name in there - asked)
            if stale:
                # Not from a try whose answer was lost: what is in it is old.
                raise exceptions.HypervisorError(
                    what, f"{', '.join(stale)} of an earlier try are there still"
                )
            missing = [name for name in wanted if name not in there]
            for name in missing:
                wrapper.virtual_disks.append(self._build(name, wanted[name], udid))
            asked.update(missing)
            return bool(missing)

        def result(wrapper: typing.Any) -> tuple[plan.DiskRef, ...]:
            found = {disk.name: disk for disk in wrapper.virtual_disks}
            return tuple(
                ref(found[name], group, disk.role) for name, disk in wanted.items()
            )

        try:
            made: tuple[plan.DiskRef, ...] = self._writers.of_group(group).apply(
                add, what, result
            )
        except exceptions.HypervisorError as error:
            if udid and self.images.is_gone(group, udid):
                raise exceptions.ImageGone(what, error.reason) from error
            raise
        return made

    def _build(self, name: str, disk: plan.DiskSpec, udid: str) -> typing.Any:
        size = math.ceil(disk.size_mib / _MIB_PER_GB)
        if disk.image is None:
            return storage_wrapper.VDisk.bld(self._adapter, name, max(size, 1))
        needed = math.ceil(disk.image.size / (1 << 30))
        return storage_wrapper.VDisk.bld(
            self._adapter,
            name,
            max(size, needed, disk.image.min_disk_gb, 1),
            base_image=udid,
            file_format=storage_wrapper.FileFormatType.RAW,
        )

    def _group_of(self, uuid: str) -> topology.Group:
        for group in self._topology.groups():
            if group.uuid == uuid:
                return group
        raise exceptions.HypervisorUnavailable(
            f"use the volume group {uuid}",
            "no VIOS with an active RMC connection has it",
            "look at the VIOSes and their RMC connections",
        )

    def leftovers(self, server: plan.Server) -> tuple[plan.DiskRef, ...]:
        """One call for each volume group; where none has any, for all others.

        The options may have named another group when they were made.
        """
        try:
            groups = self.groups()
        except errors.NotThere as error:
            LOG.debug("%s", error)
            groups = ()
        found = self._named(server, groups)
        if not found:
            others = [one for one in self._topology.groups() if one not in groups]
            found = self._named(server, others)
        return found

    def _named(
        self, server: plan.Server, groups: collections.abc.Iterable[topology.Group]
    ) -> tuple[plan.DiskRef, ...]:
        """The disks of these groups that have a name of the server's."""
        names = _names(server.uuid)
        found = []
        for group in groups:
            with errors.attempting(f"look for disks of {server.name}"):
                wrapper = self._read(group)
            self.images.look(group, wrapper)
            found += [
                ref(disk, group, "root")
                for disk in wrapper.virtual_disks
                if disk.name in names
            ]
        return tuple(found)

    def delete(self, disks: tuple[plan.DiskRef, ...]) -> None:
        """Remove disks, one write for each volume group that has some."""
        by_group: dict[topology.Group, list[plan.DiskRef]] = {
            group: [] for group in self.images.neglected()
        }
        for disk in disks:
            by_group.setdefault(self._home(disk), []).append(disk)
        first: Exception | None = None
        for group, mine in by_group.items():
            try:
                self._remove(group, mine)
            except exceptions.IBMVirtError as error:
                LOG.warning("%s", error)
                first = first or error
        if first is not None:
            raise first

    def _remove(self, group: topology.Group, disks: list[plan.DiskRef]) -> None:
        udids = {disk.id for disk in disks}

        def remove(wrapper: typing.Any) -> bool:
            gone = [disk for disk in wrapper.virtual_disks if disk.udid in udids]
            for disk in gone:
                wrapper.virtual_disks.remove(disk)
            return self.images.clean(group, wrapper) or bool(gone)

        names = ", ".join(sorted({disk.name for disk in disks}))
        what = f"delete the disks {names or 'of uploads that are dead'}"
        self._writers.of_group(group).apply(remove, what)
        self.images.cleaned(group)

    def _home(self, disk: plan.DiskRef) -> topology.Group:
        """The group of a disk, also of one that is not configured any more."""
        known = self._topology.groups()
        for group in known:
            if group.uuid == disk.extra.get("group"):
                return group
        for group in known:
            # 03<serial of the group>.<number> (captured).
            if group.serial and disk.id[2:].partition(".")[0] == group.serial:
                return group
        away = ", ".join(v.name for v in self._topology.vioses() if not v.active)
        raise exceptions.HypervisorUnavailable(
            f"find the volume group of the disk {disk.name}",
            "no VIOS with an active RMC connection has it"
            + (f"; {away} has none" if away else ""),
            f"start {away or 'the VIOSes'} or look at the RMC connection, then try "
            "again",
        )


def ref(disk: typing.Any, group: topology.Group, role: str) -> plan.DiskRef:
    return plan.DiskRef(
        KIND,
        disk.udid,
        disk.name,
        role,
        {"vios": group.vios.uuid, "group": group.uuid},
    )
