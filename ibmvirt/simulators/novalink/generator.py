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


"""The world that a simulator begins with, under predictable names.

System ``sys1`` has ``vios1`` (the management partition) and ``vios2``, the
switches ``ETHERNET0``, ``ETHERNET1``, ``MGMTSWITCH`` and ``NovaLinkVEABridge``, a
Shared Ethernet Adapter to each of the first two on every VIOS, the cluster
``cluster1`` with the pool ``ssp1`` and its tier ``SYSTEM``, volume groups
``rootvg`` and ``datavg`` and a media repository on ``vios1``, Fibre Channel
ports ``fcs0`` and ``fcs1``, and LUNs that are ``hdisk1`` ... everywhere.
"""

from __future__ import annotations

from ibmvirt.simulators.novalink import generator_vios, lun, luns, store
from ibmvirt.simulators.novalink.generator_options import Options, fixed_uuid
from ibmvirt.simulators.novalink.objects import (
    base,
    managed_system,
    management_console,
    processor_pool,
    virtual_switch,
    volume_group,
)
from ibmvirt.simulators.novalink.schema import table

__all__ = ["Options", "fixed_uuid", "populate"]

_SSP = "cfc907d2abf511e4b2d540f2e95daf30"


def populate(fabric: store.Fabric, options: Options) -> None:
    """Fill the systems of the fabric (their base URLs are known)."""
    with fabric.world.transaction():
        for index, system in enumerate(fabric.systems):
            _system(system, index, options)
        luns.generate(fabric, options.luns)
        if options.ssp:
            _pool(fabric, options)
        for system in fabric.systems:
            for number in range(1, options.lpars + 1):
                _lpar(system, number)


def _system(system: store.System, index: int, options: Options) -> None:
    machine = managed_system.build(
        system, options.memory_mib, options.processors, f"10.0.{index}.1"
    )
    system.add("ManagedSystem", machine, uuid=system.uuid)
    console = fixed_uuid(system.name, "console")
    system.add("ManagementConsole", management_console.build(system), uuid=console)
    root = f"ManagedSystem/{system.uuid}"
    system.fabric.counters[f"rmc/{system.name}"] = options.rmc
    for number, name, uuid in generator_vios.switches(system):
        element = virtual_switch.switch(number, name)
        system.add("VirtualSwitch", element, parent=root, uuid=uuid)
    pool = processor_pool.build(0, "DefaultPool")
    uuid = fixed_uuid(system.name, "pool", 0)
    system.add("SharedProcessorPool", pool, parent=root, uuid=uuid)
    for number in range(1, options.vioses + 1):
        generator_vios.add(system, index, number, options)
        generator_vios.add_groups(system, number, options)
    for vios in system.all("VirtualIOServer"):
        volume_group.follow(system, vios)
    generator_vios.add_bridges(system, options)


def _pool(fabric: store.Fabric, options: Options) -> None:
    """One cluster of all VIOSes of all systems (captured: cluster.txt, ssp.txt,
    tier.txt)."""
    first = fabric.systems[0]
    uuid = fixed_uuid("ssp1")
    volume = {
        "Description": "MPIO IBM 2076 FC Disk",
        "UniqueDeviceID": lun.udid(999),
        "VolumeCapacity": int(options.ssp_gb * 1024),
        "VolumeName": "hdisk999",
        "VolumeState": "active",
        "IsFibreChannelBacked": True,
    }
    nodes = [
        _node(system, vios)
        for system in fabric.systems
        for vios in system.all("VirtualIOServer")
    ]
    url = table.Href(first.url("SharedStoragePool", uuid))
    cluster = table.build(
        "Cluster",
        {
            "ClusterName": "cluster1",
            "ClusterID": f"22{_SSP}",
            "RepositoryDisk": {"PhysicalVolume": volume | {"VolumeCapacity": 10240}},
            "ClusterSharedStoragePool": url,
            "Node": {"Node": nodes},
        },
    )
    first.add("Cluster", cluster, uuid=fixed_uuid("cluster1"))
    pool = table.build(
        "SharedStoragePool",
        {
            "LogicalUnits": {},
            "MultiDataTierConfigured": False,
            "MultiFailureGroupConfigured": False,
            "PhysicalVolumes": {"PhysicalVolume": volume},
            "Capacity": options.ssp_gb,
            "FreeSpace": options.ssp_gb,
            "OverCommitSpace": 0,
            "TotalLogicalUnitSize": 0,
            "AlertThreshold": "35%",
            "StoragePoolName": "ssp1",
            "UniqueDeviceID": f"24{_SSP}000000000972FB370000000054D14EB8",
        },
    )
    first.add("SharedStoragePool", pool, uuid=uuid)
    tier = table.build(
        "Tier",
        {
            "Name": "SYSTEM",
            "UniqueDeviceID": f"25{_SSP}7d95846d854f9f38",
            "Type": "UnrestrictedSystemTier",
            "IsDefault": True,
            "Capacity": options.ssp_gb,
            "FreeSpace": options.ssp_gb,
            "MirrorState": "NotMirrored",
            "FailureGroups": {
                "FailureGroup": {
                    "Name": "Default",
                    "UniqueDeviceID": f"26{_SSP}b5acdeee517e4afe",
                    "Capacity": options.ssp_gb,
                    "State": "Online",
                    "PhysicalVolumes": {"PhysicalVolume": volume},
                }
            },
            "AssociatedSharedStoragePool": url,
        },
    )
    first.add(
        "Tier",
        tier,
        parent=f"SharedStoragePool/{uuid}",
        uuid=fixed_uuid("tier", "SYSTEM"),
    )


def _node(system: store.System, vios: store.SimObject) -> dict[str, object]:
    url = system.url("ManagedSystem", system.uuid, "VirtualIOServer", vios.uuid)
    return {
        "HostName": f"{vios.value('PartitionName')}.{system.name}",
        "PartitionID": vios.value("PartitionID"),
        "MachineTypeModelAndSerialNumber": {
            "MachineType": system.machine_type,
            "Model": system.model,
            "SerialNumber": system.serial,
        },
        "VirtualIOServerLevel": "3.1.4.10",
        "VirtualIOServer": table.Href(url),
        "State": "Up",
    }


def _lpar(system: store.System, number: int) -> None:
    element = table.build(
        "LogicalPartition",
        {
            "PartitionMemoryConfiguration": generator_vios.memory(256),
            "PartitionName": f"lpar{number:04d}",
            "PartitionProcessorConfiguration": generator_vios.processors(1, 0.05),
            "PartitionType": "AIX/Linux",
            "PartitionUUID": fixed_uuid(system.name, "lpar", number).upper(),
        },
    )
    base.noun_of("LogicalPartition").create(system, None, element)
