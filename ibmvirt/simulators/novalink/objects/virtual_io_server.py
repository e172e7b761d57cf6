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

"""VirtualIOServer: the partitions that give storage and networks to others."""

from __future__ import annotations

import typing

from ibmvirt.simulators.novalink import store
from ibmvirt.simulators.novalink.objects import (
    base,
    partition,
    scsi_mapping,
    volume_group,
)
from ibmvirt.simulators.novalink.schema import xml

SCSI = "ViosSCSIMapping"
FC = "ViosFCMapping"
STORAGE = "ViosStorage"
NETWORK = "ViosNetwork"

ORDER = (
    *partition.ORDER,
    "APICapable",
    "IsVNICCapable",
    "VNICFailOverCapable",
    "ServerInstallConfiguration",
    "LinkAggregations",
    "ManagerPassthroughCapable",
    "MediaRepositories",
    "MoverServicePartition",
    "NetworkBootDevices",
    "PagingServicePartition",
    "PhysicalVolumes",
    "SharedEthernetAdapters",
    "SharedStoragePoolCapable",
    "SharedStoragePoolVersion",
    "StoragePools",
    "TrunkAdapters",
    "VirtualIOServerLicense",
    "VirtualIOServerLicenseAccepted",
    "VirtualFibreChannelMappings",
    "VirtualSCSIMappings",
    "FreeIOAdaptersForLinkAggregation",
    "FreeEthenetBackingDevicesForSEA",
    "VirtualNICBackingDevices",
    "VirtualIOServerCapabilities",
    "VirtualSCSIBus",
)


@base.register
class VirtualIOServer(base.Noun):
    """Read and changed as a root or below its ManagedSystem; not made here."""

    TYPE = "VirtualIOServer"
    PARENTS = ("", "ManagedSystem")
    SEARCH = ("PartitionName", "PartitionID")
    ORDER = ORDER
    VERBS = frozenset({"GET", "POST"})
    GROUPS = frozenset({SCSI, FC, STORAGE, NETWORK, "Advanced"})

    def render(self, system: store.System, item: store.SimObject) -> xml.Element:
        element = xml.copy_of(item.element)
        repositories = xml.find(element, "MediaRepositories")
        pools = xml.find(element, "StoragePools")
        for group in system.all("VolumeGroup", item.key):
            if pools is not None:
                pools.append(xml.link(system.url_of(group)))
            found = volume_group.repository_of(group)
            if found is not None and repositories is not None:
                repositories.append(xml.copy_of(found))
        return element

    def update(
        self,
        system: store.System,
        item: store.SimObject,
        posted: xml.Element,
        groups: store.Groups,
    ) -> store.SimObject:
        element = xml.merge(item.element, posted, groups, ORDER)
        for tag in ("PartitionState", "PartitionUUID", "PartitionID"):
            xml.put(element, tag, item.value(tag), ORDER)
        for tag in ("MediaRepositories", "StoragePools"):
            # Computed when it is read.
            found = xml.find(element, tag)
            if found is not None:
                for child in list(found):
                    if xml.name(child) != "Metadata":
                        found.remove(child)
        changed = item.changed(element)
        if groups is None or SCSI in groups or "All" in groups:
            scsi_mapping.complete(system, item, changed)
        return system.replace(changed)

    def quick(
        self, system: store.System, item: store.SimObject
    ) -> dict[str, typing.Any]:
        return partition.quick(item)
