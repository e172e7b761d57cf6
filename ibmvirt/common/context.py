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

"""The operation that a thread works for.

Every request to a hypervisor carries the memento of its operation, so that
the hypervisor's own log, and a simulator's journal, can be read by operation.
The current operation is a context variable; the engine hands it on to the
threads of a flow, and Nova's request with it, which the log names and oslo.context
keeps for each thread.
"""

from __future__ import annotations

import collections.abc
import contextlib
import contextvars
import dataclasses
import logging
import threading

from oslo_context import context as oslo_context

from ibmvirt.common import clock, exceptions

LOG = logging.getLogger(__name__)

# Returns why to stop, or None; may ask the database, and fail.
Probe = collections.abc.Callable[[], str | None]


@dataclasses.dataclass(eq=False)
class Operation:
    """One call of Nova on one server, or a background task.

    :param name: spawn, destroy, attach_volume, ...
    :param target: the server's UUID, or the name of a task.
    :param probe: tells whether Nova no longer wants this; asked at most
        every :data:`clock.LOOK` seconds, from any thread.
    """

    name: str
    target: str
    request_id: str | None = None
    probe: Probe | None = None
    _stop: str | None = None
    _asked: float = float("-inf")
    _lock: threading.Lock = dataclasses.field(default_factory=threading.Lock)

    @property
    def memento(self) -> str:
        return f"{self.name}:{self.target}"

    def stop(self, reason: str) -> None:
        """Let every thread of the operation stop at its next look."""
        with self._lock:
            self._stop = self._stop or reason

    def stopped(self) -> str | None:
        """Why the operation shall stop, or None."""
        if self._stop is None and self.probe is not None:
            with self._lock:
                due = clock.now() - self._asked >= clock.LOOK
                if due:
                    self._asked = clock.now()
            if due and (reason := self._ask(self.probe)):
                self.stop(reason)
        return self._stop

    def _ask(self, probe: Probe) -> str | None:
        try:
            return probe()
        except Exception as error:
            # That Nova cannot tell now is no reason to undo the work.
            LOG.warning("%s: not known whether to stop: %s", self.memento, error)
            return None


_current: contextvars.ContextVar[Operation | None] = contextvars.ContextVar(
    "ibmvirt_operation", default=None
)
# Reverts run to their end, whatever Nova thinks of the operation.
_reverting: contextvars.ContextVar[bool] = contextvars.ContextVar(
    "ibmvirt_reverting", default=False
)


@contextlib.contextmanager
def operation(work: Operation) -> collections.abc.Iterator[Operation]:
    """Run the block as a part of ``work``."""
    token = _current.set(work)
    try:
        yield work
    finally:
        _current.reset(token)


@contextlib.contextmanager
def background(task: str) -> collections.abc.Iterator[Operation]:
    """Run the block as a background task, memento ``bg:<task>``."""
    with operation(Operation("bg", task)) as work:
        yield work


@contextlib.contextmanager
def reverting() -> collections.abc.Iterator[None]:
    """Run the block to its end: :func:`check` is silent in it."""
    token = _reverting.set(True)
    try:
        yield
    finally:
        _reverting.reset(token)


def current() -> Operation | None:
    return _current.get()


def same_request() -> collections.abc.Callable[[], None]:
    """What a new thread calls first to log under the request of this one."""
    request = oslo_context.get_current()

    def begin() -> None:
        if request is not None:
            request.update_store()

    return begin


def current_memento() -> str:
    work = _current.get()
    return work.memento if work is not None else "bg:unknown"


def check() -> None:
    """:raises Cancelled: the current operation shall stop."""
    work = _current.get()
    if work is None or _reverting.get():
        return
    if reason := work.stopped():
        raise exceptions.Cancelled(f"go on with {work.memento}", reason)


def wait(seconds: float) -> None:
    """Sleep, and look at least every :data:`clock.LOOK` seconds.

    :raises Cancelled: the current operation shall stop.
    """
    end = clock.now() + seconds
    while True:
        check()
        left = end - clock.now()
        if left <= 0:
            return
        clock.sleep(min(left, clock.LOOK))
