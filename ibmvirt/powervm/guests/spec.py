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

"""What a flavor and an image say of a partition, checked.

The ``powervm:*`` extra specs have the names and meanings of nova-powervm.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import typing

from ibmvirt.common import exceptions, plan

PREFIX = "powervm:"
# The pool's name; the platform wants its number.
POOL = "shared_proc_pool_name"
# Spec -> attribute of pypowervm's LPAR builder.
_MEMORY = {
    "min_mem": "min_mem",
    "max_mem": "max_mem",
    "expansion_factor": "ame_factor",
    "ppt_ratio": "ppt_ratio",
}
_PROCESSORS = {
    "min_vcpu": "min_vcpu",
    "max_vcpu": "max_vcpu",
    "proc_units": "proc_units",
    "min_proc_units": "min_proc_units",
    "max_proc_units": "max_proc_units",
    "processor_compatibility": "processor_compatibility",
    "availability_priority": "avail_priority",
    POOL: POOL,
    "shared_weight": "uncapped_weight",
    "srr_capability": "srr_capability",
}
_OTHERS = {"dedicated_proc", "uncapped", "dedicated_sharing_mode"}
KNOWN = frozenset({*_MEMORY, *_PROCESSORS, *_OTHERS})
# powervm:dedicated_sharing_mode -> pypowervm's sharing mode.
SHARING_MODES = {
    "share_idle_procs": "sre idle proces",
    "keep_idle_procs": "keep idle procs",
    "share_idle_procs_active": "sre idle procs active",
    "share_idle_procs_always": "sre idle procs always",
}
INTEGERS = {
    "min_mem": (256, 1 << 25),
    "max_mem": (256, 1 << 25),
    "min_vcpu": (1, 256),
    "max_vcpu": (1, 256),
    "availability_priority": (0, 255),
    "shared_weight": (0, 255),
}
# Of the physical page table to memory.
PPT_RATIOS = tuple(f"1:{64 << power}" for power in range(7))
FLOATS = {
    "proc_units": (0.05, 256.0),
    "min_proc_units": (0.05, 256.0),
    "max_proc_units": (0.05, 256.0),
    "expansion_factor": (0.0, 10.0),
}
BOOLEANS = {"true": "true", "t": "true", "yes": "true", "y": "true", "1": "true"}
BOOLEANS.update({"false": "false", "f": "false", "no": "false", "n": "false"})
BOOLEANS["0"] = "false"
SWITCHES = frozenset({"dedicated_proc", "uncapped", "srr_capability"})

AIX_LINUX, IBM_I = "AIX/Linux", "OS400"


@dataclasses.dataclass(frozen=True)
class PartitionSpec:
    """The PowerVM part of a GuestSpec; values as pypowervm's builder wants them."""

    attributes: collections.abc.Mapping[str, str]
    type: str = AIX_LINUX


def from_flavor(
    flavor: plan.Values,
    image: plan.Image | None,
    defaults: collections.abc.Mapping[str, str],
) -> PartitionSpec:
    """:raises InvalidRequest: an extra spec is unknown or its value is wrong."""
    specs = {
        key[len(PREFIX) :]: str(value)
        for key, value in flavor["extra_specs"].items()
        if key.startswith(PREFIX)
    }
    for name, value in specs.items():
        check(name, value)
    attributes: dict[str, str] = {
        **defaults,
        "memory": str(flavor["memory_mb"]),
        "vcpu": str(flavor["vcpus"]),
    }
    for source, target in {**_MEMORY, **_PROCESSORS}.items():
        if source in specs:
            attributes[target] = specs[source]
    # Where the system can do it, unless the flavor says otherwise.
    attributes["srr_capability"] = boolean(attributes.get("srr_capability", "true"))
    if "processor_compatibility" in attributes:
        # POWER6+ is POWER6_Plus to the platform.
        mode = attributes["processor_compatibility"].replace("+", "_Plus")
        attributes["processor_compatibility"] = mode
    _sharing(specs, attributes)
    _ordered(attributes, "min_mem", "memory", "max_mem")
    _ordered(attributes, "min_vcpu", "vcpu", "max_vcpu")
    distro = str(image.properties.get("os_distro", "")) if image else ""
    kind = IBM_I if distro.lower() in ("ibmi", "ibm i", "os400") else AIX_LINUX
    return PartitionSpec(attributes, kind)


