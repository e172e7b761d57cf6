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

"""Disks as logical units of a shared storage pool.

An image is a logical unit that all hosts share; a boot disk is its linked
clone. Names are those of nova-powervm, so that its images are used on.
"""

from __future__ import annotations

import functools
import logging
import math
import typing

from pypowervm import const, util
from pypowervm import exceptions as pypowervm
from pypowervm.wrappers import storage as storage_wrapper

from ibmvirt.common import capability, exceptions, plan
from ibmvirt.powervm.disks import base, pool_images, units
from ibmvirt.powervm.rest import errors, topology, uploads

LOG = logging.getLogger(__name__)

KIND = "LogicalUnit"
_MIB_PER_GB = 1024
_BAD_REQUEST = 400
_PREFIXES = {"root": "boot", "ephemeral": "eph", "swap": "swap"}


def disk_name(server: plan.Server, disk: plan.DiskSpec) -> str:
    """The name of a server's logical unit: boot_<name>_<start of the UUID>."""
    return _name(server.name, server.uuid, disk.role, disk.index)


def _name(name: str, uuid: str, role: str, index: int) -> str:
    number = "" if role == "root" else str(index)
    return str(
        util.sanitize_file_name_for_api(
            name, prefix=f"{_PREFIXES[role]}{number}_", suffix=f"_{uuid[:8]}"
        )
    )


@functools.lru_cache(maxsize=64)
def _names(name: str, uuid: str) -> frozenset[str]:
    """All names of a server's units; asked for each mapping of a VIOS."""
    return frozenset(
        _name(name, uuid, role, index)
        for role in _PREFIXES
        for index in range(1 if role == "root" else base.EPHEMERALS)
    )


