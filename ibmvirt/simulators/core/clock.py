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

"""The one clock of a simulator: simulated seconds, a rate, manual advance."""

from __future__ import annotations

import collections.abc
import math
import threading
import time


class Clock:
    """Simulated time since the start, in seconds.

    :param rate: simulated seconds in a real one; 0 = time stands and is
        moved by :meth:`advance` alone.
    """

    def __init__(self, rate: float = 1.0) -> None:
        _check("rate", rate)
        self._condition = threading.Condition()
        self._rate = rate
        self._base = 0.0
        self._since = time.monotonic()

    @property
    def rate(self) -> float:
        return self._rate

    def now(self) -> float:
        with self._condition:
            return self._now()

    def _now(self) -> float:
        return self._base + (time.monotonic() - self._since) * self._rate

    def set_rate(self, rate: float) -> None:
        """:raises ValueError: not a finite number of at least 0."""
        _check("rate", rate)
        with self._condition:
            self._base, self._since = self._now(), time.monotonic()
            self._rate = rate
            self._condition.notify_all()

    def advance(self, seconds: float) -> None:
        """Move the time on and wake who waits for it.

        :raises ValueError: not a finite number of at least 0.
        """
        _check("advance", seconds)
        with self._condition:
            self._base += seconds
            self._condition.notify_all()

    def sleep(
        self,
        seconds: float,
        stop: collections.abc.Callable[[], bool] | None = None,
    ) -> None:
        """Wait simulated seconds, or until ``stop`` (asked now and then)."""
        self.sleep_until(self.now() + seconds, stop)

    def sleep_until(
        self,
        end: float,
        stop: collections.abc.Callable[[], bool] | None = None,
    ) -> None:
        """Wait until a simulated moment, or ``stop``."""
        with self._condition:
            while (left := end - self._now()) > 0:
                if stop is not None and stop():
                    return
                real = left / self._rate if self._rate else 0.1
                self._condition.wait(min(real, 0.1))

    def wait(
        self,
        condition: collections.abc.Callable[[], bool],
        timeout: float,
    ) -> bool:
        """Wait until a condition holds, at most ``timeout`` simulated seconds.

        :returns: whether it holds.
        """
        self.sleep(timeout, condition)
        return condition()


def _check(name: str, value: float) -> None:
    # NaN compares false with everything: asked for by isfinite.
    if not math.isfinite(value) or value < 0:
        raise ValueError(f"{name}: must be a finite number of at least 0")