def _sharing(specs: dict[str, str], attributes: dict[str, str]) -> None:
    dedicated = boolean(specs.get("dedicated_proc", "false")) == "true"
    attributes["dedicated_proc"] = "true" if dedicated else "false"
    if dedicated:
        mode = specs.get("dedicated_sharing_mode")
        if mode:
            attributes["sharing_mode"] = SHARING_MODES[mode]
        attributes.pop("proc_units_factor", None)
        attributes.pop("uncapped_weight", None)
        for name in ("proc_units", "uncapped", "shared_weight", POOL):
            if name in specs:
                raise _wrong(name, specs[name], "the processors are dedicated")
        return
    if "dedicated_sharing_mode" in specs:
        value = specs["dedicated_sharing_mode"]
        raise _wrong("dedicated_sharing_mode", value, "the processors are shared")
    if boolean(specs.get("uncapped", "true")) == "true":
        attributes["sharing_mode"] = "uncapped"
    else:
        attributes["sharing_mode"] = "capped"
        attributes.pop("uncapped_weight", None)
    if "proc_units" not in attributes:
        factor = float(attributes["proc_units_factor"])
        attributes["proc_units"] = f"{factor * int(attributes['vcpu']):.2f}"
    attributes.pop("proc_units_factor", None)
    units = attributes["proc_units"]
    if float(units) > int(attributes["vcpu"]):
        raise _wrong(
            "proc_units", units, f"{attributes['vcpu']} VCPUs use no more than as many"
        )


def check(name: str, value: str) -> None:
    """:raises InvalidRequest: no such extra spec, or not such a value."""
    if name not in KNOWN:
        raise exceptions.InvalidRequest(
            f"use the extra spec {PREFIX}{name}",
            "the PowerVM driver has none of that name",
            f"use one of: {', '.join(sorted(KNOWN))}",
        )
    if name in INTEGERS or name in FLOATS:
        low, high = INTEGERS.get(name) or FLOATS[name]
        try:
            number = int(value) if name in INTEGERS else float(value)
        except ValueError:
            raise _wrong(name, value, "it is not a number") from None
        if not low <= number <= high:
            raise _wrong(name, value, f"it is not within {low} to {high}")
    elif name in SWITCHES:
        boolean(value, name)
    elif name == "ppt_ratio" and value not in PPT_RATIOS:
        raise _wrong(name, value, f"it is none of {', '.join(PPT_RATIOS)}")
    elif name == "dedicated_sharing_mode" and value not in SHARING_MODES:
        raise _wrong(name, value, f"it is none of {', '.join(SHARING_MODES)}")


def boolean(value: str, name: str = "") -> str:
    found = BOOLEANS.get(value.strip().lower())
    if found is None:
        raise _wrong(name, value, "it is neither true nor false")
    return found


def _ordered(attributes: dict[str, str], low: str, middle: str, high: str) -> None:
    wanted = int(attributes[middle])
    if low in attributes and int(attributes[low]) > wanted:
        raise _wrong(low, attributes[low], f"the flavor's {middle} is {wanted}")
    if high in attributes and int(attributes[high]) < wanted:
        raise _wrong(high, attributes[high], f"the flavor's {middle} is {wanted}")


def _wrong(name: str, value: typing.Any, why: str) -> exceptions.InvalidRequest:
    return exceptions.InvalidRequest(
        f"use the extra spec {PREFIX}{name}={value}", why, "correct the flavor"
    )