class SharedPool(base.DiskKind):
    """Logical units of one tier."""

    KIND = KIND

    def __init__(
        self,
        adapter: typing.Any,
        places: topology.Topology,
        sender: uploads.Uploads,
        patience: float,
    ) -> None:
        """:param patience: see :class:`pool_images.Images`."""
        self._adapter = adapter
        self._topology = places
        self._tells_free = True
        self._units = units.Units(adapter, places)
        self.images = pool_images.Images(
            self._units, sender, lambda: str(places.system().uuid), patience
        )

    def prepare_image(self, image: plan.Image, source: capability.ImageSource) -> str:
        """The UDID of the image's logical unit, uploaded if it is not there."""
        return self.images.prepare(image, source)

    def age(self, in_use: frozenset[str], minimum: float | None) -> None:
        """By the clones, which are those of all hosts, not by ``in_use``."""
        self.images.age(minimum)

    # -- where ------------------------------------------------------------

    def where(self) -> str:
        tier = self._topology.tier()
        return f"tier {tier.name} of {tier.pool_name}"

    def capacity(self) -> tuple[float, float]:
        """The tier's, and not more than the pool has. Two calls."""
        tier = self._topology.tier()
        with errors.attempting(f"read the tier {tier.name} of {tier.pool_name}"):
            try:
                pool = storage_wrapper.SSP.get(self._adapter, uuid=tier.pool_uuid)
                found = self._read_tier(tier.uuid)
            except pypowervm.HttpNotFound:
                self._topology.drop()
                raise
        capacity = float(found.capacity or pool.capacity)
        free = found.element.find("FreeSpace")
        own = float(free.text) if free is not None and free.text else capacity
        return capacity, min(own, float(pool.free_space), capacity)

    def _read_tier(self, uuid: str) -> typing.Any:
        """With what is free in it, where the platform tells.

        IBM's reference of the REST API names it (Tier, FreeSpace). No recorded
        response has it, and all are without extended groups; the library knows
        one for tiers.
        """
        if self._tells_free:
            try:
                return storage_wrapper.Tier.get(
                    self._adapter, uuid=uuid, xag=[const.XAG.TIER_THRESH]
                )
            except pypowervm.HttpError as error:
                if errors.status_of(error) != _BAD_REQUEST:
                    raise
                LOG.info("tiers have no extended group: %s", errors.message(error))
                self._tells_free = False
        return storage_wrapper.Tier.get(self._adapter, uuid=uuid)

    def vioses(
        self, disk: plan.DiskRef, active: tuple[topology.Vios, ...]
    ) -> tuple[topology.Vios, ...]:
        """Each that is a node of the cluster.

        :raises HypervisorUnavailable: none of them is.
        """
        return units.nodes_of(
            self._topology.tier(), active, f"map the disk {disk.name}"
        )

    def paths(self, active: tuple[topology.Vios, ...]) -> int:
        return len(units.nodes_of(self._topology.tier(), active, "map a disk"))

    def element(self, disk: plan.DiskRef) -> typing.Any:
        return storage_wrapper.LU.bld_ref(self._adapter, disk.name, disk.id)

    def owns(self, server: plan.Server, name: str) -> bool:
        return name in _names(server.name, server.uuid)

    def is_root(self, name: str) -> bool:
        return name.startswith(f"{_PREFIXES['root']}_")

    # -- disks ------------------------------------------------------------

    def create(
        self,
        server: plan.Server,
        disks: tuple[plan.DiskSpec, ...],
        image_key: str | None,
    ) -> tuple[plan.DiskRef, ...]:
        made: list[plan.DiskRef] = []
        for disk in disks:
            made.append(self._create(server, disk, image_key))
        return tuple(made)

    def _create(
        self, server: plan.Server, disk: plan.DiskSpec, image_key: str | None
    ) -> plan.DiskRef:
        name = disk_name(server, disk)
        size = math.ceil(disk.size_mib / _MIB_PER_GB)
        clone = image_key if disk.image is not None else None
        if disk.image is not None:
            needed = math.ceil(disk.image.size / (1 << 30))
            size = max(size, needed, disk.image.min_disk_gb, 1)
        what = f"create the disk {name} of {size} GB"
        with errors.attempting(what):
            try:
                unit = self._units.put_disk(name, size, clone)
            except pypowervm.HttpError as error:
                if clone is not None and self.images.is_gone(clone):
                    raise exceptions.ImageGone(what, errors.message(error)) from error
                raise
        return _ref(unit, disk.role)

    def leftovers(self, server: plan.Server) -> tuple[plan.DiskRef, ...]:
        """One call for each tier of the pool."""
        names = _names(server.name, server.uuid)
        with errors.attempting(f"look for disks of {server.name}"):
            found = self._units.everywhere()
        return tuple(
            _ref(unit, unit.name.split("_", 1)[0], tier)
            for tier, unit in found
            if unit.name in names
        )

    def delete(self, disks: tuple[plan.DiskRef, ...]) -> None:
        """Remove logical units; those that are gone are no error."""
        self._units.remove_abandoned()
        first: Exception | None = None
        for disk in disks:
            try:
                self._delete(disk)
            except exceptions.IBMVirtError as error:
                LOG.warning("%s", error)
                first = first or error
        if first is not None:
            raise first

    def _delete(self, disk: plan.DiskRef) -> None:
        what = f"delete the disk {disk.name}"
        with errors.attempting(what):
            uuid, tier = disk.extra.get("uuid"), disk.extra.get("tier")
            if uuid is None:
                same = [
                    (home, unit.uuid)
                    for home, unit in self._units.everywhere()
                    if unit.udid == disk.id
                ]
                if not same:
                    return
                tier, uuid = same[0]
            try:
                self._units.delete(uuid, tier)
            except pypowervm.HttpError as error:
                raise self._refused(what, error) from error
            except (pypowervm.ConnectionError, pypowervm.TimeoutError):
                if any(one.udid == disk.id for one in self._units.all(tier)):
                    raise

    def _refused(
        self, what: str, error: pypowervm.HttpError
    ) -> exceptions.HypervisorError:
        """The platform deletes no unit that a VIOS maps, nor its mappings while
        the VIOS is away."""
        found = errors.of_http(what, error)
        nodes = self._topology.tier().nodes
        away = ", ".join(
            vios.name
            for vios in self._topology.vioses()
            if not vios.active and (not nodes or vios.uuid in nodes)
        )
        if not away:
            return found
        return type(found)(
            what,
            f"{found.reason.rstrip('.')}; {away} may map it still, and has no active "
            "RMC connection",
            f"start {away} or look at its RMC connection, then delete the server again",
        )


def _ref(unit: typing.Any, role: str, tier: str | None = None) -> plan.DiskRef:
    return plan.DiskRef(
        KIND, unit.udid, unit.name, role, {"uuid": unit.uuid, "tier": tier}
    )
