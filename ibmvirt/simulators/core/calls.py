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
import contextlib
import typing

from ibmvirt.simulators.core import clock, journal, latency, rules, transitions

Effect = dict[str, typing.Any]
# How a call ended, for the journal, by how its connection was broken.
OUTCOMES = {"drop": "dropped"}
# No queue: calls take their time side by side.
FREE: contextlib.AbstractContextManager[object] = contextlib.nullcontext()


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
        # What is cut by ``truncate``, if there is an answer already: status,
        # headers and body.
        self.answer: tuple[int, dict[str, str], bytes] | None = None


# An effect that a simulator carries out itself. It may raise Refused or Broken.
Handler = collections.abc.Callable[[Effect, "Call"], None]


class Instruments:
    """What every call of a simulator passes through."""

    def __init__(self, rate: float = 1.0, profile: str = "none") -> None:
        self.clock = clock.Clock(rate)
        self.journal = journal.Journal()
        self.rules = rules.Rules()
        self.latency = latency.Latency(profile)
        self.transitions = transitions.Transitions(self.clock)
        self._handlers: dict[str, Handler] = {}

    def handle(self, **handlers: Handler) -> None:
        """Offer effects of rules, by kind; until then they are refused."""
        self._handlers.update(handlers)
        self.rules.kinds.update(handlers)

    def offer(self, *kinds: str) -> None:
        """Offer effects that the simulator finds by itself, such as ``job``."""
        self.rules.kinds.update(kinds)

    def handler(self, kind: str) -> Handler | None:
        return self._handlers.get(kind)

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

    def before(self, queue: contextlib.AbstractContextManager[object] = FREE) -> None:
        """Nothing has changed. :raises Refused: or Broken: by a rule.

        :param queue: what the platform does one by one; what a rule holds does
            not hold up the queue.
        """
        span = self._in.latency.of(self.record)
        if span:
            with queue:
                self._in.clock.sleep(span)
        self._apply("before")

    def committed(self) -> None:
        self.record["committed"] = True

    def after(self) -> None:
        """Everything has changed. :raises Refused: or Broken: by a rule."""
        self._apply("after")

    def answered(self, status: int, sent: int, outcome: str = "answered") -> None:
        """The call is over; ``outcome`` may be how the connection was broken."""
        self._in.journal.close(
            self.record,
            status=status,
            sent=sent,
            outcome=OUTCOMES.get(outcome, outcome),
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
        if kind in ("reset", "drop", "truncate"):
            raise Broken(kind)
        if kind == "delay":
            end = self._in.clock.now() + float(effect.get("seconds", 1))
            with self._in.rules.parked(rule):
                self._in.clock.sleep_until(end, rule.deleted.is_set)
        elif kind in ("hold", "hang"):
            self._in.rules.park(rule)
        else:
            self._carry_out(kind, effect)
        if kind == "hang" or rule.dropped:
            raise Broken("drop")

    def _carry_out(self, kind: str, effect: Effect) -> None:
        handler = self._in.handler(kind)
        if handler is None:
            raise Refused({**effect, "kind": "refuse"})
        try:
            handler(effect, self)
        except (KeyError, ValueError) as error:
            # A mistake in the rule is seen by the client and in its log.
            text = f"effect {kind} failed: {error}"
            raise Refused({"kind": "refuse", "status": 500, "message": text}) from error
