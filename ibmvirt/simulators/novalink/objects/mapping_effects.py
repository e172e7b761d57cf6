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


"""What follows from the mappings of a VIOS.

The buses of a VIOS and the storage adapters of partitions are resources of
their own; logical units and physical volumes show that they are in use.
"""

from __future__ import annotations

import collections.abc
import typing
import uuid as uuids

from ibmvirt.simulators.novalink import store
from ibmvirt.simulators.novalink.objects import (
    backing,
    base,
    fc_mapping,
    partition,
    scsi_mapping,
)
from ibmvirt.simulators.novalink.schema import table, xml

Keys = dict[str, tuple[str, ...]]


@base.register
class VirtualSCSIBus(base.Noun):
    """A pair of SCSI adapters with all that is mapped over it; read only.

    - captured: its elements (vscsibus_feed.txt)
    """

    TYPE = "VirtualSCSIBus"
    PARENTS = ("VirtualIOServer",)


@base.register
class VirtualFibreChannelClientAdapter(base.Noun):
    """The client's end of a Fibre Channel mapping; read only.

    - captured: its elements (vfc_client_adapter_feed.txt)
    """

    TYPE = "VirtualFibreChannelClientAdapter"
    PARENTS = ("LogicalPartition",)


@base.register
class VirtualSCSIClientAdapter(base.Noun):
    """The client's end of a SCSI bus; read only.

    - captured: that a partition links to it (lpar.txt)
    - assumed: its elements are those of the adapter in the mapping
    """

    TYPE = "VirtualSCSIClientAdapter"
    PARENTS = ("LogicalPartition",)


def follow(
    system: store.System, before: store.SimObject | None, vios: store.SimObject
) -> None:
    """Bring everything in line after a VIOS has changed (under the lock)."""
    _follow_buses(system, before, vios)
    _follow_adapters(system, before, vios, _FC)
    _follow_adapters(system, before, vios, _SCSI)
    old = set(scsi_mapping.mapped(before)) if before is not None else set()
    touched = old ^ set(scsi_mapping.mapped(vios))
    if any(identity.startswith("LogicalUnit/") for identity in touched):
        _follow_units(system, touched)


def forget_client(system: store.System, partition_: store.SimObject) -> None:
    """A partition goes, and its adapters with it: what VIOSes map to it is left
    without a client (captured: mappings of a ServerAdapter alone)."""
    number = partition_.value("PartitionID")
    for vios in system.all("VirtualIOServer"):
        if number not in vios.fact("slots", store.slots_of):
            continue
        element = xml.copy_of(vios.element)
        touched = False
        for path in (scsi_mapping.PATH, fc_mapping.PATH):
            for mapping in xml.findall(element, path):
                if xml.value(mapping, "ClientAdapter/LocalPartitionID") == number:
                    for tag in ("ClientAdapter", "AssociatedLogicalPartition"):
                        xml.remove(mapping, tag)
                    touched = True
        if touched:
            changed = system.replace(vios.changed(element))
            follow(system, vios, changed)


def _bus_keys(vios: store.SimObject) -> Keys:
    """Server adapter -> target devices of its bus, and the client."""
    found: dict[str, list[str]] = {}
    for mapping in xml.findall(vios.element, scsi_mapping.PATH):
        server = xml.value(mapping, "ServerAdapter/UniqueDeviceID")
        home = xml.find(mapping, "TargetDevice")
        target = (
            xml.value(home[0], "UniqueDeviceID")
            if home is not None and len(home)
            else ""
        )
        storage = backing.storage_of(mapping)
        name = "" if storage is None else backing.storage_id(storage)
        owner = xml.value(mapping, "ClientAdapter/LocalPartitionID")
        found.setdefault(server, []).append(f"{owner}/{target}/{name}")
    return {server: tuple(parts) for server, parts in found.items()}


def _uuid(kind: str, vios: store.SimObject, server: str) -> str:
    return str(uuids.uuid5(uuids.UUID(vios.uuid), f"{kind}/{server}"))


def _changed(old: Keys, new: Keys) -> tuple[list[str], list[str]]:
    """Server adapters that went, and those that came or changed."""
    gone = [server for server in old if server not in new]
    return gone, [server for server, parts in new.items() if old.get(server) != parts]


def _follow_buses(
    system: store.System, before: store.SimObject | None, vios: store.SimObject
) -> None:
    old = before.fact("buses", _bus_keys) if before is not None else {}
    gone, fresh = _changed(old, vios.fact("buses", _bus_keys))
    kind = "VirtualSCSIBus"
    for server in gone:
        item = system.find(kind, _uuid(kind, vios, server))
        if item is not None:
            system.discard(item)
    for server in fresh:
        mappings = [
            mapping
            for mapping in xml.findall(vios.element, scsi_mapping.PATH)
            if xml.value(mapping, "ServerAdapter/UniqueDeviceID") == server
        ]
        _store(system, kind, _uuid(kind, vios, server), vios.key, _bus(mappings))


