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

import typing

from ibmvirt.simulators.novalink import store
from ibmvirt.simulators.novalink.schema import xml

ORDER = (
    "AllowPerformanceDataCollection",
    "AssociatedPartitionProfile",
    "AvailabilityPriority",
    "CurrentAllocatedBarrierSynchronizationRegisterArrays",
    "CurrentProcessorCompatibilityMode",
    "CurrentProfileSync",
    "Hostname",
    "IsBootable",
    "IsCallHomeEnabled",
    "IsConnectionMonitoringEnabled",
    "IsOperationInProgress",
    "IsRedundantErrorPathReportingEnabled",
    "IsTimeReferencePartition",
    "IsVirtualServiceAttentionLEDOn",
    "IsVirtualTrustedPlatformModuleEnabled",
    "KeylockPosition",
    "LogicalSerialNumber",
    "OperatingSystemVersion",
    "PartitionCapabilities",
    "PartitionID",
    "PartitionIOConfiguration",
    "PartitionMemoryConfiguration",
    "PartitionName",
    "PartitionProcessorConfiguration",
    "PartitionProfiles",
    "PartitionState",
    "PartitionType",
    "PartitionUUID",
    "PendingProcessorCompatibilityMode",
    "ProcessorPool",
    "ProgressPartitionDataRemaining",
    "ProgressPartitionDataTotal",
    "ProgressState",
    "ResourceMonitoringControlState",
    "ResourceMonitoringIPAddress",
    "ValidInteractivePerformance",
    "AssociatedManagedSystem",
    "SRIOVEthernetLogicalPorts",
    "SRIOVRoCELogicalPorts",
    "SRIOVFibreChannelOverEthernetLogicalPorts",
    "ClientNetworkAdapters",
    "HostEthernetAdapterLogicalPorts",
    "MACAddressPrefix",
    "IsServicePartition",
    "PowerVMManagementCapable",
    "ReferenceCode",
    "ReferenceCodeFull",
    "IsManagementPartition",
    "AutoStart",
    "BootMode",
    "PartitionNVRAM",
    "Uptime",
    "AssociatedGroups",
    "PowerOnWithHypervisor",
    "AssociatedTasks",
    "Description",
)

# State texts of the REST API (captured).
OFF = "not activated"
RUNNING = "running"
STARTING = "starting"
STOPPING = "shutting down"
ERROR = "error"
OPEN_FIRMWARE = "open firmware"

_QUICK_TEXT = (
    "PartitionName",
    "PartitionState",
    "PartitionType",
    "PartitionUUID",
    "ResourceMonitoringControlState",
    "ReferenceCode",
    "OperatingSystemVersion",
)


def set_defaults(
    system: store.System, element: xml.Element, uuid: str, kind: str
) -> None:
    """Give a partition what the platform adds to a request."""
    defaults: list[tuple[str, typing.Any, str]] = [
        ("AllowPerformanceDataCollection", False, "CUD"),
        ("AvailabilityPriority", 127, "UOD"),
        ("CurrentAllocatedBarrierSynchronizationRegisterArrays", 0, "ROO"),
        ("CurrentProcessorCompatibilityMode", "POWER8", "ROO"),
        ("CurrentProfileSync", "On", "CUD"),
        ("IsConnectionMonitoringEnabled", True, "UOD"),
        ("IsOperationInProgress", False, "ROR"),
        ("IsRedundantErrorPathReportingEnabled", False, "UOD"),
        ("IsTimeReferencePartition", False, "UOD"),
        ("IsVirtualServiceAttentionLEDOn", False, "ROR"),
        ("IsVirtualTrustedPlatformModuleEnabled", False, "UOD"),
        ("KeylockPosition", "normal", "CUD"),
        ("OperatingSystemVersion", "Unknown", "ROR"),
        ("PartitionState", OFF, "ROO"),
        ("PartitionUUID", uuid, "ROO"),
        ("PendingProcessorCompatibilityMode", "default", "CUD"),
        ("ProgressPartitionDataRemaining", 0, "ROR"),
        ("ProgressPartitionDataTotal", 0, "ROR"),
        ("ProgressState", "Unknown", "ROR"),
        ("ResourceMonitoringControlState", "inactive", "ROR"),
        ("IsServicePartition", False, "CUD"),
        ("PowerVMManagementCapable", False, "ROO"),
        ("ReferenceCode", "00000000", "ROO"),
        ("IsManagementPartition", False, "ROO"),
        ("BootMode", "Normal", "CUD"),
    ]
    for tag, text, kb in defaults:
        if xml.find(element, tag) is None:
            xml.insert(element, xml.leaf(tag, text, kb), ORDER)
    if xml.find(element, "PartitionCapabilities") is None:
        xml.insert(element, _capabilities(active=False), ORDER)
    if xml.find(element, "PartitionIOConfiguration") is None:
        xml.insert(element, _io_configuration(64), ORDER)
    if xml.find(element, "AssociatedManagedSystem") is None:
        target = system.url("ManagedSystem", system.uuid)
        xml.insert(element, xml.reference("AssociatedManagedSystem", target), ORDER)
    if xml.find(element, "PartitionNVRAM") is None and kind == "LogicalPartition":
        nvram = xml.leaf("PartitionNVRAM", _new_nvram(uuid), "UOD", group="NVRAM")
        xml.insert(element, nvram, ORDER)


