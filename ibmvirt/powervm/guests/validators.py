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


"""The extra specs of PowerVM for Nova's API, which refuses what is wrong.

Entry point ``nova.api.extra_spec_validators``. Nova asks it when a flavor's
extra specs are set; the driver checks them again, and their combination.
"""

from __future__ import annotations

import typing

from nova.api.validation.extra_specs import base

from ibmvirt.powervm.guests import spec

_DESCRIPTIONS = {
    "min_mem": "Least memory of the partition in MiB.",
    "max_mem": "Most memory that the partition may be given while it runs, in MiB.",
    "expansion_factor": "Factor of Active Memory Expansion; 0 = off, else 1 to 10.",
    "min_vcpu": "Least virtual processors.",
    "max_vcpu": "Most virtual processors that it may be given while it runs.",
    "proc_units": "Processing units of a partition with shared processors.",
    "min_proc_units": "Least processing units.",
    "max_proc_units": "Most processing units.",
    "processor_compatibility": "Processor mode, such as POWER8; default = the host's.",
    "availability_priority": "Who keeps processors when some fail; 0 to 255.",
    "shared_proc_pool_name": "Name of the shared processor pool.",
    "shared_weight": "Share of free processing units of an uncapped partition.",
    "srr_capability": "Whether the partition may be restarted on another system.",
    "dedicated_proc": "Whether its processors are its own.",
    "uncapped": "Whether it may use free processing units.",
    "dedicated_sharing_mode": "When dedicated processors that idle are shared.",
    "ppt_ratio": "Ratio of the physical page table to memory.",
}


def _value(name: str) -> dict[str, typing.Any]:
    limits = spec.INTEGERS.get(name)
    if limits is not None:
        return {"type": int, "min": limits[0], "max": limits[1]}
    if name in spec.FLOATS:
        return {"type": str, "pattern": r"\d+(\.\d+)?"}
    if name in spec.SWITCHES:
        return {"type": str, "enum": sorted(spec.BOOLEANS)}
    if name == "ppt_ratio":
        return {"type": str, "enum": list(spec.PPT_RATIOS)}
    if name == "dedicated_sharing_mode":
        return {"type": str, "enum": sorted(spec.SHARING_MODES)}
    return {"type": str}


def register() -> list[base.ExtraSpecValidator]:
    """Nova calls this once."""
    return [
        base.ExtraSpecValidator(
            name=f"{spec.PREFIX}{name}",
            description=_DESCRIPTIONS[name],
            value=_value(name),
        )
        for name in sorted(spec.KNOWN)
    ]
