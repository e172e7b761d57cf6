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

"""What a node has, as Nova's resource tracker and Placement want it."""

from __future__ import annotations

import typing

import nova.conf
import os_resource_classes as orc
import os_traits
from oslo_serialization import jsonutils

from ibmvirt.common import plan

CONF = nova.conf.CONF


def available_resource(
    resources: plan.HostResources, node: str, node_uuid: str
) -> dict[str, typing.Any]:
    """The dict of ``ComputeDriver.get_available_resource``."""
    return {
        "vcpus": resources.vcpus,
        "vcpus_used": resources.vcpus_used,
        "memory_mb": resources.memory_mib,
        "memory_mb_used": resources.memory_mib_used,
        "local_gb": resources.disk_gb,
        "local_gb_used": resources.disk_gb_used,
        "disk_available_least": max(0, resources.disk_gb - resources.disk_gb_used),
        "hypervisor_type": resources.hypervisor_type,
        "hypervisor_version": resources.hypervisor_version,
        "hypervisor_hostname": node,
        "cpu_info": jsonutils.dumps(dict(resources.cpu_info)),
        "supported_instances": list(resources.supported),
        "numa_topology": None,
        "uuid": node_uuid,
        "stats": dict(resources.stats),
    }


def update_provider_tree(
    tree: typing.Any,
    node: str,
    resources: plan.HostResources,
    ratios: typing.Mapping[str, float],
    reserved_disk_gb: int,
    trait_prefixes: tuple[str, ...],
) -> None:
    """Write the inventory and traits of the node into Nova's provider tree.

    Traits that begin with one of ``trait_prefixes`` are the driver's own: one
    that the node no longer has is removed. All other traits, of operators or
    of other tools, stay.

    A DISK_GB inventory is left out when a sharing provider that the operator
    made gives it to this node.
    """
    inventory = {
        orc.VCPU: _entry(resources.vcpus, CONF.reserved_host_cpus, ratios[orc.VCPU]),
        orc.MEMORY_MB: _entry(
            resources.memory_mib,
            max(CONF.reserved_host_memory_mb, resources.memory_mib_reserved),
            ratios[orc.MEMORY_MB],
        ),
    }
    if not _disk_is_shared(tree, node):
        inventory[orc.DISK_GB] = _entry(
            resources.disk_gb, reserved_disk_gb, ratios[orc.DISK_GB]
        )
    tree.update_inventory(
        node, {name: entry for name, entry in inventory.items() if entry["total"]}
    )
    traits = resources.traits | architecture_traits(resources)
    held = tree.data(node).traits
    stale = {name for name in held - traits if name.startswith(trait_prefixes)}
    tree.remove_traits(node, *sorted(stale))
    tree.add_traits(node, *sorted(traits))


def architecture_traits(resources: plan.HostResources) -> frozenset[str]:
    """HW_ARCH_* and COMPUTE_ARCH_* of what can run here.

    The scheduler asks for them by an image's hw_architecture and
    hw_emulation_architecture.
    """
    names = {architecture.upper() for architecture, _type, _mode in resources.supported}
    return frozenset(
        trait
        for prefix in ("HW_ARCH_", "COMPUTE_ARCH_")
        for trait in os_traits.get_traits(prefix)
        if trait.removeprefix(prefix) in names
    )


def _entry(total: int, reserved: int, ratio: float) -> dict[str, typing.Any]:
    return {
        "total": int(total),
        "min_unit": 1,
        "max_unit": max(1, int(total)),
        "step_size": 1,
        "reserved": min(int(reserved), int(total)),
        "allocation_ratio": ratio,
    }


def _disk_is_shared(tree: typing.Any, node: str) -> bool:
    mine = tree.data(node)
    for name in tree.get_provider_uuids():
        data = tree.data(name)
        if (
            data.uuid != mine.uuid
            and "MISC_SHARES_VIA_AGGREGATE" in data.traits
            and orc.DISK_GB in data.inventory
            and data.aggregates & mine.aggregates
        ):
            return True
    return False
