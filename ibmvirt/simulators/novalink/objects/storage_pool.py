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


"""Cluster, SharedStoragePool and Tier."""

from __future__ import annotations

from ibmvirt.simulators.novalink import store
from ibmvirt.simulators.novalink.objects import base, logical_unit
from ibmvirt.simulators.novalink.schema import xml


@base.register
class Cluster(base.Noun):
    """VIOSes that share a pool; read only.

    - captured: its elements (cluster.txt)
    """

    TYPE = "Cluster"
    SEARCH = ("ClusterName",)


@base.register
class SharedStoragePool(base.Noun):
    """The pool of a cluster, with all of its logical units.

    - captured: its elements (ssp.txt)
    - documented: logical units are made, grow and go by a POST of the pool;
      new ones are in its default tier
    """

    TYPE = "SharedStoragePool"
    SEARCH = ("StoragePoolName",)
    VERBS = frozenset({"GET", "POST"})

    def render(self, system: store.System, item: store.SimObject) -> xml.Element:
        element = xml.copy_of(item.element)
        home = xml.find(element, "LogicalUnits")
        if home is not None:
            home.extend([xml.copy_of(unit.element) for unit in _units(system, item)])
        return element

    def update(
        self,
        system: store.System,
        item: store.SimObject,
        posted: xml.Element,
        groups: store.Groups,
    ) -> store.SimObject:
        home = xml.find(posted, "LogicalUnits")
        if home is None:
            return item
        asked = xml.findall(home, "LogicalUnit")
        kept = {xml.value(one, "UniqueDeviceID") for one in asked}
        units = {unit.value("UniqueDeviceID"): unit for unit in _units(system, item)}
        noun = base.noun_of("LogicalUnit")
        # Clones go before what they were cloned from.
        for unit in sorted(units.values(), key=lambda one: not one.value("ClonedFrom")):
            if unit.value("UniqueDeviceID") not in kept:
                noun.delete(system, unit)
        for wanted in asked:
            found = units.get(xml.value(wanted, "UniqueDeviceID"))
            if found is not None:
                size = base.number(wanted, "UnitCapacity")
                logical_unit.resize(system, found, size)
            else:
                noun.create(system, _default_tier(system, item), wanted)
        return system.get(item.type, item.uuid)


def _default_tier(system: store.System, pool: store.SimObject) -> store.SimObject:
    tiers = system.all("Tier", pool.key)
    found = [tier for tier in tiers if tier.value("IsDefault") == "true"]
    # Older firmware has none: the pool itself holds its units.
    return (found or tiers or [pool])[0]


def _units(system: store.System, pool: store.SimObject) -> list[store.SimObject]:
    """The logical units of all tiers; those of a pool without tiers (older
    firmware) belong to the pool."""
    homes = [pool.key, *(tier.key for tier in system.all("Tier", pool.key))]
    return [unit for home in homes for unit in system.all("LogicalUnit", home)]


@base.register
class Tier(base.Noun):
    """A part of a pool that holds logical units; read only.

    - captured: its elements (tier.txt)
    - documented: FreeSpace (the reference of the REST API)
    - assumed: it is in the group TierThreshold; no capture is with that
    """

    TYPE = "Tier"
    PARENTS = ("", "SharedStoragePool")
    GROUPS = frozenset({"TierThreshold"})


# The files ask here.
with_content = logical_unit.with_content
