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

"""Cluster, SharedStoragePool, Tier and LogicalUnit."""

from __future__ import annotations

import dataclasses

from ibmvirt.simulators.novalink import store
from ibmvirt.simulators.novalink.objects import base, scsi_mapping
from ibmvirt.simulators.novalink.refusals import refuse
from ibmvirt.simulators.novalink.schema import xml

_LU_ORDER = (
    "ThinDevice",
    "UniqueDeviceID",
    "UnitCapacity",
    "LogicalUnitType",
    "ClonedFrom",
    "InUse",
    "UnitName",
)
IMAGE, DISK = "VirtualIO_Image", "VirtualIO_Disk"


@base.register
class Cluster(base.Noun):
    """VIOSes that share a pool."""

    TYPE = "Cluster"
    SEARCH = ("ClusterName",)


def used_gb(system: store.System, tier: store.SimObject) -> float:
    """GB that the logical units of a tier occupy: thick whole, thin a tenth
    (assumed), a clone what its disk has of its own."""
    total = 0.0
    for unit in system.all("LogicalUnit", tier.key):
        size = float(unit.value("UnitCapacity"))
        thin = unit.value("ThinDevice") == "true"
        total += size / 10 if thin else size
    return total


def provisioned_gb(system: store.System, tier: store.SimObject) -> float:
    return sum(
        float(unit.value("UnitCapacity"))
        for unit in system.all("LogicalUnit", tier.key)
    )


@base.register
class SharedStoragePool(base.Noun):
    """The pool of a cluster; its sizes follow its logical units."""

    TYPE = "SharedStoragePool"
    SEARCH = ("StoragePoolName",)
    VERBS = frozenset({"GET", "POST"})

    def render(self, system: store.System, item: store.SimObject) -> xml.Element:
        element = xml.copy_of(item.element)
        units = xml.find(element, "LogicalUnits")
        tiers = system.all("Tier", item.key)
        in_use = scsi_mapping.mapped_anywhere(system)
        if units is not None:
            for tier in tiers:
                for unit in system.all("LogicalUnit", tier.key):
                    units.append(with_use(unit, in_use))
        capacity = float(item.value("Capacity"))
        used = sum(used_gb(system, tier) for tier in tiers)
        total = sum(provisioned_gb(system, tier) for tier in tiers)
        xml.put(element, "FreeSpace", round(capacity - used, 2))
        xml.put(element, "TotalLogicalUnitSize", round(total, 2))
        xml.put(element, "OverCommitSpace", round(max(0.0, total - capacity), 2))
        return element

    def update(
        self,
        system: store.System,
        item: store.SimObject,
        posted: xml.Element,
        groups: store.Groups,
    ) -> store.SimObject:
        """Growth of logical units is written through the pool (documented)."""
        for wanted in xml.findall(posted, "LogicalUnits/LogicalUnit"):
            udid = xml.value(wanted, "UniqueDeviceID")
            for unit in system.all("LogicalUnit"):
                if unit.value("UniqueDeviceID") == udid:
                    _resize(system, unit, base.number(wanted, "UnitCapacity"))
        return system.replace(item.changed(xml.copy_of(item.element)))


def _resize(system: store.System, unit: store.SimObject, size: float) -> None:
    old = float(unit.value("UnitCapacity"))
    if size == old:
        return
    if size < old:
        raise refuse("malformed", detail="a logical unit cannot shrink")
    tier = system.get(*unit.parent.split("/"))
    _check_room(system, tier, size - old, unit.value("ThinDevice") == "true")
    element = xml.copy_of(unit.element)
    xml.put(element, "UnitCapacity", size)
    system.replace(unit.changed(element))


def _check_room(
    system: store.System, tier: store.SimObject, wanted: float, thin: bool
) -> None:
    free = float(tier.value("Capacity")) - used_gb(system, tier)
    need = wanted / 10 if thin else wanted
    if need > free:
        raise refuse("pool_full", wanted=need, free=round(free, 2))


@base.register
class Tier(base.Noun):
    """A part of a pool that holds logical units."""

    TYPE = "Tier"
    PARENTS = ("", "SharedStoragePool")


