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

"""The counters behind the metrics: what partitions have done so far."""

from __future__ import annotations

import typing
import zlib

from ibmvirt.simulators.novalink import store
from ibmvirt.simulators.novalink.objects import partition, scsi_mapping, usage
from ibmvirt.simulators.novalink.schema import xml

Values = dict[str, typing.Any]
CYCLES_PER_SECOND = 512_000_000
_TYPES = {"AIX/Linux": "aixlinux", "OS400": "ibmi", "Virtual IO Server": "virtualIO"}
_STATES = {
    partition.OFF: "Not Activated",
    partition.RUNNING: "Running",
    partition.STARTING: "Starting",
    partition.STOPPING: "Shutting Down",
    partition.OPEN_FIRMWARE: "Open Firmware",
    partition.ERROR: "Error",
}
_SHARED = "PartitionProcessorConfiguration/SharedProcessorConfiguration"
# Bytes of one packet, and of one read or write.
_PACKET, _BLOCK = 1000, 4096


class Load:
    """Seconds that each partition has run; counters follow from them."""

    def __init__(self, system: store.System) -> None:
        self._system = system
        self._seconds: dict[str, float] = {}
        self._total = 0.0

    def take(
        self, seconds: float, machine: str, text: str, short: str
    ) -> list[tuple[str, Values]]:
        """Categories and documents of the sample after that many seconds."""
        system = self._system
        with system.lock:
            self._total += seconds
            known = {item.key for item in system.partitions()}
            self._seconds = {k: v for k, v in self._seconds.items() if k in known}
            for item in system.partitions():
                if item.value("PartitionState") == partition.RUNNING:
                    self._seconds[item.key] = self._ran(item) + seconds
            made = [("phyp", self._phyp(machine, text))]
            for vios in system.all("VirtualIOServer"):
                number = vios.value("PartitionID")
                made.append((f"vios_{number}", self._vios(vios, machine, text)))
            return [*made, ("lpar", self._lpars(short))]

    def _ran(self, item: store.SimObject) -> float:
        return self._seconds.get(item.key, 0.0)

    @staticmethod
    def share(item: store.SimObject) -> float:
        """How much of its entitlement a partition uses: 0.1 to 0.6, the same
        for the same partition."""
        return 0.1 + (zlib.crc32(item.uuid.encode()) % 51) / 100

    # -- the hypervisor ------------------------------------------------------------

    def _phyp(self, machine: str, text: str) -> Values:
        system = self._system
        memory, units = usage.free(system)
        wrapper = system.get("ManagedSystem", system.uuid)

        def amount(path: str) -> float:
            return float(wrapper.value(path, "0"))

        total = amount("AssociatedSystemMemoryConfiguration/InstalledSystemMemory")
        mine = amount("AssociatedSystemMemoryConfiguration/MemoryUsedByHypervisor")
        configurable = amount(
            "AssociatedSystemMemoryConfiguration/ConfigurableSystemMemory"
        )
        processors = amount(
            "AssociatedSystemProcessorConfiguration/ConfigurableSystemProcessorUnits"
        )
        used = sum(self._utilised(item) for item in system.partitions())
        sample = {
            "timeStamp": text,
            "status": 0,
            "errorInfo": [],
            "timeBasedCycles": self._total * CYCLES_PER_SECOND,
            "systemFirmware": {
                "utilizedProcCycles": int(self._total * CYCLES_PER_SECOND * 0.002),
                "assignedMem": int(mine),
            },
            "processor": {
                "totalProcUnits": processors,
                "configurableProcUnits": processors,
                "availableProcUnits": units,
                "procCyclesPerSecond": CYCLES_PER_SECOND,
            },
            "memory": {
                "totalMem": int(total),
                "availableMem": memory,
                "configurableMem": int(configurable),
            },
            "sharedProcessorPool": [
                {
                    "id": 0,
                    "name": "DefaultPool",
                    "assignedProcCycles": self._total * CYCLES_PER_SECOND * processors,
                    "utilizedPoolCycles": used,
                    "maxProcUnits": processors,
                    "borrowedPoolProcUnits": 0,
                }
            ],
            "lparsUtil": [
                self._partition(item) for item in system.all("LogicalPartition")
            ],
            "viosUtil": [
                self._partition(item) for item in system.all("VirtualIOServer")
            ],
        }
        info = {
            "version": "1.3.0",
            "metricType": "Raw",
            "monitoringType": "LTM",
            "mtms": machine,
            "name": system.name,
        }
        return {"systemUtil": {"utilInfo": info, "utilSample": sample}}

    def _entitled(self, item: store.SimObject) -> int:
        units = usage.processors_of(item)
        return int(self._ran(item) * CYCLES_PER_SECOND * units)

    def _utilised(self, item: store.SimObject) -> int:
        return int(self._entitled(item) * self.share(item))

    def _partition(self, item: store.SimObject) -> Values:
        memory = usage.memory_of(item)
        entitled, used = self._entitled(item), self._utilised(item)
        shared = item.value(f"{_SHARED}/DesiredVirtualProcessors")
        mode = {"uncapped": "uncap", "capped": "cap"}.get(
            item.value("PartitionProcessorConfiguration/SharingMode"),
            "share_idle_procs",
        )
        processor: Values = {
            "mode": mode,
            "maxVirtualProcessors": int(shared or usage.processors_of(item)),
            "maxProcUnits": usage.processors_of(item),
            "entitledProcCycles": entitled,
            "utilizedCappedProcCycles": used,
            "utilizedUnCappedProcCycles": used // 10 if mode == "uncap" else 0,
            "idleProcCycles": entitled - used,
            "donatedProcCycles": 0,
            "timeSpentWaitingForDispatch": 0,
            "totalInstructions": used,
            "totalInstructionsExecutionTime": used,
        }
        if shared:
            weight = item.value(f"{_SHARED}/UncappedWeight", "0")
            processor |= {"poolId": 0, "weight": int(weight)}
        is_vios = item.type == "VirtualIOServer"
        values: Values = {
            "id": int(item.value("PartitionID")),
            "uuid": item.uuid,
            "type": _TYPES.get(item.value("PartitionType"), "aixlinux"),
            "name": item.value("PartitionName"),
            "state": _STATES.get(item.value("PartitionState"), "Unknown"),
            "affinityScore": 100,
            "memory": {"assignedMem": memory}
            if is_vios
            else {"logicalMem": memory, "backedPhysicalMem": memory},
            "processor": processor,
        }
        adapters = self._adapters(item)
        if adapters:
            values["network"] = {"virtualEthernetAdapters": adapters}
        storage = [] if is_vios else self._storage(item)
        if storage:
            values["storage"] = {"genericVirtualAdapters": storage}
        return values

    def _adapters(self, item: store.SimObject) -> list[Values]:
        packets = int(self._ran(item) * 100 * self.share(item))
        return [
            {
                "vlanId": int(adapter.value("PortVLANID", "1")),
                "vswitchId": int(adapter.value("VirtualSwitchID", "0")),
                "physicalLocation": adapter.value("LocationCode"),
                "isPortVLANID": True,
                "receivedPackets": packets,
                "sentPackets": packets // 2,
                "droppedPackets": 0,
                "sentBytes": packets // 2 * _PACKET,
                "receivedBytes": packets * _PACKET,
                "receivedPhysicalPackets": packets,
                "sentPhysicalPackets": packets // 2,
                "droppedPhysicalPackets": 0,
                "sentPhysicalBytes": packets // 2 * _PACKET,
                "receivedPhysicalBytes": packets * _PACKET,
            }
            for adapter in self._system.all("ClientNetworkAdapter", item.key)
        ]

    def _storage(self, item: store.SimObject) -> list[Values]:
        found = {}
        for vios, mapping in self._mappings():
            client = xml.value(mapping, "ClientAdapter/LocalPartitionID")
            if client == item.value("PartitionID"):
                slot = xml.value(mapping, "ClientAdapter/VirtualSlotNumber", "0")
                server = xml.value(mapping, "ServerAdapter/VirtualSlotNumber", "0")
                found[slot] = {
                    "physicalLocation": self._system.location(client, slot),
                    "viosId": int(vios.value("PartitionID")),
                    "viosAdapterSlotId": int(server),
                }
        return list(found.values())

    def _mappings(self) -> list[tuple[store.SimObject, xml.Element]]:
        return [
            (vios, mapping)
            for vios in self._system.all("VirtualIOServer")
            for mapping in xml.findall(vios.element, scsi_mapping.PATH)
        ]

    # -- VIOSes and operating systems ----------------------------------------------

    def _vios(self, vios: store.SimObject, machine: str, text: str) -> Values:
        count = int(self._ran(vios) * 50 * self.share(vios))
        traffic = {
            "receivedPackets": count,
            "sentPackets": count,
            "droppedPackets": 0,
            "receivedBytes": count * _PACKET,
            "sentBytes": count * _PACKET,
        }
        disk = {
            "numOfReads": count,
            "numOfWrites": count // 2,
            "readBytes": count * _BLOCK,
            "writeBytes": count // 2 * _BLOCK,
        }
        seas, trunks = [], []
        for sea in xml.findall(
            vios.element, "SharedEthernetAdapters/SharedEthernetAdapter"
        ):
            names = []
            for trunk in xml.findall(sea, "TrunkAdapters/TrunkAdapter"):
                names.append(xml.value(trunk, "DeviceName"))
                place = xml.value(trunk, "LocationCode")
                trunks.append(
                    {"id": names[-1], "type": "virtual", "physicalLocation": place}
                    | traffic
                )
            seas.append(
                {
                    "id": xml.value(sea, "DeviceName"),
                    "type": "sea",
                    "physicalLocation": trunks[-1]["physicalLocation"] if names else "",
                    "bridgedAdapters": names,
                }
                | traffic
            )
        ports = [
            {
                "id": xml.value(port, "PortName"),
                "wwpn": xml.value(port, "WWPN").lower(),
                "physicalLocation": xml.value(port, "LocationCode"),
                "runningSpeed": 8,
                "ports": [],
            }
            | disk
            for port in vios.element.iter(f"{{{xml.UOM}}}PhysicalFibreChannelPort")
        ]
        hosts = {}
        for owner, mapping in self._mappings():
            if owner.uuid == vios.uuid:
                name = xml.value(mapping, "ServerAdapter/AdapterName")
                place = xml.value(mapping, "ServerAdapter/LocationCode")
                hosts[name] = {
                    "id": name,
                    "type": "virtual",
                    "physicalLocation": place,
                } | disk
        util = {
            "id": vios.value("PartitionID"),
            "name": vios.value("PartitionName"),
            "memory": {"utilizedMem": usage.memory_of(vios) // 2},
            "network": {"genericAdapters": trunks, "sharedAdapters": seas},
            "storage": {
                "fiberChannelAdapters": ports,
                "genericVirtualAdapters": list(hosts.values()),
            },
        }
        info = {
            "version": "1.0.0",
            "metricType": "Raw",
            "monitoringType": "LTM",
            "mtms": machine,
        }
        sample = {"timeStamp": text, "viosUtil": [util], "status": 0, "errorInfo": []}
        return {"systemUtil": {"utilInfo": info, "utilSample": sample}}

    def _lpars(self, short: str) -> Values:
        """What partitions with an RMC connection tell of their memory."""
        found = []
        for item in self._system.all("LogicalPartition"):
            if item.value("ResourceMonitoringControlState") != "active":
                continue
            used = int(100 * self.share(item))
            found.append(
                {
                    "uuid": item.uuid,
                    "id": item.value("PartitionID"),
                    "name": item.value("PartitionName"),
                    "memory": {
                        "pctRealMemAvbl": 100 - used,
                        "totalPgSpSizeCount": 1024,
                        "totalPgSpFreeCount": 1024,
                        "vmActivePgCount": usage.memory_of(item) * 256 * used // 100,
                        "realMemSizeBytes": usage.memory_of(item) << 20,
                        "pctRealMemFree": 100 - used,
                        "vmPgInRate": 0,
                        "vmPgOutRate": 0,
                        "vmPgSpInRate": 0,
                        "vmPgSpOutRate": 0,
                    },
                    "timeStamp": short,
                }
            )
        return {"lparUtil": found}
