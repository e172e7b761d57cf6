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

"""Network adapters: their statements, and those that a running user has."""

from __future__ import annotations

import dataclasses

from ibmvirt.simulators.zvm import entries, model
from ibmvirt.simulators.zvm.codes import refuse
from ibmvirt.simulators.zvm.commands import networks
from ibmvirt.simulators.zvm.commands.base import Arguments, Caller, api


@api(
    "Virtual_Network_Adapter_Create_Extended_DM",
    "-T",
    "image_device_number adapter_type mac_id devices",
)
def create(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    user = zvm.unlocked(args.user())
    vdev = model.vdev_of(args.key("image_device_number"))
    if user.statements("NICDEF", vdev):
        raise refuse("nic_exists", user=user.name, vdev=vdev)
    line = f"NICDEF {vdev} TYPE {args.key('adapter_type')}"
    if "mac_id" in args.keys:
        line += f" MACID {_mac_id(args.keys['mac_id'])}"
    zvm.put(user.changed(entry=(*user.entry, line)))
    return ""


def _mac_id(text: str) -> str:
    try:
        number = int(text, 16)
    except ValueError:
        number = -1
    if len(text) != 6 or number < 0:
        raise refuse("bad_argument", name=f"-k mac_id={text}")
    return text.upper()


@api("Virtual_Network_Adapter_Delete_DM", "-T -v")
def delete(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    user = zvm.unlocked(args.user())
    vdev = model.vdev_of(args.flag("-v"))
    prefix = f"NICDEF {vdev} "
    kept = tuple(line for line in user.entry if not line.startswith(prefix))
    if kept == user.entry:
        raise refuse("no_nic", user=user.name, vdev=vdev)
    zvm.put(user.changed(entry=kept))
    return ""


@api("Virtual_Network_Adapter_Disconnect_DM", "-T -v")
def disconnect(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    user = zvm.unlocked(args.user())
    vdev = model.vdev_of(args.flag("-v"))
    found = user.statements("NICDEF", vdev)
    if not found:
        raise refuse("no_nic", user=user.name, vdev=vdev)
    if not any("LAN" in words for words in found):
        raise refuse("not_coupled", user=user.name, vdev=vdev)
    prefix = f"NICDEF {vdev} "
    kept = tuple(
        line for line in user.entry if not (line.startswith(prefix) and " LAN " in line)
    )
    zvm.put(user.changed(entry=kept))
    return ""


# -- of a running user ----------------------------------------------------------


def _put(zvm: model.Zvm, user: model.User, nics: dict[str, model.Nic]) -> None:
    zvm.put(user.changed(active_nics=tuple(nics[vdev] for vdev in sorted(nics))))


def _active(
    zvm: model.Zvm, caller: Caller, args: Arguments, vdev: str
) -> tuple[model.User, dict[str, model.Nic]]:
    """A running user and its adapters, one of which has this number."""
    user = zvm.running(args.user(), caller.member)
    nics = {nic.vdev: nic for nic in user.active_nics}
    if vdev not in nics:
        raise refuse("no_active_nic", user=user.name, vdev=vdev)
    return user, nics


@api(
    "Virtual_Network_Adapter_Create_Extended",
    "-T",
    "image_device_number adapter_type devices",
)
def create_active(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    """The address is that of the entry's statement, if it has one."""
    user = zvm.running(args.user(), caller.member)
    vdev = model.vdev_of(args.key("image_device_number"))
    nics = {nic.vdev: nic for nic in user.active_nics}
    if vdev in nics:
        raise refuse("active_nic_exists", user=user.name, vdev=vdev)
    defined = {nic.vdev: nic.mac for nic in entries.nics_of(user)}
    mac = defined.get(vdev, entries.mac_of(user.name, vdev))
    holder = zvm.holder_of(mac, user.name)
    if holder is not None:
        raise refuse("mac_in_use", mac=mac, user=holder)
    nics[vdev] = model.Nic(vdev, mac)
    _put(zvm, user, nics)
    return ""


@api("Virtual_Network_Adapter_Delete", "-T -v")
def delete_active(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    vdev = model.vdev_of(args.flag("-v"))
    user, nics = _active(zvm, caller, args, vdev)
    del nics[vdev]
    _put(zvm, user, nics)
    return ""


@api("Virtual_Network_Adapter_Connect_Vswitch", "-T -v -n")
def connect(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    vdev = model.vdev_of(args.flag("-v"))
    user, nics = _active(zvm, caller, args, vdev)
    switch = networks.find(zvm, args.flag("-n"))
    # A NICDEF with the vswitch authorizes its user (z/VM 6.4 and later).
    defined = {nic.vdev: nic for nic in entries.nics_of(user)}
    entry = defined.get(vdev)
    mine = entry if entry is not None and entry.switch == switch.name else None
    granted = dict(switch.grants)
    if user.name not in granted and mine is None:
        raise refuse("not_granted", user=user.name, name=switch.name)
    if nics[vdev].switch == switch.name:
        raise refuse("already_connected", vdev=vdev)
    vlan = mine.vlan if mine is not None and mine.vlan else 0
    nics[vdev] = dataclasses.replace(
        nics[vdev], switch=switch.name, vlan=vlan or int(granted.get(user.name) or 0)
    )
    _put(zvm, user, nics)
    return ""


@api("Virtual_Network_Adapter_Disconnect", "-T -v")
def disconnect_active(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    vdev = model.vdev_of(args.flag("-v"))
    user, nics = _active(zvm, caller, args, vdev)
    if not nics[vdev].switch:
        raise refuse("not_connected", vdev=vdev)
    nics[vdev] = dataclasses.replace(nics[vdev], switch="", vlan=0)
    _put(zvm, user, nics)
    return ""


@api("Virtual_Network_Adapter_Query_Extended", "-T", "image_device_number")
def query(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    user = zvm.user(args.user())
    wanted = args.key("image_device_number").upper()
    found = [nic for nic in user.active_nics if wanted in ("*", nic.vdev)]
    lines = [f"adapter_count={len(found)}"]
    addresses = {
        item["vdev"].upper(): item["address"]
        for item in zvm.guests.get(user.name, {}).get("networks", [])
    }
    for nic in found:
        lines += [
            f"adapter_address={nic.vdev}",
            f"adapter_status={'02' if nic.switch else '00'}",
            f"lan_owner={'SYSTEM' if nic.switch else 'None'}",
            f"lan_name={nic.switch or 'None'}",
            f"mac_address={nic.mac}",
            "mac_ip_version=4",
            f"mac_ip_address={addresses.get(nic.vdev, '')}",
            "adapter_info_end",
        ]
    return "\n".join(lines) + "\n"
