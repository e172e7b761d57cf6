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

import collections.abc
import contextlib
import dataclasses
import itertools
import math
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
# What can happen to a job, in place of a call.
OF_JOBS = ("job", "hold", "hang", "delay")
# What the core carries out for every simulator.
GENERAL = (
    "refuse",
    "busy",
    "etag",
    "reset",
    "drop",
    "truncate",
    "hang",
    "delay",
    "hold",
    "world",
)
# What an answer in place of the call's can say.
_ANSWER = ("status", "message", "rc", "rs", "overall")
# Fields of effects beside ``kind``; those of ``world`` are its action's.
_FIELDS = {
    "refuse": _ANSWER,
    "busy": _ANSWER,
    "etag": _ANSWER,
    "job": ("status", "message"),
    "delay": ("seconds",),
    "event": ("event", "data"),
}


class RuleError(ValueError):
    """A rule that cannot be; the text names the field."""


@dataclasses.dataclass
class Rule:
    """What is struck (``match``), when, how often, and what happens then."""

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
    # The world is reset: what the rule holds must not go on.
    dropped: bool = False

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
        # Effects that this simulator carries out; it may add its own.
        self.kinds: set[str] = set(GENERAL)

    def add(self, given: typing.Any) -> Rule:
        """:raises RuleError: a field is missing, unknown or of a wrong type."""
        rule = _parse(given, self.kinds)
        with self._condition:
            rule.id = next(self._ids)
            self._rules[rule.id] = rule
        return rule

    def delete(self, number: int | None = None, *, drop: bool = False) -> None:
        """Delete one rule or all; calls that they hold go on.

        :param drop: calls that they hold end without an answer instead.
        :raises KeyError: no such rule.
        """
        with self._condition:
            gone = list(self._rules) if number is None else [number]
            for found in gone:
                rule = self._found(found)
                del self._rules[found]
                rule.dropped = drop
                rule.deleted.set()
            self._condition.notify_all()

    def _found(self, number: int) -> Rule:
        if number not in self._rules:
            raise KeyError(f"rule {number}")
        return self._rules[number]

    def get(self, number: int) -> dict[str, typing.Any]:
        """:raises KeyError: no such rule."""
        with self._condition:
            return self._found(number).export()

    def export(self) -> list[dict[str, typing.Any]]:
        with self._condition:
            return [rule.export() for rule in self._rules.values()]

    def pick(
        self, call: dict[str, typing.Any], phase: str, on: str
    ) -> collections.abc.Iterator[Rule]:
        """The rules that strike this call now, in the order of their ids.

        Each counts the call when its turn comes: not if an effect before it
        ended the call.
        """
        with self._condition:
            candidates = list(self._rules.values())
        for rule in candidates:
            if rule.phase != phase or rule.on != on:
                continue
            with self._condition:
                if rule.deleted.is_set() or not self._strikes(rule, call):
                    continue
            yield rule

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
        with self.parked(rule):
            rule.deleted.wait()

    @contextlib.contextmanager
    def parked(self, rule: Rule) -> collections.abc.Iterator[None]:
        """While inside, :meth:`wait_parked` tells that a call is held."""
        with self._condition:
            rule.parked += 1
            self._condition.notify_all()
        try:
            yield
        finally:
            with self._condition:
                rule.parked -= 1

    def wait_parked(self, number: int, timeout: float) -> bool:
        """Wait until a call is held, or delayed, by a rule.

        :param timeout: real seconds.
        :raises KeyError: no such rule, or it was deleted meanwhile.
        """
        with self._condition:
            self._condition.wait_for(
                lambda: number not in self._rules or self._rules[number].parked > 0,
                timeout,
            )
            return self._found(number).parked > 0


def _same(wanted: typing.Any, value: typing.Any) -> bool:
    if isinstance(wanted, str) and wanted.endswith("*"):
        return isinstance(value, str) and value.startswith(wanted[:-1])
    return bool(wanted == value)


