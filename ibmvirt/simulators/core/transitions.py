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

"""How states that take time go on: at once, with time, or by being asked.

A simulator names its transitions (``job:PowerOn``) and begins one where
something takes time; a test chooses how each of them goes on. With ``manual``
a test of polling needs neither time nor sleep: the n-th question finds it done.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import math
import threading
import typing

from ibmvirt.simulators.core import clock

PROGRESSIONS = ("immediate", "time", "manual")


@dataclasses.dataclass(frozen=True)
class Transition:
    """``seconds`` are simulated, None = what the simulator finds natural;
    ``times`` is the number of the question that finds it done."""

    progression: str
    seconds: float | None = None
    times: int = 1

    def export(self) -> dict[str, typing.Any]:
        return dataclasses.asdict(self)


class Progress:
    """One thing on its way to its next state."""

    def __init__(self, ticking: clock.Clock, how: Transition, natural: float) -> None:
        self._clock = ticking
        self._how = how
        span = natural if how.seconds is None else how.seconds
        self._end = ticking.now() + span
        self._left = how.times
        self._condition = threading.Condition()

    def ask(self) -> bool:
        """Whether it is done; for ``manual`` each question brings it on."""
        with self._condition:
            if self._how.progression == "manual" and self._left > 0:
                self._left -= 1
                self._condition.notify_all()
        return self.done()

    def done(self) -> bool:
        """Whether it is done, without bringing it on."""
        if self._how.progression == "time":
            return self._clock.now() >= self._end
        return self._how.progression == "immediate" or self._left <= 0

    def wait(self, stop: collections.abc.Callable[[], bool] | None = None) -> bool:
        """Wait until it is done, or ``stop`` says so (asked now and then)."""
        if self._how.progression == "time":
            self._clock.sleep(self._end - self._clock.now(), stop)
            return self.done()
        with self._condition:
            while not self.done():
                if stop is not None and stop():
                    return False
                self._condition.wait(0.1)
        return True


class Transitions:
    """The choices, by name; a name may end in ``*``, the longest counts."""

    def __init__(self, ticking: clock.Clock) -> None:
        self._clock = ticking
        self._lock = threading.Lock()
        self._chosen: dict[str, Transition] = {}

    def begin(self, name: str, natural: float = 0.0, *, at_once: bool) -> Progress:
        """Start a transition.

        :param natural: simulated seconds that it takes on the real platform.
        :param at_once: without a choice: done at once, or after its time.
        """
        found = self._find(name)
        if found is None:
            found = Transition("immediate" if at_once else "time")
        return Progress(self._clock, found, natural)

    def _find(self, name: str) -> Transition | None:
        with self._lock:
            if name in self._chosen:
                return self._chosen[name]
            fitting = [
                key
                for key in self._chosen
                if key.endswith("*") and name.startswith(key[:-1])
            ]
            return self._chosen[max(fitting, key=len)] if fitting else None

    def export(self) -> dict[str, dict[str, typing.Any]]:
        with self._lock:
            return {name: how.export() for name, how in self._chosen.items()}

    def set(self, given: typing.Any) -> None:
        """Choose for each name given; None takes a choice back.

        :raises ValueError: names the field; nothing is changed.
        """
        if not isinstance(given, dict):
            raise ValueError("transitions: must be an object")
        parsed = {name: _parse(name, value) for name, value in given.items()}
        with self._lock:
            for name, how in parsed.items():
                if how is None:
                    self._chosen.pop(name, None)
                else:
                    self._chosen[name] = how

    def clear(self) -> None:
        with self._lock:
            self._chosen.clear()


def _parse(name: str, given: typing.Any) -> Transition | None:
    if given is None:
        return None
    if not isinstance(given, dict):
        raise ValueError(f"{name}: must be an object or null")
    for field in given:
        if field not in ("progression", "seconds", "times"):
            raise ValueError(f"{name}.{field}: unknown field")
    progression = given.get("progression")
    if progression not in PROGRESSIONS:
        raise ValueError(f"{name}.progression: must be one of {list(PROGRESSIONS)}")
    seconds = given.get("seconds")
    if seconds is not None and (
        isinstance(seconds, bool)
        or not isinstance(seconds, int | float)
        or not math.isfinite(seconds)
        or seconds < 0
    ):
        raise ValueError(f"{name}.seconds: must be a number of at least 0")
    times = given.get("times", 1)
    if isinstance(times, bool) or not isinstance(times, int) or times < 1:
        raise ValueError(f"{name}.times: must be a whole number of at least 1")
    return Transition(progression, seconds, times)
