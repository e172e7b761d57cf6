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

"""A z/VM with a memory: users, minidisks, spool, vswitches, pools, devices.

Values are immutable and replaced, as the core's world wants it.
"""

from __future__ import annotations

import dataclasses
import math
import re
import typing

from ibmvirt.simulators.core import blobs, calls, world
from ibmvirt.simulators.zvm import codec, imagefile
from ibmvirt.simulators.zvm.codes import refuse


@dataclasses.dataclass(frozen=True)
class Nic:
    """A virtual adapter; ``switch`` is '' while it is not coupled."""

    vdev: str
    mac: str
    switch: str = ""
    vlan: int = 0


@dataclasses.dataclass(frozen=True)
class User:
    """A directory entry and what the user does. ``member``: where it runs.

    ``active_nics`` are the adapters of a running user: those of its entry at
    log-on, and what was changed since.
    """

    name: str
    entry: tuple[str, ...]
    on: bool = False
    paused: bool = False
    locked: bool = False
    member: str = ""
    active_nics: tuple[Nic, ...] = ()

    def changed(self, **values: typing.Any) -> User:
        return dataclasses.replace(self, **values)

    def statements(self, *words: str) -> list[list[str]]:
        """The words of every statement that begins with these."""
        wanted = list(words)
        lines = (line.split() for line in self.entry)
        return [line for line in lines if line[: len(wanted)] == wanted]


@dataclasses.dataclass(frozen=True)
class Minidisk:
    """``start`` and ``size`` in cylinders (3390) or blocks (9336).

    ``blob`` is its content; ``low_level`` is cdl or gpt once it is formatted or
    has a partition table, ``file_system`` what its partition holds. ``system``
    is the os_version of the image that it was written from.
    """

    owner: str
    vdev: str
    type: str
    start: int
    size: int
    pool: str
    volume: str = "VOL001"
    blob: str = ""
    low_level: str = ""
    partitions: int = 0
    file_system: str = ""
    system: str = ""

    @property
    def key(self) -> str:
        return f"{self.owner}/{self.vdev}"

    def changed(self, **values: typing.Any) -> Minidisk:
        return dataclasses.replace(self, **values)


@dataclasses.dataclass(frozen=True)
class Link:
    """A minidisk that the Connector's Linux has online, as a DASD node."""

    member: str
    node: str
    owner: str
    vdev: str


@dataclasses.dataclass(frozen=True)
class SpoolFile:
    """A file in a reader; ``queue`` is whose."""

    number: str
    origin: str
    queue: str
    spool_class: str
    name: str
    type: str
    blob: str
    console: bool = False


@dataclasses.dataclass(frozen=True)
class Vswitch:
    """A virtual switch; ``grants`` maps userid to its VLAN or ''."""

    name: str
    vlan_aware: bool = True
    grants: tuple[tuple[str, str], ...] = ()
    rdevs: tuple[str, ...] = ()
    # Other settings as they are queried, name and value.
    settings: tuple[tuple[str, str], ...] = ()


@dataclasses.dataclass(frozen=True)
class RealDevice:
    """An FCP device or an OSA of a member; ``owner`` has it as ``vdev``."""

    member: str
    number: str
    kind: str
    chpid: str
    wwpn: str = ""
    physical_wwpn: str = ""
    owner: str = ""
    vdev: str = ""
    offline: bool = False

    @property
    def key(self) -> str:
        return f"{self.member}/{self.number}"

    def changed(self, **values: typing.Any) -> RealDevice:
        return dataclasses.replace(self, **values)


@dataclasses.dataclass(frozen=True)
class Lun:
    """``targets`` are the storage's ports, ``initiators`` the ports of FCP
    devices that it is shown to; none: to all of them."""

    number: int
    lun: str
    targets: tuple[str, ...]
    size_mib: int = 1024
    initiators: tuple[str, ...] = ()
    blob: str = ""

    def shown_to(self, device: RealDevice) -> bool:
        return not self.initiators or device.wwpn.lower() in self.initiators


@dataclasses.dataclass(frozen=True)
class Volume:
    """A DASD volume of a pool; ``size`` in the pool's units."""

    name: str
    size: int


@dataclasses.dataclass(frozen=True)
class Pool:
    """A disk pool: ECKD in cylinders or FBA in blocks."""

    name: str
    type: str
    volumes: tuple[Volume, ...]

    @property
    def device(self) -> str:
        return "3390" if self.type == "ECKD" else "9336"

    @property
    def unit(self) -> int:
        return imagefile.CYLINDER if self.type == "ECKD" else imagefile.BLOCK


@dataclasses.dataclass(frozen=True)
class Host:
    """What a member is: processors, storage, when it was started."""

    processors: int = 8
    memory_mib: int = 262_144
    ipl: str = "01/09/26 11:00:00 EST"


# Fields whose items are values themselves.
_ITEMS: dict[str, type] = {"active_nics": Nic, "volumes": Volume}


def _key(value: typing.Any) -> str:
    """Under which key a value is kept."""
    if isinstance(value, Link):
        return f"{value.member}/{value.node}"
    if isinstance(value, SpoolFile | Lun):
        return str(value.number)
    return str(getattr(value, "key", None) or value.name)


def _drive(seen: dict[str, typing.Any]) -> list[str]:
    """The config drive that a guest took."""
    return [str(seen["config_drive"])] if seen.get("config_drive") else []


