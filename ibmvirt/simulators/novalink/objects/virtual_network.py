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


"""VirtualNetwork: the VLANs that are in use on a virtual switch."""

from __future__ import annotations

import uuid as uuids

from ibmvirt.simulators.novalink import store
from ibmvirt.simulators.novalink.objects import base
from ibmvirt.simulators.novalink.schema import table, xml

Key = tuple[str, int]


@base.register
class VirtualNetwork(base.Noun):
    """Below a ManagedSystem; read only.

    - captured: names and elements
    - documented: a NovaLink makes them itself, only an HMC lets a client do it
    - assumed: one exists as long as an adapter uses its VLAN
    """

    TYPE = "VirtualNetwork"
    PARENTS = ("ManagedSystem",)


def _vlans(vlan: str, tagged: str) -> dict[int, bool]:
    """VLAN id -> whether it is tagged, of one adapter."""
    found = {int(one): True for one in tagged.split()}
    if vlan:
        found[int(vlan)] = False
    return found


def _vlans_of_adapter(item: store.SimObject) -> dict[Key, bool]:
    switch = item.value("VirtualSwitchID", "0")
    vlans = _vlans(item.value("PortVLANID"), item.value("TaggedVLANIDs"))
    return {(switch, vlan): tagged for vlan, tagged in vlans.items()}


def _vlans_of_bridge(item: store.SimObject) -> dict[Key, bool]:
    found: dict[Key, bool] = {}
    for trunk in item.element.iter(f"{{{xml.UOM}}}TrunkAdapter"):
        switch = xml.value(trunk, "VirtualSwitchID", "0")
        vlans = _vlans(
            xml.value(trunk, "PortVLANID"), xml.value(trunk, "TaggedVLANIDs")
        )
        found |= {(switch, vlan): tagged for vlan, tagged in vlans.items()}
    return found


def _in_use(system: store.System) -> dict[Key, bool]:
    found: dict[Key, bool] = {}
    for adapter in system.all("ClientNetworkAdapter"):
        for key, tagged in adapter.fact("vlans", _vlans_of_adapter).items():
            found[key] = found.get(key, True) and tagged
    for bridge in system.all("NetworkBridge"):
        for key, tagged in bridge.fact("vlans", _vlans_of_bridge).items():
            found[key] = found.get(key, True) and tagged
    return found


def key_of(item: store.SimObject) -> Key:
    return item.value("VswitchID"), int(item.value("NetworkVLANID", "0"))


def url(system: store.System, switch: str, vlan: int) -> str:
    return system.url(
        "ManagedSystem", system.uuid, "VirtualNetwork", _uuid(system, switch, vlan)
    )


def _uuid(system: store.System, switch: str, vlan: int) -> str:
    """The same VLAN of a switch always has the same id (captured)."""
    return str(uuids.uuid5(uuids.UUID(system.uuid), f"vlan/{switch}/{vlan}"))


def links(system: store.System, switch: str, vlans: list[int]) -> list[xml.Element]:
    return [xml.link(url(system, switch, vlan)) for vlan in vlans]


def follow(system: store.System) -> None:
    """Make and remove networks as adapters need (under the lock)."""
    wanted = _in_use(system)
    there = {key_of(item): item for item in system.all("VirtualNetwork")}
    switches = {item.value("SwitchID"): item for item in system.all("VirtualSwitch")}
    touched = set()
    for key in there.keys() - wanted.keys():
        system.discard(there[key])
        touched.add(key[0])
    for switch, vlan in wanted.keys() - there.keys():
        home = switches.get(switch)
        if home is None:
            continue
        _add(system, home, vlan, tagged=wanted[switch, vlan])
        touched.add(switch)
    for number in touched & switches.keys():
        _relink(system, switches[number])


def _add(
    system: store.System, switch: store.SimObject, vlan: int, *, tagged: bool
) -> None:
    number, name = switch.value("SwitchID"), switch.value("SwitchName")
    element = table.build(
        "VirtualNetwork",
        {
            "AssociatedSwitch": table.Href(system.url_of(switch)),
            "NetworkName": f"{name}-{vlan}" if tagged else f"VLAN{vlan}-{name}",
            "NetworkVLANID": vlan,
            "VswitchID": number,
            "TaggedNetwork": tagged,
        },
    )
    system.add(
        "VirtualNetwork",
        element,
        parent=f"ManagedSystem/{system.uuid}",
        uuid=_uuid(system, number, vlan),
    )


def _relink(system: store.System, switch: store.SimObject) -> None:
    """A switch names its networks (captured)."""
    element = xml.copy_of(switch.element)
    number = switch.value("SwitchID")
    found = sorted(
        (item for item in system.all("VirtualNetwork") if key_of(item)[0] == number),
        key=key_of,
    )
    xml.remove(element, "VirtualNetworks")
    table.set_value(
        element,
        "VirtualNetworks",
        {"link": [xml.link(system.url_of(item)) for item in found]},
    )
    system.replace(switch.changed(element), quiet=True)
