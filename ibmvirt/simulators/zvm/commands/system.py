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

"""The system: processors, memory, performance, SSI, FCP devices."""

from __future__ import annotations

from ibmvirt.simulators.zvm import model
from ibmvirt.simulators.zvm.codes import refuse
from ibmvirt.simulators.zvm.commands.base import Arguments, Caller, api

PROCESSORS = 8
MEMORY_MIB = 262_144


@api("System_Processor_Query")
def processors(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    lines = ["ADDRESS STATUS TYPE CORE_ID", "0000 MASTER-PROCESSOR CP 0000"]
    for number in range(1, PROCESSORS):
        lines.append(f"{number:04x} ALTERNATE IFL {number:04x}")
    return "\n".join(lines) + "\n"


@api("System_Information_Query")
def information(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    return (
        f"STORAGE=STORAGE={MEMORY_MIB // 1024}G CONFIGURED={MEMORY_MIB // 1024}G "
        "INC=256M STANDBY=0 RESERVED=0\n"
    )


@api("System_Performance_Information_Query")
def performance(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    used = sum(model.memory_mib(user) for user in zvm.users.values() if user.on)
    return f"MEMORY_IN_USE={(used + 4096) * 256}\n"


@api("SSI_Query")
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


@api("System_Image_Performance_Query", "Image_Performance_Query")
def image_performance(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    """Counters of running guests; the processor time is that of the clock."""
    names = " ".join(args.all.get("-T", [])).upper().split()
    blocks = []
    for user in zvm.users.values():
        wanted = user.name in names or any(
            user.name in zvm.lists.get(name, ()) for name in names
        )
        if not (wanted and user.on):
            continue
        now = int(zvm.instruments.clock.now() * 1_000_000)
        memory = model.memory_mib(user) * 1024
        cpus = sum("DEFINE CPU" in line for line in user.entry) or 1
        blocks.append(
            "\n".join(
                f'{key}: "{value}"'
                for key, value in (
                    ("Guest name", user.name),
                    ("Guest CPUs", cpus),
                    ("Used CPU time", f"{now // 10} uS"),
                    ("Elapsed time", f"{now} uS"),
                    ("Minimum CPU count", 1),
                    ("Max CPU limit", 10000),
                    ("Samples CPU in use", 371),
                    ("Samples CPU delay", 116),
                    ("Used memory", f"{memory // 2} KB"),
                    ("Max memory", f"{memory} KB"),
                    ("Minimum memory", "0 KB"),
                    ("Shared memory", "0 KB"),
                )
            )
        )
    head = f"Number of virtual server names: {len(blocks)}\n"
    return head + "\n\n".join(blocks) + "\n"