class Zvm:
    """The world of one SSI cluster, or of one system."""

    def __init__(
        self,
        instruments: calls.Instruments,
        contents: blobs.Blobs,
        members: list[str],
        host: Host | None = None,
    ) -> None:
        self.instruments = instruments
        self.blobs = contents
        self.unpacker = imagefile.Unpacker(contents)
        self.members = members
        self.host = host or Host()
        self.world = world.World()
        self.users = self._collection("users", User)
        self.disks = self._collection("disks", Minidisk)
        self.links = self._collection("links", Link)
        self.spool = self._collection("spool", SpoolFile)
        self.vswitches = self._collection("vswitches", Vswitch)
        self.devices = self._collection("devices", RealDevice)
        self.luns = self._collection("luns", Lun)
        self.pools = self._collection("pools", Pool)
        add = self.world.collection
        texts = world.Codec(list, tuple)
        self.lists = add("name_lists", world.KEPT, list, codec=texts)
        same = world.Codec(dict, dict, contents=_drive)
        self.guests = add("guests", world.LOG, dict, codec=same)
        self.consoles = add("consoles", world.LOG, list, codec=texts)
        self.counters = add("counters", world.COUNTER, codec=world.Codec(int, int))

    def _collection(self, name: str, kind: type) -> world.Collection:
        """Of values that are compared, and can be dumped and loaded."""
        made = world.Codec(codec.plain, codec.loader(kind, _ITEMS), _key)
        return self.world.collection(name, world.KEPT, codec.plain, codec=made)

    # -- users ----------------------------------------------------------------

    def user(self, name: str) -> User:
        """:raises Refusal: no such user."""
        found = self.users.get(name.upper())
        if found is None:
            raise refuse("no_user", user=name)
        return typing.cast(User, found)

    def put(self, user: User) -> None:
        self.users[user.name] = user

    def unlocked(self, name: str) -> User:
        """:raises Refusal: no such user, or its entry is locked."""
        found = self.user(name)
        if found.locked:
            raise refuse("locked", user=name)
        return found

    def running(self, name: str, member: str) -> User:
        """:raises Refusal: no such user, or it is not logged on at a member."""
        found = self.user(name)
        if not found.on or found.member != member:
            raise refuse("not_on", user=found.name)
        return found

    def holder_of(self, mac: str, user: str) -> str | None:
        """The other running user that has an adapter with this address."""
        for other in self.users.values():
            if other.name != user and any(n.mac == mac for n in other.active_nics):
                return str(other.name)
        return None

    # -- disks ----------------------------------------------------------------

    def disk(self, user: str, vdev: str) -> Minidisk:
        """:raises Refusal: no such minidisk."""
        found = self.disks.get(f"{user.upper()}/{vdev_of(vdev)}")
        if found is None:
            raise refuse("no_disk", user=user, vdev=vdev)
        return typing.cast(Minidisk, found)

    def put_disk(self, disk: Minidisk) -> None:
        self.disks[disk.key] = disk

    def used(self, pool: str, volume: str = "") -> list[Minidisk]:
        """Minidisks of a pool, or of one volume, in the order of their place."""
        found = [
            disk
            for disk in self.disks.values()
            if disk.pool == pool and volume in ("", disk.volume)
        ]
        return sorted(found, key=lambda disk: (disk.volume, disk.start))

    def free(self, pool: Pool) -> list[tuple[str, int, int]]:
        """Free extents of a pool: volume, start, size. 0 is the volume's label."""
        found = []
        for volume in pool.volumes:
            start = 1
            for disk in self.used(pool.name, volume.name):
                if disk.start > start:
                    found.append((volume.name, start, disk.start - start))
                start = disk.start + disk.size
            if start < volume.size:
                found.append((volume.name, start, volume.size - start))
        return found

    def allocate(self, pool: Pool, size: int) -> tuple[str, int]:
        """Volume and start of a free extent.

        :raises Refusal: the pool has none of that size.
        """
        for volume, start, free in self.free(pool):
            if free >= size:
                return volume, start
        raise refuse("pool_full", pool=pool.name, size=size)

    # -- devices --------------------------------------------------------------

    def real_devices(self, member: str, kind: str) -> list[RealDevice]:
        """Of a member, in the order of their numbers."""
        found = [
            device
            for device in self.devices.values()
            if device.kind == kind and device.member == member
        ]
        return sorted(found, key=lambda device: device.number)

    def dedicated(self, user: User) -> list[RealDevice]:
        """Real devices that a running user has."""
        return [d for d in self.devices.values() if d.owner == user.name]

    def put_device(self, device: RealDevice) -> None:
        self.devices[device.key] = device

    # -- spool ----------------------------------------------------------------

    def next_spool(self) -> str:
        """A number that no spool file has."""
        number = int(self.counters.get("spool", 0)) % 9999 + 1
        while f"{number:04d}" in self.spool:
            number = number % 9999 + 1
        self.counters["spool"] = number
        return f"{number:04d}"

    def reader(self, user: str) -> list[SpoolFile]:
        return [f for f in self.spool.values() if f.queue == user.upper()]

    # -- console --------------------------------------------------------------

    def say(self, user: str, text: str) -> None:
        """Write lines on a guest's console."""
        self.consoles[user] = (*self.consoles.get(user, ()), *text.splitlines())


def vdev_of(text: str) -> str:
    """A virtual device number: four hexadecimal digits, upper case.

    :raises Refusal: it is none.
    """
    found = text.strip().upper().zfill(4)
    if re.fullmatch("[0-9A-F]{4}", found) is None:
        raise refuse("bad_argument", name=text)
    return found


def units(size: str, pool: Pool) -> int:
    """Cylinders or blocks of 5g, 512m or a plain number.

    :raises Refusal: it is no size.
    """
    match = re.fullmatch(r"(\d+)([gGmM]?)", size.strip())
    if match is None or not int(match.group(1)):
        raise refuse("bad_size", size=size)
    number, suffix = int(match.group(1)), match.group(2).lower()
    if not suffix:
        return number
    return math.ceil(number * (1 << (30 if suffix == "g" else 20)) / pool.unit)
