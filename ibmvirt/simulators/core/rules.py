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

"""Fault rules: which call, at which phase, with which effect."""

from __future__ import annotations

import dataclasses
import itertools
import random
import threading
import typing

MATCH_FIELDS = (
    "layer",
    "system",
    "verb",
    "key",
    "group",
    "target",
    "memento",
    "api",
    "user",
    "occurrence",
)
PHASES = ("before", "after")
KINDS = (
    "refuse",
    "reset",
    "drop",
    "truncate",
    "hang",
    "delay",
    "hold",
    "busy",
    "etag",
    "expire_token",
    "job",
    "restart",
    "event",
    "world",
)


class RuleError(ValueError):
    """A rule that cannot be; the text names the field."""


@dataclasses.dataclass
class Rule:
    """See DESIGN of the fault rules in the documentation of the simulators."""

    id: int
    match: dict[str, typing.Any]
    phase: str
    on: str
    skip: int
    count: int | None
    probability: float
    effect: dict[str, typing.Any]
    random: random.Random
    hits: int = 0
    seen: int = 0
    parked: int = 0
    deleted: threading.Event = dataclasses.field(default_factory=threading.Event)

    def export(self) -> dict[str, typing.Any]:
        return {
            "id": self.id,
            "match": self.match,
            "phase": self.phase,
            "on": self.on,
            "skip": self.skip,
            "count": self.count,
            "probability": self.probability,
            "effect": self.effect,
            "hits": self.hits,
            "parked": self.parked,
        }


class Rules:
    """All rules of a simulator, thread-safe."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._rules: dict[int, Rule] = {}
        self._ids = itertools.count(1)

    def add(self, given: typing.Any) -> Rule:
        """:raises RuleError: a field is missing, unknown or of a wrong type."""
        rule = _parse(given, next(self._ids))
        with self._condition:
            self._rules[rule.id] = rule
        return rule

    def delete(self, number: int | None = None) -> None:
        """Delete one rule or all; calls that it holds go on.

        :raises KeyError: no such rule.
        """
        with self._condition:
            gone = list(self._rules) if number is None else [number]
            for found in gone:
                self._rules.pop(found).deleted.set()
            self._condition.notify_all()

    def export(self) -> list[dict[str, typing.Any]]:
        with self._condition:
            return [rule.export() for rule in self._rules.values()]

    def pick(self, call: dict[str, typing.Any], phase: str, on: str) -> list[Rule]:
        """The rules that strike this call now; each counts it."""
        with self._condition:
            return [
                rule
                for rule in self._rules.values()
                if rule.phase == phase and rule.on == on and self._strikes(rule, call)
            ]

    @staticmethod
    def _strikes(rule: Rule, call: dict[str, typing.Any]) -> bool:
        if not all(_same(want, call.get(f)) for f, want in rule.match.items()):
            return False
        rule.seen += 1
        if rule.seen <= rule.skip:
            return False
        if rule.count is not None and rule.hits >= rule.count:
            return False
        if rule.probability < 1.0 and rule.random.random() >= rule.probability:
            return False
        rule.hits += 1
        return True

    def park(self, rule: Rule) -> None:
        """Hold the calling thread until the rule is deleted."""
        with self._condition:
            rule.parked += 1
            self._condition.notify_all()
        rule.deleted.wait()

    def wait_parked(self, number: int, timeout: float) -> bool:
        """Wait until a call is held by a rule."""
        with self._condition:
            return self._condition.wait_for(
                lambda: number in self._rules and self._rules[number].parked > 0,
                timeout,
            )


def _same(wanted: typing.Any, value: typing.Any) -> bool:
    if isinstance(wanted, str) and wanted.endswith("*"):
        return isinstance(value, str) and value.startswith(wanted[:-1])
    return bool(wanted == value)


def _parse(given: typing.Any, number: int) -> Rule:
    if not isinstance(given, dict):
        raise RuleError("rule: must be an object")
    known = {"match", "phase", "on", "skip", "count", "probability", "seed", "effect"}
    for name in given:
        if name not in known:
            raise RuleError(f"{name}: unknown field; known are {sorted(known)}")
    match = given.get("match", {})
    if not isinstance(match, dict):
        raise RuleError("match: must be an object")
    for name in match:
        if name not in MATCH_FIELDS:
            raise RuleError(f"match.{name}: unknown; known are {list(MATCH_FIELDS)}")
    effect = given.get("effect")
    if not isinstance(effect, dict) or effect.get("kind") not in KINDS:
        raise RuleError(f"effect.kind: must be one of {list(KINDS)}")
    phase = _one_of(given, "phase", PHASES, "before")
    on = _one_of(given, "on", ("call", "job"), "call")
    count = given.get("count", 1)
    if count is not None:
        count = _number(given, "count", 1, whole=True)
    return Rule(
        id=number,
        match=dict(match),
        phase=phase,
        on=on,
        skip=int(_number(given, "skip", 0, whole=True)),
        count=None if count is None else int(count),
        probability=_number(given, "probability", 1.0),
        effect=dict(effect),
        random=random.Random(given.get("seed", 0)),
    )


def _one_of(
    given: dict[str, typing.Any], name: str, values: tuple[str, ...], default: str
) -> str:
    value = given.get(name, default)
    if value not in values:
        raise RuleError(f"{name}: must be one of {list(values)}")
    return str(value)


def _number(
    given: dict[str, typing.Any], name: str, default: float, *, whole: bool = False
) -> float:
    value = given.get(name, default)
    kinds = (int,) if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds) or value < 0:
        raise RuleError(f"{name}: must be a number of at least 0")
    return value
