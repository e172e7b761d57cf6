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

"""What the admin API shows of disks and guests."""

from __future__ import annotations

import typing

from ibmvirt.simulators.core import admin, http
from ibmvirt.simulators.novalink import local_side, luns, store
from ibmvirt.simulators.novalink.objects import fc_mapping, scsi_mapping, volume_group
from ibmvirt.simulators.novalink.schema import xml


def add_routes(control: admin.Admin, fabric: store.Fabric) -> None:
    control.route("GET", "disks/([^/]+)", lambda name, *_q: disk(fabric, name))
    control.route("GET", "guests/([^/]+)", lambda name, *_q: guest(fabric, name))
    control.route("GET", "guests", lambda *_q: guests(fabric))
    control.route(
        "GET", "luns", lambda *_q: [luns.describe(one) for one in luns.all_of(fabric)]
    )
    control.route("POST", "luns", lambda body: luns.describe(luns.add(fabric, body)))
    control.route(
        "PUT",
        r"luns/(\d+)",
        lambda n, body: luns.describe(luns.change(fabric, n, body)),
    )
    control.route("DELETE", r"luns/(\d+)", lambda n, *_q: luns.remove(fabric, n))


def add_local_routes(
    control: admin.Admin, local: dict[str, local_side.LocalSide]
) -> None:
    """What the programs of the local side ask, and what was typed."""

    def _local(name: str) -> local_side.LocalSide:
        if name not in local:
            raise KeyError(f"system {name}")
        return local[name]

    def run(name: str, program: str, body: typing.Any) -> typing.Any:
        words = body.get("words", [])
        if not isinstance(words, list) or not all(isinstance(w, str) for w in words):
            raise ValueError("words: must be a list of texts")
        return _local(name).consoles.run(program, words)

    control.route("POST", "local/([^/]+)/([a-z]+)", run)
    control.route(
        "GET",
        r"consoles/([^/]+)/(\d+)",
        lambda name, number, *_q: {"typed": _local(name).consoles.log(int(number))},
    )


def disk(fabric: store.Fabric, name: str) -> http.Response:
    """The bytes of a logical unit, virtual disk or medium, by name or UDID, or
    of a LUN by its UDID.

    :raises KeyError: there is none, or it has no contents.
    """
    blob = _blob(fabric, name)
    if not blob:
        raise KeyError(f"disk {name} with contents")
    return http.Response(
        200,
        fabric.blobs.open(blob),
        {"Content-Type": "application/octet-stream"},
        length=fabric.blobs.size(blob),
    )


def _blob(fabric: store.Fabric, name: str) -> str:
    for item in fabric.shared.current().values():
        if item.type == "LogicalUnit" and name in (
            item.value("UnitName"),
            item.value("UniqueDeviceID"),
        ):
            return str(item.blob)
    for lun in luns.all_of(fabric):
        if name == lun.udid:
            return lun.blob
    for system in fabric.systems:
        for group in system.all("VolumeGroup"):
            for kind in ("disk", "media"):
                found = volume_group.blob_of(group, kind, name)
                if found:
                    return found
    return ""


def _lpar(fabric: store.Fabric, name: str) -> tuple[store.System, store.SimObject]:
    for system in fabric.systems:
        for item in system.all("LogicalPartition"):
            if name.upper() in (item.uuid.upper(), item.value("PartitionName").upper()):
                return system, item
    raise KeyError(f"guest {name}")


def guests(fabric: store.Fabric) -> list[dict[str, typing.Any]]:
    return [
        describe(system, item)
        for system in fabric.systems
        for item in system.all("LogicalPartition")
    ]


def guest(fabric: store.Fabric, name: str) -> dict[str, typing.Any]:
    """What a partition has: its state, adapters, disks and media."""
    return describe(*_lpar(fabric, name))


def describe(system: store.System, item: store.SimObject) -> dict[str, typing.Any]:
    adapters = [
        {
            "id": adapter.uuid,
            "mac": adapter.value("MACAddress"),
            "vlan": int(adapter.value("PortVLANID", "1")),
            "slot": int(adapter.value("VirtualSlotNumber")),
            "switch": _switch_name(system, adapter.value("VirtualSwitchID")),
        }
        for adapter in system.all("ClientNetworkAdapter", item.key)
    ]
    storage = []
    number = item.value("PartitionID")
    for vios in system.all("VirtualIOServer"):
        path = "VirtualSCSIMappings/VirtualSCSIMapping"
        for mapping in xml.findall(vios.element, path):
            if xml.value(mapping, "ClientAdapter/LocalPartitionID") != number:
                continue
            found = scsi_mapping.storage_of(mapping)
            if found is not None:
                kind, _, name = scsi_mapping.storage_id(found).partition("/")
                storage.append(
                    {
                        "vios": vios.value("PartitionName"),
                        "kind": kind,
                        "id": name,
                        "name": xml.value(mapping, "ServerAdapter/BackingDeviceName"),
                        "size_mib": _size(found),
                        "udid": xml.value(found, "UniqueDeviceID"),
                    }
                )
    return {
        "system": system.name,
        "uuid": item.uuid,
        "name": item.value("PartitionName"),
        "id": int(number),
        "type": item.value("PartitionType"),
        "state": item.value("PartitionState"),
        "rmc": item.value("ResourceMonitoringControlState"),
        "boots": int(system.fabric.counters.get(f"boots/{item.uuid}", 0)),
        "memory_mib": int(
            float(item.value("PartitionMemoryConfiguration/DesiredMemory"))
        ),
        "adapters": adapters,
        "storage": storage,
        "fibre_channel": _fibre_channel(system, number),
    }


def _fibre_channel(system: store.System, number: str) -> list[dict[str, typing.Any]]:
    """The virtual Fibre Channel adapters of a partition and their ports."""
    return [
        {
            "vios": vios.value("PartitionName"),
            "port": xml.value(mapping, "Port/PortName"),
            "wwpns": xml.value(mapping, "ClientAdapter/WWPNs").upper().split(),
        }
        for vios in system.all("VirtualIOServer")
        for mapping in xml.findall(vios.element, fc_mapping.PATH)
        if xml.value(mapping, "ClientAdapter/LocalPartitionID") == number
    ]


def _size(storage: xml.Element) -> float:
    """The MiB of a disk as its partition sees it."""
    found = xml.value(storage, "VolumeCapacity")
    if found:
        return float(found)
    for tag in ("UnitCapacity", "DiskCapacity", "MediaSize"):
        found = xml.value(storage, tag)
        if found:
            return float(found) * 1024
    return 0.0


def _switch_name(system: store.System, number: str) -> str:
    for switch in system.all("VirtualSwitch"):
        if switch.value("SwitchID") == number:
            return switch.value("SwitchName")
    return ""
