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


"""VirtualFibreChannelMapping: N_Port ID virtualization.

- captured: elements of both adapters and the port, pairs of WWPNs, names
- documented: WWPNs may be chosen or are given by the platform; a mapping
  without a port is one that logged in nowhere yet
- assumed: a port takes 64 of them, a WWPN exists once in all systems
"""

from __future__ import annotations

import re
import typing

from ibmvirt.simulators.novalink import store
from ibmvirt.simulators.novalink.objects import adapters
from ibmvirt.simulators.novalink.refusals import refuse
from ibmvirt.simulators.novalink.schema import table, xml

PATH = "VirtualFibreChannelMappings/VirtualFibreChannelMapping"
_PORT = "PhysicalFibreChannelPort"
_WWPN = re.compile(r"[0-9a-f]{16}")
# Of one physical port (captured).
_PORT_LIMIT = 64


def next_wwpns(system: store.System, count: int) -> list[str]:
    """Fresh WWPNs of a system, upper case; they never come back."""
    index = system.fabric.systems.index(system)
    names = []
    for _ in range(count):
        number = system.fabric.next_number(f"wwpn/{system.name}")
        names.append(f"C0507606{index:02X}{number:06X}")
    return names


def port_of(vios: store.SimObject, name: str) -> xml.Element | None:
    """The physical port of a VIOS by its name."""
    for port in vios.element.iter(f"{{{xml.UOM}}}{_PORT}"):
        if xml.value(port, "PortName") == name:
            return port
    return None


def _wwpns(vios: store.SimObject) -> dict[str, str]:
    """Server adapter -> WWPNs of its client."""
    return {
        xml.value(mapping, "ServerAdapter/UniqueDeviceID"): xml.value(
            mapping, "ClientAdapter/WWPNs"
        )
        for mapping in xml.findall(vios.element, PATH)
    }


def _in_use(system: store.System, but: store.SimObject) -> set[str]:
    """WWPNs of all mappings, of one VIOS none."""
    return {
        name
        for one in system.fabric.systems
        for vios in one.all("VirtualIOServer")
        if vios.key != but.key
        for names in vios.fact("wwpns", _wwpns).values()
        for name in names.split()
    }


def complete(
    system: store.System, before: store.SimObject, vios: store.SimObject
) -> None:
    """Fill in the mappings of a changed VIOS that are new, in its element.

    :raises Refusal: partition or port do not exist, a slot or WWPN is in use,
        the port is full, RMC is missing.
    """
    stored = {_key(m): m for m in xml.findall(before.element, PATH)}
    home = xml.find(vios.element, "VirtualFibreChannelMappings")
    if home is None:
        return
    names = {xml.value(m, "ServerAdapter/AdapterName") for m in stored.values()}
    slots = adapters.Allocator(system, before, names)
    used: set[str] = set()
    new = []
    for mapping in xml.findall(home, "VirtualFibreChannelMapping"):
        old = stored.get(_key(mapping))
        if old is None:
            new.append(mapping)
            continue
        kept = xml.copy_of(old)
        wanted = xml.value(mapping, "Port/PortName")
        if wanted and wanted != xml.value(old, "Port/PortName"):
            _connect(before, kept, wanted)
        home.replace(mapping, kept)
        used |= set(xml.value(old, "ClientAdapter/WWPNs").lower().split())
    if new or len(xml.findall(home, "VirtualFibreChannelMapping")) != len(stored):
        adapters.require_vios(before)
    if new:
        used |= {name.lower() for name in _in_use(system, before)}
    for mapping in new:
        _make(system, before, mapping, slots, used)


def _key(mapping: xml.Element) -> str:
    return xml.value(mapping, "ServerAdapter/UniqueDeviceID")