def _parse(given: typing.Any, kinds: collections.abc.Set[str]) -> Rule:
    if not isinstance(given, dict):
        raise RuleError("rule: must be an object")
    known = {"match", "phase", "on", "skip", "count", "probability", "seed", "effect"}
    for name in given:
        if name not in known:
            raise RuleError(f"{name}: unknown field; known are {sorted(known)}")
    phase = _one_of(given, "phase", PHASES, "before")
    on = _one_of(given, "on", ("call", "job"), "call")
    count = given.get("count", 1)
    if count is not None:
        count = _number(given, "count", 1, least=1, whole=True)
    seed = given.get("seed", 0)
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise RuleError("seed: must be a whole number")
    return Rule(
        id=0,
        match=_match(given.get("match", {})),
        phase=phase,
        on=on,
        skip=int(_number(given, "skip", 0, whole=True)),
        count=None if count is None else int(count),
        probability=_number(given, "probability", 1.0, most=1.0),
        effect=_effect(given.get("effect"), kinds, on),
        random=random.Random(seed),
    )


def _match(match: typing.Any) -> dict[str, typing.Any]:
    if not isinstance(match, dict):
        raise RuleError("match: must be an object")
    for name, value in match.items():
        if name not in MATCH_FIELDS:
            raise RuleError(f"match.{name}: unknown; known are {list(MATCH_FIELDS)}")
        if name == "occurrence":
            _number(match, name, 1, least=1, whole=True, place="match.")
        elif not isinstance(value, str):
            raise RuleError(f"match.{name}: must be a text")
    return dict(match)


def _effect(
    effect: typing.Any, kinds: collections.abc.Set[str], on: str
) -> dict[str, typing.Any]:
    if not isinstance(effect, dict):
        raise RuleError("effect: must be an object")
    kind = effect.get("kind")
    if kind not in KINDS:
        raise RuleError(f"effect.kind: must be one of {list(KINDS)}")
    if kind not in kinds:
        raise RuleError(f"effect.kind: {kind} is not offered here: {sorted(kinds)}")
    if on == "job" and kind not in OF_JOBS:
        raise RuleError(f"effect.kind: on a job it must be one of {list(OF_JOBS)}")
    if on != "job" and kind == "job":
        raise RuleError('effect.kind: job is for rules that say "on": "job"')
    known = {"kind", *_FIELDS.get(kind, ())}
    for name in effect if kind != "world" else ():
        if name not in known:
            raise RuleError(f"effect.{name}: unknown; {kind} takes {sorted(known)}")
    if "seconds" in effect:
        _number(effect, "seconds", 1.0, place="effect.")
    for name in ("rc", "rs", "overall"):
        value = effect.get(name, 0)
        if isinstance(value, bool) or not isinstance(value, int):
            raise RuleError(f"effect.{name}: must be a whole number")
    # A job's outcome has a text as its status, an answer has a number.
    if on == "job":
        if not isinstance(effect.get("status", ""), str):
            raise RuleError("effect.status: must be the state of a job, a text")
    else:
        _number(effect, "status", 500, least=100, most=599, whole=True, place="effect.")
    for name in ("message", "event", "data"):
        if not isinstance(effect.get(name, ""), str):
            raise RuleError(f"effect.{name}: must be a text")
    return dict(effect)


def _one_of(
    given: dict[str, typing.Any], name: str, values: tuple[str, ...], default: str
) -> str:
    value = given.get(name, default)
    if value not in values:
        raise RuleError(f"{name}: must be one of {list(values)}")
    return str(value)


def _number(
    given: dict[str, typing.Any],
    name: str,
    default: float,
    *,
    least: float = 0,
    most: float = math.inf,
    whole: bool = False,
    place: str = "",
) -> float:
    value = given.get(name, default)
    kinds = (int,) if whole else (int, float)
    good = isinstance(value, kinds) and not isinstance(value, bool)
    if not good or not math.isfinite(value) or not least <= value <= most:
        kind = "a whole number" if whole else "a number"
        limit = "" if most == math.inf else f" and at most {most:g}"
        raise RuleError(f"{place}{name}: must be {kind} of at least {least:g}{limit}")
    return float(value) if not whole else int(value)
