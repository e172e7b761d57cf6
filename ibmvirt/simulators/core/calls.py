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

"""A call on its way: received, validated, before, commit, after, answered."""

from __future__ import annotations

import collections.abc
import typing

from ibmvirt.simulators.core import clock, journal, latency, rules

Effect = dict[str, typing.Any]


class Refused(Exception):
    """The call is answered with an error; the simulator renders it."""

    def __init__(self, effect: Effect) -> None:
        super().__init__(str(effect))
        self.effect = effect


class Broken(Exception):
    """The connection ends: ``how`` is reset, drop or truncate."""

    def __init__(self, how: str) -> None:
        super().__init__(how)
        self.how = how


# Effects that a simulator carries out itself, by kind.
Handlers = collections.abc.Mapping[
    str, collections.abc.Callable[[Effect, "Call"], None]
]


class Instruments:
    """What every call of a simulator passes through."""

    def __init__(self, rate: float = 1.0, profile: str = "none") -> None:
        self.clock = clock.Clock(rate)
        self.journal = journal.Journal()
        self.rules = rules.Rules()
        self.latency = latency.Latency(profile)
        self.handlers: dict[str, collections.abc.Callable[[Effect, Call], None]] = {}

    def call(self, **record: typing.Any) -> Call:
        """Open the record of a call that was received."""
        return Call(self, record)


class Call:
    """One call; the transport drives it through its phases."""

    def __init__(self, instruments: Instruments, record: dict[str, typing.Any]) -> None:
        self._in = instruments
        self._started = instruments.clock.now()
        base = {
            "layer": "rest",
            "parent": None,
            "system": None,
            "t": round(self._started, 6),
            "dt": None,
            "memento": None,
            "target": None,
            "status": None,
            "rc": None,
            "sent": 0,
            "received": 0,
            "outcome": "held",
            "committed": False,
            "rule": None,
        }
        self.record = instruments.journal.open({**base, **record})
        self._truncate = False

    def before(self) -> None:
        """Nothing has changed. :raises Refused: or Broken: by a rule."""
        self._in.clock.sleep(self._in.latency.of(self.record))
        self._apply("before")

    def committed(self) -> None:
        self.record["committed"] = True

    def after(self) -> None:
        """Everything has changed. :raises Refused: or Broken: by a rule."""
        self._apply("after")
        if self._truncate:
            raise Broken("truncate")

    def answered(self, status: int, sent: int, outcome: str = "answered") -> None:
        self.record.update(
            status=status,
            sent=sent,
            outcome=outcome,
            dt=round(self._in.clock.now() - self._started, 6),
        )

    def _apply(self, phase: str) -> None:
        for rule in self._in.rules.pick(self.record, phase, "call"):
            self.record["rule"] = rule.id
            self._strike(rule)

    def _strike(self, rule: rules.Rule) -> None:
        effect = rule.effect
        kind = effect["kind"]
        if kind in ("refuse", "busy", "etag"):
            raise Refused(effect)
        if kind in ("reset", "drop"):
            raise Broken(kind)
        if kind == "truncate":
            self._truncate = True
        elif kind == "delay":
            self._in.clock.sleep(float(effect.get("seconds", 1)), rule.deleted.is_set)
        elif kind == "hold":
            self._in.rules.park(rule)
        elif kind == "hang":
            self._in.rules.park(rule)
            raise Broken("drop")
        elif kind in self._in.handlers:
            self._in.handlers[kind](effect, self)
        else:
            raise Refused({**effect, "kind": "refuse"})
