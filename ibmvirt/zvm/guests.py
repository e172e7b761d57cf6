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

"""Guests of z/VM: defined, found, started and stopped."""

from __future__ import annotations

import builtins
import collections.abc
import logging
import threading
import typing

from nova.compute import power_state

from ibmvirt.common import capability, clock, context, exceptions, plan
from ibmvirt.zvm import (
    cluster,
    identity,
    layout,
    parts,
    paused,
    power,
    releases,
    residents,
    userids,
)
from ibmvirt.zvm.client import adapters, connector, errors

LOG = logging.getLogger(__name__)

# Seconds that a list of guests serves all who ask meanwhile: a sync of many
# servers' power states takes that long.
_LIST_AGE = 30.0
_NOW = 1.0
_DELETES, _DELETE_WAIT = 4, 2.0


def _minidisks(spec: plan.GuestSpec) -> tuple[layout.Minidisk, ...]:
    part: parts.GuestPart = spec.platform
    return layout.minidisks(spec.server.name, spec.disks, part.image, part.pool)


class GuestList:
    """The Connector's list of guests, fetched by one for all.

    Without the guests that moved to another member of a cluster.
    """

    def __init__(self, calls: connector.Connector) -> None:
        self._calls = calls
        self._lock = threading.Lock()
        self._names: frozenset[str] = frozenset()
        self._at = float("-inf")

    def get(self) -> frozenset[str]:
        with self._lock:
            if clock.now() - self._at > _LIST_AGE:
                self._fetch()
            return self._names

    def has(self, name: str) -> bool:
        """A guest that is not on a list of late is looked for once more."""
        with self._lock:
            if clock.now() - self._at > _LIST_AGE or name not in self._names:
                self._fetch()
            return name in self._names

    def has_now(self, name: str) -> bool:
        """By a list of this moment: the same operation may just have looked."""
        with self._lock:
            if clock.now() - self._at > _NOW:
                self._fetch()
            return name in self._names

    def _fetch(self) -> None:
        self._names = self._calls.guests()
        self._at = clock.now()

    def add(self, name: str) -> None:
        with self._lock:
            self._names |= {name}

    def remove(self, name: str) -> None:
        with self._lock:
            self._names -= {name}


