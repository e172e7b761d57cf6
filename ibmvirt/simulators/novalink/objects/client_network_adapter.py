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


"""ClientNetworkAdapter: virtual Ethernet adapters and trunks of partitions."""

from __future__ import annotations

import re

from ibmvirt.simulators.novalink import store
from ibmvirt.simulators.novalink.objects import base, partition, virtual_network
from ibmvirt.simulators.novalink.refusals import refuse
from ibmvirt.simulators.novalink.schema import groups as groups_
from ibmvirt.simulators.novalink.schema import table, xml

# Documented: pypowervm puts no more on one adapter.
_TAG_LIMIT = 20
_MAC = re.compile(r"[0-9A-F]{12}")


@base.register
class ClientNetworkAdapter(base.Noun):
    """A virtual Ethernet adapter of a partition; with TrunkPriority, a trunk.

    - captured: its elements, the MAC address made of the partition's prefix
      and the slot, the elements of Open vSwitch, IP settings as ``Advanced``
    - documented: the next higher slot for UseNextAvailableHighSlotID, a
      DeviceName only on the management partition, RMC for running partitions
    - assumed: MAC addresses are unique in a system; one trunk per switch, VLAN
      and priority
    """

    TYPE = "ClientNetworkAdapter"
    PARENTS = ("LogicalPartition", "VirtualIOServer")
    VERBS = frozenset({"GET", "PUT", "POST", "DELETE"})

    def create(
        self,
        system: store.System,
        parent: store.SimObject | None,
        posted: xml.Element,
    ) -> store.SimObject:
        assert parent is not None
        partition.require_rmc(parent)
        element = table.complete(xml.copy_of(posted))
        switch = _switch(system, element)
        slot = _slot(system, parent, element)
        code = system.location(parent.value("PartitionID"), slot)
        partition.fill(
            element,
            {
                "RequiredAdapter": False,
                "VariedOn": True,
                "Enabled": True,
                "AllowedOperatingSystemMACAddresses": "ALL",
                "PortVLANID": 1,
                "QualityOfServicePriorityEnabled": False,
            },
        )
        for tag, value in (
            ("DynamicReconfigurationConnectorName", code),
            ("LocationCode", code),
            ("LocalPartitionID", parent.value("PartitionID")),
            ("VirtualSlotNumber", slot),
            ("VirtualSwitchID", switch.value("SwitchID")),
        ):
            table.set_value(element, tag, value)
        _vlans(element)
        _mac(system, parent, element, slot)
        _check_trunk(system, parent, element, switch, None)
        item = system.add(self.TYPE, element, parent=parent.key)
        return _after(system, item, parent)

    def update(
        self,
        system: store.System,
        item: store.SimObject,
        posted: xml.Element,
        groups: store.Groups,
    ) -> store.SimObject:
        parent = system.get(*item.parent.split("/"))
        element = groups_.merge(item.element, posted, groups)
        # The slot is given once (captured: COD), and what follows from it.
        for tag in (
            "VirtualSlotNumber",
            "LocalPartitionID",
            "LocationCode",
            "DynamicReconfigurationConnectorName",
        ):
            table.set_value(element, tag, item.value(tag))
        switch = _switch(system, element)
        table.set_value(element, "VirtualSwitchID", switch.value("SwitchID"))
        _vlans(element)
        if xml.value(element, "MACAddress") != item.value("MACAddress"):
            if parent.value("PartitionState") != partition.OFF:
                state = parent.value("PartitionState")
                name = parent.value("PartitionName")
                raise refuse("running", name=name, state=state)
            slot = int(item.value("VirtualSlotNumber"))
            _mac(system, parent, element, slot)
        _check_trunk(system, parent, element, switch, item)
        return _after(system, system.replace(item.changed(element)), parent)

    def delete(self, system: store.System, item: store.SimObject) -> None:
        parent = system.get(*item.parent.split("/"))
        partition.require_rmc(parent)
        system.discard(item)
        partition.relink(system, parent, self.TYPE, "ClientNetworkAdapters")
        virtual_network.follow(system)


