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

"""Fault rules: what is refused, what is struck, what is held."""

from __future__ import annotations

import math
import threading

import pytest

from ibmvirt.simulators.core import rules


def call(**fields):
    return {"layer": "rest", "key": "GET /boxes/{id}", "occurrence": 1, **fields}


def strikes(made, record, phase="before", on="call"):
    return [rule.id for rule in made.pick(record, phase, on)]


def rule(**fields):
    return {"effect": {"kind": "drop"}, **fields}


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ([], "rule: must be an object"),
        ({}, "effect: must be an object"),
        (rule(effects=1), "effects: unknown field"),
        (rule(effect="drop"), "effect: must be an object"),
        (rule(effect={"kind": "explode"}), "effect.kind: must be one of"),
        (rule(effect={"kind": "job"}), "effect.kind: job is not offered here"),
        (rule(effect={"kind": "delay", "seconds": "1"}), "effect.seconds: must be"),
        (rule(effect={"kind": "delay", "seconds": math.nan}), "effect.seconds"),
        (rule(effect={"kind": "delay", "seconds": -1}), "effect.seconds"),
        (
            rule(effect={"kind": "refuse", "status": 99}),
            "effect.status: must be a whole number of at least 100",
        ),
        (rule(effect={"kind": "refuse", "status": True}), "effect.status"),
        (rule(effect={"kind": "refuse", "status": [1]}), "effect.status"),
        (rule(effect={"kind": "refuse", "message": 5}), "effect.message"),
        (rule(effect={"kind": "refuse", "rc": "8"}), "effect.rc"),
        (rule(match=[]), "match: must be an object"),
        (rule(match={"path": "/"}), "match.path: unknown"),
        (rule(match={"key": 5}), "match.key: must be a text"),
        (rule(match={"occurrence": "1"}), "match.occurrence: must be a whole number"),
        (rule(match={"occurrence": 0}), "match.occurrence: .* at least 1"),
        (rule(match={"occurrence": True}), "match.occurrence"),
        (rule(phase="during"), "phase: must be one of"),
        (rule(phase=["before"]), "phase: must be one of"),
        (rule(on="event"), "on: must be one of"),
        (rule(skip=-1), "skip: must be a whole number of at least 0"),
        (rule(skip=1.5), "skip: must be a whole number"),
        (rule(count=0), "count: must be a whole number of at least 1"),
        (rule(count="1"), "count: must be a whole number"),
        (rule(probability=1.1), "probability: .* at most 1"),
        (rule(probability=math.nan), "probability"),
        (rule(seed=[]), "seed: must be a whole number"),
        (rule(effect={"kind": "refuse", "status": "x"}), "effect.status: must be a"),
        (rule(effect={"kind": "refuse", "mesage": "x"}), "effect.mesage: unknown; r"),
        (rule(effect={"kind": "hold", "seconds": 5}), "effect.seconds: unknown; hold"),
        (rule(on="job", effect={"kind": "world"}), "effect.kind: on a job it must be"),
        (rule(on="job", effect={"kind": "reset"}), "effect.kind: on a job it must be"),
        (rule(on="job", effect={"kind": "hold", "status": 5}), "effect.status: unkn"),
    ],
)
def test_a_wrong_rule_is_refused_by_field(given, field):
    made = rules.Rules()
    with pytest.raises(rules.RuleError, match=f"^{field}"):
        made.add(given)
    assert made.export() == []


@pytest.mark.parametrize(
    ("match", "record", "struck"),
    [
        ({}, {}, True),
        ({"key": "GET /boxes/{id}"}, {}, True),
        ({"key": "GET*"}, {}, True),
        ({"key": "PUT*"}, {}, False),
        ({"memento": "spawn:*"}, {"memento": "spawn:1"}, True),
        ({"memento": "spawn:*"}, {"memento": None}, False),
        ({"memento": "*"}, {}, False),
        ({"occurrence": 2}, {"occurrence": 2}, True),
        ({"occurrence": 2}, {}, False),
        ({"key": "GET*", "layer": "command"}, {}, False),
        ({"api": "Image_Create_DM"}, {"api": "Image_Create_DM"}, True),
        ({"user": "LNX1"}, {"user": "LNX2"}, False),
    ],
)
def test_every_field_listed_must_fit(match, record, struck):
    made = rules.Rules()
    made.add(rule(match=match))
    assert bool(strikes(made, call(**record))) is struck


def test_phase_and_subject_tell_rules_apart():
    made = rules.Rules()
    made.kinds.add("job")
    made.add(rule(phase="after"))
    made.add(rule(on="job", effect={"kind": "job", "status": "FAILED"}))
    assert strikes(made, call()) == []
    assert strikes(made, call(), "after") == [1]
    assert strikes(made, call(), on="job") == [2]


def test_skip_and_count():
    made = rules.Rules()
    made.add(rule(skip=2, count=2))
    assert [bool(strikes(made, call())) for _ in range(6)] == [
        *(False, False, True, True, False, False)
    ]
    assert made.get(1)["hits"] == 2


def test_count_of_null_lasts_and_one_is_the_default():
    made = rules.Rules()
    made.add(rule(count=None))
    assert all(strikes(made, call()) for _ in range(20))
    once = rules.Rules()
    once.add(rule())
    assert [bool(strikes(once, call())) for _ in range(3)] == [True, False, False]


def test_probability_is_the_same_for_a_seed():
    def pattern(seed):
        made = rules.Rules()
        made.add(rule(count=None, probability=0.3, seed=seed))
        return [bool(strikes(made, call())) for _ in range(200)]

    assert pattern(1) == pattern(1) != pattern(2)
    assert 30 < sum(pattern(1)) < 90


def test_a_rule_behind_one_that_ended_the_call_does_not_count_it():
    made = rules.Rules()
    made.add(rule())
    made.add(rule())
    first = next(iter(made.pick(call(), "before", "call")))
    assert first.id == 1
    assert [found["hits"] for found in made.export()] == [1, 0]


@pytest.mark.parametrize("drop", [False, True])
def test_hold_parks_until_the_rule_is_deleted(drop):
    made = rules.Rules()
    held = made.add(rule(effect={"kind": "hold"}))
    assert made.wait_parked(held.id, 0) is False
    thread = threading.Thread(target=made.park, args=(held,))
    thread.start()
    assert made.wait_parked(held.id, 10) is True
    assert thread.is_alive()
    made.delete(held.id, drop=drop)
    thread.join(60)
    assert not thread.is_alive()
    assert held.dropped is drop


def test_waiting_ends_when_the_rule_is_deleted():
    made = rules.Rules()
    made.add(rule(effect={"kind": "hold"}))
    threading.Timer(0.05, made.delete).start()
    with pytest.raises(KeyError, match="rule 1"):
        made.wait_parked(1, 60)
    with pytest.raises(KeyError, match="rule 7"):
        made.wait_parked(7, 60)
    with pytest.raises(KeyError, match="rule 7"):
        made.delete(7)
