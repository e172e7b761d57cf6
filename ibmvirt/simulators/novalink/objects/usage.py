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


"""Memory and processors that partitions have and leave free.

What is free stands in the ManagedSystem itself and changes with each
partition, in the same transaction.
"""

from __future__ import annotations

from ibmvirt.simulators.novalink import store
from ibmvirt.simulators.novalink.refusals import refuse
from ibmvirt.simulators.novalink.schema import xml

_MEMORY = "PartitionMemoryConfiguration"
_PROCESSORS = "PartitionProcessorConfiguration"
_FREE_MEMORY = "AssociatedSystemMemoryConfiguration/{}AvailableSystemMemory"
_FREE_UNITS = "AssociatedSystemProcessorConfiguration/{}AvailableSystemProcessorUnits"


def memory_of(partition: store.SimObject) -> int:
    """MiB that a partition holds, running or not (assumed: reserved at
    definition, so that a later activation cannot fail)."""
    return int(float(partition.value(f"{_MEMORY}/DesiredMemory", "0")))


def processors_of(partition: store.SimObject) -> float:
    """Processing units of a partition."""
    if partition.value(f"{_PROCESSORS}/HasDedicatedProcessors") == "true":
        path = f"{_PROCESSORS}/DedicatedProcessorConfiguration/DesiredProcessors"
    else:
        path = f"{_PROCESSORS}/SharedProcessorConfiguration/DesiredProcessingUnits"
    return float(partition.value(path, "0"))


def free(system: store.System) -> tuple[int, float]:
    """(MiB, processing units) that no partition and no firmware holds."""
    machine = system.get("ManagedSystem", system.uuid)
    return (
        int(float(machine.value(_FREE_MEMORY.format("Current"), "0"))),
        float(machine.value(_FREE_UNITS.format("Current"), "0")),
    )


def take(
    system: store.System, old: store.SimObject | None, new: store.SimObject | None
) -> None:
    """Account for a partition that comes, changes or goes.

    :raises Refusal: the machine has not enough for it.
    """
    memory = (memory_of(new) if new else 0) - (memory_of(old) if old else 0)
    units = (processors_of(new) if new else 0.0) - (processors_of(old) if old else 0.0)
    if not memory and abs(units) < 1e-9:
        return
    free_memory, free_units = free(system)
    if memory > max(free_memory, 0):
        raise refuse("memory", wanted=memory, free=free_memory)
    if units > max(free_units, 0.0) + 1e-9:
        raise refuse("processors", wanted=round(units, 4), free=free_units)
    machine = system.get("ManagedSystem", system.uuid)
    element = xml.copy_of(machine.element)
    for kind in ("Current", "Pending"):
        xml.put(element, _FREE_MEMORY.format(kind), free_memory - memory)
        xml.put(element, _FREE_UNITS.format(kind), round(free_units - units, 4))
    system.replace(machine.changed(element), quiet=True)


def drift(system: store.System) -> list[str]:
    """Complaints if what is free is not what partitions leave."""
    machine = system.get("ManagedSystem", system.uuid)
    total = machine.value(
        "AssociatedSystemMemoryConfiguration/ConfigurableSystemMemory", "0"
    )
    firmware = machine.value(
        "AssociatedSystemMemoryConfiguration/MemoryUsedByHypervisor", "0"
    )
    units = machine.value(
        "AssociatedSystemProcessorConfiguration/ConfigurableSystemProcessorUnits", "0"
    )
    partitions = system.partitions()
    expected = (
        int(float(total)) - int(float(firmware)) - sum(map(memory_of, partitions)),
        round(float(units) - sum(map(processors_of, partitions)), 4),
    )
    found = free(system)
    if expected[0] != found[0] or abs(expected[1] - found[1]) > 1e-3:
        return [f"{system.name}: free memory and units {found}, expected {expected}"]
    return []
