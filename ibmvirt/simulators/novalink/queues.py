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


"""Writes to one VIOS are done one by one, as a VIOS does them (documented).

Only the time that a write takes is spent in the queue: without latency nobody
waits. When too many wait, the VIOS answers that it is busy (assumed: when).
"""

from __future__ import annotations

import collections
import collections.abc
import contextlib
import threading

from ibmvirt.simulators.core import calls
from ibmvirt.simulators.novalink.refusals import refuse

KIND = "VirtualIOServer/"
LIMIT = 32


class Queues:
    """The queues of one system's VIOSes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._waiting: collections.Counter[str] = collections.Counter()

    def of(self, key: str) -> contextlib.AbstractContextManager[object]:
        """The queue of an object, by its key; only VIOSes have one."""
        return self._turn(key) if key.startswith(KIND) else calls.FREE

    @contextlib.contextmanager
    def _turn(self, key: str) -> collections.abc.Iterator[None]:
        """:raises Refusal: the VIOS is busy."""
        with self._lock:
            if self._waiting[key] >= LIMIT:
                raise refuse("busy")
            self._waiting[key] += 1
            lock = self._locks.setdefault(key, threading.Lock())
        try:
            with lock:
                yield
        finally:
            with self._lock:
                self._waiting[key] -= 1
