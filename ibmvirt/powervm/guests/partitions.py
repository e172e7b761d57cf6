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

"""Partitions: defined, found, started and stopped."""

from __future__ import annotations

import builtins
import collections.abc
import types
import typing

from nova.compute import power_state
from pypowervm import exceptions as pypowervm
from pypowervm import util
from pypowervm.utils import lpar_builder
from pypowervm.wrappers import logical_partition

from ibmvirt.common import capability, exceptions, plan
from ibmvirt.powervm import lpar_cache
from ibmvirt.powervm.guests import ibm_i, identities, power
from ibmvirt.powervm.guests import spec as specs
from ibmvirt.powervm.networks import base as networks
from ibmvirt.powervm.rest import errors, topology
from ibmvirt.powervm.volumes import intents, wwpns

# Slots 0 and 1 are the consoles'.
_CONSOLES = 2

# State of the REST API -> Nova's.
_STATES = {
    "not activated": power_state.SHUTDOWN,
    "migrating not active": power_state.SHUTDOWN,
    "migrating running": power_state.RUNNING,
    "running": power_state.RUNNING,
    "starting": power_state.RUNNING,
    "open firmware": power_state.RUNNING,
    "shutting down": power_state.RUNNING,
    "error": power_state.CRASHED,
    "not available": power_state.NOSTATE,
    "suspended": power_state.SUSPENDED,
    "resuming": power_state.SUSPENDED,
    "suspending": power_state.SUSPENDED,
}


def state_of(text: str) -> int:
    return int(_STATES.get(text, power_state.NOSTATE))


class Mappings(typing.Protocol):
    """What partitions ask of their storage."""

    def boot_slots(
        self,
        guest: plan.GuestRef,
        disks: tuple[plan.DiskRef, ...],
        volumes: tuple[plan.Volume, ...],
    ) -> list[int]:
        """Slots of the adapters that lead to what the partition boots from."""
        ...

    def adapters(self, spec: plan.GuestSpec) -> int:
        """How many adapters a new partition gets for its storage, at least."""
        ...

    def count(self, guest: plan.GuestRef) -> int:
        """How many disks the partition has."""
        ...


def _reference(uuid: str, name: str, server: plan.Server) -> plan.GuestRef:
    """With what Nova keeps of the server's volumes."""
    metadata = server.system_metadata
    record = types.MappingProxyType({**wwpns.kept(metadata), **intents.kept(metadata)})
    return plan.GuestRef(uuid, name, uuid=server.uuid, record=record)


