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

"""Vswitches, and who may use them."""

from __future__ import annotations

import dataclasses

from ibmvirt.simulators.zvm import model
from ibmvirt.simulators.zvm.codes import refuse
from ibmvirt.simulators.zvm.commands.base import Arguments, Caller, api

# How a setting of Create and Set is called when it is queried, and its default.
_QUERIED = {
    "transport_type": ("transport_type", "ETHERNET"),
    "port_type": ("port_type", "ACCESS"),
    "queue_memory_limit": ("queue_memory_limit", "8"),
    "routing_value": ("routing_value", "NONROUTER"),
    "vlan_id": ("vlan_id", "0001"),
    "native_vlanid": ("native_vlan_id", "0001"),
    "gvrp_value": ("gvrp_request_attribute", "NOGVRP"),
}
_CREATED = (
    "switch_name real_device_address controller_name connection_value persist "
    + " ".join(_QUERIED)
)
_SET = (
    "switch_name grant_userid user_vlan_id revoke_userid persist promiscuous "
    "port_name MAC_protect VLAN_counters iptimeout lacp interval group_rdev "
    "real_device_address controller_name connection_value " + " ".join(_QUERIED)
)


def find(zvm: model.Zvm, name: str) -> model.Vswitch:
    """:raises Refusal: no such vswitch."""
    found = zvm.vswitches.get(name.upper())
    if not isinstance(found, model.Vswitch):
        raise refuse("no_vswitch", name=name)
    return found


