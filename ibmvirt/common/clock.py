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

"""Time as the drivers see it: every wait goes through here."""

from __future__ import annotations

import collections.abc
import threading
import time
import typing

# At most this many seconds pass before a wait looks whether to stop.
LOOK = 5.0


class Clock(typing.Protocol):
    """A monotonic clock, seconds."""

    def now(self) -> float: ...

    def sleep(self, seconds: float) -> None: ...

    def wait(self, condition: threading.Condition, seconds: float) -> None:
        """Wait for a condition that is held, so long at most."""
        ...


class SystemClock:
    """The real clock; ``scale`` below 1 shortens sleeps, for tests."""

    def __init__(self, scale: float = 1.0) -> None:
        self._scale = scale

    def now(self) -> float:
        return time.monotonic() / self._scale

    def sleep(self, seconds: float) -> None:
        time.sleep(max(0.0, seconds) * self._scale)

    def wait(self, condition: threading.Condition, seconds: float) -> None:
        condition.wait(max(0.0, seconds) * self._scale)


_system: Clock = SystemClock()
_lock = threading.Lock()


def system() -> Clock:
    return _system


def use(clock: Clock) -> Clock:
    """Make ``clock`` the system's and return the former one, for tests."""
    global _system
    with _lock:
        former, _system = _system, clock
    return former


def now() -> float:
    return _system.now()


def sleep(seconds: float) -> None:
    _system.sleep(seconds)


def wait(condition: threading.Condition, seconds: float) -> None:
    _system.wait(condition, seconds)


def backoff(
    first: float = 0.1, factor: float = 1.6, most: float = LOOK
) -> collections.abc.Iterator[float]:
    """Growing delays, in seconds, without an end."""
    delay = first
    while True:
        yield delay
        delay = min(most, delay * factor)
