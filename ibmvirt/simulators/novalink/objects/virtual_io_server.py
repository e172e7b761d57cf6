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
    backing,
    base,
    fc_mapping,
    mapping_effects,
    partition,
    scsi_mapping,
    usage,
)
from ibmvirt.simulators.novalink.schema import groups as groups_
from ibmvirt.simulators.novalink.schema import table, xml

SCSI = "ViosSCSIMapping"
FC = "ViosFCMapping"
STORAGE = "ViosStorage"
NETWORK = "ViosNetwork"


@base.register
class VirtualIOServer(base.Noun):
    """Read and changed as a root or below its ManagedSystem; not made here.

    - captured: its elements and their groups
    - documented: mappings are added and removed by a POST of their group; the
      management partition's own names a disk by its path there
    - assumed: media repositories and volume groups are changed through
      VolumeGroup alone, SEAs through NetworkBridge alone
    """

    TYPE = "VirtualIOServer"
    PARENTS = ("", "ManagedSystem")
    SEARCH = ("PartitionName", "PartitionID")
    VERBS = frozenset({"GET", "POST"})
    GROUPS = frozenset({"Advanced"})

    def render(self, system: store.System, item: store.SimObject) -> xml.Element:
        return backing.with_local_paths(system, item, scsi_mapping.PATH)

    def update(
        self,
        system: store.System,
        item: store.SimObject,
        posted: xml.Element,
        groups: store.Groups,
    ) -> store.SimObject:
        element = groups_.merge(item.element, posted, groups)
        partition.check_name(system, base.required(element, "PartitionName"), item.uuid)
        for tag in ("PartitionID", "PartitionType"):
            table.set_value(element, tag, item.value(tag))
        _keep(item.element, element, "MediaRepositories", "StoragePools")
        _keep(item.element, element, "SharedEthernetAdapters", "TrunkAdapters")
        changed = item.changed(element)
        if groups_.shows(SCSI, groups):
            scsi_mapping.complete(system, item, changed)
        if groups_.shows(FC, groups):
            fc_mapping.complete(system, item, changed)
        # A client may echo an old count: it is no part of an ETag.
        fc_mapping.count_ports(item, changed)
        _show_use(item, changed)
        partition.set_current(element)
        usage.take(system, item, changed)
        # What is in the element now was not there when facts were asked.
        changed = system.replace(item.changed(element))
        mapping_effects.follow(system, item, changed)
        return changed

    def quick(
        self, system: store.System, item: store.SimObject
    ) -> dict[str, typing.Any]:
        return partition.quick(item)


def _keep(stored: xml.Element, element: xml.Element, *tags: str) -> None:
    for tag in tags:
        old, new = xml.find(stored, tag), xml.find(element, tag)
        if old is not None and new is not None:
            element.replace(new, xml.copy_of(old))


def _show_use(before: store.SimObject, vios: store.SimObject) -> None:
    """Physical volumes that came to be mapped, or no longer are, show it."""
    old = {name for name in scsi_mapping.mapped(before) if name.startswith("Phys")}
    new = set()
    for mapping in xml.findall(vios.element, scsi_mapping.PATH):
        storage = backing.storage_of(mapping)
        if storage is not None and xml.name(storage) == "PhysicalVolume":
            new.add(backing.storage_id(storage))
    if old == new:
        return
    for volume in xml.findall(vios.element, "PhysicalVolumes/PhysicalVolume"):
        identity = backing.storage_id(volume)
        if (identity in old) != (identity in new):
            table.set_value(volume, "AvailableForUsage", identity not in new)
