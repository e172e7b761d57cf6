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

"""VirtualSCSIMapping: what the platform adds to a mapping that is posted.

A posted mapping with a client partition and storage gets a client adapter
and a server adapter (or goes to the adapters it names), a target device and
their ids. Formats of names and ids are captured (fake_vios_ssp_npiv.txt).
"""

from __future__ import annotations

from ibmvirt.simulators.novalink import store
from ibmvirt.simulators.novalink.objects import base
from ibmvirt.simulators.novalink.refusals import refuse
from ibmvirt.simulators.novalink.schema import xml

_PATH = "VirtualSCSIMappings/VirtualSCSIMapping"
_ORDER = (
    "AssociatedLogicalPartition",
    "ClientAdapter",
    "ServerAdapter",
    "Storage",
    "TargetDevice",
)
# Storage element -> (target device element, prefix of its name).
_TARGETS = {
    "LogicalUnit": ("SharedStoragePoolLogicalUnitVirtualTargetDevice", "vtscsi"),
    "PhysicalVolume": ("PhysicalVolumeVirtualTargetDevice", "vtscsi"),
    "VirtualDisk": ("LogicalVolumeVirtualTargetDevice", "vtscsi"),
    "VirtualOpticalMedia": ("VirtualOpticalTargetDevice", "vtopt"),
}
# One virtual SCSI adapter holds this many target devices (documented).
_LUA_BASE = 0x81


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


def mapped(vios: store.SimObject) -> dict[str, xml.Element]:
    """Storage ids that a VIOS maps."""
    found = {}
    for mapping in xml.findall(vios.element, _PATH):
        storage = storage_of(mapping)
        if storage is not None:
            found[storage_id(storage)] = mapping
    return found


def mapped_anywhere(system: store.System) -> set[str]:
    """Storage ids that any VIOS of any system maps."""
    return {
        identity
        for one in system.fabric.systems
        for vios in one.all("VirtualIOServer")
        for identity in mapped(vios)
    }


def complete(
    system: store.System, before: store.SimObject, vios: store.SimObject
) -> None:
    """Fill in the mappings of a changed VIOS that are new.

    :raises Refusal: the storage does not exist or is mapped already, or the
        partition does not.
    """
    known = set(mapped(before))
    seen: set[str] = set()
    taken_client: dict[str, set[int]] = {}
    taken_server: set[int] = set()
    used_names = _target_names(vios)
    for mapping in xml.findall(vios.element, _PATH):
        storage = storage_of(mapping)
        if storage is None:
            continue
        identity = storage_id(storage)
        if identity in seen and xml.name(storage) != "VirtualOpticalMedia":
            raise refuse("storage_mapped", name=identity)
        seen.add(identity)
        if identity in known and xml.value(mapping, "ServerAdapter/AdapterName"):
            continue
        actual = _existing_storage(system, vios, storage)
        home = xml.find(mapping, "Storage")
        assert home is not None
        home.replace(storage, actual)
        _adapters(system, vios, mapping, actual, taken_client, taken_server)
        _target(system, vios, mapping, actual, used_names)


def _existing_storage(
    system: store.System, vios: store.SimObject, storage: xml.Element
) -> xml.Element:
    """A copy of the storage as the platform knows it."""
    kind, identity = xml.name(storage), storage_id(storage)
    if kind == "LogicalUnit":
        wanted = xml.value(storage, "UniqueDeviceID")
        for unit in system.all("LogicalUnit"):
            if unit.value("UniqueDeviceID") == wanted:
                copied = xml.copy_of(unit.element)
                xml.remove(copied, "Metadata/Atom/AtomID")
                xml.remove(copied, "Metadata/Atom/AtomCreated")
                return copied
    elif kind == "PhysicalVolume":
        for volume in xml.findall(vios.element, "PhysicalVolumes/PhysicalVolume"):
            if storage_id(volume) == identity:
                return xml.copy_of(volume)
    else:
        for group in system.all("VolumeGroup", vios.key):
            for tag in ("VirtualDisk", "VirtualOpticalMedia"):
                for found in group.element.iter(f"{{{xml.UOM}}}{tag}"):
                    if storage_id(found) == identity:
                        return xml.copy_of(found)
    raise refuse("no_storage", name=identity)


def _adapters(
    system: store.System,
    vios: store.SimObject,
    mapping: xml.Element,
    storage: xml.Element,
    taken_client: dict[str, set[int]],
    taken_server: set[int],
) -> None:
    client_home = system.by_href(xml.href(mapping, "AssociatedLogicalPartition"))
    if client_home is None:
        raise refuse("malformed", detail="a mapping names no existing partition")
    # The stored link goes through the managed system (captured).
    link = xml.find(mapping, "AssociatedLogicalPartition")
    assert link is not None
    link.set(
        "href",
        system.url("ManagedSystem", system.uuid, client_home.type, client_home.uuid),
    )
    link.set("kb", "CUR")
    link.set("kxe", "false")
    client_id = client_home.value("PartitionID")
    vios_id = vios.value("PartitionID")
    backing = _backing_name(storage)
    if xml.value(mapping, "ServerAdapter/VirtualSlotNumber"):
        xml.put(mapping, "ServerAdapter/BackingDeviceName", backing)
        return
    wanted = xml.value(mapping, "ClientAdapter/VirtualSlotNumber")
    taken = taken_client.setdefault(client_id, set())
    if wanted:
        slot = int(wanted)
        if slot in system.used_slots(client_home) | taken:
            raise refuse("slot", slot=slot, id=client_id)
    else:
        slot = system.next_slot(client_home, taken=taken)
    taken.add(slot)
    server_slot = system.next_slot(vios, taken=taken_server)
    taken_server.add(server_slot)
    client_code = system.location(client_id, slot)
    server_code = system.location(vios_id, server_slot)
    for tag, built in (
        (
            "ClientAdapter",
            _client(client_id, slot, vios_id, server_slot, client_code, server_code),
        ),
        (
            "ServerAdapter",
            _server(
                system, client_id, slot, vios_id, server_slot, client_code, server_code
            ),
        ),
    ):
        old = xml.find(mapping, tag)
        if old is not None:
            mapping.replace(old, built)
        else:
            xml.insert(mapping, built, _ORDER)
    server = xml.find(mapping, "ServerAdapter")
    assert server is not None
    name = xml.find(server, "AdapterName")
    assert name is not None
    name.addnext(xml.leaf("BackingDeviceName", backing))


