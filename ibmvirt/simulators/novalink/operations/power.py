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

"""PowerOn and PowerOff of partitions, and CloseVterm."""

from __future__ import annotations

from ibmvirt.simulators.novalink import jobs, store
from ibmvirt.simulators.novalink.objects import partition
from ibmvirt.simulators.novalink.schema import xml

KINDS = ("LogicalPartition", "VirtualIOServer")
# Names of power operations (documented: pypowervm power_opts).
_OS, _VSP, _DUMP = "osshutdown", "shutdown", "dumprestart"


def _move(
    system: store.System, item: store.SimObject, state: str, rmc: str, code: str
) -> store.SimObject:
    moved = partition.with_state(item, state, rmc, code)
    return system.replace(moved, "PartitionState,ReferenceCode,RMCState")


def _to_running(system: store.System, item: store.SimObject) -> None:
    """Off to running, through its intermediate states (captured)."""
    item = _move(system, item, partition.STARTING, "inactive", "CA000040")
    rmc = "active" if _has_rmc(system) else "inactive"
    if item.value("BootMode") == "Open_Firmware":
        _move(system, item, partition.OPEN_FIRMWARE, "inactive", "AA00E1A9")
        return
    item = _move(system, item, partition.RUNNING, "inactive", "")
    if rmc == "active" and item.value("PartitionType") != "OS400":
        _move(system, item, partition.RUNNING, rmc, "")


def _has_rmc(system: store.System) -> bool:
    return bool(system.fabric.counters.get(f"rmc/{system.name}", True))


def _to_off(system: store.System, item: store.SimObject) -> store.SimObject:
    item = _move(system, item, partition.STOPPING, "inactive", "D200B001")
    return _move(system, item, partition.OFF, "none", "00000000")


@jobs.operation("PowerOn", *KINDS)
def power_on(
    system: store.System, item: store.SimObject, parameters: jobs.Parameters
) -> jobs.Results:
    """Documented: an active partition answers HSCL3681."""
    if item.value("PartitionState") != partition.OFF:
        raise jobs.JobFailed(
            f"HSCL3681 The partition {item.value('PartitionName')} is not in a "
            "state in which it can be activated."
        )
    mode = {
        "of": "Open_Firmware",
        "sms": "System_Management_Services",
        "norm": "Normal",
    }.get(parameters.get("bootmode", ""))
    element = xml.copy_of(item.element)
    if mode is not None:
        xml.put(element, "BootMode", mode, partition.ORDER)
    if parameters.get("keylock"):
        xml.put(element, "KeylockPosition", parameters["keylock"], partition.ORDER)
    _to_running(system, item.changed(element))
    return ()


@jobs.operation("PowerOff", *KINDS)
def power_off(
    system: store.System, item: store.SimObject, parameters: jobs.Parameters
) -> jobs.Results:
    """Documented: one that is off answers HSCL1558, one whose system cannot
    be asked HSCL0DB4."""
    name = item.value("PartitionName")
    if item.value("PartitionState") == partition.OFF:
        raise jobs.JobFailed(f"HSCL1558 The partition {name} is powered off.")
    kind = parameters.get("operation", _VSP)
    if kind not in (_OS, _VSP, _DUMP, "dumpretry"):
        raise jobs.JobFailed(f"HSCL0DB5 The operation {kind} is not valid.")
    if kind == _OS and item.value("ResourceMonitoringControlState") != "active":
        raise jobs.JobFailed(
            f"HSCL0DB4 The operating system of {name} cannot be shut down: the "
            "RMC connection is not active."
        )
    stopped = _to_off(system, item)
    if kind == _DUMP or parameters.get("restart") == "true":
        _to_running(system, stopped)
    return ()


@jobs.operation("CloseVterm", "LogicalPartition")
def close_vterm(
    system: store.System, item: store.SimObject, parameters: jobs.Parameters
) -> jobs.Results:
    """Nothing is open here that would have to be closed."""
    return (("returnCode", "0"),)
