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

"""What of the system does not change by itself: read once, dropped on change."""

from __future__ import annotations

import logging
import re
import threading
import typing

from pypowervm import const
from pypowervm.wrappers import cluster as cluster_wrapper
from pypowervm.wrappers import (
    logical_partition,
    managed_system,
    shared_proc_pool,
    virtual_io_server,
)
from pypowervm.wrappers import network as network_wrapper
from pypowervm.wrappers import storage as storage_wrapper

from ibmvirt.common import exceptions
from ibmvirt.powervm.rest import errors
from ibmvirt.powervm.rest.places import (
    FcPort,
    Group,
    Sea,
    Switch,
    Tier,
    Vios,
    fc_ports_of,
    uuid_of,
)

LOG = logging.getLogger(__name__)
__all__ = ["FcPort", "Group", "Sea", "Tier", "Topology", "Vios"]


_PART = re.compile(
    "/(VirtualIOServer|VirtualSwitch|NetworkBridge|SharedProcessorPool|Cluster|Tier)"
    r"/([0-9A-Fa-f-]{36})(?:\?|$)"
)
# What is read of a part of the system.
_KEPT = {
    "VirtualSwitch": ("switches",),
    "NetworkBridge": ("seas",),
    "SharedProcessorPool": ("pools",),
    "Cluster": ("tier",),
    "Tier": ("tier",),
}


# What was read of those VIOSes that were active.
_OF_ACTIVE = ("groups", "fc_ports")