def _make(
    system: store.System,
    vios: store.SimObject,
    mapping: xml.Element,
    slots: adapters.Allocator,
    used: set[str],
) -> None:
    if _key(mapping):
        raise refuse("no_adapter", name=_key(mapping))
    client = adapters.client_of(system, mapping, "VirtualFibreChannelMapping")
    wwpns = xml.value(mapping, "ClientAdapter/WWPNs").lower().split()
    if not wwpns:
        wwpns = [name.lower() for name in next_wwpns(system, 2)]
    if len(wwpns) != 2 or not all(map(_WWPN.fullmatch, wwpns)):
        raise refuse("malformed", detail=f"WWPNs {' '.join(wwpns)}: two are needed")
    for name in wwpns:
        if name in used:
            raise refuse("wwpn", wwpn=name)
        used.add(name)
    port = xml.value(mapping, "Port/PortName")
    pair = slots.pair(client, adapters.slot_asked(mapping))
    client_values = {
        **adapters.common(pair.client_code, pair.client_id, pair.client_slot, "Client"),
        "ConnectingPartitionID": pair.server_id,
        "ConnectingVirtualSlotNumber": pair.server_slot,
        "WWPNs": " ".join(wwpns),
    }
    server_values = {
        **adapters.common(pair.server_code, pair.server_id, pair.server_slot, "Server"),
        "AdapterName": slots.name("vfchost"),
        "ConnectingPartitionID": pair.client_id,
        "ConnectingVirtualSlotNumber": pair.client_slot,
        "UniqueDeviceID": f"1d{pair.server_code}",
    }
    adapters.set_adapter(mapping, "ClientAdapter", client_values)
    adapters.set_adapter(mapping, "ServerAdapter", server_values)
    udid = xml.find(mapping, "ServerAdapter/UniqueDeviceID")
    assert udid is not None
    # Unlike that of a SCSI adapter (captured).
    udid.set("kb", "CUR")
    xml.remove(mapping, "Port")
    if port:
        _connect(vios, mapping, port)


def _connect(vios: store.SimObject, mapping: xml.Element, name: str) -> None:
    """Let a mapping use a physical port."""
    port = port_of(vios, name)
    if port is None:
        raise refuse("no_port", name=name, vios=vios.value("PartitionName"))
    if xml.value(port, "AvailablePorts", "1") == "0":
        raise refuse("port_full", name=name, vios=vios.value("PartitionName"))
    values: dict[str, typing.Any] = {
        tag: xml.value(port, tag)
        for tag in ("LocationCode", "PortName", "UniqueDeviceID", "WWPN")
    }
    for tag in ("AvailablePorts", "TotalPorts"):
        values[tag] = xml.value(port, tag, str(_PORT_LIMIT))
    xml.remove(mapping, "Port")
    table.set_value(mapping, "Port", values)
    server = xml.find(mapping, "ServerAdapter")
    assert server is not None
    table.set_value(server, "MapPort", name)
    xml.remove(server, "PhysicalPort")
    table.set_value(server, "PhysicalPort", values)


def _uses(vios: store.SimObject) -> dict[str, int]:
    """How many mappings of a VIOS use each port."""
    used: dict[str, int] = {}
    for mapping in xml.findall(vios.element, PATH):
        name = xml.value(mapping, "Port/PortName")
        used[name] = used.get(name, 0) + 1
    return used


def count_ports(before: store.SimObject, vios: store.SimObject) -> None:
    """Let what the ports have left follow the mappings, in the element.

    :raises Refusal: a port has none left.
    """
    old, new = before.fact("ports", _uses), _uses(vios)
    tag = f"{{{xml.UOM}}}{_PORT}"
    left = {
        xml.value(port, "PortName"): xml.value(port, "AvailablePorts")
        for port in before.element.iter(tag)
    }
    for port in vios.element.iter(tag):
        name = xml.value(port, "PortName")
        if not left.get(name):
            continue
        number = int(left[name]) - new.get(name, 0) + old.get(name, 0)
        if number < 0:
            raise refuse("port_full", name=name, vios=vios.value("PartitionName"))
        xml.put(port, "AvailablePorts", number)
