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


"""VirtualSCSIMapping: what the platform makes of a mapping that is posted.

A posted mapping with a client partition and storage gets a client adapter
and a server adapter, or goes to the adapters it names, and gets a target
device.

- captured: elements, names and ids of adapters and target devices
- documented: a mapping built from an existing one shares its adapters; slot,
  LUA and target name may be chosen; a logical unit is mapped to the management
  partition beside its client, a virtual disk is not (nova-powervm's snapshots);
  a physical volume may have several clients (it keeps one that others map too)
- assumed: other backing devices are mapped once on a VIOS (optical media more
  often)
"""

from __future__ import annotations

import typing

from ibmvirt.simulators.novalink import store
from ibmvirt.simulators.novalink.objects import adapters, backing
from ibmvirt.simulators.novalink.refusals import refuse
from ibmvirt.simulators.novalink.schema import table, xml

PATH = "VirtualSCSIMappings/VirtualSCSIMapping"
# Storage element -> (target device element, prefix of its name, of its UDID).
_TARGETS = {
    "LogicalUnit": ("SharedStoragePoolLogicalUnitVirtualTargetDevice", "vtscsi", "0a"),
    "PhysicalVolume": ("PhysicalVolumeVirtualTargetDevice", "vtscsi", "08"),
    "VirtualDisk": ("LogicalVolumeVirtualTargetDevice", "vtscsi", "09"),
    "VirtualOpticalMedia": ("VirtualOpticalTargetDevice", "vtopt", "19"),
}
_FIRST_ADDRESS, _LAST_ADDRESS = 0x81, 0xFF

# Used by others under these names.
storage_of = backing.storage_of
storage_id = backing.storage_id


class _Bus(typing.NamedTuple):
    """The adapters that mappings share."""

    client: xml.Element | None
    server: xml.Element


def _mapped(vios: store.SimObject) -> dict[str, xml.Element]:
    found = {}
    for mapping in xml.findall(vios.element, PATH):
        storage = storage_of(mapping)
        if storage is not None:
            found[storage_id(storage)] = mapping
    return found


def mapped(vios: store.SimObject) -> dict[str, xml.Element]:
    """Mappings of a VIOS by the ids of their storage."""
    return vios.fact("mapped", _mapped)


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
    """Fill in the mappings of a changed VIOS that are new, in its element.

    :raises Refusal: storage or partition do not exist, the storage is mapped
        already, a slot or an address is in use, RMC is missing.
    """
    stored = {_key(m): m for m in xml.findall(before.element, PATH)}
    buses = {
        xml.value(m, "ServerAdapter/UniqueDeviceID"): _bus(m) for m in stored.values()
    }
    home = xml.find(vios.element, "VirtualSCSIMappings")
    if home is None:
        return
    work = _Work(system, before, buses)
    for mapping in xml.findall(home, "VirtualSCSIMapping"):
        old = stored.get(_key(mapping))
        if old is not None and _same_storage(old, mapping):
            # The platform's own; what a client changed in it is not taken.
            home.replace(mapping, xml.copy_of(old))
            work.seen(old)
        else:
            work.new.append(mapping)
    if work.new or len(xml.findall(home, "VirtualSCSIMapping")) != len(stored):
        adapters.require_vios(before)
    for mapping in work.new:
        work.make(mapping)


def _key(mapping: xml.Element) -> tuple[str, str]:
    """What tells mappings apart: server adapter and target device."""
    home = xml.find(mapping, "TargetDevice")
    target = home[0] if home is not None and len(home) else None
    return (
        xml.value(mapping, "ServerAdapter/UniqueDeviceID"),
        "" if target is None else xml.value(target, "UniqueDeviceID"),
    )


def _same_storage(old: xml.Element, new: xml.Element) -> bool:
    first, second = storage_of(old), storage_of(new)
    if first is None or second is None:
        return first is second
    return storage_id(first) == storage_id(second)


def _bus(mapping: xml.Element) -> _Bus:
    server = xml.find(mapping, "ServerAdapter")
    assert server is not None
    return _Bus(xml.find(mapping, "ClientAdapter"), server)


