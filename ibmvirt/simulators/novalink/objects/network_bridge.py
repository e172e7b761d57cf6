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


"""NetworkBridge: Shared Ethernet Adapters, load groups and their trunks."""

from __future__ import annotations

import typing

from ibmvirt.simulators.novalink import store
from ibmvirt.simulators.novalink.objects import base, virtual_network
from ibmvirt.simulators.novalink.refusals import refuse
from ibmvirt.simulators.novalink.schema import groups as groups_
from ibmvirt.simulators.novalink.schema import table, xml

_SEAS = "SharedEthernetAdapters/SharedEthernetAdapter"
_TRUNKS = "TrunkAdapters/TrunkAdapter"
# Documented: pypowervm fills a trunk with no more, and a SEA with no more.
_TAG_LIMIT = 20
_TRUNK_LIMIT = 16


@base.register
class NetworkBridge(base.Noun):
    """A SEA, or a pair of them for failover; below a ManagedSystem.

    - captured: the elements of the bridge, its SEAs, load groups and trunks
    - documented: VLANs are added to and removed from the trunks of the SEAs,
      new trunks are posted without slot, MAC address and device name
    - assumed: the load groups follow the trunks of the first SEA
    """

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
        element = groups_.merge(item.element, posted, groups)
        _keep_devices(item, element)
        for sea in xml.findall(element, _SEAS):
            vios = system.by_href(xml.href(sea, "AssignedVirtualIOServer"))
            if vios is None or vios.type != "VirtualIOServer":
                raise refuse("malformed", detail="a SEA names no VIOS of the system")
            trunks = xml.findall(sea, _TRUNKS)
            if not trunks or len(trunks) > _TRUNK_LIMIT:
                raise refuse("trunk_limit", limit=_TRUNK_LIMIT)
            for trunk in trunks:
                _complete_trunk(system, vios, sea, trunk)
        _check_vlans(element)
        _follow_trunks(system, element)
        updated = system.replace(item.changed(element))
        virtual_network.follow(system)
        _write_to_vioses(system, updated)
        return updated


def _keep_devices(item: store.SimObject, element: xml.Element) -> None:
    """The SEAs stay, and what they are made of.

    :raises Refusal: the request adds or removes one.
    """
    table.set_value(element, "PortVLANID", item.value("PortVLANID"))
    tag = "UniqueDeviceID"
    old = {xml.value(one, tag): one for one in xml.findall(item.element, _SEAS)}
    new = {xml.value(one, tag): one for one in xml.findall(element, _SEAS)}
    if old.keys() != new.keys() or len(new) != len(xml.findall(element, _SEAS)):
        raise refuse("not_supported", operation="other SEAs of a NetworkBridge")
    for label, sea in new.items():
        for name in ("BackingDeviceChoice", "DeviceName", "PortVLANID", "IsPrimary"):
            stored = xml.find(old[label], name)
            xml.remove(sea, name)
            if stored is not None:
                order = table.order("SharedEthernetAdapter")
                xml.insert(sea, xml.copy_of(stored), order)


def _complete_trunk(
    system: store.System, vios: store.SimObject, sea: xml.Element, trunk: xml.Element
) -> None:
    """Slot, MAC address and device name of a trunk that is new."""
    tagged = xml.value(trunk, "TaggedVLANIDs").split()
    if len(tagged) > _TAG_LIMIT:
        raise refuse("vlan_limit", limit=_TAG_LIMIT)
    if xml.value(trunk, "VirtualSlotNumber"):
        return
    number = vios.value("PartitionID")
    taken = {
        int(xml.value(other, "VirtualSlotNumber", "0"))
        for other in xml.findall(sea, _TRUNKS)
    }
    slot = system.next_slot(vios, taken=taken)
    switch = _switch_of(system, trunk, sea)
    names = {xml.value(t, "DeviceName") for t in xml.findall(sea, _TRUNKS)}
    device = next(name for n in range(6, 4096) if (name := f"ent{n}") not in names)
    for tag in ("UseNextAvailableSlotID", "UseNextAvailableHighSlotID"):
        xml.remove(trunk, tag)
    values: dict[str, typing.Any] = trunk_values(
        system, number, slot, xml.value(trunk, "PortVLANID"), switch, device
    )
    values["TaggedVLANIDs"] = " ".join(tagged) or None
    values["TaggedVLANSupported"] = bool(tagged)
    values["TrunkPriority"] = base.required(
        xml.findall(sea, _TRUNKS)[0], "TrunkPriority"
    )
    home = trunk.getparent()
    assert home is not None
    home.replace(trunk, table.child("TrunkAdapters", "TrunkAdapter", values))