class Partitions(capability.Guests):
    """The guests of PowerVM. A partition is known by its UUID, not its name."""

    def __init__(
        self,
        adapter: typing.Any,
        places: topology.Topology,
        cache: lpar_cache.LparCache,
        operations: power.Power,
        defaults: collections.abc.Mapping[str, str],
        mappings: Mappings,
        known: identities.Identities,
    ) -> None:
        self._adapter = adapter
        self._topology = places
        self._cache = cache
        self._power = operations
        self._defaults = defaults
        self._mappings = mappings
        self._known = known

    def platform(
        self, server: plan.Server, flavor: plan.Values, image: plan.Image | None
    ) -> specs.PartitionSpec:
        return specs.from_flavor(flavor, image, self._defaults)

    def check(self, wanted: plan.GuestSpec) -> None:
        """Build the partition's description, which refuses what cannot be.

        :raises InvalidRequest: it cannot be described, or has too few slots.
        """
        self._build(wanted)
        most = int(wanted.platform.attributes[lpar_builder.MAX_IO_SLOTS]) - _CONSOLES
        needed = len(wanted.vifs) + self._mappings.adapters(wanted)
        if needed > most:
            raise exceptions.InvalidRequest(
                f"describe the partition of {wanted.server.name}",
                f"its ports, disks and volumes need {needed} virtual slots and there "
                f"are {most}",
                "use fewer of them, or raise [powervm]maximum_io_slots",
            )

    def _build(self, wanted: plan.GuestSpec) -> typing.Any:
        what = f"describe the partition of {wanted.server.name}"
        attributes = {
            **wanted.platform.attributes,
            "name": util.sanitize_partition_name_for_api(wanted.server.name),
            "uuid": identities.uuid_of(wanted.server.uuid),
            "env": wanted.platform.type,
        }
        pool = attributes.pop(specs.POOL, None)
        if pool is not None:
            attributes[lpar_builder.SPP] = str(self._topology.processor_pool(pool))
        system = self._topology.system()
        try:
            standard = lpar_builder.DefaultStandardize(system)
            builder = lpar_builder.LPARBuilder(self._adapter, attributes, standard)
            return builder.build()
        except (lpar_builder.LPARBuilderException, ValueError) as error:
            raise exceptions.InvalidRequest(
                what, str(error), "correct the flavor"
            ) from error

    def define(self, wanted: plan.GuestSpec) -> plan.GuestRef:
        wrapper = self._build(wanted)
        # Its events come before the answer.
        self._known.remember(wanted.server.uuid)
        with errors.attempting(f"create the partition {wrapper.name}"):
            try:
                made = wrapper.create(parent=self._topology.system())
            except (pypowervm.ConnectionError, pypowervm.TimeoutError):
                # The answer is lost; by its UUID it is ours if it is there.
                made = self._read(identities.uuid_of(wanted.server.uuid))
                if made is None:
                    raise
        self._cache.put(
            lpar_cache.Lpar(
                uuid=made.uuid.upper(),
                name=made.name,
                id=made.id,
                type=made.env,
                state=made.state,
                rmc=made.rmc_state or "none",
            )
        )
        return _reference(made.uuid.upper(), made.name, wanted.server)

    def settles(self, spec: plan.GuestSpec) -> bool:
        return bool(spec.platform.type == specs.IBM_I)

    def settle(
        self,
        guest: plan.GuestRef,
        spec: plan.GuestSpec,
        disks: tuple[plan.DiskRef, ...],
    ) -> None:
        """IBM i is told which adapter it loads from. Two calls."""
        slots = self._mappings.boot_slots(guest, disks, spec.volumes)
        if not slots:
            raise exceptions.HypervisorError(
                f"set the load source of the partition {guest.name}",
                "no VIOS maps its boot disk",
                "look at the VIOSes",
            )
        ibm_i.settle(self._adapter, guest, slots)

    def _read(self, uuid: str) -> typing.Any:
        try:
            return logical_partition.LPAR.get(self._adapter, uuid=uuid)
        except pypowervm.HttpNotFound:
            return None

    def undefine(self, guest: plan.GuestRef) -> None:
        with errors.attempting(f"delete the partition {guest.name}"):
            try:
                self._adapter.delete("LogicalPartition", guest.id)
            except pypowervm.HttpNotFound:
                pass
            except (pypowervm.ConnectionError, pypowervm.TimeoutError):
                if self._read(guest.id) is not None:
                    raise
        self._cache.remove(guest.id)
        self._known.forget(guest.id)

    def find(self, server: plan.Server) -> plan.GuestRef | None:
        uuid = identities.uuid_of(server.uuid)
        found = self._cache.get(uuid) or self._cache.get(uuid, use_cache=False)
        if found is None:
            self._known.forget(uuid)
            return None
        self._known.remember(server.uuid)
        return _reference(found.uuid, found.name, server)

    def list(self) -> list[plan.GuestRef]:
        return [plan.GuestRef(lpar.uuid, lpar.name) for lpar in self._cache.all()]

    def uuids(self) -> builtins.list[str]:
        """Both that a partition may have where Nova has not named the server yet."""
        return [
            uuid
            for lpar in self._cache.all()
            for uuid in self._known.servers(lpar.uuid)
        ]

    def state(self, guest: plan.GuestRef, *, use_cache: bool) -> plan.GuestState:
        found = self._cache.get(guest.id, use_cache=use_cache)
        if found is None:
            raise exceptions.GuestNotFound(
                f"read the state of the partition {guest.name}", "it does not exist"
            )
        return plan.GuestState(state_of(found.state), str(found.id))

    def power_on(self, guest: plan.GuestRef) -> None:
        self._power.on(guest)

    def power_off(
        self, guest: plan.GuestRef, *, timeout: int, retry_interval: int
    ) -> None:
        self._power.off(guest, timeout)

    def reboot(self, guest: plan.GuestRef, *, hard: bool) -> None:
        self._power.reboot(guest, hard=hard)

    def diagnostics(self, guest: plan.GuestRef) -> plan.Values:
        """Three calls: the partition, its network adapters, its storage."""
        with errors.attempting(f"read the partition {guest.name}"):
            wrapper = self._read(guest.id)
            adapters = networks.adapters_of(self._adapter, guest)
        if wrapper is None:
            raise exceptions.GuestNotFound(
                f"read the partition {guest.name}", "it does not exist"
            )
        shared = wrapper.proc_config.shared_proc_cfg
        return {
            "hypervisor_os": wrapper.operating_system,
            "num_cpus": int(shared.desired_virtual)
            if shared is not None
            else int(wrapper.proc_config.dedicated_proc_cfg.desired),
            "memory_max": int(wrapper.mem_config.desired),
            "memory_used": int(wrapper.mem_config.current or 0),
            "nics": [networks.colons(adapter.mac) for adapter in adapters],
            "num_disks": self._mappings.count(guest),
        }