class _Work:
    """One request's new mappings."""

    def __init__(
        self, system: store.System, vios: store.SimObject, buses: dict[str, _Bus]
    ) -> None:
        self.new: list[xml.Element] = []
        self._system = system
        self._vios = vios
        self._buses = buses
        self._storage: set[str] = set()
        self._addresses: set[tuple[str, str]] = set()
        self._targets: set[str] = set()
        names = {xml.value(bus.server, "AdapterName") for bus in buses.values()}
        self._slots = adapters.Allocator(system, vios, names)
        self._made: dict[tuple[str, str], _Bus] = {}

    def seen(self, mapping: xml.Element) -> None:
        """Take note of a mapping that stays."""
        storage = storage_of(mapping)
        if storage is None:
            return
        self._claim(mapping, storage)
        home = xml.find(mapping, "TargetDevice")
        if home is not None and len(home):
            server = xml.value(mapping, "ServerAdapter/UniqueDeviceID")
            self._addresses.add((server, xml.value(home[0], "LogicalUnitAddress")))
            self._targets.add(xml.value(home[0], "TargetName"))

    def _claim(self, mapping: xml.Element, storage: xml.Element) -> None:
        """:raises Refusal: somebody who keeps others out has it."""
        identity, kind = storage_id(storage), xml.name(storage)
        claim = identity
        if kind in ("LogicalUnit", "PhysicalVolume"):
            href = xml.href(mapping, "AssociatedLogicalPartition")
            claim = f"{identity} {href.rpartition('/')[2].upper()}"
        if claim in self._storage and kind != "VirtualOpticalMedia":
            raise refuse(
                "storage_mapped", name=identity, vios=self._vios.value("PartitionName")
            )
        self._storage.add(claim)

    def make(self, mapping: xml.Element) -> None:
        asked = storage_of(mapping)
        storage = None
        if asked is not None:
            storage = backing.find(self._system, self._vios, asked)
            self._claim(mapping, storage)
        bus = self._adapters(mapping)
        if bus.client is not None:
            _replace(mapping, "ClientAdapter", bus.client)
        else:
            xml.remove(mapping, "ClientAdapter")
        _replace(mapping, "ServerAdapter", bus.server)
        server = xml.find(mapping, "ServerAdapter")
        assert server is not None
        if storage is None:
            for tag in ("Storage", "TargetDevice"):
                xml.remove(mapping, tag)
            xml.remove(server, "BackingDeviceName")
        else:
            table.set_value(server, "BackingDeviceName", backing.name_of(storage))
            xml.remove(mapping, "Storage")
            table.set_value(mapping, "Storage", {xml.name(storage): storage})
            self._target(mapping, storage)

    def _adapters(self, mapping: xml.Element) -> _Bus:
        """The bus that the mapping names, or a new one."""
        server = xml.value(mapping, "ServerAdapter/UniqueDeviceID")
        if server:
            if server not in self._buses:
                raise refuse("no_adapter", name=server)
            if xml.find(mapping, "AssociatedLogicalPartition") is not None:
                adapters.client_of(self._system, mapping, "VirtualSCSIMapping")
            return self._buses[server]
        client = adapters.client_of(self._system, mapping, "VirtualSCSIMapping")
        wanted = adapters.slot_asked(mapping)
        if wanted:
            # Mappings that name one slot are on one bus (documented).
            bus = self._made.get((client.uuid, wanted)) or self._at_slot(client, wanted)
            if bus is not None:
                return bus
        bus = self._pair(client, wanted)
        if wanted:
            self._made[client.uuid, wanted] = bus
        self._buses[xml.value(bus.server, "UniqueDeviceID")] = bus
        return bus

    def _at_slot(self, client: store.SimObject, slot: str) -> _Bus | None:
        owner = (client.value("PartitionID"), slot)
        for bus in self._buses.values():
            if bus.client is not None and owner == (
                xml.value(bus.client, "LocalPartitionID"),
                xml.value(bus.client, "VirtualSlotNumber"),
            ):
                return bus
        return None

    def _pair(self, client: store.SimObject, wanted: str) -> _Bus:
        pair = self._slots.pair(client, wanted)
        client_values = {
            **adapters.common(
                pair.client_code, pair.client_id, pair.client_slot, "Client"
            ),
            "RemoteLogicalPartitionID": pair.server_id,
            "RemoteSlotNumber": pair.server_slot,
            "ServerLocationCode": pair.server_code,
        }
        server_values = {
            **adapters.common(
                pair.server_code, pair.server_id, pair.server_slot, "Server"
            ),
            "AdapterName": self._slots.name("vhost"),
            "RemoteLogicalPartitionID": pair.client_id,
            "RemoteSlotNumber": pair.client_slot,
            "ServerLocationCode": pair.client_code,
            "UniqueDeviceID": f"1e{pair.server_code}",
        }
        parent = "VirtualSCSIMapping"
        return _Bus(
            table.child(parent, "ClientAdapter", client_values),
            table.child(parent, "ServerAdapter", server_values),
        )

    def _target(self, mapping: xml.Element, storage: xml.Element) -> None:
        tag, prefix, udid = _TARGETS[xml.name(storage)]
        old = xml.find(mapping, "TargetDevice")
        asked = old[0] if old is not None and len(old) else None
        name = address = ""
        if asked is not None:
            name = xml.value(asked, "TargetName")
            address = xml.value(asked, "LogicalUnitAddress")
        server = xml.value(mapping, "ServerAdapter/UniqueDeviceID")
        unique = adapters.fresh_id(self._system, self._vios, 16)
        if tag.startswith("SharedStoragePool"):
            # Captured: that of a logical unit ends with the adapter's location.
            unique = f"{unique[:15]}{server[2:]}"
        values = {
            "LogicalUnitAddress": self._address(server, address),
            "TargetName": self._target_name(prefix, name),
            "UniqueDeviceID": f"{udid}{unique}",
        }
        xml.remove(mapping, "TargetDevice")
        table.set_value(mapping, "TargetDevice", {tag: values})

    def _target_name(self, prefix: str, wanted: str) -> str:
        if wanted in self._targets:
            raise refuse("target_name", name=wanted)
        number = 0
        while not wanted or wanted in self._targets:
            wanted = f"{prefix}{number}"
            number += 1
        self._targets.add(wanted)
        return wanted

    def _address(self, server: str, wanted: str) -> str:
        """0x8100..., 0x8200..., counted within one server adapter (captured)."""
        if wanted and (server, wanted) in self._addresses:
            raise refuse("address", address=wanted, adapter=server)
        number = _FIRST_ADDRESS
        while not wanted or (server, wanted) in self._addresses:
            if number > _LAST_ADDRESS:
                raise refuse("bus_full", adapter=server)
            wanted = f"0x{number:02x}00000000000000"
            number += 1
        self._addresses.add((server, wanted))
        return wanted


def _replace(mapping: xml.Element, tag: str, element: xml.Element) -> None:
    xml.remove(mapping, tag)
    xml.insert(mapping, xml.copy_of(element), table.order("VirtualSCSIMapping"))