def _switch_of(system: store.System, trunk: xml.Element, sea: xml.Element) -> str:
    home = xml.find(trunk, "AssociatedVirtualSwitch")
    found = system.by_href(home[0].get("href", "")) if home is not None else None
    if found is not None:
        return found.value("SwitchID")
    return xml.value(xml.findall(sea, _TRUNKS)[0], "VirtualSwitchID", "0")


def trunk_values(
    system: store.System,
    vios_id: str,
    slot: int,
    vlan: str | int,
    switch: str,
    device: str,
) -> dict[str, typing.Any]:
    """A trunk adapter of a SEA (captured: nbbr_network_bridge_peer.txt)."""
    code = system.location(vios_id, slot)
    return {
        "DynamicReconfigurationConnectorName": code,
        "LocationCode": code,
        "RequiredAdapter": False,
        "VariedOn": True,
        "VirtualSlotNumber": slot,
        "AllowedOperatingSystemMACAddresses": "ALL",
        "MACAddress": f"{(0xFE << 40) | (int(vios_id) << 16) | slot:012X}",
        "PortVLANID": vlan,
        "QualityOfServicePriorityEnabled": False,
        "TaggedVLANSupported": False,
        "VirtualSwitchID": switch,
        "DeviceName": device,
        "TrunkPriority": 1,
    }


def _check_vlans(element: xml.Element) -> None:
    """:raises Refusal: a VLAN is on two trunks of one SEA."""
    for sea in xml.findall(element, _SEAS):
        seen: set[str] = set()
        for trunk in xml.findall(sea, _TRUNKS):
            own = [base.required(trunk, "PortVLANID")]
            for vlan in own + xml.value(trunk, "TaggedVLANIDs").split():
                if not vlan.isdigit() or not 1 <= int(vlan) <= 4094:
                    raise refuse("vlan", vlan=vlan)
                if vlan in seen:
                    raise refuse("vlan_twice", vlan=vlan)
                seen.add(vlan)


def _follow_trunks(system: store.System, element: xml.Element) -> None:
    """Load groups and links to networks, as the trunks of the SEAs are."""
    seas = xml.findall(element, _SEAS)
    if not seas:
        raise refuse("malformed", detail="a NetworkBridge without a SEA")
    groups = []
    all_vlans: list[int] = []
    switch = "0"
    for trunk in xml.findall(seas[0], _TRUNKS):
        own = xml.value(trunk, "PortVLANID")
        switch = xml.value(trunk, "VirtualSwitchID", "0")
        vlans = [int(own), *map(int, xml.value(trunk, "TaggedVLANIDs").split())]
        all_vlans += vlans
        same = [
            xml.copy_of(other)
            for sea in seas
            for other in xml.findall(sea, _TRUNKS)
            if xml.value(other, "PortVLANID") == own
        ]
        groups.append(
            {
                "PortVLANID": own,
                "TrunkAdapters": {"TrunkAdapter": same},
                "VirtualNetworks": {
                    "link": virtual_network.links(system, switch, vlans)
                },
            }
        )
    for tag, value in (
        ("LoadGroups", {"LoadGroup": groups}),
        (
            "VirtualNetworks",
            {"link": virtual_network.links(system, switch, all_vlans)},
        ),
    ):
        xml.remove(element, tag)
        table.set_value(element, tag, value)


def _write_to_vioses(system: store.System, bridge: store.SimObject) -> None:
    """The SEA of each VIOS is the bridge's (captured: they are equal)."""
    for sea in xml.findall(bridge.element, _SEAS):
        vios = system.by_href(xml.href(sea, "AssignedVirtualIOServer"))
        assert vios is not None
        element = xml.copy_of(vios.element)
        home = xml.find(element, "SharedEthernetAdapters")
        if home is None:
            continue
        copied = xml.copy_of(sea)
        for tag in ("AssignedVirtualIOServer", "IsPrimary"):
            # Only a bridge shows these (captured).
            xml.remove(copied, tag)
        udid = xml.value(sea, "UniqueDeviceID")
        for old in xml.findall(home, "SharedEthernetAdapter"):
            if xml.value(old, "UniqueDeviceID") == udid:
                home.replace(old, copied)
        system.replace(vios.changed(element), quiet=True)


def settle(system: store.System) -> None:
    """Derive load groups and networks of bridges that were built whole."""
    for bridge in system.all("NetworkBridge"):
        element = xml.copy_of(bridge.element)
        _follow_trunks(system, element)
        system.replace(bridge.changed(element), quiet=True)
    virtual_network.follow(system)
