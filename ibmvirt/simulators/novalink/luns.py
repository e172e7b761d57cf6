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

"""LUNs of the storage that all systems reach, over Fibre Channel or iSCSI.

A VIOS shows a LUN as a disk once it has discovered it: the generated ones
from the beginning, others after a job LUARecovery or ISCSIDiscovery.
"""

from __future__ import annotations

import base64
import dataclasses
import typing

from ibmvirt.simulators.novalink import generator_vios, store
from ibmvirt.simulators.novalink.lun import Lun, describe
from ibmvirt.simulators.novalink.objects import scsi_mapping
from ibmvirt.simulators.novalink.schema import table, xml

__all__ = [
    "Lun",
    "add",
    "all_of",
    "change",
    "configure",
    "describe",
    "generate",
    "remove",
]

TARGETS = ("5005076801000001", "5005076801000002")
_FIRST_ADDED = 100_000


def all_of(fabric: store.Fabric) -> list[Lun]:
    return list(fabric.luns.values())


def generate(fabric: store.Fabric, count: int) -> None:
    """The LUNs that every VIOS of a generated world has discovered."""
    for number in range(1, count + 1):
        fabric.luns[str(number)] = Lun(number, 10240, TARGETS, number)


def add(fabric: store.Fabric, given: dict[str, typing.Any]) -> Lun:
    """A LUN that no VIOS has discovered; fields as of :class:`Lun`.

    :raises ValueError: a field is unknown or not usable; it names the field.
    """
    known = {field.name for field in dataclasses.fields(Lun)} - {"number", "blob"}
    for name in given:
        if name not in known:
            raise ValueError(f"{name}: unknown field; known are {sorted(known)}")
    size, targets = given.get("size", 10240), given.get("targets", list(TARGETS))
    if not isinstance(size, int) or isinstance(size, bool) or size < 1:
        raise ValueError("size: must be a number of MiB")
    if not isinstance(targets, list) or not targets:
        raise ValueError("targets: must be a list of WWPNs, or of one IQN")
    with fabric.world.transaction():
        number = fabric.next_number("lun", _FIRST_ADDED)
        lun = given.get("lun", number)
        if not isinstance(lun, int) or isinstance(lun, bool) or lun < 0:
            raise ValueError("lun: must be a number of at least 0")
        made = Lun(
            number,
            size,
            tuple(str(target).lower().replace(":", "") for target in targets)
            if not given.get("portal")
            else tuple(map(str, targets)),
            lun,
            *(str(given.get(name, "")) for name in ("portal", "user", "password")),
        )
        for other in all_of(fabric):
            if other.lun == lun and set(other.targets) & set(made.targets):
                raise ValueError(f"lun: {lun} exists behind {list(other.targets)}")
        fabric.luns[str(number)] = made
    return made


def change(fabric: store.Fabric, number: str, given: dict[str, typing.Any]) -> Lun:
    """Give a LUN a new ``size`` in MiB, which a VIOS sees when it looks again,
    or a new ``content``, in base64; the rest of it reads as zeros.

    :raises KeyError: there is none.
    :raises ValueError: a field is unknown or not usable; it names the field.
    """
    for name in given:
        if name not in ("size", "content"):
            raise ValueError(f"{name}: unknown field; known are ['content', 'size']")
    blob = None
    if "content" in given:
        try:
            data = base64.b64decode(str(given["content"]), validate=True)
        except ValueError:
            raise ValueError("content: must be base64") from None
        blob = fabric.blobs.put(data)
    with fabric.world.transaction():
        before = _found(fabric, number)
        size = given.get("size", before.size)
        if not isinstance(size, int) or isinstance(size, bool) or size < before.size:
            raise ValueError(f"size: must be a number of at least {before.size} MiB")
        if blob is not None and fabric.blobs.size(blob) > size << 20:
            raise ValueError(f"content: has more than {size} MiB")
        changed = dataclasses.replace(
            before, size=size, blob=before.blob if blob is None else blob
        )
        fabric.luns[number] = changed
    return changed


def remove(fabric: store.Fabric, number: str) -> None:
    """Take a LUN from the storage; VIOSes keep their stale disk.

    :raises KeyError: there is none.
    """
    with fabric.world.transaction():
        _found(fabric, number)
        del fabric.luns[number]


def _found(fabric: store.Fabric, number: str) -> Lun:
    if number not in fabric.luns:
        raise KeyError(f"LUN {number}")
    return typing.cast("Lun", fabric.luns[number])


# -- disks of a VIOS ------------------------------------------------------------


def disk_of(vios: store.SimObject, udid: str) -> xml.Element | None:
    for volume in xml.findall(vios.element, "PhysicalVolumes/PhysicalVolume"):
        if xml.value(volume, "UniqueDeviceID") == udid:
            return volume
    return None


def named(vios: store.SimObject, name: str) -> xml.Element | None:
    for volume in xml.findall(vios.element, "PhysicalVolumes/PhysicalVolume"):
        if xml.value(volume, "VolumeName") == name:
            return volume
    return None


def is_mapped(vios: store.SimObject, name: str) -> bool:
    return f"PhysicalVolume/{name}" in scsi_mapping.mapped(vios)


def configure(system: store.System, vios: store.SimObject, lun: Lun) -> str:
    """Let a VIOS show a LUN as a disk; its name (under the lock)."""
    found = disk_of(vios, lun.udid)
    if found is not None:
        return xml.value(found, "VolumeName")
    used = {
        xml.value(volume, "VolumeName")
        for volume in xml.findall(vios.element, "PhysicalVolumes/PhysicalVolume")
    }
    place = next(n for n in range(1, len(used) + 2) if f"hdisk{n}" not in used)
    name = f"hdisk{place}"
    values = generator_vios.lun(system, lun.number) | {
        "VolumeName": name,
        "VolumeCapacity": lun.size,
        "IsFibreChannelBacked": not lun.portal,
    }
    if lun.portal:
        values |= {"Description": "MPIO Other iSCSI Disk Drive"}
    element = xml.copy_of(vios.element)
    home = xml.find(element, "PhysicalVolumes")
    assert home is not None
    home.append(table.child("PhysicalVolumes", "PhysicalVolume", values))
    system.replace(vios.changed(element), "PhysicalVolumes")
    return name


def rescan(system: store.System, vios: store.SimObject, udid: str) -> None:
    """Let a VIOS see the size that a LUN has now (under the lock)."""
    lun = next((one for one in all_of(system.fabric) if one.udid == udid), None)
    if lun is None:
        return
    changed = vios.changed(xml.copy_of(vios.element))
    for volume in changed.element.iter(f"{{{xml.UOM}}}PhysicalVolume"):
        if xml.value(volume, "UniqueDeviceID") == udid:
            table.set_value(volume, "VolumeCapacity", lun.size)
    system.replace(changed, "PhysicalVolumes")


def unconfigure(system: store.System, vios: store.SimObject, name: str) -> None:
    """Let a VIOS forget a disk that is not mapped (under the lock)."""
    element = xml.copy_of(vios.element)
    changed = vios.changed(element)
    volume = named(changed, name)
    assert volume is not None
    parent = volume.getparent()
    assert parent is not None
    parent.remove(volume)
    system.replace(changed, "PhysicalVolumes")
