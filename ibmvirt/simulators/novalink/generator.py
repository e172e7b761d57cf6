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
switches ``ETHERNET0``, ``MGMTSWITCH`` and ``OVSSWITCH``, a Shared Ethernet
Adapter on each VIOS, the cluster ``cluster1`` with the pool ``ssp1`` and its
tier ``SYSTEM``, volume groups with a media repository, Fibre Channel ports
and LUNs ``lun1`` ....
"""

from __future__ import annotations

import base64
import dataclasses
import uuid as uuids

from ibmvirt.simulators.novalink import store
from ibmvirt.simulators.novalink.objects import (
    base,
    managed_system,
    network,
    partition,
    virtual_io_server,
)
from ibmvirt.simulators.novalink.schema import xml

_NAMESPACE = uuids.UUID("6f1b8f60-6a0f-4b39-9f2c-1b2a31d0c0de")


@dataclasses.dataclass(frozen=True)
class Options:
    """What the command line or a world file asks for."""

    systems: int = 1
    vioses: int = 2
    lpars: int = 0
    ssp: bool = True
    rmc: bool = True
    luns: int = 8
    memory_mib: int = 1 << 20
    processors: int = 256
    ssp_gb: float = 4096.0
    repository_gb: float = 32.0
    volume_group_gb: float = 1024.0


def fixed_uuid(*parts: object) -> str:
    """The same id for the same name in every run."""
    return str(uuids.uuid5(_NAMESPACE, "/".join(str(part) for part in parts)))


def populate(fabric: store.Fabric, options: Options) -> None:
    """Fill the systems of the fabric (their base URLs are known)."""
    with fabric.world.transaction():
        for index, system in enumerate(fabric.systems):
            _system(system, index, options)
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
    root = f"ManagedSystem/{system.uuid}"
    system.fabric.counters[f"rmc/{system.name}"] = options.rmc
    for number, name in enumerate(("ETHERNET0", "MGMTSWITCH", "OVSSWITCH")):
        uuid = fixed_uuid(system.name, "switch", name)
        system.add(
            "VirtualSwitch", network.switch(number, name), parent=root, uuid=uuid
        )
    pool = xml.node(
        "SharedProcessorPool",
        xml.leaf("AssignedPartitions", None, "ROR"),
        xml.leaf("CurrentReservedProcessingUnits", 0, "ROR"),
        xml.leaf("PoolID", 0, "ROR"),
        xml.leaf("PoolName", "DefaultPool", "CUD"),
        kb=None,
    )
    system.add(
        "SharedProcessorPool",
        pool,
        parent=root,
        uuid=fixed_uuid(system.name, "pool", 0),
    )
    for number in range(1, options.vioses + 1):
        _vios(system, index, number, options)
    _bridges(system, options)


def _vios(system: store.System, index: int, number: int, options: Options) -> None:
    uuid = fixed_uuid(system.name, "vios", number).upper()
    leaf, node = xml.leaf, xml.node
    element = node(
        "VirtualIOServer",
        leaf("PartitionID", number, "COD"),
        node(
            "PartitionIOConfiguration",
            leaf("MaximumVirtualIOSlots", 4096, "CUD"),
            node("ProfileIOSlots"),
            leaf("CurrentMaximumVirtualIOSlots", 4096, "ROR"),
        ),
        _memory(8192),
        leaf("PartitionName", f"vios{number}"),
        _processors(1, 2.0),
        leaf("PartitionState", partition.RUNNING, "ROO"),
        leaf("PartitionType", "Virtual IO Server", "COD"),
        leaf("ResourceMonitoringControlState", "active", "ROR"),
        leaf("ResourceMonitoringIPAddress", f"10.0.{index}.{10 + number}", "CUD"),
        leaf("IsManagementPartition", number == 1, "ROO"),
        leaf("APICapable", True, "CUD"),
        leaf("ManagerPassthroughCapable", True, "CUD"),
        node("MediaRepositories", group=virtual_io_server.STORAGE),
        leaf("MoverServicePartition", True, "CUD"),
        node(
            "PhysicalVolumes",
            *[_lun(system, uuid, lun) for lun in range(1, options.luns + 1)],
            group=virtual_io_server.STORAGE,
        ),
        node(
            "SharedEthernetAdapters",
            _sea(system, number),
            group=virtual_io_server.NETWORK,
        ),
        leaf("SharedStoragePoolCapable", options.ssp, "ROO"),
        node(
            "StoragePools",
            group=virtual_io_server.STORAGE,
            version=None,
        ),
        node("TrunkAdapters", group=virtual_io_server.NETWORK),
        node("VirtualFibreChannelMappings", group=virtual_io_server.FC),
        node("VirtualSCSIMappings", group=virtual_io_server.SCSI),
        kb=None,
    )
    io = xml.find(element, "PartitionIOConfiguration/ProfileIOSlots")
    assert io is not None
    for port in (1, 2):
        io.append(_fc_adapter(system, number, port))
    partition.set_defaults(system, element, uuid, "VirtualIOServer")
    partition.set_current(element)
    system.add("VirtualIOServer", element, uuid=uuid)
    home = f"VirtualIOServer/{uuid}"
    for name in ("rootvg", "datavg"):
        group = _volume_group(name, number, options)
        group_uuid = fixed_uuid(system.name, "vg", number, name)
        system.add("VolumeGroup", group, parent=home, uuid=group_uuid)


def _memory(size: int) -> xml.Element:
    return xml.node(
        "PartitionMemoryConfiguration",
        xml.leaf("ActiveMemoryExpansionEnabled", False, "CUD"),
        xml.leaf("DesiredMemory", size, "CUD"),
        xml.leaf("ExpansionFactor", "0.0", "CUD"),
        xml.leaf("MaximumMemory", size, "CUD"),
        xml.leaf("MinimumMemory", size, "CUD"),
    )


def _processors(virtual: int, units: float) -> xml.Element:
    leaf = xml.leaf
    return xml.node(
        "PartitionProcessorConfiguration",
        leaf("HasDedicatedProcessors", False, "CUD"),
        xml.node(
            "SharedProcessorConfiguration",
            leaf("DesiredProcessingUnits", units, "CUD"),
            leaf("DesiredVirtualProcessors", virtual, "CUD"),
            leaf("MaximumProcessingUnits", units, "CUD"),
            leaf("MaximumVirtualProcessors", virtual, "CUD"),
            leaf("MinimumProcessingUnits", units, "CUD"),
            leaf("MinimumVirtualProcessors", virtual, "CUD"),
            leaf("SharedProcessorPoolID", 0, "CUD"),
            leaf("UncappedWeight", 128, "CUD"),
        ),
        leaf("SharingMode", "uncapped", "CUD"),
    )


def lun_wwn(number: int) -> str:
    return f"6005076D02810187E0000000000{number:05X}"


def lun_udid(number: int) -> str:
    text = f"3321{lun_wwn(number)}04214503IBMfcp"
    return "01M0lCTTIxNDUx" + base64.b64encode(text.encode()).decode()


def _lun(system: store.System, vios: str, number: int) -> xml.Element:
    leaf = xml.leaf
    return xml.node(
        "PhysicalVolume",
        leaf("Description", "MPIO IBM 2076 FC Disk", "CUD"),
        leaf(
            "LocationCode",
            f"U78AF.001.{system.serial}-P1-C37-L1-T1-W500507680100000{1}-L{number:X}",
            "ROR",
        ),
        leaf("ReservePolicy", "NoReserve", "CUD"),
        leaf("ReservePolicyAlgorithm", "Failover", "CUD"),
        leaf("UniqueDeviceID", lun_udid(number), "ROR"),
        leaf("AvailableForUsage", True, "CUD"),
        leaf("VolumeCapacity", 10240),
        leaf("VolumeName", f"hdisk{number}"),
        leaf("VolumeState", "active", "ROR"),
        leaf("VolumeUniqueID", f"3321{lun_wwn(number)}04214503IBMfcp", "ROR"),
        leaf("IsFibreChannelBacked", True, "ROR"),
        kb=None,
    )


def _sea(system: store.System, number: int) -> xml.Element:
    leaf = xml.leaf
    return xml.node(
        "SharedEthernetAdapter",
        leaf("HighAvailabilityMode", "auto", "CUD"),
        leaf("DeviceName", "ent5", "CUD"),
        leaf("JumboFramesEnabled", False, "UOD"),
        leaf("PortVLANID", 1, "ROR"),
        leaf("QualityOfServiceMode", "disabled", "CUD"),
        leaf("QueueSize", 8192, "UOD"),
        leaf("ThreadModeEnabled", True, "CUD"),
        xml.node("TrunkAdapters", _trunk(system, number)),
        leaf("UniqueDeviceID", f"10{number:016x}", "ROR"),
        leaf("LargeSend", True, "CUD"),
        kb=None,
    )


def _trunk(system: store.System, number: int) -> xml.Element:
    leaf = xml.leaf
    code = system.location(str(number), 2)
    switch = fixed_uuid(system.name, "switch", "ETHERNET0")
    return xml.node(
        "TrunkAdapter",
        leaf("DynamicReconfigurationConnectorName", code, "CUD"),
        leaf("LocationCode", code, "ROR"),
        leaf("VirtualSlotNumber", 2, "COD"),
        leaf("MACAddress", f"FE{number:010X}"),
        leaf("PortVLANID", 1),
        leaf("TaggedVLANSupported", True, "CUA"),
        xml.node(
            "AssociatedVirtualSwitch",
            xml.link(system.url("ManagedSystem", system.uuid, "VirtualSwitch", switch)),
            version=None,
        ),
        leaf("VirtualSwitchID", 0, "ROR"),
        leaf("DeviceName", f"ent{3 + number}", "CUD"),
        leaf("TrunkPriority", number, "CUD"),
        kb=None,
    )


def _bridges(system: store.System, options: Options) -> None:
    if not options.vioses:
        return
    seas = []
    for number in range(1, options.vioses + 1):
        sea = _sea(system, number)
        vios = fixed_uuid(system.name, "vios", number).upper()
        sea.insert(
            1,
            xml.reference(
                "AssignedVirtualIOServer",
                system.url("ManagedSystem", system.uuid, "VirtualIOServer", vios),
            ),
        )
        seas.append(sea)
    bridge = xml.node(
        "NetworkBridge",
        xml.leaf("FailoverEnabled", options.vioses > 1, "CUD"),
        xml.leaf("LoadBalancingEnabled", False, "CUD"),
        xml.node(
            "LoadGroups",
            xml.node(
                "LoadGroup",
                xml.leaf("PortVLANID", 1),
                xml.node("TrunkAdapters", _trunk(system, 1)),
                xml.node("VirtualNetworks", version=None),
                kb=None,
            ),
        ),
        xml.leaf("PortVLANID", 1, "COR"),
        xml.node("SharedEthernetAdapters", *seas),
        xml.leaf("UniqueDeviceID", "0", "ROR"),
        kb=None,
    )
    system.add(
        "NetworkBridge",
        bridge,
        parent=f"ManagedSystem/{system.uuid}",
        uuid=fixed_uuid(system.name, "bridge"),
    )


def _fc_adapter(system: store.System, number: int, port: int) -> xml.Element:
    leaf, node = xml.leaf, xml.node
    code = f"U78AB.001.{system.serial}-P1-C{number + 1}"
    return node(
        "ProfileIOSlot",
        node(
            "AssociatedIOSlot",
            leaf("Description", "8 Gigabit PCI Express Dual Port Fibre Channel", "ROR"),
            leaf("PhysicalLocationCode", code, "ROR"),
            node(
                "RelatedIOAdapter",
                node(
                    "PhysicalFibreChannelAdapter",
                    leaf("AdapterID", f"{number}{port}", "ROR"),
                    leaf("Description", "8 Gigabit Fibre Channel Adapter", "ROR"),
                    leaf("DeviceName", f"fcs{port - 1}", "CUR"),
                    node(
                        "PhysicalFibreChannelPorts",
                        node(
                            "PhysicalFibreChannelPort",
                            leaf("LocationCode", f"{code}-T{port}", "ROR"),
                            leaf("PortName", f"fcs{port - 1}"),
                            leaf("UniqueDeviceID", f"1a{code}-T{port}", "ROR"),
                            leaf("WWPN", f"10000090FA{number:02X}{port:04X}"),
                            leaf("AvailablePorts", 64, "ROR", "true"),
                            leaf("TotalPorts", 64, "ROR", "true"),
                            kb=None,
                        ),
                        kb="ROR",
                    ),
                    kb=None,
                ),
                kb="ROR",
            ),
            kb="ROR",
        ),
        kb=None,
    )


def _volume_group(name: str, number: int, options: Options) -> xml.Element:
    leaf, node = xml.leaf, xml.node
    size = options.volume_group_gb
    repository = node(
        "VirtualMediaRepository",
        node("OpticalMedia"),
        leaf("RepositoryName", "VMLibrary"),
        leaf("RepositorySize", options.repository_gb),
        kb=None,
    )
    first_root = name == "rootvg" and number == 1
    return node(
        "VolumeGroup",
        leaf("AvailableSize", size, "ROR"),
        leaf("FreeSpace", size, "ROR"),
        leaf("GroupCapacity", size),
        leaf("GroupName", name),
        leaf("GroupSerialID", f"{number:032x}", "ROR"),
        leaf("MaximumLogicalVolumes", 256, "ROR"),
        node("MediaRepositories", repository if first_root else None),
        node("PhysicalVolumes"),
        leaf("UniqueDeviceID", f"04{number:030x}{name}", "ROR"),
        node("VirtualDisks"),
        kb=None,
    )


def _pool(fabric: store.Fabric, options: Options) -> None:
    first = fabric.systems[0]
    leaf, node = xml.leaf, xml.node
    serial = "22cfc907d2abf511e4b2d540f2e95daf30"
    pool_uuid, tier_uuid = fixed_uuid("ssp1"), fixed_uuid("tier", "SYSTEM")
    volume = _lun(first, "", 999)
    nodes = []
    for system in fabric.systems:
        for vios in system.all("VirtualIOServer"):
            nodes.append(
                node(
                    "Node",
                    leaf(
                        "HostName",
                        f"{vios.value('PartitionName')}.{system.name}",
                        "CUD",
                    ),
                    leaf("PartitionID", vios.value("PartitionID"), "CUD"),
                    node(
                        "MachineTypeModelAndSerialNumber",
                        leaf("MachineType", system.machine_type),
                        leaf("Model", system.model),
                        leaf("SerialNumber", system.serial),
                    ),
                    leaf("VirtualIOServerLevel", "3.1.4.10", "CUD"),
                    xml.reference(
                        "VirtualIOServer",
                        system.url(
                            "ManagedSystem", system.uuid, "VirtualIOServer", vios.uuid
                        ),
                    ),
                    leaf("State", "Up", "ROR"),
                    kb=None,
                )
            )
    cluster = node(
        "Cluster",
        leaf("ClusterName", "cluster1", "COR"),
        leaf("ClusterID", serial, "CUD"),
        node("RepositoryDisk", xml.copy_of(volume)),
        xml.reference(
            "ClusterSharedStoragePool", first.url("SharedStoragePool", pool_uuid)
        ),
        node("Node", *nodes),
        kb=None,
    )
    first.add("Cluster", cluster, uuid=fixed_uuid("cluster1"))
    pool = node(
        "SharedStoragePool",
        node("LogicalUnits"),
        leaf("MultiDataTierConfigured", False, "CUD"),
        leaf("MultiFailureGroupConfigured", False, "CUD"),
        node("PhysicalVolumes", xml.copy_of(volume), kb="CUR"),
        leaf("Capacity", options.ssp_gb),
        leaf("FreeSpace", options.ssp_gb),
        leaf("OverCommitSpace", 0),
        leaf("TotalLogicalUnitSize", 0),
        leaf("AlertThreshold", "35%", "CUD"),
        leaf("StoragePoolName", "ssp1"),
        leaf("UniqueDeviceID", f"24{serial[2:]}0000000000000001", "ROR"),
        kb=None,
    )
    first.add("SharedStoragePool", pool, uuid=pool_uuid)
    tier = node(
        "Tier",
        leaf("Name", "SYSTEM"),
        leaf("UniqueDeviceID", f"25{serial[2:]}7d95846d854f9f38", "ROR"),
        leaf("Type", "UnrestrictedSystemTier", "CUD"),
        leaf("IsDefault", True, "CUD"),
        leaf("Capacity", options.ssp_gb, "ROR"),
        leaf("MirrorState", "NotMirrored", "ROR"),
        xml.reference(
            "AssociatedSharedStoragePool", first.url("SharedStoragePool", pool_uuid)
        ),
        kb=None,
    )
    first.add("Tier", tier, parent=f"SharedStoragePool/{pool_uuid}", uuid=tier_uuid)


def _lpar(system: store.System, number: int) -> None:
    element = xml.node(
        "LogicalPartition",
        _memory(256),
        xml.leaf("PartitionName", f"lpar{number:04d}"),
        _processors(1, 0.05),
        xml.leaf("PartitionType", "AIX/Linux", "COD"),
        xml.leaf(
            "PartitionUUID", fixed_uuid(system.name, "lpar", number).upper(), "ROO"
        ),
        kb=None,
    )
    base.noun_of("LogicalPartition").create(system, None, element)
