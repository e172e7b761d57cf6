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

"""The world that a simulator begins with, under predictable names.

Members ``ZVMSIM1`` and so on; the profile ``OSDFLT``; a disk pool; the vswitches
``DEFAULT`` and ``VSWFLAT``; on each member FCP devices ``1A00`` to ``1A07`` and
``1B00`` to ``1B07`` and the OSAs ``0440`` to ``0445``; 16 LUNs behind two target
ports; guests ``GST00001`` and so on.
"""

from __future__ import annotations

import collections.abc
import dataclasses

from ibmvirt.simulators.zvm import model, storage
from ibmvirt.simulators.zvm.commands import base
from ibmvirt.simulators.zvm.daemon import CONNECTOR

PROFILE = "OSDFLT"
# Target ports of the default world.
TARGETS = ("5005076802100c1b", "5005076802200c1b")
_LUNS = 16
_SIZES = {"ECKD": 1_000_000, "FBA": 1_500_000_000}
_FCP = (0x1A00, 0x1B00)
_FCP_EACH = 8
_OSA = 0x0440


@dataclasses.dataclass(frozen=True)
class Disk:
    """A minidisk; ``size`` is 5g, 512m or a number of units."""

    vdev: str = "0100"
    size: str = "1g"
    pool: str = ""


@dataclasses.dataclass(frozen=True)
class Adapter:
    """A coupled adapter, or one that is not if it has no ``vswitch``."""

    vdev: str = "1000"
    vswitch: str = ""
    vlan: int = 0
    mac_id: str = ""


@dataclasses.dataclass(frozen=True)
class Guest:
    """A user that is there from the beginning.

    ``member`` is the one whose Connector knows it and, if it is ``running``, the
    one that it is logged on to.
    """

    name: str
    member: str
    vcpus: int = 1
    memory_mib: int = 1024
    running: bool = False
    registered: bool = True
    os_version: str = "rhel9.4"
    disks: tuple[Disk, ...] = (Disk(),)
    adapters: tuple[Adapter, ...] = ()
    statements: tuple[str, ...] = ()


class Wrong(Exception):
    """The world refuses a guest; ``path`` is the part of it."""

    def __init__(self, path: tuple[str | int, ...], text: str) -> None:
        super().__init__(text)
        self.path = path


def pools(
    named: collections.abc.Iterable[tuple[str, str]], count: int = 0
) -> list[model.Pool]:
    """Pools of one volume each, ``VOL001`` and so on, by type and name.

    :param count: guests that shall find room in each.
    """
    found = []
    for number, (kind, name) in enumerate(named, 1):
        empty = model.Pool(name, kind, ())
        size = _SIZES[kind] + count * model.units(Disk().size, empty)
        volume = model.Volume(f"VOL{number:03d}", size)
        found.append(dataclasses.replace(empty, volumes=(volume,)))
    return found


def populate(zvm: model.Zvm, pools: collections.abc.Iterable[model.Pool]) -> None:
    """The default world, without guests."""
    zvm.put(model.User(PROFILE, (f"PROFILE {PROFILE}", "IPL CMS")))
    entry = (f"IDENTITY {CONNECTOR} LBYONLY 4G 8G BG",)
    zvm.put(model.User(CONNECTOR, entry, on=True, member=zvm.members[0]))
    for index, member in enumerate(zvm.members):
        for number in _FCP:
            for device in fcp_devices(member, index, number, _FCP_EACH):
                zvm.put_device(device)
        for number in range(_OSA, _OSA + 6):
            zvm.put_device(model.RealDevice(member, f"{number:04X}", "osa", "10"))
    for found in pools:
        zvm.pools[found.name] = found
    for name, aware in (("DEFAULT", True), ("VSWFLAT", False)):
        zvm.vswitches[name] = model.Vswitch(name, vlan_aware=aware)
    for number in range(_LUNS):
        storage.add(zvm, number, TARGETS)


