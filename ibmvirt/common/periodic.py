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

"""Work that is done again and again in a thread of its own."""

from __future__ import annotations

import collections.abc
import logging
import threading

LOG = logging.getLogger(__name__)

_JOIN = 10.0


class Periodic:
    """Runs an action after each interval, or when woken, until :meth:`stop`.

    :param interval: gives the seconds to wait before the next turn.
    :param action: what it raises is logged, and the next turn comes.
    """

    def __init__(
        self,
        name: str,
        interval: collections.abc.Callable[[], float],
        action: collections.abc.Callable[[], None],
    ) -> None:
        self._name = name
        self._interval = interval
        self._action = action
        self._stopping = threading.Event()
        self._woken = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        if self._thread is None:
            # Its own: a turn that outlasts a stop does not go on with the next.
            self._stopping, self._woken = threading.Event(), threading.Event()
            self._thread = threading.Thread(
                target=self._run,
                args=(self._stopping, self._woken),
                name=self._name,
                daemon=True,
            )
            self._thread.start()

    def wake(self) -> None:
        """Let the next turn come now; after one that is under way, once more."""
        self._woken.set()

    def stop(self) -> None:
        """End the waiting; a turn that is under way is given some seconds."""
        self._stopping.set()
        self._woken.set()
        if self._thread is not None:
            self._thread.join(_JOIN)
            self._thread = None

    def _run(self, stopping: threading.Event, woken: threading.Event) -> None:
        while True:
            woken.wait(self._interval())
            woken.clear()
            if stopping.is_set():
                return
            try:
                self._action()
            except Exception:
                LOG.exception("%s failed; it is tried again", self._name)