def _store(
    system: store.System, kind: str, uuid: str, parent: str, element: xml.Element
) -> None:
    item = system.find(kind, uuid)
    if item is None:
        system.add(kind, element, parent=parent, uuid=uuid)
    else:
        xml.stamp(element, item.uuid, item.created)
        system.replace(item.changed(element), quiet=True)


def _bus(mappings: list[xml.Element]) -> xml.Element:
    first = mappings[0]
    link = xml.find(first, "AssociatedLogicalPartition")
    parts = []
    for mapping in mappings:
        storage, target = (
            xml.find(mapping, "Storage"),
            xml.find(mapping, "TargetDevice"),
        )
        if storage is not None and target is not None and len(storage) and len(target):
            parts.append(
                {
                    "Storage": {xml.name(storage[0]): xml.copy_of(storage[0])},
                    "TargetDevice": {xml.name(target[0]): xml.copy_of(target[0])},
                }
            )
    element = table.build(
        "VirtualSCSIBus",
        {
            "AssociatedLogicalPartition": None
            if link is None
            else table.Href(link.get("href", "")),
            "AssociatedMappings": {"VirtualSCSIStorageAndTargetDevice": parts},
        },
    )
    for tag in ("ClientAdapter", "ServerAdapter"):
        found = xml.find(first, tag)
        if found is not None:
            copied = xml.copy_of(found)
            rule = table.rules("VirtualSCSIBus")[tag]
            for key, text in rule.attributes:
                copied.set(key, text)
            xml.insert(element, copied, table.order("VirtualSCSIBus"))
    return element


class _Side(typing.NamedTuple):
    """The client adapters that the mappings of one kind make."""

    kind: str
    path: str
    build: collections.abc.Callable[[xml.Element, xml.Element], xml.Element]

    def keys(self, vios: store.SimObject) -> Keys:
        """Server adapter -> client and port, of mappings with a client."""
        return {
            xml.value(mapping, "ServerAdapter/UniqueDeviceID"): (
                xml.value(mapping, "ClientAdapter/LocalPartitionID"),
                xml.value(mapping, "Port/PortName"),
            )
            for mapping in xml.findall(vios.element, self.path)
            if xml.find(mapping, "ClientAdapter") is not None
        }


def _follow_adapters(
    system: store.System,
    before: store.SimObject | None,
    vios: store.SimObject,
    side: _Side,
) -> None:
    kind = side.kind
    old = before.fact(kind, side.keys) if before is not None else {}
    gone, changed = _changed(old, vios.fact(kind, side.keys))
    fresh = set(changed)
    owners = {}
    for server in gone:
        item = system.find(kind, _uuid(kind, vios, server))
        if item is not None:
            owners[item.parent] = system.find(*item.parent.split("/"))
            system.discard(item)
    for mapping in xml.findall(vios.element, side.path) if fresh else []:
        server = xml.value(mapping, "ServerAdapter/UniqueDeviceID")
        if server not in fresh:
            continue
        # Mappings of one bus share their adapters.
        fresh.remove(server)
        client = system.by_href(xml.href(mapping, "AssociatedLogicalPartition"))
        adapter = xml.find(mapping, "ClientAdapter")
        if client is None or adapter is None or client.type != "LogicalPartition":
            continue
        uuid = _uuid(kind, vios, server)
        _store(system, kind, uuid, client.key, side.build(mapping, adapter))
        owners[client.key] = client
    for owner in owners.values():
        if owner is not None:
            partition.relink(system, owner, kind, f"{kind}s")


def _fc_adapter(mapping: xml.Element, adapter: xml.Element) -> xml.Element:
    element = table.build("VirtualFibreChannelClientAdapter", {})
    known = table.order("VirtualFibreChannelClientAdapter")
    for child in adapter:
        if xml.name(child) in known:
            xml.insert(element, xml.copy_of(child), known)
    server = xml.find(mapping, "ServerAdapter")
    if server is not None:
        xml.insert(element, xml.copy_of(server), known)
    return element


def _scsi_adapter(_mapping: xml.Element, adapter: xml.Element) -> xml.Element:
    element = table.build("VirtualSCSIClientAdapter", {})
    known = table.order("VirtualSCSIClientAdapter")
    for child in adapter:
        if xml.name(child) in known:
            xml.insert(element, xml.copy_of(child), known)
    return element


_FC = _Side("VirtualFibreChannelClientAdapter", fc_mapping.PATH, _fc_adapter)
_SCSI = _Side("VirtualSCSIClientAdapter", scsi_mapping.PATH, _scsi_adapter)


def _follow_units(system: store.System, touched: set[str]) -> None:
    in_use = scsi_mapping.mapped_anywhere(system)
    for unit in system.all("LogicalUnit"):
        identity = f"LogicalUnit/{unit.value('UniqueDeviceID')}"
        wanted = identity in in_use
        if identity in touched and unit.value("InUse") != xml.text_of(wanted):
            element = xml.copy_of(unit.element)
            table.set_value(element, "InUse", wanted)
            system.replace(unit.changed(element), quiet=True)
