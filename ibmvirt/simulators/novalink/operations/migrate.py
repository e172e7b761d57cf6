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

"""MigrateValidate: could this partition move to another system?

The parameters are documented; messages and the order of checks are assumed.
"""

from __future__ import annotations

from ibmvirt.simulators.novalink import jobs, store
from ibmvirt.simulators.novalink.objects import partition, scsi_mapping, usage
from ibmvirt.simulators.novalink.schema import xml


@jobs.operation("MigrateValidate", "LogicalPartition")
def migrate_validate(
    system: store.System, item: store.SimObject, parameters: jobs.Parameters
) -> jobs.Results:
    """Checks the target's resources, the storage and the networks."""
    name = item.value("PartitionName")
    target = _target(system, parameters.get("TargetManagedSystemName", ""))
    if item.value("PartitionState") not in (partition.RUNNING, partition.OFF):
        raise jobs.JobFailed(
            f"HSCLA210 The partition {name} is neither running nor off."
        )
    if (
        item.value("PartitionState") == partition.RUNNING
        and item.value("ResourceMonitoringControlState") != "active"
    ):
        raise jobs.JobFailed(
            f"HSCLA257 The partition {name} has no active RMC connection."
        )
    if any(
        other.value("PartitionName") == name for other in target.all("LogicalPartition")
    ):
        raise jobs.JobFailed(f"HSCLA2E4 {target.name} has a partition {name}.")
    _check_room(target, item)
    _check_storage(system, target, item)
    _check_networks(system, target, item)
    return ()


def _target(system: store.System, name: str) -> store.System:
    for other in system.fabric.systems:
        if name in (other.name, _mtms(other)):
            if other is system:
                raise jobs.JobFailed(f"HSCLA21C {name} is where the partition is.")
            return other
    raise jobs.JobFailed(f"HSCL2000 The managed system {name} does not exist.")


def _mtms(system: store.System) -> str:
    return f"{system.machine_type}-{system.model}*{system.serial}"


def _check_room(target: store.System, item: store.SimObject) -> None:
    memory, units = usage.free(target)
    if usage.memory_of(item) > memory:
        raise jobs.JobFailed(
            f"HSCLA29A {target.name} has {memory} MB free, and "
            f"{usage.memory_of(item)} MB are wanted."
        )
    if usage.processors_of(item) > units + 1e-9:
        raise jobs.JobFailed(
            f"HSCLA29B {target.name} has {units} processing units free, and "
            f"{usage.processors_of(item)} are wanted."
        )


def _check_storage(
    system: store.System, target: store.System, item: store.SimObject
) -> None:
    """All disks must be reached by the VIOSes of the target."""
    number = item.value("PartitionID")
    reached = {
        xml.value(volume, "UniqueDeviceID")
        for vios in target.all("VirtualIOServer")
        for volume in xml.findall(vios.element, "PhysicalVolumes/PhysicalVolume")
    } | {unit.value("UniqueDeviceID") for unit in target.all("LogicalUnit")}
    for vios in system.all("VirtualIOServer"):
        for mapping in xml.findall(vios.element, scsi_mapping.PATH):
            storage = scsi_mapping.storage_of(mapping)
            if (
                storage is None
                or xml.value(mapping, "ClientAdapter/LocalPartitionID") != number
            ):
                continue
            if xml.value(storage, "UniqueDeviceID") not in reached:
                raise jobs.JobFailed(
                    "HSCLA27C The storage "
                    f"{xml.value(mapping, 'ServerAdapter/BackingDeviceName')} is not "
                    f"reached by {target.name}."
                )


def _check_networks(
    system: store.System, target: store.System, item: store.SimObject
) -> None:
    """All virtual switches of its adapters must be there by name."""
    names = {
        switch.value("SwitchID"): switch.value("SwitchName")
        for switch in system.all("VirtualSwitch")
    }
    there = {switch.value("SwitchName") for switch in target.all("VirtualSwitch")}
    for adapter in system.all("ClientNetworkAdapter", item.key):
        name = names.get(adapter.value("VirtualSwitchID"), "")
        if name not in there:
            raise jobs.JobFailed(
                f"HSCLA2B0 {target.name} has no virtual switch {name}."
            )
