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

"""ClientNetworkAdapter, VirtualSwitch, VirtualNetwork and NetworkBridge."""

from __future__ import annotations

from ibmvirt.simulators.novalink import store
from ibmvirt.simulators.novalink.objects import base, logical_partition
from ibmvirt.simulators.novalink.refusals import refuse
from ibmvirt.simulators.novalink.schema import xml

_CNA_ORDER = (
    "UseNextAvailableSlotID",
    "UseNextAvailableHighSlotID",
    "DynamicReconfigurationConnectorName",
    "LocationCode",
    "LocalPartitionID",
    "RequiredAdapter",
    "VariedOn",
    "VirtualSlotNumber",
    "AllowedOperatingSystemMACAddresses",
    "MACAddress",
    "PortVLANID",
    "QualityOfServicePriorityEnabled",
    "TaggedVLANIDs",
    "TaggedVLANSupported",
    "AssociatedVirtualSwitch",
    "VirtualSwitchID",
    "VirtualSwitchName",
    "TrunkPriority",
    "DeviceName",
    "InterfaceName",
    "ConfiguredMTU",
    "OvsBridge",
    "OvsPortExternalIds",
    "VirtualNetworks",
)


@base.register
class ClientNetworkAdapter(base.Noun):
    """A virtual Ethernet adapter of a partition; with TrunkPriority, a trunk."""

    TYPE = "ClientNetworkAdapter"
    PARENTS = ("LogicalPartition", "VirtualIOServer")
    ORDER = _CNA_ORDER
    VERBS = frozenset({"GET", "PUT", "POST", "DELETE"})

    def create(
        self,
        system: store.System,
        parent: store.SimObject | None,
        posted: xml.Element,
    ) -> store.SimObject:
        assert parent is not None
        logical_partition.require_rmc(parent)
        element = xml.copy_of(posted)
        switch = system.by_href(xml.href(element, "AssociatedVirtualSwitch/link"))
        if switch is None:
            space = f"{{{xml.ATOM}}}link"
            home = xml.find(element, "AssociatedVirtualSwitch")
            found = home.find(space) if home is not None else None
            switch = (
                system.by_href(found.get("href", "")) if found is not None else None
            )
        if switch is None or switch.type != "VirtualSwitch":
            raise refuse("no_switch")
        vlan = base.number(element, "PortVLANID", "1")
        if not 1 <= vlan <= 4094:
            raise refuse("malformed", detail=f"PortVLANID {vlan:.0f} is not 1 to 4094")
        self._slot(system, parent, element)
        self._mac(system, element)
        number = parent.value("PartitionID")
        slot = xml.value(element, "VirtualSlotNumber")
        code = system.location(number, slot)
        for tag, text, kb in (
            ("DynamicReconfigurationConnectorName", code, "CUD"),
            ("LocationCode", code, "ROR"),
            ("LocalPartitionID", number, "CUR"),
            ("VirtualSwitchID", switch.value("SwitchID"), "ROR"),
        ):
            xml.remove(element, tag)
            xml.insert(element, xml.leaf(tag, text, kb), _CNA_ORDER)
        if xml.value(element, "TrunkPriority"):
            self._check_trunk(system, element, switch)
        return system.add(self.TYPE, element, parent=parent.key)

    @staticmethod
    def _slot(
        system: store.System, parent: store.SimObject, element: xml.Element
    ) -> None:
        wanted = xml.value(element, "VirtualSlotNumber")
        if wanted:
            if int(wanted) in system.used_slots(parent):
                raise refuse("slot", slot=wanted, id=parent.value("PartitionID"))
            return
        high = xml.value(element, "UseNextAvailableHighSlotID") == "true"
        slot = system.next_slot(parent, high=high)
        for tag in ("UseNextAvailableHighSlotID", "UseNextAvailableSlotID"):
            xml.remove(element, tag)
        xml.insert(element, xml.leaf("VirtualSlotNumber", slot, "COD"), _CNA_ORDER)

    @staticmethod
    def _mac(system: store.System, element: xml.Element) -> None:
        mac = xml.value(element, "MACAddress").upper().replace(":", "")
        trunk = bool(xml.value(element, "TrunkPriority"))
        if not mac:
            serial = system.fabric.next_number("mac")
            mac = f"FA{serial:010X}"
            xml.insert(element, xml.leaf("MACAddress", mac), _CNA_ORDER)
        else:
            xml.put(element, "MACAddress", mac)
        for adapter in system.all("ClientNetworkAdapter"):
            both = trunk or bool(adapter.value("TrunkPriority"))
            if adapter.value("MACAddress") == mac and not both:
                raise refuse("duplicate_mac", mac=mac)

    @staticmethod
    def _check_trunk(
        system: store.System, element: xml.Element, switch: store.SimObject
    ) -> None:
        """Two trunks of one VLAN and priority on one switch cannot be."""
        for adapter in system.all("ClientNetworkAdapter"):
            if (
                adapter.value("TrunkPriority") == xml.value(element, "TrunkPriority")
                and adapter.value("PortVLANID") == xml.value(element, "PortVLANID")
                and adapter.value("VirtualSwitchID") == switch.value("SwitchID")
            ):
                raise refuse(
                    "malformed",
                    detail=f"a trunk of VLAN {adapter.value('PortVLANID')} exists on "
                    f"switch {switch.value('SwitchName')}",
                )

    def update(
        self,
        system: store.System,
        item: store.SimObject,
        posted: xml.Element,
        groups: store.Groups,
    ) -> store.SimObject:
        element = xml.merge(item.element, posted, groups, _CNA_ORDER)
        for tag in ("VirtualSlotNumber", "LocalPartitionID", "MACAddress"):
            xml.put(element, tag, item.value(tag))
        return system.replace(item.changed(element))

    def delete(self, system: store.System, item: store.SimObject) -> None:
        kind, uuid = item.parent.split("/")
        logical_partition.require_rmc(system.get(kind, uuid))
        system.discard(item)


