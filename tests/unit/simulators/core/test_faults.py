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

"""Fault rules on a running simulator: each effect at both phases."""

from __future__ import annotations

import concurrent.futures
import http.client
import json
import pathlib
import threading
import time

import pytest

from ibmvirt.simulators.core import handle
from tests.unit.simulators.core import conftest

BROKEN = (ConnectionError, http.client.HTTPException)
PUT = {"key": "PUT /boxes/{id}"}


def put(toy, name="a", body=b"bytes", **headers):
    """A call of its own connection, as most clients make after a fault."""
    client = conftest.Client(toy.url)
    try:
        return client("PUT", f"/boxes/{name}", body, **headers)
    finally:
        client.connection.close()


def last(toy):
    return toy.wait_journal(key=PUT["key"], done=True)[-1]


@pytest.mark.parametrize("phase", ["before", "after"])
@pytest.mark.parametrize(
    ("effect", "status"),
    [
        ({"kind": "refuse", "status": 507, "message": "no"}, 507),
        ({"kind": "refuse"}, 500),
        ({"kind": "busy"}, 503),
        ({"kind": "etag"}, 412),
    ],
)
def test_refusals(toy, phase, effect, status):
    toy.rule(match=PUT, phase=phase, effect=effect)
    assert put(toy)[0] == status
    record = last(toy)
    assert record["status"] == status
    assert record["committed"] is (phase == "after")
    assert record["outcome"] == "answered"
    assert bool(toy.compare()) is (phase == "after")
    # The rule was for one call.
    assert put(toy, "b")[0] == 201


@pytest.mark.parametrize("phase", ["before", "after"])
@pytest.mark.parametrize(
    ("kind", "error", "outcome"),
    [
        ("reset", ConnectionResetError, "reset"),
        ("drop", http.client.RemoteDisconnected, "dropped"),
        ("truncate", http.client.IncompleteRead, "truncate"),
    ],
)
def test_broken_connections(toy, phase, kind, error, outcome):
    number = toy.rule(match=PUT, phase=phase, effect={"kind": kind})
    with pytest.raises(error):
        put(toy)
    record = last(toy)
    assert (record["outcome"], record["rule"]) == (outcome, number)
    assert record["committed"] is (phase == "after")
    assert bool(toy.compare()) is (phase == "after")


@pytest.mark.parametrize("phase", ["before", "after"])
def test_delay_is_simulated_time(toy, phase):
    toy.clock(rate=0.0)
    effect = {"kind": "delay", "seconds": 3600}
    number = toy.rule(match=PUT, phase=phase, effect=effect)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        answer = pool.submit(put, toy)
        assert toy.wait_parked(number)
        toy.clock(advance=3599.0)
        assert not answer.done()
        toy.clock(advance=1.5)
        assert answer.result(60)[0] == 201
    assert last(toy)["dt"] >= 3600


@pytest.mark.parametrize("phase", ["before", "after"])
def test_hold_parks_the_call_until_the_rule_is_deleted(toy, phase):
    number = toy.rule(match=PUT, phase=phase, effect={"kind": "hold"})
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        answer = pool.submit(put, toy)
        assert toy.wait_parked(number)
        assert toy.rules()[0]["parked"] == 1
        assert toy.journal()[-1]["outcome"] == "held"
        assert bool(toy.compare()) is (phase == "after")
        # Others are served meanwhile.
        assert put(toy, "other")[0] == 201
        toy.delete_rule(number)
        assert answer.result(60)[0] == 201
    assert last(toy)["committed"] is True


@pytest.mark.parametrize("phase", ["before", "after"])
def test_hang_ends_without_an_answer(toy, phase):
    number = toy.rule(match=PUT, phase=phase, effect={"kind": "hang"})
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        answer = pool.submit(put, toy)
        assert toy.wait_parked(number)
        toy.delete_rule(number)
        with pytest.raises(BROKEN):
            answer.result(60)
    assert bool(toy.compare()) is (phase == "after")


def test_what_a_rule_holds_does_not_go_on_after_a_reset(toy):
    toy.mark("here")
    number = toy.rule(match=PUT, effect={"kind": "hold"})
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        answer = pool.submit(put, toy)
        assert toy.wait_parked(number)
        toy.reset("here")
        with pytest.raises(BROKEN):
            answer.result(60)
    assert toy.compare("here") == []
    assert toy.rules() == []