def _new_nvram(uuid: str) -> str:
    import base64

    return base64.b64encode(f"ibmvirt-nvram-{uuid}".encode()).decode()


def _capabilities(*, active: bool) -> xml.Element:
    names = (
        "DynamicLogicalPartitionIOCapable",
        "DynamicLogicalPartitionMemoryCapable",
        "DynamicLogicalPartitionProcessorCapable",
        "InternalAndExternalIntrusionDetectionCapable",
        "ResourceMonitoringControlOperatingSystemShutdownCapable",
    )
    return xml.node(
        "PartitionCapabilities",
        *[xml.leaf(name, active, "ROR") for name in names],
        kb="ROR",
    )


def _io_configuration(slots: int) -> xml.Element:
    return xml.node(
        "PartitionIOConfiguration",
        xml.leaf("MaximumVirtualIOSlots", slots, "CUD"),
        xml.node("ProfileIOSlots"),
        xml.leaf("CurrentMaximumVirtualIOSlots", slots, "ROR"),
    )


def set_current(element: xml.Element) -> None:
    """Let the Current and Runtime values follow the desired ones."""
    memory = xml.find(element, "PartitionMemoryConfiguration")
    if memory is not None:
        desired = xml.value(memory, "DesiredMemory", "0")
        for tag, source in (
            ("CurrentMaximumMemory", "MaximumMemory"),
            ("CurrentMemory", "DesiredMemory"),
            ("CurrentMinimumMemory", "MinimumMemory"),
        ):
            xml.put(memory, tag, xml.value(memory, source, desired))
        running = xml.value(element, "PartitionState") != OFF
        xml.put(memory, "RuntimeMemory", desired if running else 0)
    processors = xml.find(element, "PartitionProcessorConfiguration")
    if processors is None:
        return
    dedicated = xml.value(processors, "HasDedicatedProcessors", "false")
    xml.put(processors, "CurrentHasDedicatedProcessors", dedicated)
    xml.put(
        processors, "CurrentSharingMode", xml.value(processors, "SharingMode", "capped")
    )


def with_state(
    item: store.SimObject, state: str, rmc: str, reference_code: str
) -> store.SimObject:
    """The next version of a partition in a state."""
    element = xml.copy_of(item.element)
    xml.put(element, "PartitionState", state, ORDER)
    xml.put(element, "ResourceMonitoringControlState", rmc, ORDER)
    xml.put(element, "ReferenceCode", reference_code, ORDER)
    if rmc == "active":
        capabilities = xml.find(element, "PartitionCapabilities")
        if capabilities is not None:
            for child in capabilities:
                if xml.name(child) != "Metadata":
                    child.text = "true"
    set_current(element)
    return item.changed(element)


def quick(item: store.SimObject) -> dict[str, typing.Any]:
    """Quick properties: strings quoted, numbers bare (documented)."""
    found: dict[str, typing.Any] = {name: item.value(name) for name in _QUICK_TEXT}
    found["UUID"] = item.uuid
    found["PartitionID"] = int(item.value("PartitionID", "0"))
    return found
