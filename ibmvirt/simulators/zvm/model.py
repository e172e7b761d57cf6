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

"""A z/VM with a memory: users, minidisks, spool, vswitches, pools.

Values are immutable and replaced, as the core's world wants it.
"""

from __future__ import annotations

import dataclasses
import math
import re
import typing

from ibmvirt.simulators.core import blobs, calls, world
from ibmvirt.simulators.zvm.codes import refuse

# Bytes of a 3390 cylinder and of an FBA block (zvmsdk constants).
CYLINDER = 737_280
BLOCK = 512


@dataclasses.dataclass(frozen=True)
class User:
    """A directory entry and what the user does. ``member``: where it runs."""

    name: str
    entry: tuple[str, ...]
    on: bool = False
    paused: bool = False
    locked: bool = False
    member: str = ""
    active_nics: tuple[tuple[str, str], ...] = ()

    def changed(self, **values: typing.Any) -> User:
        return dataclasses.replace(self, **values)


@dataclasses.dataclass(frozen=True)
class Minidisk:
    """``size`` in cylinders (3390) or blocks (9336); ``blob`` is its content."""

    owner: str
    vdev: str
    type: str
    start: int
    size: int
    pool: str
    blob: str = ""


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


@dataclasses.dataclass(frozen=True)
class RealDevice:
    """An FCP device or an OSA; ``owner`` has it as ``vdev``."""

    number: str
    kind: str
    chpid: str
    wwpn: str = ""
    physical_wwpn: str = ""
    owner: str = ""
    vdev: str = ""
    offline: bool = False

    def changed(self, **values: typing.Any) -> RealDevice:
        return dataclasses.replace(self, **values)


@dataclasses.dataclass(frozen=True)
class Pool:
    """A disk pool: ECKD in cylinders or FBA in blocks."""

    name: str
    type: str
    size: int

    @property
    def device(self) -> str:
        return "3390" if self.type == "ECKD" else "9336"

    @property
    def unit(self) -> int:
        return CYLINDER if self.type == "ECKD" else BLOCK


def _plain(value: typing.Any) -> typing.Any:
    return dataclasses.asdict(value)


class Zvm:
    """The world of one SSI cluster, or of one system."""

    def __init__(
        self, instruments: calls.Instruments, contents: blobs.Blobs, members: list[str]
    ) -> None:
        self.instruments = instruments
        self.blobs = contents
        self.members = members
        self.world = world.World()
        add = self.world.collection
        self.users = add("users", world.KEPT, _plain)
        self.disks = add("disks", world.KEPT, _plain)
        self.spool = add("spool", world.KEPT, _plain)
        self.vswitches = add("vswitches", world.KEPT, _plain)
        self.devices = add("devices", world.KEPT, _plain)
        self.pools = add("pools", world.KEPT, _plain)
        self.lists = add("name_lists", world.KEPT, list)
        self.guests = add("guests", world.LOG, dict)
        self.consoles = add("consoles", world.LOG, list)
        self.counters = add("counters", world.COUNTER)

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

    # -- disks ----------------------------------------------------------------

    def disk(self, user: str, vdev: str) -> Minidisk:
        """:raises Refusal: no such minidisk."""
        found = self.disks.get(f"{user.upper()}/{vdev_of(vdev)}")
        if found is None:
            raise refuse("no_disk", user=user, vdev=vdev)
        return typing.cast(Minidisk, found)

    def put_disk(self, disk: Minidisk) -> None:
        self.disks[f"{disk.owner}/{disk.vdev}"] = disk

    def used(self, pool: str) -> list[Minidisk]:
        found = [disk for disk in self.disks.values() if disk.pool == pool]
        return sorted(found, key=lambda disk: disk.start)

    def allocate(self, pool: Pool, size: int) -> int:
        """The start of a free extent.

        :raises Refusal: the pool has none of that size.
        """
        start = 1
        for disk in self.used(pool.name):
            if disk.start - start >= size:
                return start
            start = disk.start + disk.size
        if start + size > pool.size:
            raise refuse("pool_full", pool=pool.name, size=size)
        return start

    # -- devices --------------------------------------------------------------

    def real_devices(self, kind: str) -> list[RealDevice]:
        """In the order of their numbers."""
        found = [device for device in self.devices.values() if device.kind == kind]
        return sorted(found, key=lambda device: device.number)

    # -- spool ------------------------------------------------------------------

    def next_spool(self) -> str:
        number = int(self.counters.get("spool", 0)) % 9999 + 1
        self.counters["spool"] = number
        return f"{number:04d}"

    def reader(self, user: str) -> list[SpoolFile]:
        return [f for f in self.spool.values() if f.queue == user.upper()]

    # -- console ------------------------------------------------------------------

    def say(self, user: str, text: str) -> None:
        """Write lines on a guest's console."""
        self.consoles[user] = (*self.consoles.get(user, ()), *text.splitlines())


def vdev_of(text: str) -> str:
    """A virtual device number: four hexadecimal digits, upper case."""
    return text.strip().upper().zfill(4)


def units(size: str, pool: Pool) -> int:
    """Cylinders or blocks of 5g, 512m or a plain number."""
    match = re.fullmatch(r"(\d+)([gGmM]?)", size.strip())
    if match is None:
        raise refuse("bad_size", size=size)
    number, suffix = int(match.group(1)), match.group(2).lower()
    if not suffix:
        return number
    return math.ceil(number * (1 << (30 if suffix == "g" else 20)) / pool.unit)


def memory_mib(user: User) -> int:
    """MiB of a user's storage at log-on, by its USER statement."""
    return _storage(user, 3)


def maximum_mib(user: User) -> int:
    """MiB that a user may define at most."""
    return _storage(user, 4)


def _storage(user: User, position: int) -> int:
    words = user.entry[0].split() if user.entry else []
    if len(words) <= position or words[0] != "USER":
        return 0
    text = words[position].lower()
    number = int("".join(c for c in text if c.isdigit()) or 0)
    return number * 1024 if text.endswith("g") else number