def _after(
    system: store.System, item: store.SimObject, parent: store.SimObject
) -> store.SimObject:
    """Links to the networks, and of the partition to the adapter."""
    virtual_network.follow(system)
    switch = item.value("VirtualSwitchID")
    vlans = [item.value("PortVLANID"), *item.value("TaggedVLANIDs").split()]
    element = xml.copy_of(item.element)
    xml.remove(element, "VirtualNetworks")
    networks = virtual_network.links(system, switch, [int(vlan) for vlan in vlans])
    table.set_value(element, "VirtualNetworks", {"link": networks})
    item = system.replace(item.changed(element), quiet=True)
    partition.relink(system, parent, item.type, "ClientNetworkAdapters")
    return item


def _switch(system: store.System, element: xml.Element) -> store.SimObject:
    """The switch that is linked to; the link is made one of ours."""
    home = xml.find(element, "AssociatedVirtualSwitch")
    # A client may write the link in either namespace.
    hrefs = [] if home is None else [part.get("href", "") for part in home]
    switch = system.by_href(hrefs[0]) if hrefs else None
    if switch is None or switch.type != "VirtualSwitch":
        raise refuse("no_switch")
    assert home is not None
    fresh = {"link": [xml.link(system.url_of(switch))]}
    element.replace(
        home, table.child("ClientNetworkAdapter", "AssociatedVirtualSwitch", fresh)
    )
    return switch


def _slot(system: store.System, parent: store.SimObject, element: xml.Element) -> int:
    wanted = xml.value(element, "VirtualSlotNumber")
    high = xml.value(element, "UseNextAvailableHighSlotID") == "true"
    for tag in ("UseNextAvailableHighSlotID", "UseNextAvailableSlotID"):
        xml.remove(element, tag)
    if not wanted:
        return system.next_slot(parent, high=high)
    slot = int(base.number(element, "VirtualSlotNumber"))
    if slot in system.used_slots(parent) or not 1 < slot < system.slot_limit(parent):
        raise refuse("slot", slot=slot, id=parent.value("PartitionID"))
    return slot


def _vlans(element: xml.Element) -> None:
    """Check the VLANs; TaggedVLANSupported says whether there are tagged ones."""
    own = xml.value(element, "PortVLANID")
    tagged = xml.value(element, "TaggedVLANIDs").split()
    for vlan in [own, *tagged]:
        if not vlan.isdigit() or not 1 <= int(vlan) <= 4094:
            raise refuse("vlan", vlan=vlan)
    if own in tagged or len(set(tagged)) != len(tagged):
        raise refuse("vlan_twice", vlan=own)
    if len(tagged) > _TAG_LIMIT:
        raise refuse("vlan_limit", limit=_TAG_LIMIT)
    if xml.find(element, "TaggedVLANSupported") is None:
        table.set_value(element, "TaggedVLANSupported", bool(tagged))


def _mac(
    system: store.System, parent: store.SimObject, element: xml.Element, slot: int
) -> None:
    used = {
        adapter.value("MACAddress")
        for adapter in system.all("ClientNetworkAdapter")
        if adapter.uuid != xml.value(element, "Metadata/Atom/AtomID")
    }
    mac = xml.value(element, "MACAddress").upper().replace(":", "")
    if mac:
        if not _MAC.fullmatch(mac):
            raise refuse("malformed", detail=f"MACAddress {mac!r}")
        if mac in used:
            raise refuse("duplicate_mac", mac=mac)
    else:
        prefix = int(parent.value("MACAddressPrefix", "0")) or partition.mac_prefix(
            system, int(parent.value("PartitionID"))
        )
        mac = next(
            text
            for number in range(slot, slot + 4096)
            if (text := f"{prefix + number:012X}") not in used
        )
    table.set_value(element, "MACAddress", mac)


def _check_trunk(
    system: store.System,
    parent: store.SimObject,
    element: xml.Element,
    switch: store.SimObject,
    old: store.SimObject | None,
) -> None:
    priority = xml.value(element, "TrunkPriority")
    device = xml.value(element, "DeviceName")
    if device and parent.value("IsManagementPartition") != "true":
        # Documented: it is ignored elsewhere.
        xml.remove(element, "DeviceName")
    if not priority:
        return
    mine = (priority, xml.value(element, "PortVLANID"), switch.value("SwitchID"))
    for adapter in system.all("ClientNetworkAdapter"):
        if old is not None and adapter.uuid == old.uuid:
            continue
        other = tuple(
            adapter.value(tag)
            for tag in ("TrunkPriority", "PortVLANID", "VirtualSwitchID")
        )
        if other == mine:
            name = switch.value("SwitchName")
            raise refuse("trunk", vlan=mine[1], switch=name, priority=priority)