@base.register
class VirtualSwitch(base.Noun):
    """Below a ManagedSystem."""

    TYPE = "VirtualSwitch"
    PARENTS = ("ManagedSystem",)
    VERBS = frozenset({"GET", "PUT", "DELETE"})

    def create(
        self,
        system: store.System,
        parent: store.SimObject | None,
        posted: xml.Element,
    ) -> store.SimObject:
        assert parent is not None
        name = base.required(posted, "SwitchName")
        switches = system.all(self.TYPE)
        if any(item.value("SwitchName") == name for item in switches):
            raise refuse("duplicate_name", name=name)
        used = {int(item.value("SwitchID", "-1")) for item in switches}
        number = next(n for n in range(64) if n not in used)
        return system.add(self.TYPE, switch(number, name), parent=parent.key)

    def delete(self, system: store.System, item: store.SimObject) -> None:
        number = item.value("SwitchID")
        for adapter in system.all("ClientNetworkAdapter"):
            if adapter.value("VirtualSwitchID") == number:
                raise refuse("running", name=item.value("SwitchName"), state="in use")
        system.discard(item)


def switch(number: int, name: str) -> xml.Element:
    return xml.node(
        "VirtualSwitch",
        xml.leaf("SwitchID", number, "ROR"),
        xml.leaf("SwitchMode", "Veb", "CUD"),
        xml.leaf("SwitchName", name, "CUD"),
        kb=None,
    )


@base.register
class VirtualNetwork(base.Noun):
    """Below a ManagedSystem; read only."""

    TYPE = "VirtualNetwork"
    PARENTS = ("ManagedSystem",)


@base.register
class NetworkBridge(base.Noun):
    """A pair of Shared Ethernet Adapters; below a ManagedSystem."""

    TYPE = "NetworkBridge"
    PARENTS = ("ManagedSystem",)
    VERBS = frozenset({"GET", "POST"})

    def update(
        self,
        system: store.System,
        item: store.SimObject,
        posted: xml.Element,
        groups: store.Groups,
    ) -> store.SimObject:
        return system.replace(item.changed(xml.merge(item.element, posted, groups, ())))
