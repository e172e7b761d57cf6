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

"""What running guests' adapters are: addresses, networks, counters."""

from __future__ import annotations

import itertools

from ibmvirt.simulators.zvm import model
from ibmvirt.simulators.zvm.commands.base import Arguments, Caller, api

# The first three bytes of every address: VMLAN MACPREFIX of this system.
MAC_PREFIX = "020000"


def adapters(zvm: model.Zvm, user: model.User) -> list[dict[str, str]]:
    """vdev, switch and MAC address of each adapter of a user that is on."""
    if not user.on:
        return []
    found: dict[str, dict[str, str]] = {}
    for line in user.entry:
        words = line.split()
        if words[:1] != ["NICDEF"]:
            continue
        pairs = dict(itertools.pairwise(words[2:]))
        nic = found.setdefault(words[1], {"vdev": words[1], "switch": "", "mac": ""})
        if "MACID" in pairs:
            nic["mac"] = MAC_PREFIX + pairs["MACID"]
        if "SYSTEM" in pairs:
            nic["switch"] = pairs["SYSTEM"]
    for vdev, switch in user.active_nics:
        nic = found.setdefault(vdev, {"vdev": vdev, "switch": "", "mac": ""})
        nic["switch"] = switch
    for nic in found.values():
        nic["mac"] = nic["mac"] or f"{MAC_PREFIX}{int(nic['vdev'], 16):06X}"
    return [found[vdev] for vdev in sorted(found)]


@api("Virtual_Network_Adapter_Query_Extended")
def query(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    user = zvm.user(args.user())
    wanted = args.key("image_device_number")
    found = [a for a in adapters(zvm, user) if wanted in ("*", a["vdev"])]
    lines = [f"adapter_count={len(found)}"]
    addresses = {
        item["vdev"].upper(): item["address"]
        for item in zvm.guests.get(user.name, {}).get("networks", [])
    }
    for nic in found:
        lines += [
            f"adapter_address={nic['vdev']}",
            f"adapter_status={'02' if nic['switch'] else '00'}",
            f"lan_owner={'SYSTEM' if nic['switch'] else 'None'}",
            f"lan_name={nic['switch'] or 'None'}",
            f"mac_address={nic['mac']}",
            "mac_ip_version=4",
            f"mac_ip_address={addresses.get(nic['vdev'], '')}",
            "adapter_info_end",
        ]
    return "\n".join(lines) + "\n"


_COUNTERS = (
    "nic_fr_rx", "nic_fr_rx_dsc", "nic_fr_rx_err", "nic_fr_tx",
    "nic_fr_tx_dsc", "nic_fr_tx_err", "nic_rx", "nic_tx",
)  # fmt: skip


@api("Virtual_Network_Vswitch_Query_Byte_Stats")
def byte_stats(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    """Counters of every adapter; they grow with the clock."""
    now = int(zvm.instruments.clock.now())
    names = sorted(zvm.vswitches)
    lines = [f"vswitch count: {len(names)}", ""]
    for number, name in enumerate(names, 1):
        nics = [
            (user.name, nic["vdev"])
            for user in zvm.users.values()
            for nic in adapters(zvm, user)
            if nic["switch"] == name
        ]
        lines += [f"vswitch number: {number}", f"vswitch name: {name}"]
        lines += ["uplink count: 0"]
        lines += [f"bridge_{key}: 0" for key in _COUNTERS]
        lines.append(f"nic count: {len(nics)}")
        for owner, vdev in nics:
            lines.append(f"nic_id: {owner} {vdev}")
            for key in _COUNTERS:
                lost = key.endswith(("_dsc", "_err"))
                per_second = 0 if lost else 10 if "_fr_" in key else 12_000
                lines.append(f"{key}: {now * per_second}")
        lines += ["vlan count: 0", ""]
    return "\n".join(lines) + "\n"