@api("Virtual_Network_Vswitch_Query", "-T -s")
def query(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    wanted = args.flag("-s").upper()
    names = [name for name in sorted(zvm.vswitches) if wanted in ("*", name)]
    if not names:
        raise refuse("no_vswitch", name=wanted)
    return "".join(f"VSWITCH:  Name: {name}\n" for name in names)


@api("Virtual_Network_Vswitch_Query_Extended", "-T", "switch_name")
def query_extended(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    """21 lines of key and value, real devices, grants, adapters (documented)."""
    switch = find(zvm, args.key("switch_name"))
    lines = [f"{key}: {value}" for key, value in _settings(switch)]
    for rdev in switch.rdevs:
        lines += [
            f"real_device_address: {rdev}",
            "virtual_device_address: 0600",
            "controller_name: DTCVSW1",
            "port_name: (NONE)",
            "device_status: 1",
            "device_error_status 0",
        ]
    for user, vlan in switch.grants:
        lines += [
            "port_num: 0000",
            f"grant_userid: {user}",
            "promiscuous_mode: NO",
            "osd_sim: NO",
        ]
        # A vswitch without VLANs tells of one, which the Connector leaves out.
        vlans = [vlan or "0001"] if vlan or not switch.vlan_aware else []
        lines.append(f"vlan_count: {len(vlans)}")
        lines += [f"user_vlan_id: {one}" for one in vlans]
    for owner in zvm.users.values():
        for nic in owner.active_nics:
            if nic.switch == switch.name:
                lines += [
                    f"adapter_owner: {owner.name}",
                    f"adapter_vdev: {nic.vdev}",
                    f"adapter_macaddr: {_dashes(nic.mac)}",
                    "adapter_type: QDIO",
                ]
    return "\n".join(lines) + "\n"


def _dashes(mac: str) -> str:
    return "-".join(mac[i : i + 2] for i in range(0, len(mac), 2))


def _settings(switch: model.Vswitch) -> list[tuple[str, str]]:
    chosen = dict(switch.settings)
    queried = {name: chosen.get(key, value) for key, (name, value) in _QUERIED.items()}
    if not switch.vlan_aware:
        queried["vlan_id"] = "UNAWARE"
    # Ready with a real device, disconnected without one.
    status = "8" if switch.rdevs else "4"
    return [
        ("switch_name", switch.name),
        ("transport_type", queried["transport_type"]),
        ("port_type", queried["port_type"]),
        ("queue_memory_limit", queried["queue_memory_limit"]),
        ("routing_value", queried["routing_value"]),
        ("vlan_awareness", "AWARE" if switch.vlan_aware else "UNAWARE"),
        ("vlan_id", queried["vlan_id"]),
        ("native_vlan_id", queried["native_vlan_id"]),
        ("mac_address", "02-00-00-00-00-01"),
        ("gvrp_request_attribute", queried["gvrp_request_attribute"]),
        ("gvrp_enabled_attribute", queried["gvrp_request_attribute"]),
        ("switch_status", status),
        ("link_ag", "NOLAG"),
        ("lag_interval", chosen.get("interval", "0")),
        ("lag_group", "NONE"),
        ("IP_timeout", chosen.get("iptimeout", "5")),
        ("switch_type", "QDIO"),
        ("isolation_status", "NOISOLATION"),
        ("MAC_protect", chosen.get("MAC_protect", "UNSPECIFIED")),
        ("user_port_based", "USERBASED"),
        ("VLAN_counters", chosen.get("VLAN_counters", "OFF")),
    ]


def _changed(switch: model.Vswitch, keys: dict[str, str]) -> model.Vswitch:
    """With the settings of Create or Set."""
    settings = dict(switch.settings)
    settings.update(
        (name, value)
        for name, value in keys.items()
        if name in _QUERIED or name in ("interval", "iptimeout", "MAC_protect",
                                        "VLAN_counters")
    )  # fmt: skip
    rdevs = switch.rdevs
    if "real_device_address" in keys:
        words = keys["real_device_address"].replace(",", " ").split()
        rdevs = tuple(
            model.vdev_of(word.partition(".")[0])
            for word in words
            if word.upper() != "NONE"
        )
    return dataclasses.replace(
        switch, rdevs=rdevs, settings=tuple(sorted(settings.items()))
    )


@api("Virtual_Network_Vswitch_Create_Extended", "-T", _CREATED)
def create(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    name = args.key("switch_name").upper()
    if name in zvm.vswitches:
        raise refuse("vswitch_exists", name=name)
    vlan = args.keys.get("vlan_id", "UNAWARE").upper()
    if vlan not in ("UNAWARE", "AWARE"):
        _check_vlan(vlan)
    switch = model.Vswitch(name, vlan_aware=vlan != "UNAWARE")
    zvm.vswitches[name] = _changed(switch, args.keys)
    return ""


@api("Virtual_Network_Vswitch_Delete_Extended", "-T", "switch_name persist")
def delete(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    """Adapters on it lose their connection."""
    switch = find(zvm, args.key("switch_name"))
    for user in list(zvm.users.values()):
        if any(nic.switch == switch.name for nic in user.active_nics):
            nics = (
                dataclasses.replace(nic, switch="", vlan=0)
                if nic.switch == switch.name
                else nic
                for nic in user.active_nics
            )
            zvm.put(user.changed(active_nics=tuple(nics)))
    del zvm.vswitches[switch.name]
    return ""


@api("Virtual_Network_Vswitch_Set_Extended", "-T", _SET)
def change(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    """Grant, revoke, and settings. Revoking what was not granted is nothing."""
    switch = find(zvm, args.key("switch_name"))
    grants = dict(switch.grants)
    if "revoke_userid" in args.keys:
        grants.pop(args.keys["revoke_userid"].upper(), None)
    if "user_vlan_id" in args.keys and not switch.vlan_aware:
        raise refuse("vlan_unaware", name=switch.name)
    if "grant_userid" in args.keys:
        user = args.keys["grant_userid"].upper()
        vlan = args.keys.get("user_vlan_id", grants.get(user, ""))
        if vlan:
            _check_vlan(vlan)
        grants[user] = vlan
    changed = _changed(switch, args.keys)
    zvm.vswitches[switch.name] = dataclasses.replace(
        changed, grants=tuple(sorted(grants.items()))
    )
    return ""


def _check_vlan(text: str) -> None:
    if not (text.isdigit() and 1 <= int(text) <= 4094):
        raise refuse("bad_vlan", vlan=text)