def with_use(unit: store.SimObject, in_use: set[str]) -> xml.Element:
    element = xml.copy_of(unit.element)
    used = f"LogicalUnit/{unit.value('UniqueDeviceID')}" in in_use
    xml.put(element, "InUse", used, _LU_ORDER)
    return element


@base.register
class LogicalUnit(base.Noun):
    """A disk or an image in a tier; made and deleted below it."""

    TYPE = "LogicalUnit"
    PARENTS = ("Tier",)
    ORDER = _LU_ORDER
    VERBS = frozenset({"GET", "PUT", "POST", "DELETE"})

    def render(self, system: store.System, item: store.SimObject) -> xml.Element:
        return with_use(item, scsi_mapping.mapped_anywhere(system))

    def create(
        self,
        system: store.System,
        parent: store.SimObject | None,
        posted: xml.Element,
    ) -> store.SimObject:
        assert parent is not None
        name = base.required(posted, "UnitName")
        kind = xml.value(posted, "LogicalUnitType", DISK)
        size = base.number(posted, "UnitCapacity")
        thin = xml.value(posted, "ThinDevice", "true") == "true"
        for unit in system.all(self.TYPE, parent.key):
            if unit.value("UnitName") == name and unit.value("LogicalUnitType") == kind:
                raise refuse("lu_exists", name=name)
        if size <= 0:
            raise refuse("malformed", detail=f"UnitCapacity {size} of {name}")
        _check_room(system, parent, size, thin)
        source = xml.value(posted, "ClonedFrom")
        blob = self._clone(system, source, size) if source else ""
        pool = parent.value("UniqueDeviceID")[2:34]
        serial = system.fabric.next_number("lu")
        prefix = "27" if kind == DISK else "29"
        element = logical_unit(
            name, kind, size, f"{prefix}{pool}{serial:032x}", thin=thin, source=source
        )
        return system.add(self.TYPE, element, parent=parent.key, blob=blob)

    @staticmethod
    def _clone(system: store.System, source: str, size: float) -> str:
        for unit in system.all("LogicalUnit"):
            if unit.value("UniqueDeviceID") == source:
                if size < float(unit.value("UnitCapacity")):
                    raise refuse(
                        "malformed", detail="a clone is smaller than its image"
                    )
                return unit.blob
        raise refuse("no_storage", name=source)

    def update(
        self,
        system: store.System,
        item: store.SimObject,
        posted: xml.Element,
        groups: store.Groups,
    ) -> store.SimObject:
        _resize(system, item, base.number(posted, "UnitCapacity"))
        current = system.get(item.type, item.uuid)
        element = xml.copy_of(current.element)
        xml.put(element, "UnitName", base.required(posted, "UnitName"))
        return system.replace(current.changed(element))

    def delete(self, system: store.System, item: store.SimObject) -> None:
        identity = f"LogicalUnit/{item.value('UniqueDeviceID')}"
        if identity in scsi_mapping.mapped_anywhere(system):
            raise refuse("lu_in_use", name=item.value("UnitName"))
        udid = item.value("UniqueDeviceID")
        if any(u.value("ClonedFrom") == udid for u in system.all(self.TYPE)):
            # A clone keeps the blocks it shares (assumed: it is refused).
            raise refuse("lu_in_use", name=item.value("UnitName"))
        system.discard(item)


def logical_unit(
    name: str, kind: str, size: float, udid: str, *, thin: bool, source: str = ""
) -> xml.Element:
    """A logical unit (captured: lufeed.txt); size in GB."""
    return xml.node(
        "LogicalUnit",
        xml.leaf("ThinDevice", thin),
        xml.leaf("UniqueDeviceID", udid, "ROR"),
        xml.leaf("UnitCapacity", size, "COR"),
        xml.leaf("LogicalUnitType", kind, "COD"),
        xml.leaf("ClonedFrom", source, "COD") if source else None,
        xml.leaf("InUse", False, "ROR"),
        xml.leaf("UnitName", name),
        kb=None,
    )


def with_content(item: store.SimObject, blob: str) -> store.SimObject:
    """The next version of a disk, with other bytes."""
    return dataclasses.replace(item, blob=blob, views={})
