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


"""Backing devices of virtual SCSI mappings."""

from __future__ import annotations

import uuid as uuids

from ibmvirt.simulators.novalink import store
from ibmvirt.simulators.novalink.objects import base
from ibmvirt.simulators.novalink.refusals import refuse
from ibmvirt.simulators.novalink.schema import table, xml

# Where the management partition has the disks that its VIOS serves (assumed).
LOCAL_HOMES = {"LogicalUnit": "dev/ssp", "VirtualDisk": "dev/mapper"}


def storage_of(mapping: xml.Element) -> xml.Element | None:
    """The backing device of a mapping."""
    home = xml.find(mapping, "Storage")
    if home is None:
        return None
    return next((child for child in home if isinstance(child.tag, str)), None)


def storage_id(storage: xml.Element) -> str:
    """What tells one backing device of a VIOS from another."""
    kind = xml.name(storage)
    if kind == "VirtualOpticalMedia":
        return f"{kind}/{xml.value(storage, 'MediaName')}"
    if kind == "VirtualDisk":
        return f"{kind}/{xml.value(storage, 'DiskName')}"
    if kind == "PhysicalVolume":
        return f"{kind}/{xml.value(storage, 'VolumeName')}"
    return f"{kind}/{xml.value(storage, 'UniqueDeviceID')}"


def name_of(storage: xml.Element) -> str:
    """The name that a server adapter shows for it."""
    for tag in ("UnitName", "VolumeName", "DiskName", "MediaName"):
        found = xml.value(storage, tag)
        if found:
            return found
    return ""


def find(
    system: store.System, vios: store.SimObject, asked: xml.Element
) -> xml.Element:
    """A copy of the storage as the platform knows it, without its use.

    :raises Refusal: the VIOS does not have it, or its kind is not supported.
    """
    kind = xml.name(asked)
    found = None
    if kind == "LogicalUnit":
        found = _logical_unit(system, xml.value(asked, "UniqueDeviceID"))
    elif kind == "PhysicalVolume":
        found = _volume(vios, asked)
    elif kind == "VirtualOpticalMedia":
        found = _in_groups(system, vios, asked)
    elif kind == "VirtualDisk":
        made_of = xml.value(asked, "VirtualDiskType", "LogicalVolume")
        if made_of not in ("LogicalVolume", "File"):
            raise refuse("not_supported", operation=f"VirtualDisk of type {made_of}")
        found = _in_groups(system, vios, asked)
        if found is None and xml.value(asked, "VirtualDiskType") == "File":
            found = _file(vios, asked)
    if found is None:
        name = name_of(asked) or storage_id(asked)
        raise refuse("not_on_vios", name=name, vios=vios.value("PartitionName"))
    return found


def _logical_unit(system: store.System, udid: str) -> xml.Element | None:
    for unit in system.all("LogicalUnit"):
        if unit.value("UniqueDeviceID") == udid:
            copied = xml.copy_of(unit.element)
            _forget_identity(copied)
            # A mapping does not show it (captured).
            xml.remove(copied, "InUse")
            return copied
    return None


def _forget_identity(element: xml.Element) -> None:
    atom = xml.find(element, "Metadata/Atom")
    if atom is not None:
        for child in list(atom):
            atom.remove(child)


def _volume(vios: store.SimObject, asked: xml.Element) -> xml.Element | None:
    udid = xml.value(asked, "UniqueDeviceID")
    for volume in xml.findall(vios.element, "PhysicalVolumes/PhysicalVolume"):
        same = (
            xml.value(volume, "UniqueDeviceID") == udid
            if udid
            else storage_id(volume) == storage_id(asked)
        )
        if same:
            copied = xml.copy_of(volume)
            # Mapped, it is not available (captured).
            table.set_value(copied, "AvailableForUsage", value=False)
            return copied
    return None


def _in_groups(
    system: store.System, vios: store.SimObject, asked: xml.Element
) -> xml.Element | None:
    wanted, kind = storage_id(asked), xml.name(asked)
    for group in system.all("VolumeGroup", vios.key):
        for found in group.element.iter(f"{{{xml.UOM}}}{kind}"):
            if storage_id(found) == wanted:
                copied = xml.copy_of(found)
                # A mapping does not show it (captured).
                xml.remove(copied, "VolumeGroup")
                return copied
    return None


def _file(vios: store.SimObject, asked: xml.Element) -> xml.Element:
    """A file as a disk (captured: fake_vios_hosting_vios_feed.txt); only the
    management partition serves those (documented)."""
    name = base.required(asked, "DiskName")
    if vios.value("IsManagementPartition") != "true":
        raise refuse("not_on_vios", name=name, vios=vios.value("PartitionName"))
    return table.child(
        "Storage",
        "VirtualDisk",
        {
            "DiskCapacity": xml.value(asked, "DiskCapacity", "0"),
            "DiskLabel": xml.value(asked, "DiskLabel", "None"),
            "DiskName": name,
            "UniqueDeviceID": str(uuids.uuid5(uuids.UUID(vios.uuid), name)),
            "VirtualDiskType": "File",
            "BackStoreType": xml.value(asked, "BackStoreType") or None,
        },
    )


def local_path(system: store.System, storage: xml.Element) -> str:
    """Where the management partition reads a disk that its VIOS serves."""
    home = LOCAL_HOMES[xml.name(storage)]
    return f"{system.local_root}/{home}/{name_of(storage)}"


def with_local_paths(
    system: store.System, vios: store.SimObject, path: str
) -> xml.Element:
    """A VIOS as clients see it, with its mappings at ``path``: what the
    management partition serves itself is named by its path there (documented:
    drivers that run on it open the BackingDeviceName)."""
    if not system.local_root or vios.value("IsManagementPartition") != "true":
        return vios.element

    def named(item: store.SimObject) -> xml.Element:
        element = xml.copy_of(item.element)
        for mapping in xml.findall(element, path):
            storage = storage_of(mapping)
            name = xml.find(mapping, "ServerAdapter/BackingDeviceName")
            if name is not None and storage is not None and is_disk(storage):
                name.text = local_path(system, storage)
        return element

    # One copy for all views of a version.
    return vios.fact("local paths", named)


def is_disk(storage: xml.Element) -> bool:
    """Whether it is a disk whose content the simulator keeps."""
    kind = xml.value(storage, "VirtualDiskType")
    return xml.name(storage) in LOCAL_HOMES and kind != "File"
