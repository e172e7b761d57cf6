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

"""Vswitches, grants and network adapters."""

from __future__ import annotations

import dataclasses

from ibmvirt.simulators.zvm import model
from ibmvirt.simulators.zvm.codes import refuse
from ibmvirt.simulators.zvm.commands.base import Arguments, Caller, api


def _vswitch(zvm: model.Zvm, name: str) -> model.Vswitch:
    found = zvm.vswitches.get(name.upper())
    if not isinstance(found, model.Vswitch):
        raise refuse("no_vswitch", name=name)
    return found


@api("Virtual_Network_Vswitch_Query")
def query(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    if not zvm.vswitches:
        raise refuse("no_vswitch", name="*")
    return "".join(f"VSWITCH:  Name: {name}\n" for name in sorted(zvm.vswitches))


@api("Virtual_Network_Vswitch_Query_Extended")
def query_extended(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    """21 lines of key and value, then the grants (documented)."""
    switch = _vswitch(zvm, args.key("switch_name"))
    pairs = [
        ("switch_name", switch.name),
        ("transport_type", "ETHERNET"),
        ("port_type", "ACCESS"),
        ("queue_memory_limit", "8"),
        ("routing_value", "NONROUTER"),
        ("vlan_awareness", "AWARE" if switch.vlan_aware else "UNAWARE"),
        ("vlan_id", "0001"),
        ("native_vlan_id", "0001"),
        ("mac_address", "02-00-00-00-00-01"),
        ("gvrp_request_attribute", "NOGVRP"),
        ("gvrp_enabled_attribute", "NOGVRP"),
        ("switch_status", "4"),
        ("link_ag", "NOLAG"),
        ("lag_interval", "0"),
        ("lag_group", "NONE"),
        ("IP_timeout", "5"),
        ("switch_type", "QDIO"),
        ("isolation_status", "NOISOLATION"),
        ("MAC_protect", "UNSPECIFIED"),
        ("user_port_based", "USERBASED"),
        ("VLAN_counters", "OFF"),
    ]
    lines = [f"{key}: {value}" for key, value in pairs]
    for user, vlan in switch.grants:
        lines += [
            "port_num: 0000",
            f"grant_userid: {user}",
            "promiscuous_mode: NO",
            "osd_sim: NO",
            f"vlan_count: {1 if vlan else 0}",
        ]
        if vlan:
            lines.append(f"user_vlan_id: {vlan}")
    for user in zvm.users.values():
        for line in user.entry:
            words = line.split()
            if words[:1] == ["NICDEF"] and switch.name in words:
                lines += [
                    f"adapter_owner: {user.name}",
                    f"adapter_vdev: {words[1]}",
                    "adapter_macaddr: 02-00-00-00-00-02",
                    "adapter_type: QDIO",
                ]
    return "\n".join(lines) + "\n"


@api("Virtual_Network_Vswitch_Create_Extended")
def create(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    name = args.key("switch_name").upper()
    if name in zvm.vswitches:
        raise refuse("vswitch_exists", name=name)
    aware = args.keys.get("vlan_id", "UNAWARE").upper() != "UNAWARE"
    zvm.vswitches[name] = model.Vswitch(name, vlan_aware=aware)
    return ""


@api("Virtual_Network_Vswitch_Delete_Extended")
def delete(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    switch = _vswitch(zvm, args.key("switch_name"))
    del zvm.vswitches[switch.name]
    return ""


@api("Virtual_Network_Vswitch_Set_Extended")
def change(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    switch = _vswitch(zvm, args.key("switch_name"))
    grants = dict(switch.grants)
    if "revoke_userid" in args.keys:
        grants.pop(args.keys["revoke_userid"].upper(), None)
    if "grant_userid" in args.keys:
        user = args.keys["grant_userid"].upper()
        vlan = args.keys.get("user_vlan_id", grants.get(user, ""))
        if vlan and not switch.vlan_aware:
            raise refuse("vlan_unaware", name=switch.name)
        grants[user] = vlan
    zvm.vswitches[switch.name] = dataclasses.replace(
        switch, grants=tuple(sorted(grants.items()))
    )
    return ""


def _nic(user: model.User, vdev: str) -> str | None:
    prefix = f"NICDEF {vdev} "
    return next((line for line in user.entry if line.startswith(prefix)), None)


@api("Virtual_Network_Adapter_Create_Extended_DM")
def create_nic(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    user = zvm.unlocked(args.user())
    vdev = model.vdev_of(args.key("image_device_number"))
    if _nic(user, vdev):
        raise refuse("nic_exists", user=user.name, vdev=vdev)
    line = f"NICDEF {vdev} TYPE {args.key('adapter_type')}"
    if "mac_id" in args.keys:
        line += f" MACID {args.keys['mac_id'].upper()}"
    zvm.put(user.changed(entry=(*user.entry, line)))
    return ""


@api("Virtual_Network_Adapter_Delete_DM")
def delete_nic(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    user = zvm.unlocked(args.user())
    prefix = f"NICDEF {model.vdev_of(args.flag('-v'))} "
    kept = tuple(line for line in user.entry if not line.startswith(prefix))
    if kept == user.entry:
        raise refuse("no_nic", user=user.name, vdev=args.flag("-v"))
    zvm.put(user.changed(entry=kept))
    return ""


def _active(user: model.User) -> dict[str, str]:
    if not user.on:
        raise refuse("not_on", user=user.name)
    return dict(user.active_nics)


def _put_active(zvm: model.Zvm, user: model.User, nics: dict[str, str]) -> None:
    zvm.put(user.changed(active_nics=tuple(sorted(nics.items()))))


@api("Virtual_Network_Adapter_Create_Extended")
def create_active(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    user = zvm.user(args.user())
    nics = _active(user)
    nics[model.vdev_of(args.key("image_device_number"))] = ""
    _put_active(zvm, user, nics)
    return ""


def _granted_by_entry(user: model.User, switch: model.Vswitch) -> bool:
    """A NICDEF with the vswitch authorizes its user (z/VM 6.4 and later)."""
    return any(
        line.startswith("NICDEF ") and f" LAN SYSTEM {switch.name}" in line
        for line in user.entry
    )


@api("Virtual_Network_Adapter_Connect_Vswitch")
def connect(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    user = zvm.user(args.user())
    switch = _vswitch(zvm, args.flag("-n"))
    nics = _active(user)
    if user.name not in dict(switch.grants) and not _granted_by_entry(user, switch):
        raise refuse("not_granted", user=user.name, name=switch.name)
    nics[model.vdev_of(args.flag("-v"))] = switch.name
    _put_active(zvm, user, nics)
    return ""


@api("Virtual_Network_Adapter_Disconnect")
def disconnect(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    user = zvm.user(args.user())
    nics = _active(user)
    nics[model.vdev_of(args.flag("-v"))] = ""
    _put_active(zvm, user, nics)
    return ""


@api("Virtual_Network_Adapter_Disconnect_DM")
def disconnect_dm(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    user = zvm.unlocked(args.user())
    vdev = model.vdev_of(args.flag("-v"))
    kept = tuple(
        line
        for line in user.entry
        if not (line.startswith(f"NICDEF {vdev} ") and " LAN " in line)
    )
    zvm.put(user.changed(entry=kept))
    return ""


@api("Virtual_Network_Adapter_Delete")
def delete_active(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    user = zvm.user(args.user())
    nics = _active(user)
    if nics.pop(model.vdev_of(args.flag("-v")), None) is None:
        raise refuse("no_nic", user=user.name, vdev=args.flag("-v"))
    _put_active(zvm, user, nics)
    return ""
