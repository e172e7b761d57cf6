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


"""The VIOSes of a generated world, with their storage and networks."""

from __future__ import annotations

import base64
import typing

from ibmvirt.simulators.novalink import lun as lun_
from ibmvirt.simulators.novalink import store
from ibmvirt.simulators.novalink.generator_options import Options, fixed_uuid
from ibmvirt.simulators.novalink.objects import network_bridge, partition, usage
from ibmvirt.simulators.novalink.schema import table, xml

Values = dict[str, typing.Any]
_SWITCHES = ("ETHERNET0", "ETHERNET1")
_ETHERNET = "4-Port Gigabit Ethernet PCI-Express Adapter (e414571614102004)"
_FC = "8 Gigabit PCI Express Dual Port Fibre Channel Adapter"


def add(system: store.System, index: int, number: int, options: Options) -> None:
    """One VIOS; the first is the management partition's."""
    uuid = fixed_uuid(system.name, "vios", number).upper()
    element = table.build(
        "VirtualIOServer",
        {
            "PartitionID": number,
            "PartitionIOConfiguration": {
                "MaximumVirtualIOSlots": 4096,
                "ProfileIOSlots": {
                    "ProfileIOSlot": [
                        _fc_slot(system, index, number, slot, options)
                        for slot in range(1, options.fc_ports // 2 + 1)
                    ]
                },
                "CurrentMaximumVirtualIOSlots": 4096,
            },
            "PartitionMemoryConfiguration": memory(8192),
            "PartitionName": f"vios{number}",
            "PartitionProcessorConfiguration": processors(1, 2.0),
            "PartitionState": partition.RUNNING,
            "PartitionType": "Virtual IO Server",
            "OperatingSystemVersion": "VIOS 3.1.4.10",
            "ResourceMonitoringControlState": "active",
            "ResourceMonitoringIPAddress": f"10.0.{index}.{10 + number}",
            "IsManagementPartition": number == 1,
            "APICapable": True,
            "ManagerPassthroughCapable": True,
            "IsVNICCapable": False,
            "MediaRepositories": {},
            "MoverServicePartition": True,
            "PagingServicePartition": False,
            "PhysicalVolumes": {
                "PhysicalVolume": [
                    lun(system, one) for one in range(1, options.luns + 1)
                ]
            },
            "SharedEthernetAdapters": {
                "SharedEthernetAdapter": [
                    sea(system, number, place) for place in range(len(_SWITCHES))
                ]
            },
            "StoragePools": {},
            "TrunkAdapters": {},
            "VirtualIOServerLicenseAccepted": True,
            "VirtualFibreChannelMappings": {},
            "VirtualSCSIMappings": {},
            "FreeIOAdaptersForLinkAggregation": {},
            "FreeEthenetBackingDevicesForSEA": {},
        },
    )
    partition.set_defaults(system, element, uuid, str(number))
    capabilities = xml.find(element, "PartitionCapabilities")
    assert capabilities is not None
    for child in capabilities:
        if xml.name(child) != "Metadata":
            child.text = "true"
    partition.set_current(element)
    vios = system.add("VirtualIOServer", element, uuid=uuid)
    usage.take(system, None, vios)


def memory(size: int) -> Values:
    return {
        "DesiredMemory": size,
        "MaximumMemory": size,
        "MinimumMemory": size,
    }


def processors(virtual: int, units: float) -> Values:
    return {
        "HasDedicatedProcessors": False,
        "SharedProcessorConfiguration": {
            "DesiredProcessingUnits": units,
            "DesiredVirtualProcessors": virtual,
            "MaximumProcessingUnits": units,
            "MaximumVirtualProcessors": virtual,
            "MinimumProcessingUnits": units,
            "MinimumVirtualProcessors": virtual,
            "SharedProcessorPoolID": 0,
            "UncappedWeight": 128,
        },
        "SharingMode": "uncapped",
    }


# -- Fibre Channel ------------------------------------------------------------


def lun(system: store.System, number: int) -> Values:
    """A LUN of the fabric as a disk of a VIOS (captured: vscsibus_feed.txt)."""
    code = f"U78AB.001.{system.serial}-P1-C2-T1"
    return {
        "Description": "MPIO IBM 2076 FC Disk",
        "LocationCode": f"{code}-W5005076801000001-L{number:X}",
        "PersistentReserveKeyValue": "none",
        "ReservePolicy": "NoReserve",
        "ReservePolicyAlgorithm": "Round_Robin",
        "UniqueDeviceID": lun_.udid(number),
        "AvailableForUsage": True,
        "VolumeCapacity": 10240,
        "VolumeName": f"hdisk{number}",
        "VolumeState": "active",
        "VolumeUniqueID": f"3321{lun_.wwn(number)}04214503IBMfcp",
        "IsFibreChannelBacked": True,
        "StorageLabel": base64.b64encode(f"lun{number}".encode()).decode(),
        "DescriptorPage83": base64.b64encode(lun_.wwn(number).encode()).decode(),
    }


def _fc_slot(
    system: store.System, index: int, number: int, slot: int, options: Options
) -> Values:
    """An adapter with two ports (captured: fake_vios_ssp_npiv.txt)."""
    code = f"U78AB.001.{system.serial}-P1-C{slot + 1}"
    connector = 0x21010000 + 0x100 * number + slot
    ports = []
    for port in (1, 2):
        name = f"fcs{2 * slot + port - 3}"
        wwpn = f"10000090FA{index:02X}{number:02X}{2 * slot + port - 3:02X}"
        ports.append(
            {
                "LocationCode": f"{code}-T{port}",
                "PhysicalVolumes": {},
                "PortName": name,
                "UniqueDeviceID": f"1a{code}-T{port}",
                "WWPN": wwpn,
                "AvailablePorts": options.npiv_per_port,
                "TotalPorts": options.npiv_per_port,
            }
        )
    adapter = {
        "AdapterID": connector,
        "Description": _FC,
        "DeviceName": code,
        "DynamicReconfigurationConnectorName": code,
        "PhysicalLocation": f"C{slot + 1}",
        "PhysicalFibreChannelPorts": {"PhysicalFibreChannelPort": ports},
    }
    return {
        "AssociatedIOSlot": {
            "BusGroupingRequired": False,
            "Description": _FC,
            "IOUnitPhysicalLocation": f"U78AB.001.{system.serial}",
            "PCAdapterID": 4117,
            "RelatedIOAdapter": {"PhysicalFibreChannelAdapter": adapter},
            "SlotDynamicReconfigurationConnectorIndex": connector,
            "SlotDynamicReconfigurationConnectorName": code,
            "SlotPhysicalLocationCode": f"C{slot + 1}",
        }
    }


# -- networks -----------------------------------------------------------------


def switches(system: store.System) -> list[tuple[int, str, str]]:
    """Number, name and id of the switches of a system."""
    names = (*_SWITCHES, "MGMTSWITCH", "NovaLinkVEABridge")
    return [
        (number, name, fixed_uuid(system.name, "switch", name))
        for number, name in enumerate(names)
    ]


def sea(system: store.System, number: int, place: int) -> Values:
    """A SEA of a VIOS: its first is on ETHERNET0, its second on ETHERNET1
    (captured: nbbr_network_bridge_peer.txt)."""
    physical = f"U78AB.001.{system.serial}-P1-C10-T{place + 1}"
    priority = {"TrunkPriority": number}
    slot, device = 2 + 2 * place, 4 + 3 * place
    first = network_bridge.trunk_values(
        system, str(number), slot, 1, str(place), f"ent{device}"
    )
    second = network_bridge.trunk_values(
        system, str(number), slot + 1, 4094, str(place), f"ent{device + 1}"
    )
    second |= {"TaggedVLANIDs": "100 101 102", "TaggedVLANSupported": True}
    return {
        "BackingDeviceChoice": {
            "EthernetBackingDevice": {
                "AdapterID": 1,
                "Description": _ETHERNET,
                "DeviceName": f"ent{place}",
                "DeviceType": "physicalEthernetAdpter",
                "DynamicReconfigurationConnectorName": physical,
                "PhysicalLocation": physical,
                "UniqueDeviceID": f"13{physical}",
                "IPInterface": {"InterfaceName": f"en{place}", "State": "Disconnected"},
            }
        },
        "HighAvailabilityMode": "auto",
        "DeviceName": f"ent{device + 2}",
        "JumboFramesEnabled": False,
        "PortVLANID": 1,
        "QualityOfServiceMode": "disabled",
        "QueueSize": 8192,
        "ThreadModeEnabled": True,
        "TrunkAdapters": {"TrunkAdapter": [first | priority, second | priority]},
        "IPInterface": {"InterfaceName": f"en{device + 2}", "State": "Inactive"},
        "UniqueDeviceID": f"10{number:08x}{place:08x}",
        "LargeSend": True,
    }


def add_bridges(system: store.System, options: Options) -> None:
    """One bridge a switch, over all VIOSes."""
    if not options.vioses:
        return
    for place, switch in enumerate(_SWITCHES):
        seas = []
        for number in range(1, options.vioses + 1):
            vios = fixed_uuid(system.name, "vios", number).upper()
            url = system.url("ManagedSystem", system.uuid, "VirtualIOServer", vios)
            seas.append(
                {
                    "AssignedVirtualIOServer": table.Href(url),
                    **sea(system, number, place),
                    "IsPrimary": number == 1,
                }
            )
        element = table.build(
            "NetworkBridge",
            {
                "FailoverEnabled": options.vioses > 1,
                "LoadBalancingEnabled": False,
                "LoadGroups": {},
                "PortVLANID": 1,
                "SharedEthernetAdapters": {"SharedEthernetAdapter": seas},
                "UniqueDeviceID": place,
                "VirtualNetworks": {},
            },
        )
        system.add(
            "NetworkBridge",
            element,
            parent=f"ManagedSystem/{system.uuid}",
            uuid=fixed_uuid(system.name, "bridge", switch),
        )
    network_bridge.settle(system)


# -- volume groups --------------------------------------------------------------


def add_groups(system: store.System, number: int, options: Options) -> None:
    """rootvg, with the media repository on the first VIOS, and datavg."""
    uuid = fixed_uuid(system.name, "vios", number).upper()
    for place, name in enumerate(("rootvg", "datavg")):
        with_repository = name == "rootvg" and number == 1
        system.add(
            "VolumeGroup",
            _group(system, name, number, place, options, with_repository),
            parent=f"VirtualIOServer/{uuid}",
            uuid=fixed_uuid(system.name, "vg", number, name),
        )


def _group(
    system: store.System,
    name: str,
    number: int,
    place: int,
    options: Options,
    with_repository: bool,
) -> xml.Element:
    size = options.volume_group_gb
    free = size - (options.repository_gb if with_repository else 0)
    serial = f"00{int(system.serial, 16):08x}00004b{number:08x}{place:08x}"
    repository = {
        "VirtualMediaRepository": {
            "OpticalMedia": {},
            "RepositoryName": "VMLibrary",
            "RepositorySize": options.repository_gb,
        }
    }
    disk = f"U78AB.001.{system.serial}-P1-C14-R1-L{place + 1}"
    return table.build(
        "VolumeGroup",
        {
            "AvailableSize": free,
            "FreeSpace": free,
            "GroupCapacity": size,
            "GroupName": name,
            "GroupSerialID": serial,
            "MaximumLogicalVolumes": 1024,
            "MediaRepositories": repository if with_repository else {},
            "PhysicalVolumes": {
                "PhysicalVolume": {
                    "Description": "SAS RAID 0 Disk Array",
                    "LocationCode": disk,
                    "ReservePolicy": "NoReserve",
                    "ReservePolicyAlgorithm": "Failover",
                    "UniqueDeviceID": "01"
                    + base64.b64encode(f"{number}{disk}".encode()).decode(),
                    "AvailableForUsage": False,
                    "VolumeCapacity": int(size * 1024),
                    "VolumeName": f"hdisk{1000 + place}",
                    "VolumeState": "active",
                    "IsFibreChannelBacked": False,
                }
            },
            "UniqueDeviceID": f"04{serial}",
            "VirtualDisks": {},
        },
    )
