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

"""Starting and stopping partitions."""

from __future__ import annotations

import collections.abc
import contextlib
import logging

from ibmvirt.common import capability, clock, context, exceptions, plan
from ibmvirt.powervm import lpar_cache
from ibmvirt.powervm.rest import errors, jobs

LOG = logging.getLogger(__name__)

# Message ids of jobs that have nothing to do (documented in pypowervm).
_IS_OFF = ("HSCL1558", "PVME04000005", "PVME01050901")
_IS_ON = ("HSCL3681", "PVME01042026")
_OFF = "not activated"
_IBM_I = "OS400"
# Seconds that a soft reboot leaves the system for each orderly way.
_SOFT = 120.0


class Power(capability.CrashDump):
    """Power operations; what they did is written into the cache."""

    def __init__(
        self,
        runner: jobs.Jobs,
        cache: lpar_cache.LparCache,
        at_boot: collections.abc.Callable[
            [plan.GuestRef], contextlib.AbstractContextManager[dict[str, str]]
        ],
    ) -> None:
        """:param at_boot: further parameters of a start; told how it ends."""
        self._jobs = runner
        self._cache = cache
        self._at_boot = at_boot

    def on(self, guest: plan.GuestRef) -> None:
        what = f"start the partition {guest.name}"
        parameters = {"force": "false", "novsi": "true"}
        known = self._cache.get(guest.id)
        if known is not None and known.type != _IBM_I:
            # Not into the firmware's menus, where somebody may have left it.
            parameters["bootmode"] = "norm"
        try:
            with self._at_boot(guest) as more:
                self._run(guest, "PowerOn", {**parameters, **more}, what)
        except errors.JobFailed as error:
            if not _says(error, _IS_ON):
                raise
        self._refresh(guest)

    def off(self, guest: plan.GuestRef, timeout: float) -> None:
        """Ask the system first for ``timeout`` seconds; 0 = stop at once."""
        known = self._cache.get(guest.id)
        if known is not None and known.state == _OFF:
            # The cache may be behind; the platform says so at no more cost.
            known = self._cache.get(guest.id, use_cache=False)
            if known is None or known.state == _OFF:
                return
        if timeout and self._ask(guest, timeout):
            return
        what = f"stop the partition {guest.name}"
        self._stop(guest, {"operation": "shutdown", "immediate": "true"}, what)

    def _ask(self, guest: plan.GuestRef, timeout: float) -> bool:
        """The orderly ways, one after the other; whether one stopped it."""
        end = clock.now() + timeout
        for parameters in _orderly(self._cache.get(guest.id)):
            left = end - clock.now()
            if left <= 0:
                break
            way = parameters["operation"]
            what = f"shut the partition {guest.name} down ({way})"
            try:
                self._stop(guest, parameters, what, left)
                return True
            except (errors.JobFailed, exceptions.WrongState) as error:
                LOG.info("%s", error)
                context.check()
        return False

    def reboot(self, guest: plan.GuestRef, *, hard: bool) -> None:
        """Restart; one that is off is started."""
        known = self._cache.get(guest.id, use_cache=False)
        if known is None:
            raise exceptions.GuestNotFound(
                f"restart the partition {guest.name}", "it does not exist"
            )
        if known.state == _OFF:
            self.on(guest)
            return
        what = f"restart the partition {guest.name}"
        for parameters in () if hard else _orderly(known):
            try:
                self._restart(guest, parameters, what, _SOFT)
                return
            except (errors.JobFailed, exceptions.WrongState) as error:
                LOG.info("%s", error)
                context.check()
        self._restart(guest, {"operation": "shutdown", "immediate": "true"}, what)

    def _restart(
        self,
        guest: plan.GuestRef,
        parameters: dict[str, str],
        what: str,
        timeout: float | None = None,
    ) -> None:
        stopped = self._stop(guest, {**parameters, "restart": "true"}, what, timeout)
        if not stopped:
            # It went off by itself meanwhile, and nobody restarts it.
            self.on(guest)

    def trigger(self, guest: plan.GuestRef) -> None:
        """Let the system dump its memory and restart."""
        what = f"dump and restart the partition {guest.name}"
        parameters = {"operation": "dumprestart", "immediate": "true"}
        self._run(guest, "PowerOff", parameters, what)
        self._refresh(guest)

    def _stop(
        self,
        guest: plan.GuestRef,
        parameters: dict[str, str],
        what: str,
        timeout: float | None = None,
    ) -> bool:
        """Whether this stopped it; False = it was off."""
        stopped = True
        try:
            self._run(guest, "PowerOff", parameters, what, timeout)
        except errors.JobFailed as error:
            if not _says(error, _IS_OFF):
                raise
            stopped = False
        if stopped and "restart" in parameters:
            self._refresh(guest)
        else:
            self._cache.set_state(guest.id, _OFF, "none")
        return stopped

    def _run(
        self,
        guest: plan.GuestRef,
        operation: str,
        parameters: dict[str, str],
        what: str,
        timeout: float | None = None,
    ) -> None:
        self._jobs.run(
            "LogicalPartition",
            guest.id,
            operation,
            parameters,
            what=what,
            timeout=timeout,
        )

    def _refresh(self, guest: plan.GuestRef) -> None:
        """It runs; events tell about RMC when that comes up."""
        known = self._cache.get(guest.id)
        if known is not None and known.state == _OFF:
            self._cache.set_state(guest.id, "running", known.rmc)


def _orderly(known: lpar_cache.Lpar | None) -> list[dict[str, str]]:
    """The ways to stop a partition in order, the gentlest first.

    Its system is asked through RMC, IBM i always; last comes the platform's own
    delayed shutdown.
    """
    ways = []
    if known is not None and known.type == _IBM_I:
        ways += [("osshutdown", "false"), ("osshutdown", "true")]
    elif known is not None and known.rmc == "active":
        ways += [("osshutdown", "true")]
    ways += [("shutdown", "false")]
    return [{"operation": name, "immediate": at_once} for name, at_once in ways]


def _says(error: Exception, codes: tuple[str, ...]) -> bool:
    return any(code in str(error) for code in codes)
