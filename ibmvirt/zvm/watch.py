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

"""Looking whether the Connector answers."""

from __future__ import annotations

import collections.abc
import logging

from ibmvirt.common import context, exceptions
from ibmvirt.zvm.client import connector

LOG = logging.getLogger(__name__)

_AWAY_INTERVAL = 2.0


class Watch:
    """While the Connector is away, calls fail at once instead of each trying.

    :param interval: seconds between looks while it answers.
    """

    def __init__(self, calls: connector.Connector, interval: float) -> None:
        self._calls = calls
        self._interval = interval
        self._told: collections.abc.Callable[[str | None], None] = lambda _reason: None

    def tell(self, told: collections.abc.Callable[[str | None], None]) -> None:
        """Call ``told`` with why it is away, or None, after every look."""
        self._told = told

    def interval(self) -> float:
        if self._calls.away:
            return min(self._interval, _AWAY_INTERVAL)
        return self._interval

    def look(self) -> bool:
        """Whether it answers."""
        was = self._calls.away
        with context.background("watch"):
            try:
                self._calls.probe()
            except exceptions.IBMVirtError as error:
                self._calls.away = str(error)
                if not was:
                    LOG.error("The node is down: %s", error)
            else:
                self._calls.away = ""
                if was:
                    LOG.info("the Connector answers again")
            self._told(self._calls.away or None)
        return not self._calls.away
