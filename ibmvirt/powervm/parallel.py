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


"""The same on several VIOSes at once, and one after the other on a volume."""

from __future__ import annotations

import collections.abc
import concurrent.futures
import contextlib
import contextvars
import logging
import threading

from ibmvirt.common import context
from ibmvirt.powervm.rest import topology

LOG = logging.getLogger(__name__)


def over_vioses(
    change: collections.abc.Callable[[topology.Vios], None],
    vioses: tuple[topology.Vios, ...],
) -> None:
    """Call for every VIOS at once; the first error, when all have ended.

    The others' errors are logged.
    """
    if len(vioses) == 1:
        change(vioses[0])
        return
    with concurrent.futures.ThreadPoolExecutor(
        len(vioses), initializer=context.same_request()
    ) as pool:
        futures = [
            pool.submit(contextvars.copy_context().run, change, vios) for vios in vioses
        ]
    failed = [error for future in futures if (error := future.exception())]
    for error in failed[1:]:
        LOG.warning("%s", error)
    if failed:
        raise failed[0]


class Locks:
    """A lock for each name, kept as long as somebody holds or wants it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._locks: dict[str, tuple[threading.Lock, int]] = {}

    @contextlib.contextmanager
    def hold(
        self, names: collections.abc.Iterable[str]
    ) -> collections.abc.Iterator[None]:
        """Hold the locks of all names, taken in one order everywhere."""
        with contextlib.ExitStack() as stack:
            for name in sorted(set(names)):
                stack.enter_context(self._one(name))
            yield

    @contextlib.contextmanager
    def attempt(self, name: str) -> collections.abc.Iterator[bool]:
        """Hold a lock if nobody does; whether it is held."""
        with self._lock:
            free = name not in self._locks
            if free:
                lock = threading.Lock()
                lock.acquire()
                self._locks[name] = (lock, 1)
        try:
            yield free
        finally:
            if free:
                with self._lock:
                    self._leave(name)
                    lock.release()

    def _leave(self, name: str) -> None:
        lock, users = self._locks.pop(name)
        if users > 1:
            self._locks[name] = (lock, users - 1)

    @contextlib.contextmanager
    def _one(self, name: str) -> collections.abc.Iterator[None]:
        with self._lock:
            lock, users = self._locks.get(name, (threading.Lock(), 0))
            self._locks[name] = (lock, users + 1)
        try:
            with lock:
                yield
        finally:
            with self._lock:
                self._leave(name)
