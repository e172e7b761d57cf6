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


"""The logical units of one tier: read, made and removed."""

from __future__ import annotations

import collections.abc
import logging
import threading
import typing

from pypowervm import exceptions as pypowervm
from pypowervm.wrappers import storage as storage_wrapper

from ibmvirt.common import exceptions
from ibmvirt.powervm.rest import topology

LOG = logging.getLogger(__name__)

_MARKER_GB = 0.001


class Units:
    """What pypowervm raises leaves it as it is: the caller knows what it does."""

    def __init__(self, adapter: typing.Any, places: topology.Topology) -> None:
        self._adapter = adapter
        self._topology = places
        self._lock = threading.Lock()
        # Chains of which the first could not be removed, and what waits for it.
        self._abandoned: list[tuple[tuple[str, str], ...]] = []

    def vios(self) -> topology.Vios:
        """An active VIOS of the pool's cluster.

        :raises HypervisorUnavailable: there is none.
        """
        tier, active = self._topology.tier(), self._topology.active_vioses()
        return nodes_of(tier, active, f"write into the pool {tier.pool_name}")[0]

    def all(self, tier: str | None = None) -> list[typing.Any]:
        """One call.

        :param tier: the UUID of another tier of the pool.
        """
        found: list[typing.Any] = storage_wrapper.LUEnt.get(
            self._adapter,
            parent_type=storage_wrapper.Tier,
            parent_uuid=tier or self._topology.tier().uuid,
        )
        return found

    def everywhere(self) -> list[tuple[str, typing.Any]]:
        """The units of all tiers with their tiers' UUIDs. One call each.

        New ones are made in one tier; another may have been configured before.
        """
        own = self._topology.tier()
        return [
            (tier, unit) for tier in (own.uuid, *own.others) for unit in self.all(tier)
        ]

    def put_disk(self, name: str, size: float, clone: str | None = None) -> typing.Any:
        """Make a disk of ``size`` GB, of a name that nobody else makes.

        :param clone: the UDID of the image that it is a linked clone of.
        """
        return self._put(name, size, storage_wrapper.LUType.DISK, clone)

    def put_image(self, name: str, size: float) -> typing.Any:
        """Make an image of ``size`` GB; others may make one of that name."""
        return self._put(name, size, storage_wrapper.LUType.IMAGE, None)

    def put_marker(self, name: str) -> typing.Any:
        """Make a marker, of a name that nobody else makes.

        It is an image: the hosts of nova-powervm look for markers among those
        (pypowervm.tasks.cluster_ssp).
        """
        try:
            return self.put_image(name, _MARKER_GB)
        except pypowervm.Error:
            # Whatever the answer says: one that is there is ours.
            found = self.named(name)
            if found is None:
                raise
            return found

    def named(self, name: str) -> typing.Any:
        """One unit of that name, or None."""
        return next((unit for unit in self.all() if unit.name == name), None)

    def _put(self, name: str, size: float, kind: str, clone: str | None) -> typing.Any:
        unit = storage_wrapper.LUEnt.bld(self._adapter, name, size, thin=True, typ=kind)
        if clone is not None:
            # The wrapper takes the image's wrapper; its UDID is all it uses.
            unit._cloned_from_udid(clone)
        try:
            return unit.create(
                parent_type=storage_wrapper.Tier,
                parent_uuid=self._topology.tier().uuid,
            )
        except (pypowervm.ConnectionError, pypowervm.TimeoutError):
            # The answer is lost.
            found = self.named(name)
            if found is None or (found.cloned_from_udid or None) != clone:
                raise
            return found

    def delete(self, uuid: str, tier: str | None = None) -> None:
        """Remove a unit; silent if it is gone."""
        home = tier or self._topology.tier().uuid
        try:
            self._adapter.delete("Tier", home, "LogicalUnit", uuid)
        except pypowervm.HttpNotFound:
            return

    def remove(self, units: collections.abc.Sequence[typing.Any]) -> None:
        """Remove units in their order, best effort.

        Where one stays, those after it stay too: they tell that it is not
        whole. All of them are tried again later.
        """
        self._remove(tuple((str(unit.uuid), str(unit.name)) for unit in units))

    def _remove(self, chain: tuple[tuple[str, str], ...]) -> None:
        for number, (uuid, name) in enumerate(chain):
            error = self._attempt(uuid)
            if error is not None:
                LOG.warning("%s was not removed: %s", name, error)
                with self._lock:
                    self._abandoned.append(chain[number:])
                return

    def _attempt(self, uuid: str) -> Exception | None:
        last: Exception | None = None
        for _try in range(2):
            try:
                self.delete(uuid)
                return None
            except pypowervm.Error as error:
                last = error
        return last

    def remove_abandoned(self) -> None:
        """Try again what could not be removed; without any, no call is made."""
        with self._lock:
            chains, self._abandoned = self._abandoned, []
        for chain in chains:
            self._remove(chain)


def nodes_of(
    tier: topology.Tier, active: tuple[topology.Vios, ...], what: str
) -> tuple[topology.Vios, ...]:
    """Those of the VIOSes that are nodes of the pool's cluster.

    :raises HypervisorUnavailable: none of them is.
    """
    found = tuple(v for v in active if not tier.nodes or v.uuid in tier.nodes)
    if not found:
        raise exceptions.HypervisorUnavailable(
            what,
            f"no active VIOS is a node of the cluster of the pool {tier.pool_name}",
            "start the VIOSes that are, and look at their RMC connections and at "
            "the cluster: cluster -status on a VIOS",
        )
    return found


def is_image(unit: typing.Any) -> bool:
    return bool(unit.lu_type == storage_wrapper.LUType.IMAGE)