class Guests(capability.Guests):
    """Virtual machines by the Connector.

    :param gone: called with the userid of a guest that was removed.
    """

    def __init__(
        self,
        calls: connector.Connector,
        names: GuestList,
        pauses: paused.Paused,
        userids: userids.Userids,
        members: cluster.Cluster,
        gone: collections.abc.Callable[[str], None],
        made_of: parts.Parts,
        here: residents.Residents,
    ) -> None:
        self._residents = here
        self._parts = made_of
        self._calls = calls
        self._adapters = adapters.Adapters(calls)
        self._names = names
        self._pauses = pauses
        self._power = power.Power(calls, pauses)
        self._userids = userids
        self._cluster = members
        self._gone = gone

    def platform(
        self, server: plan.Server, flavor: plan.Values, image: plan.Image | None
    ) -> parts.GuestPart:
        return self._parts.of(server, flavor, image)

    def check(self, spec: plan.GuestSpec) -> None:
        _minidisks(spec)

    def record(self, spec: plan.GuestSpec) -> plan.Values:
        return {
            **self._userids.of(spec.server),
            identity.OS_KEY: spec.platform.os_version,
        }

    def define(self, spec: plan.GuestSpec) -> plan.GuestRef:
        record = self.record(spec)
        user = record[identity.KEY]
        disks = [disk.entry() for disk in _minidisks(spec)]
        # Before: the service may be killed while the guest is made.
        self._residents.begin(user, spec.server.uuid, residents.Build.of(spec))
        try:
            self._calls.create_guest(user, spec.vcpus, spec.memory_mib, disks)
        except errors.AlreadyExists as error:
            # It was free when it was chosen, or when the server's former guest
            # was deleted: somebody else was faster.
            self._userids.withdraw(spec.server)
            self._residents.forget(user)
            with context.reverting():
                self._forget(user)
            raise exceptions.NameTaken(
                error.attempted,
                error.reason,
                f"the server gets another userid when it is built again; delete {user} "
                "if it is left of this server",
            ) from error
        except errors.ConnectorError:
            # It may be there in half: it is removed, and the build fails.
            self._userids.withdraw(spec.server)
            with context.reverting():
                self._remove_half_made(spec.server, user)
            raise
        # One that somebody else removed may have been paused.
        self._pauses.clear(user)
        self._names.add(user)
        self._residents.keep(user, spec.server.uuid)
        self._userids.withdraw(spec.server)
        return plan.GuestRef(user, user, uuid=spec.server.uuid, record=record)

    def _remove_half_made(self, server: plan.Server, user: str) -> None:
        try:
            if self._is_of(server, user):
                self._calls.delete_half_made(user)
        except errors.ConnectorError as error:
            # The first error is the one to tell.
            LOG.warning("%s", error)

    def _forget(self, user: str) -> None:
        """Nothing waits any more for a guest of this name."""
        try:
            self._gone(user)
        except exceptions.IBMVirtError as error:
            # The first error is the one to tell; a sweep comes by.
            LOG.warning("%s", error)

    def undefine(self, guest: plan.GuestRef) -> None:
        self._calls.delete_guest(guest.id)
        self._check_deleted(guest.id)
        self._names.remove(guest.id)
        self._pauses.clear(guest.id)
        self._residents.forget(guest.id)
        self._gone(guest.id)

    def _check_deleted(self, user: str) -> None:
        """That the directory has the guest no more.

        Defect: where CP's query fails, the Connector takes the guest for one
        that is not there, and reports success. And the directory manager may
        need a moment.
        """
        for _attempt in range(_DELETES):
            if self._calls.directory_entry(user) is None:
                return
            self._calls.delete_half_made(user)
            clock.sleep(_DELETE_WAIT)
        if self._calls.directory_entry(user) is not None:
            raise exceptions.HypervisorError(
                f"delete the guest {user}",
                "the Connector reported success, and the directory still has it",
                "look at the Connector's zvmsdk.log and at the directory manager",
            )

    def find(self, server: plan.Server) -> plan.GuestRef | None:
        user = identity.known(server)
        if not user or not self._names.has(user) or not self._is_of(server, user):
            return None
        self._residents.keep(user, server.uuid)
        return _reference(server, user)

    def _is_of(self, server: plan.Server, user: str) -> bool:
        """Whether the guest of a userid that a server has noted is its guest.

        The userid is noted before the guest is made. Where the service was
        killed between, whoever came next may have taken it. What a server that
        never ran has is what this service knows that it made.
        """
        found = self._residents.get(user)
        if found is None:
            return server.launched
        if found.server != server.uuid:
            return False
        if found.build is None:
            return True
        entry = self._calls.directory_entry(user)
        return entry is not None and found.build.has_made(entry)

    def find_removable(self, server: plan.Server) -> plan.GuestRef | None:
        user = identity.known(server)
        if not user:
            return None
        registered = self._names.has(user)
        if not registered and self._calls.directory_entry(user) is None:
            self._residents.drop(user, server.uuid)
            return None
        if not self._is_of(server, user):
            LOG.warning(
                "The guest %s is left alone: the server %s (%s) has that userid, and "
                "nothing tells that the guest was made for it. Delete it if it is "
                "left of a build of the server", user, server.name, server.uuid,
            )  # fmt: skip
            self._residents.leave(user, server.uuid)
            return None
        if not registered:
            # A build ended in the middle of its creation, or it was taken out
            # of the Connector's database. Our Connector must know it first.
            self._cluster.check_unregistered(user, launched=server.launched)
            if not self._calls.register(user):
                return None
            self._names.add(user)
        self._cluster.check_removable(user, launched=server.launched)
        return _reference(server, user)

    def list(self) -> list[plan.GuestRef]:
        return [plan.GuestRef(name, name) for name in sorted(self._names.get())]

    def uuids(self) -> builtins.list[str]:
        """Of the servers whose guests this service made, or was asked about."""
        kept = self._residents.all()
        here = self._names.get()
        # What is being made comes on the list when it is made.
        self._residents.forget_gone(
            {
                user: one
                for user, one in kept.items()
                if user not in here and one.build is None
            }
        )
        servers = [kept[user].server for user in sorted(kept) if user in here]
        return [server for server in servers if server]

    def state(self, guest: plan.GuestRef, *, use_cache: bool) -> plan.GuestState:
        text = self._calls.power_state(guest.id)
        if text != "on" and not use_cache and not self._names.has_now(guest.id):
            # CP says the same of a user that is off and of one that is not there.
            raise exceptions.GuestNotFound(
                f"read the power state of the guest {guest.id}",
                "the Connector has no such guest",
            )
        if text != "on":
            # Who logs it on again may not be us.
            self._pauses.clear(guest.id)
            return plan.GuestState(power_state.SHUTDOWN, guest.id)
        if self._pauses.is_paused(guest.id):
            return plan.GuestState(power_state.PAUSED, guest.id)
        return plan.GuestState(power_state.RUNNING, guest.id)

    # -- power ----------------------------------------------------------------

    def power_on(self, guest: plan.GuestRef) -> None:
        self._power.on(guest.id)

    def power_off(
        self, guest: plan.GuestRef, *, timeout: int, retry_interval: int
    ) -> None:
        self._power.off(guest.id, timeout=timeout, retry_interval=retry_interval)

    def reboot(self, guest: plan.GuestRef, *, hard: bool) -> None:
        self._power.reboot(guest.id, hard=hard)

    def diagnostics(self, guest: plan.GuestRef) -> plan.Values:
        """What z/VM counts; of a guest that is off or paused, its definition."""
        entry = self._calls.directory_entry(guest.id) or []
        disks = sum(line.startswith("MDISK ") for line in entry)
        values: dict[str, typing.Any] = {"num_disks": disks}
        on = self._calls.power_state(guest.id) == "on"
        # For the rest the Connector also asks the guest's Linux, and waits.
        if not on or self._pauses.is_paused(guest.id):
            return values
        found = self._calls.info(guest.id)
        values.update(
            hypervisor_os=found.get("os_distro") or None,
            num_cpus=int(found["num_cpu"]),
            cpu_time_us=int(found["cpu_time_us"]),
            memory_max=int(found["max_mem_kb"]) // 1024,
            memory_used=int(found["mem_kb"]) // 1024,
            nics=self._adapters.macs(guest.id),
        )
        return values


def _reference(server: plan.Server, user: str) -> plan.GuestRef:
    """A guest as the next calls need it; also one of nova.virt.zvm's."""
    os_version = server.system_metadata.get(identity.OS_KEY)
    record = {identity.OS_KEY: os_version or releases.recorded(server)}
    return plan.GuestRef(user, user, uuid=server.uuid, record=record)


class Pause(capability.Pause):
    """CP's STOP and BEGIN; the Connector itself forgets about them."""

    def __init__(self, calls: connector.Connector, pauses: paused.Paused) -> None:
        self._calls = calls
        self._pauses = pauses

    def pause(self, guest: plan.GuestRef) -> None:
        self._calls.pause(guest.id)
        self._pauses.keep(guest.id)

    def unpause(self, guest: plan.GuestRef) -> None:
        self._calls.unpause(guest.id)
        self._pauses.clear(guest.id)


class Consoles(capability.Consoles):
    """The spooled console."""

    def __init__(self, calls: connector.Connector) -> None:
        self._calls = calls

    def log(self, guest: plan.GuestRef) -> str:
        return str(self._calls.act("get_console_output", guest.id))
