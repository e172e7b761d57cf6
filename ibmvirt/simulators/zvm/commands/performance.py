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

"""Counters of running guests; all of them grow with the simulated clock.

How much a guest does is assumed, the same at every run: a tenth of its
processors, ten frames a second on each adapter.
"""

from __future__ import annotations

import collections.abc

from ibmvirt.simulators.zvm import entries, model
from ibmvirt.simulators.zvm.commands.base import (
    ASSUMED,
    Arguments,
    Caller,
    api,
)

_SAMPLES = 2  # a second


def uptime(zvm: model.Zvm, user: model.User) -> float:
    """Simulated seconds since a user's log-on."""
    since = float(zvm.guests.get(user.name, {}).get("since", 0.0))
    return max(0.0, zvm.instruments.clock.now() - since)


def _block(zvm: model.Zvm, user: model.User) -> str:
    seen = zvm.guests.get(user.name, {})
    seconds = uptime(zvm, user)
    online = int(seen.get("memory_mib", entries.memory_mib(user))) * 1024
    cpus = len(seen.get("cpus", ["00"]))
    # A guest touches more of its storage the longer it runs, up to 3/4.
    used = online // 4 + min(online // 2, int(seconds) * 512)
    values = (
        ("Guest name", user.name),
        ("Guest CPUs", cpus),
        ("Used CPU time", f"{int(seconds * 1_000_000 * cpus / 10)} uS"),
        ("Elapsed time", f"{int(seconds * 1_000_000)} uS"),
        ("Minimum CPU count", cpus),
        ("Max CPU limit", 10000),
        ("Samples CPU in use", int(seconds * _SAMPLES * cpus / 10)),
        ("Samples CPU delay", int(seconds * _SAMPLES * cpus / 50)),
        ("Used memory", f"{used} KB"),
        ("Max memory", f"{online} KB"),
        ("Minimum memory", "0 KB"),
        ("Shared memory", f"{min(5120, used)} KB"),
    )
    return "\n".join(f'{key}: "{value}"' for key, value in values)


def _answer(zvm: model.Zvm, member: str, names: collections.abc.Collection[str]) -> str:
    """Only those that are logged on at the member have counters."""
    blocks = [
        _block(zvm, user)
        for user in zvm.users.values()
        if user.name in names and user.on and user.member == member
    ]
    head = f"Number of virtual server names: {len(blocks)}\n"
    return head + "\n\n".join(blocks) + "\n"


@api("Image_Performance_Query", "-T -c", refusals=ASSUMED)
def image(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    """-T is the Connector's user, and once more the users that are asked for:
    the last one counts (documented)."""
    names = args.flag("-T").upper().split()
    return _answer(zvm, caller.member, names)


@api("System_Image_Performance_Query", "-T", refusals=ASSUMED)
def system(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    """-T is the Connector's user, and once more a name list."""
    return _answer(zvm, caller.member, zvm.lists.get(args.user(), ()))


_COUNTERS = (
    "nic_fr_rx", "nic_fr_rx_dsc", "nic_fr_rx_err", "nic_fr_tx",
    "nic_fr_tx_dsc", "nic_fr_tx_err", "nic_rx", "nic_tx",
)  # fmt: skip
# Frames or bytes a second; nothing is lost.
_RATES = {"nic_fr_rx": 10, "nic_fr_tx": 8, "nic_rx": 12_000, "nic_tx": 5_000}


@api("Virtual_Network_Vswitch_Query_Byte_Stats", "-T", "switch_name", refusals=ASSUMED)
def byte_stats(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    """Counters of every adapter that is connected."""
    wanted = args.key("switch_name").upper()
    names = [name for name in sorted(zvm.vswitches) if wanted in ("*", name)]
    lines = [f"vswitch count: {len(names)}", ""]
    for number, name in enumerate(names, 1):
        nics = [
            (user, nic)
            for user in zvm.users.values()
            if user.on and user.member == caller.member
            for nic in user.active_nics
            if nic.switch == name
        ]
        lines += [f"vswitch number: {number}", f"vswitch name: {name}"]
        lines += ["uplink count: 0"]
        lines += [f"bridge_{key}: 0" for key in _COUNTERS]
        lines.append(f"nic count: {len(nics)}")
        for user, nic in nics:
            seconds = uptime(zvm, user)
            lines.append(f"nic_id: {user.name} {nic.vdev}")
            lines += [f"{k}: {int(seconds * _RATES.get(k, 0))}" for k in _COUNTERS]
        lines += ["vlan count: 0", ""]
    return "\n".join(lines) + "\n"
