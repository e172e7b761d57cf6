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

import collections.abc
import threading

from ibmvirt.simulators.novalink import jobs, store
from ibmvirt.simulators.novalink.objects import (
    backing,
    base,
    fc_mapping,
    partition,
    scsi_mapping,
)
from ibmvirt.simulators.novalink.schema import xml

KINDS = ("LogicalPartition", "VirtualIOServer")
# Names of power operations (documented: pypowervm power_opts).
_OS, _VSP = "osshutdown", "shutdown"
_DUMPS = ("dumprestart", "dumpretry")
_BOOT_MODES = {
    "norm": "Normal",
    "sms": "System_Management_Services",
    "of": "Open_Firmware",
    "dd": "Diagnostic_With_Default_Boot_List",
    "ds": "Diagnostic_With_Stored_Boot_List",
    "pbl": "Petitboot",
}
_KEYLOCKS = {"norm": "normal", "normal": "normal", "manual": "manual"}
# Simulated seconds until a started system has its RMC connection (assumed).
_RMC_SECONDS = 20.0
_STOPS_AT_FIRMWARE = ("Open_Firmware", "System_Management_Services")


def _move(
    system: store.System, item: store.SimObject, state: str, rmc: str, code: str
) -> store.SimObject:
    moved = partition.with_state(item, state, rmc, code)
    return system.replace(moved, "PartitionState,ReferenceCode,RMCState")


def _to_running(system: store.System, item: store.SimObject, mode: str) -> None:
    """Off to running, through its intermediate states (captured)."""
    item = _move(system, item, partition.STARTING, "inactive", "CA000040")
    if mode in _STOPS_AT_FIRMWARE:
        _move(system, item, partition.OPEN_FIRMWARE, "inactive", "AA00E1A9")
        return
    item = _move(system, item, partition.RUNNING, "inactive", "")
    system.fabric.next_number(f"boots/{item.uuid}", 0)
    if _has_rmc(system) and item.value("PartitionType") != "OS400":
        _connect(system, item)


def _connect(system: store.System, item: store.SimObject) -> None:
    """The operating system comes up and connects; with latency that takes some
    time after the job (assumed)."""
    instruments = system.fabric.instruments
    at_once = instruments.latency.profile == "none"
    progress = instruments.transitions.begin("rmc", _RMC_SECONDS, at_once=at_once)
    if progress.done():
        _connected(system, item)
        return
    epoch = system.fabric.epoch

    def run() -> None:
        progress.wait(lambda: system.fabric.epoch != epoch)
        with system.fabric.world.transaction():
            found = system.find(item.type, item.uuid)
            if (
                found is not None
                and system.fabric.epoch == epoch
                and found.created == item.created
                and found.value("PartitionState") == partition.RUNNING
                and found.value("ResourceMonitoringControlState") == "inactive"
            ):
                _connected(system, found)

    name = f"rmc {item.value('PartitionName')}"
    threading.Thread(target=run, name=name, daemon=True).start()


def _connected(system: store.System, item: store.SimObject) -> None:
    item = _move(system, item, partition.RUNNING, "busy", "")
    _move(system, item, partition.RUNNING, "active", "")


def _passing(state: str, code: str) -> jobs.Beginning:
    """Show a state while a job runs, and put back what was."""

    def begin(
        system: store.System, item: store.SimObject
    ) -> collections.abc.Callable[[], None]:
        was = [
            item.value(tag)
            for tag in (
                "PartitionState",
                "ResourceMonitoringControlState",
                "ReferenceCode",
            )
        ]
        if was[0] in (partition.STARTING, partition.STOPPING):
            return lambda: None
        if (was[0] == partition.OFF) != (state == partition.STARTING):
            # The job will fail.
            return lambda: None
        _move(system, item, state, "inactive", code)
        epoch = system.fabric.epoch

        def take_back() -> None:
            found = system.find(item.type, item.uuid)
            if (
                found is not None
                and system.fabric.epoch == epoch
                and found.value("PartitionState") == state
            ):
                _move(system, found, *was)

        return take_back

    return begin


jobs.BEGINNINGS["PowerOn"] = _passing(partition.STARTING, "CA000040")
jobs.BEGINNINGS["PowerOff"] = _passing(partition.STOPPING, "D200B001")


def _has_rmc(system: store.System) -> bool:
    return bool(system.fabric.counters.get(f"rmc/{system.name}", True))


def _to_off(system: store.System, item: store.SimObject) -> store.SimObject:
    item = _move(system, item, partition.STOPPING, "inactive", "D200B001")
    return _move(system, item, partition.OFF, "none", "00000000")


def _choice(parameters: jobs.Parameters, name: str, known: dict[str, str]) -> str:
    """The value of a parameter in the words of the partition, '' without it."""
    given = parameters.get(name, "")
    if given and given not in known:
        raise jobs.JobFailed(f"HSCL0DB6 The {name} {given} is not valid.")
    return known.get(given, "")


