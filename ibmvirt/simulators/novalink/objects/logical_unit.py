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


"""LogicalUnit: disks and images in a tier."""

from __future__ import annotations

from ibmvirt.simulators.novalink import store
from ibmvirt.simulators.novalink.objects import base
from ibmvirt.simulators.novalink.refusals import refuse
from ibmvirt.simulators.novalink.schema import groups as groups_
from ibmvirt.simulators.novalink.schema import table, xml

IMAGE, DISK = "VirtualIO_Image", "VirtualIO_Disk"
_PREFIX = {DISK: "27", IMAGE: "29"}


@base.register
class LogicalUnit(base.Noun):
    """Made and deleted below its tier.

    - captured: elements, ids (27 a disk, 29 an image, then the pool's)
    - documented: ``ClonedFrom`` makes a linked clone of another unit
    - assumed: a thin unit takes a tenth of its size; no unit of the same kind
      has the name; an image that has clones stays, and what is mapped
    """

    TYPE = "LogicalUnit"
    PARENTS = ("Tier",)
    VERBS = frozenset({"GET", "PUT", "POST", "DELETE"})

    def create(
        self,
        system: store.System,
        parent: store.SimObject | None,
        posted: xml.Element,
    ) -> store.SimObject:
        assert parent is not None
        name = base.required(posted, "UnitName")
        kind = xml.value(posted, "LogicalUnitType", DISK)
        if kind not in _PREFIX:
            raise refuse("malformed", detail=f"LogicalUnitType {kind!r}")
        size = base.number(posted, "UnitCapacity")
        thin = xml.value(posted, "ThinDevice", "true") == "true"
        self._check_name(system, parent, name, kind, None)
        base.check_name(self.TYPE, name)
        if size <= 0:
            raise refuse("malformed", detail=f"UnitCapacity {size} of {name}")
        source = xml.value(posted, "ClonedFrom")
        blob = _clone(system, source, size) if source else ""
        _take(system, parent, size, thin=thin)
        pool = parent.value("UniqueDeviceID")[2:34]
        serial = system.fabric.next_number("lu")
        element = logical_unit(
            name, kind, size, f"{_PREFIX[kind]}{pool}{serial:032x}", thin, source
        )
        return system.add(self.TYPE, element, parent=parent.key, blob=blob)

    def _check_name(
        self,
        system: store.System,
        tier: store.SimObject,
        name: str,
        kind: str,
        but: str | None,
    ) -> None:
        for unit in system.all(self.TYPE, tier.key):
            if (
                unit.uuid != but
                and unit.value("UnitName") == name
                and unit.value("LogicalUnitType") == kind
            ):
                raise refuse("lu_exists", name=name)

    def update(
        self,
        system: store.System,
        item: store.SimObject,
        posted: xml.Element,
        groups: store.Groups,
    ) -> store.SimObject:
        element = groups_.merge(item.element, posted, groups)
        size = base.number(element, "UnitCapacity")
        for tag in ("UnitCapacity", "ThinDevice"):
            table.set_value(element, tag, item.value(tag))
        kind = item.value("LogicalUnitType")
        table.set_value(element, "LogicalUnitType", kind)
        tier = system.get(*item.parent.split("/"))
        name = base.required(element, "UnitName")
        base.check_name(self.TYPE, name)
        self._check_name(system, tier, name, kind, item.uuid)
        renamed = system.replace(item.changed(element))
        return resize(system, renamed, size)

    def delete(self, system: store.System, item: store.SimObject) -> None:
        udid = item.value("UniqueDeviceID")
        cloned = any(u.value("ClonedFrom") == udid for u in system.all(self.TYPE))
        if cloned or item.value("InUse") == "true":
            raise refuse("lu_in_use", name=item.value("UnitName"))
        system.discard(item)
        tier = system.get(*item.parent.split("/"))
        size = float(item.value("UnitCapacity", "0"))
        _take(system, tier, -size, thin=item.value("ThinDevice") == "true")


def _clone(system: store.System, source: str, size: float) -> str:
    """The content of the unit that is cloned, shared until it is written."""
    for unit in system.all("LogicalUnit"):
        if unit.value("UniqueDeviceID") == source:
            before = float(unit.value("UnitCapacity"))
            if size < before:
                name = unit.value("UnitName")
                raise refuse("disk_shrink", name=name, size=before, wanted=size)
            return unit.blob
    raise refuse("no_storage", name=source)


def resize(system: store.System, unit: store.SimObject, size: float) -> store.SimObject:
    """Let a unit grow, in GB.

    :raises Refusal: it would shrink, or the pool is full.
    """
    old = float(unit.value("UnitCapacity"))
    if size == old:
        return unit
    if size < old:
        name = unit.value("UnitName")
        raise refuse("disk_shrink", name=name, size=old, wanted=size)
    home = system.get(*unit.parent.split("/"))
    _take(system, home, size - old, thin=unit.value("ThinDevice") == "true")
    element = xml.copy_of(unit.element)
    table.set_value(element, "UnitCapacity", size)
    return system.replace(unit.changed(element))


def _take(
    system: store.System, home: store.SimObject, size: float, *, thin: bool
) -> None:
    """Account for ``size`` GB more in a tier, or less; it and its pool show
    what is free in them.

    :raises Refusal: one of them has not as much.
    """
    pool = (
        home
        if home.type == "SharedStoragePool"
        else system.get(*home.parent.split("/"))
    )
    need = size / 10 if thin else size
    free = float(pool.value("FreeSpace", "0"))
    # A captured tier does not tell.
    own = home.value("FreeSpace") if home.type == "Tier" else ""
    least = min(free, float(own)) if own else free
    if need > least:
        raise refuse("pool_full", wanted=round(need, 4), free=round(least, 4))
    if own:
        tier = xml.copy_of(home.element)
        table.set_value(tier, "FreeSpace", round(float(own) - need, 6))
        system.replace(home.changed(tier), quiet=True)
    total = float(pool.value("TotalLogicalUnitSize", "0")) + size
    capacity = float(pool.value("Capacity", "0"))
    element = xml.copy_of(pool.element)
    for tag, value in (
        ("FreeSpace", free - need),
        ("TotalLogicalUnitSize", total),
        ("OverCommitSpace", max(0.0, total - capacity)),
    ):
        table.set_value(element, tag, round(value, 6))
    system.replace(pool.changed(element), quiet=True)


def logical_unit(
    name: str, kind: str, size: float, udid: str, thin: bool, source: str = ""
) -> xml.Element:
    """A logical unit (captured: lufeed.txt); size in GB."""
    return table.build(
        "LogicalUnit",
        {
            "ThinDevice": thin,
            "UniqueDeviceID": udid,
            "UnitCapacity": size,
            "LogicalUnitType": kind,
            "ClonedFrom": source or None,
            "InUse": False,
            "UnitName": name,
        },
    )


def with_content(item: store.SimObject, blob: str) -> store.SimObject:
    """The next version of a disk, with other bytes."""
    return item.changed(item.element, blob)
