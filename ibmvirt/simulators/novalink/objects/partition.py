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


"""What LogicalPartition and VirtualIOServer have in common."""

from __future__ import annotations

import base64
import typing

from ibmvirt.simulators.novalink import store
from ibmvirt.simulators.novalink.refusals import refuse
from ibmvirt.simulators.novalink.schema import table, xml

# The order of what both kinds have in common.
ORDER = table.order("LogicalPartition")

# State texts of the REST API (captured).
OFF = "not activated"
RUNNING = "running"
STARTING = "starting"
STOPPING = "shutting down"
ERROR = "error"
OPEN_FIRMWARE = "open firmware"
# Documented: pypowervm makes names no longer.
_NAME_LIMIT = 31

_QUICK_TEXT = (
    "PartitionName",
    "PartitionState",
    "PartitionType",
    "PartitionUUID",
    "ResourceMonitoringControlState",
    "ReferenceCode",
    "OperatingSystemVersion",
)
_CAPABILITIES = (
    "DynamicLogicalPartitionIOCapable",
    "DynamicLogicalPartitionMemoryCapable",
    "DynamicLogicalPartitionProcessorCapable",
    "InternalAndExternalIntrusionDetectionCapable",
    "ResourceMonitoringControlOperatingSystemShutdownCapable",
)
# Captured: fake_lpar_feed.txt, a partition without huge pages.
_MEMORY: dict[str, typing.Any] = {
    "ActiveMemoryExpansionEnabled": False,
    "ActiveMemorySharingEnabled": False,
    "DesiredHugePageCount": 0,
    "ExpansionFactor": "0.0",
    "HardwarePageTableRatio": 6,
    "MaximumHugePageCount": 0,
    "MinimumHugePageCount": 0,
    "CurrentExpansionFactor": "0.0",
    "CurrentHardwarePageTableRatio": 6,
    "CurrentHugePageCount": 0,
    "CurrentMaximumHugePageCount": 0,
    "CurrentMinimumHugePageCount": 0,
    "MemoryExpansionEnabled": False,
    "RedundantErrorPathReportingEnabled": False,
    "RuntimeHugePageCount": 0,
    "SharedMemoryEnabled": False,
}


def fill(element: xml.Element, values: dict[str, typing.Any]) -> None:
    """Add the children that are missing; values as in ``table.build``."""
    for tag, value in values.items():
        if xml.find(element, tag) is None:
            table.set_value(element, tag, value)


def set_defaults(
    system: store.System, element: xml.Element, uuid: str, number: str
) -> None:
    """Give a partition what the platform adds to a request."""
    slots = {
        "MaximumVirtualIOSlots": 64,
        "ProfileIOSlots": {},
        "CurrentMaximumVirtualIOSlots": 64,
    }
    pool = system.all("SharedProcessorPool")
    fill(
        element,
        {
            "AllowPerformanceDataCollection": False,
            "AvailabilityPriority": 127,
            "CurrentAllocatedBarrierSynchronizationRegisterArrays": 0,
            "CurrentProcessorCompatibilityMode": "POWER8",
            "CurrentProfileSync": "On",
            "IsConnectionMonitoringEnabled": True,
            "IsOperationInProgress": False,
            "IsRedundantErrorPathReportingEnabled": False,
            "IsTimeReferencePartition": False,
            "IsVirtualServiceAttentionLEDOn": False,
            "IsVirtualTrustedPlatformModuleEnabled": False,
            "KeylockPosition": "normal",
            "LogicalSerialNumber": f"{system.serial}{int(number):X}",
            "OperatingSystemVersion": "Unknown",
            "PartitionCapabilities": dict.fromkeys(_CAPABILITIES, False),
            "PartitionIOConfiguration": slots,
            "PartitionState": OFF,
            "PartitionUUID": uuid,
            "PendingProcessorCompatibilityMode": "default",
            "ProcessorPool": table.Href(system.url_of(pool[0])) if pool else None,
            "ProgressPartitionDataRemaining": 0,
            "ProgressPartitionDataTotal": 0,
            "ResourceMonitoringControlState": "inactive",
            "AssociatedManagedSystem": table.Href(
                system.url("ManagedSystem", system.uuid)
            ),
            "ClientNetworkAdapters": {},
            "HostEthernetAdapterLogicalPorts": {},
            "MACAddressPrefix": mac_prefix(system, int(number)),
            "IsServicePartition": False,
            "ReferenceCode": "00000000",
            "IsManagementPartition": False,
            "BootMode": "Normal",
        },
    )
    configuration = xml.find(element, "PartitionIOConfiguration")
    assert configuration is not None
    fill(configuration, slots)
    most = xml.value(configuration, "MaximumVirtualIOSlots")
    xml.put(configuration, "CurrentMaximumVirtualIOSlots", most)
    memory = xml.find(element, "PartitionMemoryConfiguration")
    if memory is not None:
        fill(memory, _MEMORY)


def mac_prefix(system: store.System, number: int) -> int:
    """The first five bytes of MAC addresses of a partition's adapters, the
    last byte of which is the slot (captured); locally administered."""
    seed = int(system.uuid.replace("-", "")[:4], 16)
    return (0xFA << 40) | (seed << 24) | ((number & 0xFFFF) << 8)


def nvram(uuid: str) -> str:
    """NVRAM contents, opaque to clients (assumed)."""
    return base64.b64encode(f"ibmvirt-nvram-{uuid}".encode()).decode()