@jobs.operation("PowerOn", *KINDS)
def power_on(
    system: store.System, item: store.SimObject, parameters: jobs.Parameters
) -> jobs.Results:
    """Documented: an active partition answers HSCL3681."""
    mode = _choice(parameters, "bootmode", _BOOT_MODES)
    keylock = _choice(parameters, "keylock", _KEYLOCKS)
    element = xml.copy_of(item.element)
    if keylock:
        xml.put(element, "KeylockPosition", keylock, partition.ORDER)
    if parameters.get("OperationType") == "changeKeylock":
        # The one thing that PowerOn does to an IBM i partition that runs.
        system.replace(item.changed(element), "KeylockPosition")
        return ()
    if item.value("PartitionState") != partition.OFF:
        raise jobs.JobFailed(
            f"HSCL3681 The partition {item.value('PartitionName')} is not in a "
            "state in which it can be activated."
        )
    if item.value("PartitionType") == "OS400":
        _require_load_source(system, item)
    if mode:
        xml.put(element, "BootMode", mode, partition.ORDER)
    _to_running(system, item.changed(element), mode or item.value("BootMode"))
    if parameters.get("remove_optical_name"):
        _remove_later(system, item, parameters)
    return ()


def _require_load_source(system: store.System, item: store.SimObject) -> None:
    """IBM i is told where it loads from; which message says so is assumed."""
    source = item.value("PartitionIOConfiguration/TaggedIO/LoadSource")
    if source not in _client_slots(system, item.value("PartitionID")):
        raise jobs.JobFailed(
            f"HSCL0DB8 The load source {source} of the partition "
            f"{item.value('PartitionName')} is no adapter of it."
        )


def _client_slots(system: store.System, number: str) -> set[str]:
    """Slots of a partition's virtual storage adapters."""
    return {
        xml.value(mapping, "ClientAdapter/VirtualSlotNumber")
        for vios in system.all("VirtualIOServer")
        for path in (scsi_mapping.PATH, fc_mapping.PATH)
        for mapping in xml.findall(vios.element, path)
        if xml.value(mapping, "ClientAdapter/LocalPartitionID") == number
    }


def _remove_later(
    system: store.System, item: store.SimObject, parameters: jobs.Parameters
) -> None:
    """Unmap a medium some minutes after the start (documented)."""
    try:
        minutes = float(parameters.get("remove_optical_time") or 0)
    except ValueError:
        raise jobs.JobFailed(
            "HSCL0DB7 The remove_optical_time is not a number."
        ) from None
    name = parameters["remove_optical_name"]
    epoch = system.fabric.epoch

    def run() -> None:
        clock = system.fabric.instruments.clock
        clock.sleep(minutes * 60, lambda: system.fabric.epoch != epoch)
        with system.fabric.world.transaction():
            found = system.find(item.type, item.uuid)
            # A reset brings an older or another partition.
            if found is not None and system.fabric.epoch == epoch:
                _unmap(system, found, name)

    threading.Thread(target=run, name=f"remove {name}", daemon=True).start()


def _unmap(system: store.System, item: store.SimObject, name: str) -> None:
    number = item.value("PartitionID")
    for vios in system.all("VirtualIOServer"):
        element = xml.copy_of(vios.element)
        for mapping in xml.findall(element, scsi_mapping.PATH):
            storage = backing.storage_of(mapping)
            home = mapping.getparent()
            if (
                home is not None
                and storage is not None
                and xml.value(storage, "MediaName") == name
                and xml.value(mapping, "ClientAdapter/LocalPartitionID") == number
            ):
                home.remove(mapping)
                noun = base.noun_of("VirtualIOServer")
                noun.update(system, vios, element, frozenset({"ViosSCSIMapping"}))
                return


@jobs.operation("PowerOff", *KINDS)
def power_off(
    system: store.System, item: store.SimObject, parameters: jobs.Parameters
) -> jobs.Results:
    """Documented: one that is off answers HSCL1558, one whose system cannot
    be asked HSCL0DB4; IBM i is asked without RMC. ``immediate`` makes no difference to the result."""
    name = item.value("PartitionName")
    if item.value("PartitionState") == partition.OFF:
        raise jobs.JobFailed(f"HSCL1558 The partition {name} is powered off.")
    kind = parameters.get("operation", _VSP)
    if kind not in (_OS, _VSP, *_DUMPS):
        raise jobs.JobFailed(f"HSCL0DB5 The operation {kind} is not valid.")
    if (
        kind == _OS
        and item.value("PartitionType") != "OS400"
        and item.value("ResourceMonitoringControlState") != "active"
    ):
        raise jobs.JobFailed(
            f"HSCL0DB4 The operating system of {name} cannot be shut down: the "
            "RMC connection is not active."
        )
    stopped = _to_off(system, item)
    if kind in _DUMPS or parameters.get("restart") == "true":
        _to_running(system, stopped, stopped.value("BootMode"))
    return ()


@jobs.operation("CloseVterm", "LogicalPartition")
def close_vterm(
    system: store.System, item: store.SimObject, parameters: jobs.Parameters
) -> jobs.Results:
    """Closes the console of a partition, if it is open."""
    for action in system.close_console:
        action(item)
    return (("returnCode", "0"),)