class Topology:
    """Reads on first use; safe for many threads."""

    def __init__(self, adapter: typing.Any, cluster: str, tier: str) -> None:
        self._adapter = adapter
        self._cluster = cluster
        self._tier_name = tier
        self._lock = threading.RLock()
        self._known: dict[str, typing.Any] = {}
        # UUIDs of the VIOSes that were active in the last look at it.
        self._active: frozenset[str] | None = None

    def drop(self) -> None:
        """Forget everything; it is read anew when it is wanted."""
        with self._lock:
            self._known.clear()

    def event(self, kind: str, data: str, detail: str) -> bool:
        """Forget what an event of the platform says has changed.

        :return: whether a VIOS is active that was not.
        :raises HypervisorError: it cannot be told.
        """
        match = _PART.search(data)
        if match is None:
            return False
        part = match.group(1)
        if part == "VirtualIOServer":
            states = "PartitionState" in detail or "RMCState" in detail
            return (kind != "MODIFY_URI" or states) and self.came_back()
        if part == "NetworkBridge" or kind in ("ADD_URI", "DELETE_URI"):
            with self._lock:
                for name in _KEPT[part]:
                    # One that we made ourselves was read since.
                    new = kind == "ADD_URI" and match.group(2).upper()
                    if not (new and new in str(self._known.get(name)).upper()):
                        self._known.pop(name, None)
        return False

    def came_back(self) -> bool:
        """Read the VIOSes; whether one is active that was not in the last look.

        :raises HypervisorError: that failed, and the next look counts from the
            last one.
        """
        with self._lock:
            for name in ("vioses", *_OF_ACTIVE):
                self._known.pop(name, None)
        found = [vios for vios in self.vioses() if vios.active]
        now = frozenset(vios.uuid for vios in found)
        with self._lock:
            before, self._active = self._active, now
        if before is None or now != before:
            LOG.info(
                "VIOSes with an active RMC connection: %s",
                ", ".join(vios.name for vios in found) or "none",
            )
        return before is not None and bool(now - before)

    def _once(self, name: str, read: typing.Callable[[], typing.Any]) -> typing.Any:
        with self._lock:
            if name not in self._known:
                self._known[name] = read()
            return self._known[name]

    def system(self) -> typing.Any:
        """The ManagedSystem wrapper, as it was when it was read first."""
        return self._once("system", self.read_system)

    def read_system(self) -> typing.Any:
        """The ManagedSystem wrapper, now."""
        with errors.attempting("read the managed system"):
            found = managed_system.System.get(self._adapter)[0]
        with self._lock:
            self._known["system"] = found
        return found

    def vioses(self) -> tuple[Vios, ...]:
        """All VIOSes, those with an active RMC connection first."""

        def read() -> tuple[Vios, ...]:
            with errors.attempting("read the VIOSes"):
                wrappers = virtual_io_server.VIOS.get(self._adapter)
            found = [
                Vios(
                    uuid=w.uuid,
                    name=w.name,
                    id=w.id,
                    active=w.rmc_state == "active",
                    management=bool(w.is_mgmt_partition),
                )
                for w in wrappers
            ]
            if self._active is None:
                self._active = frozenset(vios.uuid for vios in found if vios.active)
            return tuple(sorted(found, key=lambda vios: (not vios.active, vios.id)))

        result: tuple[Vios, ...] = self._once("vioses", read)
        return result

    def active_vioses(self) -> tuple[Vios, ...]:
        """:raises HypervisorUnavailable: no VIOS has an RMC connection."""
        found = tuple(vios for vios in self.vioses() if vios.active)
        if not found:
            self.drop()
            raise exceptions.HypervisorUnavailable(
                "use a VIOS",
                "none has an active RMC connection",
                "start the VIOSes and look at their RMC connections",
            )
        return found

    def processor_pool(self, name: str) -> int:
        """The number of a shared processor pool.

        :raises InvalidRequest: there is none of that name.
        """

        def read() -> dict[str, int]:
            with errors.attempting("read the shared processor pools"):
                wrappers = shared_proc_pool.SharedProcPool.get(
                    self._adapter, parent=self.system()
                )
            return {str(w.name): int(w.id) for w in wrappers}

        pools: dict[str, int] = self._once("pools", read)
        if name not in pools:
            with self._lock:
                self._known.pop("pools", None)
            pools = self._once("pools", read)
        if name not in pools:
            raise exceptions.InvalidRequest(
                f"use the shared processor pool {name}",
                f"the system has only {', '.join(sorted(pools))}",
                "create it, or correct powervm:shared_proc_pool_name of the flavor",
            )
        return pools[name]

    def fc_ports(self) -> dict[str, tuple[FcPort, ...]]:
        """Each VIOS's active Fibre Channel ports, by its UUID."""

        def read() -> dict[str, tuple[FcPort, ...]]:
            with errors.attempting("read the Fibre Channel ports"):
                wrappers = virtual_io_server.VIOS.get(
                    self._adapter, xag=[const.XAG.VIO_STOR]
                )
                return {w.uuid: tuple(fc_ports_of(w)) for w in wrappers}

        result: dict[str, tuple[FcPort, ...]] = self._once("fc_ports", read)
        return result

    def fc_homes(self) -> dict[str, FcPort]:
        """Every active Fibre Channel port by its WWPN."""
        return {p.wwpn: p for ports in self.fc_ports().values() for p in ports}

    def forget_fc_ports(self) -> None:
        """An adapter may have been replaced: read the ports anew."""
        with self._lock:
            self._known.pop("fc_ports", None)

    def management(self) -> tuple[str, str]:
        """The management partition: its type and UUID.

        :raises HypervisorError: the system has none.
        """
        kind, uuid, _id = self._management()
        return kind, uuid

    def management_id(self) -> int:
        """The number of the management partition."""
        return self._management()[2]

    def _management(self) -> tuple[str, str, int]:
        def read() -> tuple[str, str, int]:
            for vios in self.vioses():
                if vios.management:
                    return "VirtualIOServer", vios.uuid, vios.id
            what = "find the management partition"
            with errors.attempting(what):
                found = logical_partition.LPAR.search(
                    self._adapter, is_mgmt_partition=True
                )
            if not found:
                raise exceptions.HypervisorError(
                    what, "no partition says that it is it", "look at pvmctl lpar list"
                )
            return "LogicalPartition", found[0].uuid, int(found[0].id)

        result: tuple[str, str, int] = self._once("management", read)
        return result

    def own_switch_href(self, name: str) -> str:
        """The link of a virtual switch, which is made if it is not there."""
        with self._lock:
            if name not in self._switches():
                self._known.pop("switches", None)
            if name not in self._switches():
                with errors.attempting(f"create the virtual switch {name}"):
                    network_wrapper.VSwitch.bld(self._adapter, name).create(
                        parent=self.system()
                    )
                self._known.pop("switches", None)
            return self._switches()[name].href

    def switch_href(self, name: str) -> str:
        """The link of a virtual switch.

        :raises InvalidRequest: there is none of that name.
        """
        if name not in self._switches():
            # It may have been made since.
            with self._lock:
                self._known.pop("switches", None)
        found = self._switches().get(name)
        if found is None:
            raise exceptions.InvalidRequest(
                f"use the virtual switch {name}",
                f"the system has only {', '.join(sorted(self._switches()))}",
                "create it, or correct the port's binding or [powervm]default_switch",
            )
        return found.href

    def _switches(self) -> dict[str, Switch]:
        def read() -> dict[str, Switch]:
            with errors.attempting("read the virtual switches"):
                system = self.system()
                wrappers = network_wrapper.VSwitch.get(self._adapter, parent=system)
            return {w.name: Switch(w.switch_id, w.related_href) for w in wrappers}

        result: dict[str, Switch] = self._once("switches", read)
        return result

    def seas(self) -> tuple[Sea, ...]:
        """The Shared Ethernet Adapters of all VIOSes."""

        def read() -> tuple[Sea, ...]:
            with errors.attempting("read the network bridges"):
                bridges = network_wrapper.NetBridge.get(
                    self._adapter, parent=self.system()
                )
            switches = {one.number: name for name, one in self._switches().items()}
            vioses = {vios.uuid.upper(): vios.name for vios in self.vioses()}
            return tuple(
                Sea(
                    device=sea.dev_name,
                    vios=vioses.get(uuid_of(sea.vio_uri), ""),
                    switch=switches.get(sea.primary_adpt.vswitch_id, ""),
                )
                for bridge in bridges
                for sea in bridge.seas
                if sea.primary_adpt is not None
            )

        result: tuple[Sea, ...] = self._once("seas", read)
        return result

    def forget_seas(self) -> None:
        """One may have been made meanwhile: read them anew."""
        with self._lock:
            self._known.pop("seas", None)

    def tier(self) -> Tier:
        """The tier for new disks.

        :raises NotThere: no cluster, or no such tier.
        """
        found: Tier = self._once("tier", self._read_tier)
        return found

    def _read_tier(self) -> Tier:
        what = "find the shared storage pool"
        with errors.attempting(what):
            clusters = cluster_wrapper.Cluster.get(self._adapter)
            wanted = [c for c in clusters if self._cluster in ("", c.name)]
            if len(wanted) != 1:
                names = ", ".join(sorted(c.name for c in clusters)) or "none"
                raise errors.NotThere(
                    what,
                    f"[powervm]cluster_name is {self._cluster!r} and the clusters "
                    f"are: {names}",
                    "set [powervm]cluster_name to one of them",
                )
            pool = storage_wrapper.SSP.get_by_href(self._adapter, wanted[0].ssp_uri)
            tiers = storage_wrapper.Tier.get(self._adapter, parent=pool)
        nodes = frozenset(n.vios_uuid for n in wanted[0].nodes if n.vios_uuid)
        for tier in tiers:
            if tier.name == self._tier_name or (
                not self._tier_name and tier.is_default
            ):
                others = tuple(one.uuid for one in tiers if one.uuid != tier.uuid)
                return Tier(
                    tier.uuid, tier.name, pool.uuid, pool.name, tier.href, nodes, others
                )
        names = ", ".join(sorted(tier.name for tier in tiers)) or "none"
        raise errors.NotThere(
            what,
            f"the pool {pool.name} has no tier {self._tier_name or '(default)'}; it "
            f"has {names}",
            "set [powervm]tier_name to one that it has",
        )

    def groups(self) -> tuple[Group, ...]:
        """The volume groups of the active VIOSes."""

        def read() -> tuple[Group, ...]:
            found = []
            for vios in self.active_vioses():
                with errors.attempting(f"read the volume groups of {vios.name}"):
                    wrappers = storage_wrapper.VG.get(
                        self._adapter,
                        parent_type=virtual_io_server.VIOS,
                        parent_uuid=vios.uuid,
                    )
                found += [
                    Group(vios, w.uuid, w.name, w.serial_id or "", bool(w.vmedia_repos))
                    for w in wrappers
                ]
            return tuple(found)

        result: tuple[Group, ...] = self._once("groups", read)
        return result

    def drop_groups(self) -> None:
        """The volume groups, or their media repositories, have changed."""
        with self._lock:
            self._known.pop("groups", None)
