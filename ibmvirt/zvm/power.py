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

"""Guests of z/VM: started, stopped and restarted."""

from __future__ import annotations

import logging

from ibmvirt.common import clock, context, exceptions
from ibmvirt.zvm import paused
from ibmvirt.zvm.client import connector, errors

LOG = logging.getLogger(__name__)

_INTERVAL = 10
# Seconds that a guest may take to heed a soft reboot, as with libvirt
# (wait_soft_reboot_seconds): it may be starting, or be on its way down already.
_SOFT = 120.0
# iucvclnt's return codes where asking again is of no use: the guest takes no
# commands of this Connector, or the Connector's own programs are amiss.
_FOR_GOOD = (1, 2, 16, 32, 64, 255)


class Power:
    """What the Connector does with a guest's power.

    :param pauses: forgotten of a guest that starts or stops.
    """

    def __init__(self, calls: connector.Connector, pauses: paused.Paused) -> None:
        self._calls = calls
        self._pauses = pauses

    def on(self, user: str) -> None:
        self._calls.start(user)
        self._pauses.clear(user)

    def off(self, user: str, *, timeout: int, retry_interval: int) -> None:
        """Nova's timeout for the system to shut down, then the hard way."""
        if timeout:
            try:
                interval = retry_interval or _INTERVAL
                if self._pauses.is_paused(user):
                    # Its Linux is to shut down, and would not even answer.
                    self._calls.unpause(user)
                    self._pauses.clear(user)
                self._calls.soft_stop(user, timeout, min(interval, timeout))
            except errors.ConnectorError as error:
                if isinstance(error, errors.NotFound):
                    raise
        try:
            self._calls.stop(user)
        except errors.NotFound as error:
            raise exceptions.GuestNotFound(
                f"stop the guest {user}", error.reason
            ) from error
        self._pauses.clear(user)

    def reboot(self, user: str, *, hard: bool) -> None:
        """One that is off is started; one that heeds no soft reboot is reset."""
        if self._calls.power_state(user) != "on":
            self._calls.start(user)
        elif hard or self._pauses.is_paused(user) or not self._ask(user):
            self._reset(user)
        self._pauses.clear(user)

    def _reset(self, user: str) -> None:
        self._calls.act("reset", user)
        # Defect: where CP's query fails, the Connector takes the guest for one
        # that is off, leaves it so and reports success.
        if self._calls.power_state(user) != "on":
            self._calls.start(user)

    def _ask(self, user: str) -> bool:
        """Let the guest's Linux restart; whether it heeds that.

        The Connector sends a command into the guest. One that was sent may be
        carried out, though nobody says so: a guest that cannot be reached after
        that is on its way down, and is left to it.

        :raises ConnectorError: the Connector failed, not the guest.
        """
        end = clock.now() + _SOFT
        sent = False
        while True:
            try:
                self._calls.act("reboot", user)
                return True
            except errors.GuestSilent as error:
                failed: errors.ConnectorError = error
                sent = True
            except errors.GuestUnreachable as error:
                if sent:
                    LOG.info("%s goes down without an answer: %s", user, error)
                    return True
                failed = error
                if error.codes[1] in _FOR_GOOD:
                    end = clock.now()
            if clock.now() >= end:
                LOG.warning("%s is reset instead of a soft reboot: %s", user, failed)
                return False
            context.check()
            clock.sleep(_INTERVAL)
