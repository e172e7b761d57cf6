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

"""Lifecycle events for Nova.

A guest that restarts is off for a moment. If Nova heard of that, it would
power the guest off for good. So a stop is reported only when the guest has
been off for :data:`SETTLE` seconds and no operation of ours is under way. What
an operation does to the guest Nova knows; what happens during one that leaves
the guest's state alone is reported after it.
"""

from __future__ import annotations

import collections
import collections.abc
import contextlib
import threading

from nova.compute import power_state
from nova.virt import event as nova_event

from ibmvirt.common import clock

# Seconds that a guest must be off before Nova is told.
SETTLE = 15.0

_TRANSITIONS = {
    power_state.RUNNING: nova_event.EVENT_LIFECYCLE_STARTED,
    power_state.SHUTDOWN: nova_event.EVENT_LIFECYCLE_STOPPED,
    power_state.CRASHED: nova_event.EVENT_LIFECYCLE_STOPPED,
    power_state.PAUSED: nova_event.EVENT_LIFECYCLE_PAUSED,
}
_STOPPED = frozenset({power_state.SHUTDOWN, power_state.CRASHED})

Emit = collections.abc.Callable[[nova_event.LifecycleEvent], None]


class Reporter:
    """Turns state changes into events; one thread, started by :meth:`start`."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._condition = threading.Condition()
        self._pending: dict[str, tuple[float, int]] = {}
        # Last states that were seen during operations.
        self._held: dict[str, int] = {}
        self._busy: collections.Counter[str] = collections.Counter()
        self._thread: threading.Thread | None = None
        self._stopping = False

    def start(self) -> None:
        if self._thread is None:
            self._stopping = False
            self._thread = threading.Thread(
                target=self._run, name="lifecycle-events", daemon=True
            )
            self._thread.start()

    def stop(self) -> None:
        """Stop and join the thread; what was not settled is not reported."""
        with self._condition:
            self._stopping = True
            self._pending.clear()
            self._held.clear()
            self._condition.notify_all()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    @contextlib.contextmanager
    def operating(
        self, uuid: str, *, changes: bool = True
    ) -> collections.abc.Iterator[None]:
        """While the block runs, nothing is reported.

        :param changes: the block changes the guest's state: what was seen until
            its end is not reported after it either.
        """
        with self._condition:
            self._busy[uuid] += 1
            if uuid in self._pending:
                self._held[uuid] = self._pending.pop(uuid)[1]
            if changes:
                self._held.pop(uuid, None)
        try:
            yield
        finally:
            with self._condition:
                if changes:
                    self._held.pop(uuid, None)
                self._busy[uuid] -= 1
                if not self._busy[uuid]:
                    del self._busy[uuid]
                    if uuid in self._held:
                        self._await(uuid, self._held.pop(uuid))

    def changed(self, uuid: str, state: int) -> None:
        """A guest is seen in a nova power state."""
        with self._condition:
            if self._stopping:
                return
            if state not in _TRANSITIONS:
                # On its way: what was seen before does not last.
                self._pending.pop(uuid, None)
                self._held.pop(uuid, None)
            elif uuid in self._busy:
                self._held[uuid] = state
            else:
                self._await(uuid, state)

    def _await(self, uuid: str, state: int) -> None:
        """Report it, if it lasts; called with the condition held."""
        wait = SETTLE if state in _STOPPED else 0.0
        self._pending[uuid] = (clock.now() + wait, state)
        self._condition.notify_all()

    def _run(self) -> None:
        while True:
            with self._condition:
                if self._stopping:
                    return
                now = clock.now()
                due = [u for u, (at, _state) in self._pending.items() if at <= now]
                ready = [(uuid, self._pending.pop(uuid)[1]) for uuid in due]
                if not ready:
                    clock.wait(self._condition, self._next(now))
            for uuid, state in ready:
                self._emit(nova_event.LifecycleEvent(uuid, _TRANSITIONS[state]))

    def _next(self, now: float) -> float:
        waits = [at - now for at, _state in self._pending.values()]
        return max(0.05, min([*waits, clock.LOOK]))