def set_current(element: xml.Element) -> None:
    """Let the Current and Runtime values follow the desired ones."""
    running = xml.value(element, "PartitionState") != OFF
    memory = xml.find(element, "PartitionMemoryConfiguration")
    if memory is not None:
        desired = xml.value(memory, "DesiredMemory", "0")
        least = xml.value(memory, "MinimumMemory", desired)
        for tag, text in (
            ("CurrentMaximumMemory", xml.value(memory, "MaximumMemory", desired)),
            ("CurrentMemory", desired),
            ("CurrentMinimumMemory", least),
            ("RuntimeMemory", desired if running else 0),
            ("RuntimeMinimumMemory", least),
        ):
            table.set_value(memory, tag, text)
    processors = xml.find(element, "PartitionProcessorConfiguration")
    if processors is not None:
        _set_current_processors(processors, running=running)


def _set_current_processors(processors: xml.Element, *, running: bool) -> None:
    dedicated = xml.value(processors, "HasDedicatedProcessors", "false")
    mode = xml.value(processors, "SharingMode", "capped")
    for tag, text in (
        ("CurrentHasDedicatedProcessors", dedicated),
        ("CurrentSharingMode", mode),
        ("RuntimeHasDedicatedProcessors", dedicated),
    ):
        table.set_value(processors, tag, text)
    for tag in (
        "CurrentDedicatedProcessorConfiguration",
        "CurrentSharedProcessorConfiguration",
    ):
        xml.remove(processors, tag)

    def desired(tag: str) -> str:
        kind = "Dedicated" if dedicated == "true" else "Shared"
        return xml.value(processors, f"{kind}ProcessorConfiguration/{tag}", "0")

    if dedicated == "true":
        count = desired("DesiredProcessors")
        table.set_value(
            processors,
            "CurrentDedicatedProcessorConfiguration",
            {
                "CurrentMaximumProcessors": desired("MaximumProcessors"),
                "CurrentMinimumProcessors": desired("MinimumProcessors"),
                "CurrentProcessors": count,
                "RunProcessors": count if running else 0,
            },
        )
        return
    units, weight = desired("DesiredProcessingUnits"), desired("UncappedWeight")
    table.set_value(
        processors,
        "CurrentSharedProcessorConfiguration",
        {
            "AllocatedVirtualProcessors": desired("DesiredVirtualProcessors"),
            "CurrentMaximumProcessingUnits": desired("MaximumProcessingUnits"),
            "CurrentMinimumProcessingUnits": desired("MinimumProcessingUnits"),
            "CurrentProcessingUnits": units,
            "CurrentSharedProcessorPoolID": desired("SharedProcessorPoolID"),
            "CurrentUncappedWeight": weight,
            "CurrentMinimumVirtualProcessors": desired("MinimumVirtualProcessors"),
            "CurrentMaximumVirtualProcessors": desired("MaximumVirtualProcessors"),
            "RuntimeProcessingUnits": units if running else 0,
            "RuntimeUncappedWeight": weight if running else 0,
        },
    )


def with_state(
    item: store.SimObject, state: str, rmc: str, reference_code: str
) -> store.SimObject:
    """The next version of a partition in a state.

    What an operating system with RMC can do shows only while RMC is active
    (captured)."""
    element = xml.copy_of(item.element)
    table.set_value(element, "PartitionState", state)
    table.set_value(element, "ResourceMonitoringControlState", rmc)
    table.set_value(element, "ReferenceCode", reference_code)
    capabilities = xml.find(element, "PartitionCapabilities")
    if capabilities is not None:
        for tag in _CAPABILITIES:
            if xml.find(capabilities, tag) is not None:
                xml.put(capabilities, tag, rmc == "active")
    set_current(element)
    return item.changed(element)


def require_rmc(item: store.SimObject) -> None:
    """:raises Refusal: a running partition without RMC cannot change.

    IBM i needs none (documented: pypowervm's checks).
    """
    if item.value("PartitionState") == OFF:
        return
    if item.value("PartitionType") == "OS400":
        return
    if item.value("ResourceMonitoringControlState") != "active":
        raise refuse("no_rmc", name=item.value("PartitionName"))


def check_name(system: store.System, name: str, but: str | None) -> None:
    """:raises Refusal: another partition of the system has the name, or it is
    too long."""
    if len(name) > _NAME_LIMIT:
        raise refuse("partition_name", name=name, limit=_NAME_LIMIT)
    for item in system.partitions():
        if item.uuid != but and item.value("PartitionName") == name:
            raise refuse("duplicate_name", name=name)


def relink(system: store.System, item: store.SimObject, kind: str, tag: str) -> None:
    """Let the links of a partition to its adapters of a type be right."""
    current = system.find(item.type, item.uuid)
    if current is None or xml.find(current.element, tag) is None:
        return
    element = xml.copy_of(current.element)
    home = xml.find(element, tag)
    assert home is not None
    for child in list(home):
        home.remove(child)
    for adapter in system.all(kind, item.key):
        home.append(xml.link(system.url_of(adapter)))
    system.replace(current.changed(element), quiet=True)


def quick(item: store.SimObject) -> dict[str, typing.Any]:
    """Quick properties: strings quoted, numbers bare (documented)."""
    found: dict[str, typing.Any] = {name: item.value(name) for name in _QUICK_TEXT}
    found["UUID"] = item.uuid
    found["PartitionID"] = int(item.value("PartitionID", "0"))
    return found
