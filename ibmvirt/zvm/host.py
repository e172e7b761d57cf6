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

"""The node: a z/VM system, by one call a period."""

from __future__ import annotations

import collections.abc
import logging
import pathlib
import threading
import typing

import os_traits
from nova.objects import fields

from ibmvirt.common import capability, clock, exceptions, periodic, plan
from ibmvirt.zvm import pools, watch
from ibmvirt.zvm.client import connector

LOG = logging.getLogger(__name__)

_CPU_PREFIX = "CUSTOM_HW_CPU_S390X_"
_VERSION_PREFIX = "CUSTOM_ZVM_VERSION_"
# Nova asks several times in one period, one after the other.
_INFO_AGE = 20.0


class Host(capability.Host):
    """The member whose Connector we use.

    :param own_ip: of this service.
    :param on_start: run when the service starts, before anything is asked.
    :param when_reached: run once, as soon as the Connector answers.
    :param background: runs from start to stop.
    """

    trait_prefixes = ("CUSTOM_IBMVIRT_", _CPU_PREFIX, _VERSION_PREFIX)

    def __init__(
        self,
        calls: connector.Connector,
        state: pathlib.Path,
        own_ip: str,
        disk_pools: pools.Pools,
        looks: watch.Watch,
        on_start: collections.abc.Sequence[collections.abc.Callable[[], None]] = (),
        when_reached: collections.abc.Sequence[collections.abc.Callable[[], None]] = (),
        background: collections.abc.Sequence[periodic.Periodic] = (),
    ) -> None:
        self._looks = looks
        self._background = (
            periodic.Periodic("connector-watch", looks.interval, self._look),
            *background,
        )
        self._on_start = on_start
        self._when_reached = when_reached
        self._pools = disk_pools
        self._calls = calls
        self._name_file = state / "hypervisor_hostname"
        self._own_ip = own_ip
        self._lock = threading.Lock()
        self._name = ""
        self._checked = False
        self._asking = threading.Lock()
        self._known: dict[str, typing.Any] = {}
        self._at = float("-inf")

    def watch(self, told: capability.Told) -> None:
        self._looks.tell(told)

    def start(self, listener: capability.StateListener) -> None:
        """A Connector that is away does not keep the service from starting."""
        for action in self._on_start:
            action()
        self._look()
        for work in self._background:
            work.start()

    def stop(self) -> None:
        self._calls.close()
        for work in self._background:
            work.stop()

    def _look(self) -> None:
        """See whether the Connector answers; the first time, what it is on."""
        if not self._looks.look() or self._checked:
            return
        try:
            info = self._info()
        except exceptions.HypervisorError as error:
            LOG.error("%s", error)
            return
        self._checked = True
        name, version = info["hypervisor_hostname"], info["hypervisor_version"]
        LOG.info("z/VM %s on %s", version, name)
        self._keep_name(str(name))
        for reached in (self._pools.learn, *self._when_reached):
            try:
                reached()
            except exceptions.HypervisorError as error:
                LOG.warning("%s", error)

    def _keep_name(self, name: str) -> None:
        with self._lock:
            if name != self._name:
                self._name = name
                self._name_file.parent.mkdir(parents=True, exist_ok=True)
                self._name_file.write_text(name)

    def node_name(self) -> str:
        """The system's name, as nova.virt.zvm named the node.

        It is remembered, so that the service can start without the Connector.
        """
        if not self._name and self._name_file.exists():
            self._name = self._name_file.read_text().strip()
        if not self._name:
            self._keep_name(str(self._info()["hypervisor_hostname"]))
        return self._name

    def _info(self) -> dict[str, typing.Any]:
        """What the Connector says of the host, asked once a period."""
        with self._asking:
            if clock.now() - self._at > _INFO_AGE:
                self._known = self._calls.host_info()
                self._at = clock.now()
            return self._known

    def resources(self) -> plan.HostResources:
        info = self._info()
        self._keep_name(str(info["hypervisor_hostname"]))
        self._pools.learn()
        own = int(info["disk_total"]), int(info["disk_used"])
        disk_total, disk_used = self._pools.capacity() or own
        return plan.HostResources(
            hypervisor_type=fields.HVType.ZVM,
            hypervisor_version=int(info["hypervisor_version"]),
            vcpus=int(info["vcpus"]),
            vcpus_used=int(info["vcpus_used"]),
            # The Connector gives these as floats.
            memory_mib=int(float(info["memory_mb"])),
            memory_mib_used=int(float(info["memory_mb_used"])),
            memory_mib_reserved=0,
            disk_gb=disk_total,
            disk_gb_used=disk_used,
            architecture=fields.Architecture.S390X,
            cpu_info=dict(info["cpu_info"]),
            supported=(
                (fields.Architecture.S390X, fields.HVType.ZVM, fields.VMMode.HVM),
            ),
            traits=_traits(info),
            stats={"uptime": info["ipl_time"]},
        )

    def uptime(self) -> str:
        """When z/VM was loaded: "IPL at 01/09/26 11:00:00 EST"."""
        return str(self._info()["ipl_time"])

    def ip_address(self) -> str:
        return self._own_ip


def _traits(info: dict[str, typing.Any]) -> frozenset[str]:
    """os-traits has no names for IBM Z: CUSTOM_HW_CPU_S390X_3931 is the machine's
    type, CUSTOM_ZVM_VERSION_7_3 the version and release."""
    found = {"CUSTOM_IBMVIRT_ZVM"}
    model = os_traits.normalize_name(str(info["cpu_info"].get("cec_model") or ""))
    if model != os_traits.normalize_name(""):
        found.add(_CPU_PREFIX + model.removeprefix("CUSTOM_"))
    version, release = divmod(int(info["hypervisor_version"]) // 10, 10)
    found.add(f"{_VERSION_PREFIX}{version}_{release}")
    return frozenset(found)
