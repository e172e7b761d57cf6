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

"""Telling Nova that the platform's interface is away, and that it is back.

While it is away the service is shown as disabled, with the reason, and the
scheduler leaves the node out. What an operator disabled stays disabled.
"""

from __future__ import annotations

import collections.abc
import logging
import threading
import typing

import nova.conf
import nova.exception
from nova import context as nova_context
from nova import objects
from nova.virt import node as nova_node

LOG = logging.getLogger(__name__)
CONF = nova.conf.CONF

# As Nova marks what it disabled by itself.
_PREFIX = "AUTO: "
_LENGTH = 255

Action = collections.abc.Callable[[], None]


class Availability:
    """What is known of the platform, and what waits for it.

    ``starting`` is set while Nova goes through its servers at service start: it
    would end the service at an error then.
    """

    def __init__(self, virtapi: typing.Any) -> None:
        self._virtapi = virtapi
        self._lock = threading.Lock()
        self._told: bool | None = None
        self._waiting: list[Action] = []
        self.starting = False

    def changed(self, reason: str | None) -> None:
        """Take what is seen now: why the platform is away, or None.

        May be told the same again and again; where Nova could not be told, the
        next time tries it.
        """
        away = reason is not None
        if not away:
            self._go_on()
        if away == self._told:
            return
        try:
            self._tell(reason)
        except nova.exception.NotFound as error:
            LOG.debug("the service or its node is new: %s", error)
            return
        except Exception as error:
            # The conductor may be away too.
            LOG.warning("Nova could not be told about the node: %s", error)
            return
        self._told = away

    def when_available(self, action: Action) -> None:
        """Run it once the platform is there."""
        with self._lock:
            self._waiting.append(action)

    def _go_on(self) -> None:
        with self._lock:
            actions, self._waiting = self._waiting, []
        for action in actions:
            try:
                action()
            except Exception:
                LOG.exception("what waited for the platform failed")

    def _tell(self, reason: str | None) -> None:
        request = nova_context.get_admin_context()
        service = objects.Service.get_by_compute_host(request, CONF.host)
        ours = (service.disabled_reason or "").startswith(_PREFIX)
        if service.disabled and not ours:
            return
        if service.disabled != (reason is not None):
            service.disabled = reason is not None
            service.disabled_reason = f"{_PREFIX}{reason}"[:_LENGTH] if reason else None
            service.save()
        self._virtapi.update_compute_provider_status(
            request, nova_node.get_local_node_uuid(), enabled=reason is None
        )
