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

"""A member: processors, memory, its cluster."""

from __future__ import annotations

from ibmvirt.simulators.zvm import entries, model
from ibmvirt.simulators.zvm.codes import refuse
from ibmvirt.simulators.zvm.commands.base import ASSUMED, Arguments, Caller, api

# What CP itself takes.
_CP_MIB = 4096


@api("System_Processor_Query", "", refusals=ASSUMED)
def processors(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    lines = ["ADDRESS STATUS TYPE CORE_ID", "0000 MASTER-PROCESSOR CP 0000"]
    for number in range(1, zvm.host.processors):
        lines.append(f"{number:04x} ALTERNATE IFL {number:04x}")
    return "\n".join(lines) + "\n"


@api("System_Information_Query", "-T", "STORAGE", refusals=ASSUMED)
def information(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    size = f"{zvm.host.memory_mib // 1024}G"
    return f"STORAGE=STORAGE={size} CONFIGURED={size} INC=256M STANDBY=0 RESERVED=0\n"


@api("System_Performance_Information_Query", "-T", "detailed_cpu", refusals=ASSUMED)
def performance(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    """Pages of 4 KiB in use: those of the guests of this member, and of CP."""
    used = sum(
        int(zvm.guests.get(user.name, {}).get("memory_mib", entries.memory_mib(user)))
        for user in zvm.users.values()
        if user.on and user.member == caller.member
    )
    return f"MEMORY_IN_USE={(used + _CP_MIB) * 256}\n"


@api("SSI_Query", "")
def ssi(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    if len(zvm.members) < 2:
        raise refuse("not_ssi")
    lines = ["ssi_name = SIMSSI", "ssi_mode = Stable"]
    for number, member in enumerate(zvm.members, 1):
        lines += [
            f"member_slot = {number}",
            f"member_system_id = {member}",
            "member_state = Joined",
        ]
    return "\n".join(lines) + "\n"
