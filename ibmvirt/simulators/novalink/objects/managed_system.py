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

"""ManagedSystem: the machine."""

from __future__ import annotations

import typing

from ibmvirt.simulators.novalink import store
from ibmvirt.simulators.novalink.objects import base
from ibmvirt.simulators.novalink.schema import groups as groups_
from ibmvirt.simulators.novalink.schema import table, xml

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
    firmware = max(1024, memory_mib // 64)
    left = memory_mib - firmware
    return table.build(
        "ManagedSystem",
        {
            "AssociatedIPLConfiguration": {
                "CurrentPowerOnSide": "permanent",
                "CurrentSystemKeylock": "normal",
            },
            "AssociatedLogicalPartitions": {},
            "AssociatedSystemCapabilities": dict.fromkeys(_CAPABILITIES, True),
            "AssociatedSystemIOConfiguration": {
                "AvailableWWPNs": 65536,
                "IOAdapters": {},
                "IOBuses": {},
                "IOSlots": {},
                "SRIOVAdapters": {},
                "AssociatedSystemVirtualNetwork": {
                    "VirtualNetworks": {},
                    "VirtualSwitches": {},
                },
                "WWPNPrefix": 13857705831041335296,
            },
            "AssociatedSystemMemoryConfiguration": {
                "ConfigurableSystemMemory": memory_mib,
                "CurrentAvailableSystemMemory": left,
                "CurrentLogicalMemoryBlockSize": BLOCK_MIB,
                "DefaultHardwarePageTableRatio": 6,
                "InstalledSystemMemory": memory_mib,
                "MaximumMemoryPoolCount": 1,
                "MemoryRegionSize": BLOCK_MIB,
                "MemoryUsedByHypervisor": firmware,
                "PendingAvailableSystemMemory": left,
                "PendingLogicalMemoryBlockSize": BLOCK_MIB,
                "PendingMemoryRegionSize": BLOCK_MIB,
            },
            "AssociatedSystemProcessorConfiguration": {
                "ConfigurableSystemProcessorUnits": processors,
                "CurrentAvailableSystemProcessorUnits": processors,
                **dict.fromkeys(_LIMITS, 64),
                "InstalledSystemProcessorUnits": processors,
                "MaximumAllowedVirtualProcessorsPerPartition": 256,
                "MinimumProcessorUnitsPerVirtualProcessor": 0.05,
                "PendingAvailableSystemProcessorUnits": processors,
                "SupportedPartitionProcessorCompatibilityModes": list(_MODES),
            },
            "AssociatedSystemVirtualStorage": {},
            "AssociatedVirtualIOServers": {},
            "DetailedState": "None",
            "MachineTypeModelAndSerialNumber": {
                "MachineType": system.machine_type,
                "Model": system.model,
                "SerialNumber": system.serial,
            },
            "ManufacturingDefaultConfigurationEnabled": False,
            "MaximumPartitions": 2000,
            "MaximumPowerControlPartitions": 1,
            "MaximumRemoteRestartPartitions": 2000,
            "MaximumSharedProcessorCapablePartitionID": 2000,
            "PhysicalSystemAttentionLEDState": "null",
            "PrimaryIPAddress": address,
            "ServiceProcessorFailoverEnabled": False,
            "ServiceProcessorFailoverState": "null",
            "State": "operating",
            "SystemName": system.name,
            "VirtualSystemAttentionLEDState": "null",
            "SystemMigrationInformation": {
                "MaximumInactiveMigrations": 16,
                "MaximumActiveMigrations": 16,
                "NumberOfInactiveMigrationsInProgress": 0,
                "NumberOfActiveMigrationsInProgress": 0,
            },
            "ReferenceCode": "00000000",
            "IsPowerVMManagementMaster": True,
            "IsManagementPartitionPowerVMManagementMaster": True,
            "IsHMCPowerVMManagementMaster": False,
        },
    )


@base.register
class ManagedSystem(base.Noun):
    """The machine; what is free follows the partitions.

    - captured: its elements and groups
    - documented: quick properties; a POST that changes nothing of it, as one
      for labels of ports
    """

    TYPE = "ManagedSystem"
    VERBS = frozenset({"GET", "POST"})
    GROUPS = frozenset({"Hypervisor", "SystemNetwork", "EnergyManagement"})

    def update(
        self,
        system: store.System,
        item: store.SimObject,
        posted: xml.Element,
        groups: store.Groups,
    ) -> store.SimObject:
        element = groups_.merge(item.element, posted, groups)
        base.required(element, "SystemName")
        return system.replace(item.changed(element))

    def quick(
        self, system: store.System, item: store.SimObject
    ) -> dict[str, typing.Any]:
        return {"State": item.value("State"), "SystemName": item.value("SystemName")}