def _common(code: str, owner: str, slot: int, side: str) -> list[xml.Element]:
    leaf = xml.leaf
    return [
        leaf("AdapterType", side, "ROR"),
        leaf("DynamicReconfigurationConnectorName", code, "CUD"),
        leaf("LocationCode", code, "ROR"),
        leaf("LocalPartitionID", owner),
        leaf("RequiredAdapter", False, "CUD"),
        leaf("VariedOn", True, "CUD", "true"),
        leaf("VirtualSlotNumber", slot),
    ]


def _client(
    client_id: str,
    slot: int,
    vios_id: str,
    server_slot: int,
    client_code: str,
    server_code: str,
) -> xml.Element:
    return xml.node(
        "ClientAdapter",
        *_common(client_code, client_id, slot, "Client"),
        xml.leaf("RemoteLogicalPartitionID", vios_id),
        xml.leaf("RemoteSlotNumber", server_slot, "CUA"),
        xml.leaf("ServerLocationCode", server_code),
        kb="CUR",
    )


def _server(
    system: store.System,
    client_id: str,
    slot: int,
    vios_id: str,
    server_slot: int,
    client_code: str,
    server_code: str,
) -> xml.Element:
    number = system.fabric.next_number(f"vhost/{system.name}/{vios_id}", 0)
    return xml.node(
        "ServerAdapter",
        *_common(server_code, vios_id, server_slot, "Server"),
        xml.leaf("AdapterName", f"vhost{number}"),
        xml.leaf("RemoteLogicalPartitionID", client_id),
        xml.leaf("RemoteSlotNumber", slot, "CUA"),
        xml.leaf("ServerLocationCode", client_code),
        xml.leaf("UniqueDeviceID", f"1e{server_code}", "ROR"),
        kb="CUR",
    )


def _backing_name(storage: xml.Element) -> str:
    for tag in ("UnitName", "VolumeName", "DiskName", "MediaName"):
        found = xml.value(storage, tag)
        if found:
            return found
    return ""


def _target_names(vios: store.SimObject) -> set[str]:
    names = set()
    for mapping in xml.findall(vios.element, _PATH):
        home = xml.find(mapping, "TargetDevice")
        if home is not None and len(home):
            names.add(xml.value(home[0], "TargetName"))
    return names


def _target(
    system: store.System,
    vios: store.SimObject,
    mapping: xml.Element,
    storage: xml.Element,
    used: set[str],
) -> None:
    tag, prefix = _TARGETS.get(xml.name(storage), ("", ""))
    if not tag:
        raise refuse("malformed", detail=f"{xml.name(storage)} cannot be mapped")
    old = xml.find(mapping, "TargetDevice")
    asked = old[0] if old is not None and len(old) else None
    name = xml.value(asked, "TargetName") if asked is not None else ""
    number = 0
    while not name or name in used:
        name = f"{prefix}{number}"
        number += 1
    used.add(name)
    adapter = base.required(mapping, "ServerAdapter/UniqueDeviceID")[2:]
    address = xml.value(asked, "LogicalUnitAddress") if asked is not None else ""
    serial = system.fabric.next_number("target", 0x1000)
    built = xml.node(
        "TargetDevice",
        xml.node(
            tag,
            xml.leaf("LogicalUnitAddress", address or _next_address(vios, mapping)),
            xml.leaf("TargetName", name),
            xml.leaf("UniqueDeviceID", f"0a{serial:014x}ff{adapter}", "ROR"),
            kb=None,
        ),
        kb="CUR",
        version=None,
    )
    if old is not None:
        mapping.replace(old, built)
    else:
        xml.insert(mapping, built, _ORDER)


def _next_address(vios: store.SimObject, mapping: xml.Element) -> str:
    """0x8100..., 0x8200..., counted within one server adapter (captured)."""
    adapter = xml.value(mapping, "ServerAdapter/AdapterName")
    used = set()
    for other in xml.findall(vios.element, _PATH):
        home = xml.find(other, "TargetDevice")
        if (
            home is not None
            and len(home)
            and xml.value(other, "ServerAdapter/AdapterName") == adapter
        ):
            used.add(xml.value(home[0], "LogicalUnitAddress"))
    number = _LUA_BASE
    while f"0x{number:02x}00000000000000" in used:
        number += 1
    return f"0x{number:02x}00000000000000"
