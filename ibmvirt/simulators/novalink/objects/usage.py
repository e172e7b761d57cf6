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

"""Memory and processors that partitions have and leave free."""

from __future__ import annotations

from ibmvirt.simulators.novalink import store

_MEMORY = "PartitionMemoryConfiguration"
_PROCESSORS = "PartitionProcessorConfiguration"


def memory_of(partition: store.SimObject) -> int:
    """MiB that a partition holds, running or not (assumed: reserved at
    definition, so that a later activation cannot fail)."""
    return int(float(partition.value(f"{_MEMORY}/DesiredMemory", "0")))


def processors_of(partition: store.SimObject) -> float:
    """Processing units of a partition."""
    dedicated = partition.value(
        f"{_PROCESSORS}/DedicatedProcessorConfiguration/DesiredProcessors"
    )
    if dedicated:
        return float(dedicated)
    return float(
        partition.value(
            f"{_PROCESSORS}/SharedProcessorConfiguration/DesiredProcessingUnits", "0"
        )
    )


def free(system: store.System) -> tuple[int, float]:
    """(MiB, processing units) that no partition and no firmware holds."""
    machine = system.get("ManagedSystem", system.uuid)
    memory = "AssociatedSystemMemoryConfiguration"
    total = int(machine.value(f"{memory}/ConfigurableSystemMemory"))
    total -= int(machine.value(f"{memory}/MemoryUsedByHypervisor"))
    units = float(
        machine.value(
            "AssociatedSystemProcessorConfiguration/ConfigurableSystemProcessorUnits"
        )
    )
    partitions = system.partitions()
    return (
        total - sum(memory_of(item) for item in partitions),
        round(units - sum(processors_of(item) for item in partitions), 4),
    )