def fcp_devices(
    member: str, index: int, first: int, count: int
) -> collections.abc.Iterator[model.RealDevice]:
    """FCP devices of one channel path of a member, with ports of their own."""
    for number in range(first, first + count):
        yield model.RealDevice(
            member,
            f"{number:04X}",
            "fcp",
            f"{number >> 8:02X}",
            f"C05076DE{0x33 + 2 * index:02X}{number:06X}",
            f"C05076DE{0x34 + 2 * index:02X}{number >> 8:06X}",
        )


def guests(zvm: model.Zvm, count: int) -> list[Guest]:
    """``GST00001`` and so on, of the first member, off."""
    return [
        Guest(
            f"GST{number:05d}",
            zvm.members[0],
            adapters=(Adapter(vswitch="DEFAULT", mac_id=f"{0xA00000 + number:06X}"),),
        )
        for number in range(1, count + 1)
    ]


def add(zvm: model.Zvm, guest: Guest) -> None:
    """Make a guest, as the Connector makes one.

    :raises Wrong: the system refuses it.
    """
    caller = base.Caller(guest.member, CONNECTOR, "/")

    def call(path: tuple[str | int, ...], *words: str) -> None:
        result = base.run(zvm, caller, ["smcli", *words])
        if result.rc:
            raise Wrong(path, result.out.splitlines()[-1])

    if guest.name in zvm.users:
        raise Wrong(("name",), f"there is a user {guest.name}")
    maximum = max(guest.memory_mib, 65536)
    head = f"USER {guest.name} LBYONLY {guest.memory_mib}M {maximum}M G"
    zvm.put(
        model.User(
            guest.name,
            (
                head,
                f"INCLUDE {PROFILE}",
                "MACHINE ESA 32",
                *(f"CPU {number:02X}" for number in range(guest.vcpus)),
                "IPL 0100",
                f"COMMAND DEF STOR RESERVED {maximum - guest.memory_mib}M",
                *guest.statements,
            ),
        )
    )
    first = next(iter(zvm.pools.values()))
    for place, disk in enumerate(guest.disks):
        chosen = zvm.pools.get(disk.pool, first) if disk.pool else first
        call(
            ("disks", place), "Image_Disk_Create_DM", "-T", guest.name, "-v", disk.vdev,
            "-t", chosen.device, "-a", "AUTOG", "-r", disk.pool or first.name,
            "-u", "1", "-z", disk.size, "-f", "1", "-m", "MR",
        )  # fmt: skip
    for place, adapter in enumerate(guest.adapters):
        mac = ("-k", f"mac_id={adapter.mac_id}") if adapter.mac_id else ()
        call(
            ("nics", place), "Virtual_Network_Adapter_Create_Extended_DM", "-T", guest.name,
            "-k", f"image_device_number={adapter.vdev}", "-k", "adapter_type=QDIO", *mac,
        )  # fmt: skip
        if adapter.vswitch:
            _couple(zvm, guest, adapter, ("nics", place))
    if guest.running:
        call(("running",), "Image_Activate", "-T", guest.name)


def _couple(
    zvm: model.Zvm, guest: Guest, adapter: Adapter, path: tuple[str | int, ...]
) -> None:
    """Grant the vswitch, and couple as the Connector replaces an entry."""
    switch = zvm.vswitches.get(adapter.vswitch)
    if switch is None:
        text = f"there is no vswitch {adapter.vswitch}"
        raise Wrong((*path, "vswitch"), text)
    if adapter.vlan and not switch.vlan_aware:
        text = f"the vswitch {switch.name} is not VLAN aware"
        raise Wrong((*path, "vlan"), text)
    grants = {**dict(switch.grants), guest.name: ""}
    zvm.vswitches[switch.name] = dataclasses.replace(
        switch, grants=tuple(sorted(grants.items()))
    )
    user = zvm.user(guest.name)
    vlan = f" VLAN {adapter.vlan} PORTTYPE ACCESS" if adapter.vlan else ""
    line = f"NICDEF {adapter.vdev} LAN SYSTEM {switch.name}{vlan}"
    zvm.put(user.changed(entry=(*user.entry, line)))