def test_an_effect_of_the_simulator_itself(toy, client):
    toy.rule(match=PUT, phase="after", effect={"kind": "expire_token"})
    assert client("PUT", "/boxes/a", b"x", X_Token="first")[0] == 201
    assert client("GET", "/boxes/a", X_Token="first")[0] == 401
    assert client("GET", "/boxes/a", X_Token="second")[0] == 200


@pytest.mark.parametrize("phase", ["before", "after"])
def test_the_world_changes_beneath_a_call(toy, phase):
    effect = {"kind": "world", "action": "capacity", "to": 3}
    toy.rule(match=PUT, phase=phase, effect=effect)
    assert put(toy, body=b"bytes")[0] == (409 if phase == "before" else 201)
    assert put(toy, "b")[0] == 409


def test_an_action_that_fails_in_a_rule_is_told_to_the_client(toy):
    effect = {"kind": "world", "action": "capacity", "to": "much"}
    toy.rule(match=PUT, effect=effect)
    status, body = put(toy)
    assert status == 500
    assert (
        "effect world failed: to: must be a whole number" in json.loads(body)["error"]
    )
    assert toy.compare() == []


def test_rules_strike_by_memento_and_occurrence(toy, client):
    toy.rule(
        match={"memento": "spawn:*", "occurrence": 2, **PUT}, effect={"kind": "busy"}
    )
    answers = [
        client("PUT", f"/boxes/{name}", b"x", X_Audit_Memento=memento)[0]
        for name, memento in [
            ("a", "spawn:1"),
            ("b", "spawn:2"),
            ("c", "bg:poll"),
            ("d", "bg:poll"),
            ("e", "spawn:2"),
        ]
    ]
    assert answers == [201, 201, 201, 201, 503]


def test_rules_strike_in_the_order_of_their_ids(toy):
    toy.rule(match=PUT, effect={"kind": "delay", "seconds": 0})
    toy.rule(match=PUT, effect={"kind": "refuse", "status": 418})
    toy.rule(match=PUT, effect={"kind": "drop"})
    assert put(toy)[0] == 418
    assert [rule["hits"] for rule in toy.rules()] == [1, 1, 0]


def test_latency_follows_the_clock(toy, client):
    toy.latency("realistic")
    toy.clock(rate=1000.0)
    client("PUT", "/boxes/a", b"x")
    assert toy.journal()[-1]["dt"] >= 5
    with pytest.raises(handle.SimulatorError, match="profile: must be one of"):
        toy.latency("some")


def test_a_job_that_is_done_at_the_third_question(toy, client):
    toy.transitions(**{"job:fill": {"progression": "manual", "times": 3}})
    client("PUT", "/boxes/a", b"x")
    assert client("PUT", "/boxes/a/fill")[1] == b'{"done": false}'
    answers = [json.loads(client("GET", "/boxes/a/fill")[1])["done"] for _ in range(3)]
    assert answers == [False, False, True]
    toy.reset()
    assert toy.transitions() == {}


def test_many_clients_at_once_fill_the_world_and_no_more(toy):
    """40 boxes of 5 do not go into 100; what is refused leaves nothing."""
    start = threading.Barrier(8)

    def work(number):
        client = conftest.Client(toy.url)
        start.wait()
        return [
            client("PUT", f"/boxes/{number}x{turn}", b"12345")[0] for turn in range(5)
        ]

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = [status for found in pool.map(work, range(8)) for status in found]
    assert sorted(answers) == [201] * 20 + [409] * 20
    assert len(toy.compare()) == 20
    records = toy.journal(key=PUT["key"])
    assert sorted(r["occurrence"] for r in records) == list(range(1, 41))
    assert sum(r["committed"] for r in records) == 20


def test_a_hundred_resets_leave_nothing(toy):
    """Neither threads nor open files, nor what they held."""

    def used():
        home = pathlib.Path(f"/proc/{toy.pid}")
        return [len(list((home / part).iterdir())) for part in ("task", "fd")]

    before = used()
    for _ in range(100):
        toy.rule(match=PUT, effect={"kind": "hold"})
        toy.reset()
    end = time.monotonic() + 60
    # A connection's thread ends a moment after its client.
    while any(now > old for now, old in zip(used(), before, strict=True)):
        assert time.monotonic() < end, (before, used())
        time.sleep(0.01)
