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

"""The node: its resources, and what runs in the background."""

from __future__ import annotations

import collections.abc
import logging
import typing

import os_traits
from nova.objects import fields

from ibmvirt.common import capability, clock, context, exceptions, periodic, plan
from ibmvirt.powervm import connection as connections
from ibmvirt.powervm import leftovers, lpar_cache, metrics, scrub, writer
from ibmvirt.powervm.guests import identities, partitions
from ibmvirt.powervm.rest import opened, poller, topology

LOG = logging.getLogger(__name__)

_LOOK = 5.0
# Seconds until what failed on a VIOS that is back is tried again.
_AGAIN = 300.0
# Traits of processor compatibility modes.
_COMPAT_PREFIX, _CPU_PREFIX = "CUSTOM_POWERVM_COMPAT_", "HW_CPU_PPC64LE_"


class Host(capability.Host):
    """The managed system of this NovaLink."""

    trait_prefixes = ("CUSTOM_IBMVIRT_", _COMPAT_PREFIX, _CPU_PREFIX)

    def __init__(
        self,
        connection: connections.Connection,
        places: topology.Topology,
        cache: lpar_cache.LparCache,
        writers: writer.Writers,
        *,
        vios_wait: float,
        own_ip: str,
        disk_capacity: collections.abc.Callable[[], tuple[float, float]],
        disk_cap: int,
        scrubber: scrub.Scrub,
        left_over: leftovers.Leftovers,
        noted: opened.Opened,
        catch_up: collections.abc.Callable[[], None],
        known: identities.Identities,
    ) -> None:
        """:param catch_up: does on a VIOS that is back what it has missed."""
        self._connection = connection
        self._topology = places
        self._cache = cache
        self._writers = writers
        self._vios_wait = vios_wait
        self._own_ip = own_ip
        self._disk_capacity = disk_capacity
        self._disk_cap = disk_cap
        self._cpu = metrics.HostCpu(connection.adapter, places)
        self._scrub = scrubber
        self._leftovers = left_over
        self._opened = noted
        self._catch_up = catch_up
        self._known = known
        self._poller: poller.Poller | None = None
        # Not by who hears events: they would wait for whoever uses a volume.
        self._cleaner = periodic.Periodic("vios-back", lambda: _AGAIN, self._turn)
        self._back = False
        self._started = False
        self._name = ""

    # -- start and stop -----------------------------------------------------

    def start(self, listener: capability.StateListener) -> None:
        """Log on, wait for a VIOS, read the partitions, follow events."""
        self._connection.open()
        self._wait_for_vios()
        system = str(self._topology.system().uuid)
        self._cache.set_system(system)
        self._opened.start(system)

        def tell(lpar: lpar_cache.Lpar) -> None:
            state = partitions.state_of(lpar.state)
            for server in self._known.servers(lpar.uuid):
                listener(server, state)

        self._cache.listen(tell)
        self._poller = poller.Poller(
            self._connection.adapter,
            self._event,
            self._resynchronise,
            lambda: self._cache.follow(current=False),
        )
        left = self._scrub.look()
        self._cleaner.start()
        # It reads the partitions, once it hears of changes.
        self._poller.start()
        self._scrub.clean(left)
        self._leftovers.clean(left.vioses)
        with context.background("scrub"):
            self._catch_up()

    def _event(self, kind: str, data: str, detail: str) -> None:
        self._cache.event(kind, data, detail)
        with context.background("events"):
            if self._topology.event(kind, data, detail):
                self._is_back()

    def _is_back(self) -> None:
        """A VIOS is back: what was removed meanwhile, it still maps."""
        self._back = True
        self._cleaner.wake()

    def _turn(self) -> None:
        """Clean the VIOSes if one came back, or make up for what they missed."""
        back = self._back
        if back:
            # Not otherwise: one may come back at this moment.
            self._back = False
        with context.background("scrub"):
            try:
                self._clean() if back else self._catch_up()
            except exceptions.IBMVirtError as error:
                LOG.warning("leftovers were not removed: %s", error)
                if back:
                    self._back = True

    def _clean(self) -> None:
        left = self._scrub.look()
        self._cache.read_all()
        self._scrub.clean(left)
        self._leftovers.remove_drives(left.vioses)
        self._catch_up()

    def _resynchronise(self) -> None:
        """Events may have been lost: nothing that was read counts any more."""
        self._cache.follow(current=True)
        self._cache.lost()
        again, self._started = self._started, True
        if again:
            self._writers.forget()
            self._topology.drop()
        self._cache.read_all()
        if again and self._topology.came_back():
            self._is_back()

    def _wait_for_vios(self) -> None:
        end = clock.now() + self._vios_wait
        while True:
            try:
                found = self._topology.active_vioses()
                names = ", ".join(vios.name for vios in found)
                LOG.info("VIOSes with an active RMC connection: %s", names)
                return
            except exceptions.HypervisorUnavailable:
                if clock.now() >= end:
                    raise
                LOG.warning("waiting for a VIOS with an active RMC connection")
                context.wait(_LOOK)

    def stop(self) -> None:
        if self._poller is not None:
            with context.background("stop"):
                self._poller.stop()
            self._poller = None
        self._cleaner.stop()
        self._started = False
        self._connection.close()

    # -- what the node is ---------------------------------------------------

    def node_name(self) -> str:
        """Machine type, model and serial, as nova-powervm named the node."""
        if not self._name:
            self._name = str(self._topology.system().mtms.mtms_str)
        return self._name

    def resources(self) -> plan.HostResources:
        """Two calls with a pool: the managed system and the pool."""
        system = self._topology.read_system()
        capacity, free = self._disk_capacity()
        if self._disk_cap:
            # What is in use of a shared pool is more than this node's share.
            free = max(0.0, min(free, self._disk_cap - (capacity - free)))
            capacity = min(capacity, float(self._disk_cap))
        total_cpu = float(system.proc_units_configurable)
        free_cpu = float(system.proc_units_avail)
        return plan.HostResources(
            hypervisor_type=fields.HVType.PHYP,
            hypervisor_version=1,
            vcpus=int(total_cpu),
            vcpus_used=int(total_cpu - free_cpu + 0.999),
            memory_mib=int(system.memory_configurable),
            memory_mib_used=int(system.memory_configurable) - int(system.memory_free),
            memory_mib_reserved=self._reserved(system),
            disk_gb=int(capacity),
            disk_gb_used=int(capacity - free + 0.999),
            architecture=fields.Architecture.PPC64,
            cpu_info={"vendor": "ibm", "arch": "ppc64"},
            supported=(
                (fields.Architecture.PPC64, fields.HVType.PHYP, fields.VMMode.HVM),
                (fields.Architecture.PPC64LE, fields.HVType.PHYP, fields.VMMode.HVM),
            ),
            traits=_mode_traits(system.proc_compat_modes),
            stats={
                "memory_region_size": int(system.memory_region_size),
                "proc_units": f"{total_cpu:.2f}",
                "proc_units_used": f"{total_cpu - free_cpu:.2f}",
                # Nova 34 shows it from here and asks nobody.
                "uptime": self.uptime(),
            },
        )

    @staticmethod
    def _reserved(system: typing.Any) -> int:
        """MiB that the hypervisor keeps for itself."""
        element = system.element.find(
            "AssociatedSystemMemoryConfiguration/MemoryUsedByHypervisor"
        )
        return int(element.text) if element is not None and element.text else 0

    def uptime(self) -> str:
        """The uptime of the machine that the service runs on."""
        with open("/proc/uptime") as file:
            seconds = int(float(file.read().split()[0]))
        days, rest = divmod(seconds, 86400)
        hours, minutes = rest // 3600, rest % 3600 // 60
        with open("/proc/loadavg") as file:
            load = ", ".join(file.read().split()[:3])
        return f"up {days} days, {hours}:{minutes:02d}, load average: {load}"

    def cpu_stats(self) -> plan.Values:
        return self._cpu.read()

    def ip_address(self) -> str:
        return self._own_ip


def _mode_traits(modes: typing.Iterable[str]) -> frozenset[str]:
    """Processor compatibility modes, by os-traits' names where it has them.

    HW_CPU_PPC64LE_POWER9, but CUSTOM_POWERVM_COMPAT_POWER10.
    """
    known = set(os_traits.get_traits(_CPU_PREFIX))
    found = set()
    for mode in modes:
        if mode.lower() != "default":
            name = mode.upper().replace("+", "_PLUS")
            standard = _CPU_PREFIX + name
            found.add(standard if standard in known else _COMPAT_PREFIX + name)
    return frozenset(found)
