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

"""ManagedSystem: the machine, with what its partitions leave free."""

from __future__ import annotations

import typing

from ibmvirt.simulators.novalink import store
from ibmvirt.simulators.novalink.objects import base, usage
from ibmvirt.simulators.novalink.schema import xml

_MODES = ("default", "POWER7", "POWER8", "POWER9_base", "POWER9", "POWER10")
_CAPABILITIES = (
    "ActiveLogicalPartitionMobilityCapable",
    "ActiveMemoryExpansionCapable",
    "IBMiCapable",
    "IBMiLogicalPartitionMobilityCapable",
    "IBMiRestrictedIOModeCapable",
    "InactiveLogicalPartitionMobilityCapable",
    "LogicalPartitionProcessorCompatibilityModeCapable",
    "PowerVMLogicalPartitionSimplifiedRemoteRestartCapable",
    "SharedProcessorPoolCapable",
    "VirtualFiberChannelCapable",
    "VirtualSwitchCapable",
)
# Per partition, so the most of any: assumed, as on an 8247-22L.
_LIMITS = (
    "CurrentMaximumProcessorsPerAIXOrLinuxPartition",
    "CurrentMaximumProcessorsPerIBMiPartition",
    "CurrentMaximumAllowedProcessorsPerPartition",
    "CurrentMaximumProcessorsPerVirtualIOServerPartition",
    "CurrentMaximumVirtualProcessorsPerAIXOrLinuxPartition",
    "CurrentMaximumVirtualProcessorsPerIBMiPartition",
    "CurrentMaximumVirtualProcessorsPerVirtualIOServerPartition",
)
BLOCK_MIB = 256


def build(
    system: store.System, memory_mib: int, processors: int, address: str
) -> xml.Element:
    """The element of a machine (captured: sys_with_sriov.txt)."""
    leaf, node = xml.leaf, xml.node
    return node(
        "ManagedSystem",
        node(
            "AssociatedIPLConfiguration",
            leaf("PowerOffWhenLastLogicalPartitionIsShutdown", False, "CUD"),
            group="Hypervisor",
        ),
        node(
            "AssociatedSystemCapabilities",
            *[leaf(name, True, "ROO") for name in _CAPABILITIES],
        ),
        node(
            "AssociatedSystemIOConfiguration",
            leaf("AvailableWWPNs", 65536, "CUD"),
            node("IOAdapters"),
            node("IOBuses"),
            node("IOSlots"),
            node("SRIOVAdapters"),
            node(
                "AssociatedSystemVirtualNetwork",
                xml.node("VirtualNetworks", version=None),
                xml.node("VirtualSwitches", version=None),
                group="SystemNetwork",
            ),
            leaf("WWPNPrefix", 13857705831041335296, "CUD"),
        ),
        node(
            "AssociatedSystemMemoryConfiguration",
            leaf("ConfigurableSystemMemory", memory_mib, "ROR"),
            leaf("CurrentAvailableSystemMemory", memory_mib, "ROR"),
            leaf("CurrentLogicalMemoryBlockSize", BLOCK_MIB, "ROR"),
            leaf("DefaultHardwarePageTableRatio", 6, "COR"),
            leaf("InstalledSystemMemory", memory_mib, "ROR"),
            leaf("MaximumMemoryPoolCount", 1, "ROR"),
            leaf("MemoryRegionSize", BLOCK_MIB, "CUD"),
            leaf("MemoryUsedByHypervisor", max(1024, memory_mib // 64), "ROR"),
            leaf("PendingAvailableSystemMemory", memory_mib, "CUD"),
            leaf("PendingLogicalMemoryBlockSize", BLOCK_MIB, "CUD"),
            leaf("PendingMemoryRegionSize", BLOCK_MIB, "CUD"),
        ),
        node(
            "AssociatedSystemProcessorConfiguration",
            leaf("ConfigurableSystemProcessorUnits", processors, "ROR"),
            leaf("CurrentAvailableSystemProcessorUnits", processors, "ROR"),
            *[leaf(name, 64, "ROR") for name in _LIMITS],
            leaf("InstalledSystemProcessorUnits", processors, "ROR"),
            leaf("MaximumAllowedVirtualProcessorsPerPartition", 256, "ROR"),
            leaf("MinimumProcessorUnitsPerVirtualProcessor", 0.05, "ROR"),
            leaf("PendingAvailableSystemProcessorUnits", processors, "CUD"),
            *[
                leaf("SupportedPartitionProcessorCompatibilityModes", mode, "ROR")
                for mode in _MODES
            ],
        ),
        node("AssociatedSystemVirtualStorage"),
        node(
            "MachineTypeModelAndSerialNumber",
            leaf("MachineType", system.machine_type),
            leaf("Model", system.model),
            leaf("SerialNumber", system.serial),
            kb="ROR",
        ),
        leaf("ManufacturingDefaultConfigurationEnabled", False, "ROR"),
        leaf("MaximumPartitions", 2000, "CUD"),
        leaf("PrimaryIPAddress", address),
        leaf("State", "operating", "ROR"),
        leaf("SystemName", system.name),
        node(
            "SystemMigrationInformation",
            leaf("MaximumInactiveMigrations", 16, "ROR"),
            leaf("MaximumActiveMigrations", 16, "ROR"),
            leaf("NumberOfInactiveMigrationsInProgress", 0, "ROR"),
            leaf("NumberOfActiveMigrationsInProgress", 0, "ROR"),
            kb="ROR",
        ),
        leaf("ReferenceCode", "00000000", "ROO", "true"),
        leaf("IsPowerVMManagementMaster", True, "ROO", ksv=xml.VERSION),
        leaf("IsManagementPartitionPowerVMManagementMaster", True, "ROO"),
        leaf("IsHMCPowerVMManagementMaster", False, "ROO"),
        kb=None,
    )


@base.register
class ManagedSystem(base.Noun):
    """Read only; free memory and processors follow the partitions."""

    TYPE = "ManagedSystem"
    GROUPS = frozenset({"Hypervisor", "SystemNetwork"})

    def render(self, system: store.System, item: store.SimObject) -> xml.Element:
        element = xml.copy_of(item.element)
        memory, processors = usage.free(system)
        for kind in ("Current", "Pending"):
            xml.put(
                element,
                f"AssociatedSystemMemoryConfiguration/{kind}AvailableSystemMemory",
                memory,
            )
            xml.put(
                element,
                "AssociatedSystemProcessorConfiguration/"
                f"{kind}AvailableSystemProcessorUnits",
                processors,
            )
        return element

    def quick(
        self, system: store.System, item: store.SimObject
    ) -> dict[str, typing.Any]:
        return {"State": item.value("State"), "SystemName": item.value("SystemName")}
