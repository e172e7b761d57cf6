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

"""Clock, journal, latency and transitions."""

from __future__ import annotations

import math
import threading
import time

import pytest

from ibmvirt.simulators.core import clock, journal, latency, transitions

CALL = {"layer": "rest", "key": "GET /x", "dt": None}


def waits(action):
    """Run in a thread; gives the thread and an event set at its end."""
    ended = threading.Event()

    def run():
        action()
        ended.set()

    threading.Thread(target=run, daemon=True).start()
    return ended


# -- clock --------------------------------------------------------------------


def test_a_standing_clock_moves_by_hand_alone():
    made = clock.Clock(0)
    ended = waits(lambda: made.sleep(3600))
    made.advance(3599)
    assert not ended.wait(0.05)
    made.advance(1)
    assert ended.wait(60)
    assert made.now() == 3600


def test_a_fast_clock_sleeps_short():
    made = clock.Clock(100_000)
    before = time.monotonic()
    made.sleep(3600)
    assert made.now() >= 3600
    assert time.monotonic() - before < 60


def test_a_change_of_rate_keeps_the_time_and_wakes():
    made = clock.Clock(0)
    made.advance(10)
    ended = waits(lambda: made.sleep(1000))
    made.set_rate(1_000_000)
    assert ended.wait(60)
    made.set_rate(0)
    assert made.now() >= 1010


def test_sleep_can_be_stopped():
    made = clock.Clock(0)
    stop = threading.Event()
    ended = waits(lambda: made.sleep(3600, stop.is_set))
    stop.set()
    assert ended.wait(60)


def test_wait_tells_whether_the_condition_holds():
    made = clock.Clock(1000)
    assert made.wait(lambda: False, 5) is False
    assert made.wait(lambda: True, 5) is True


@pytest.mark.parametrize("value", [-1, math.nan, math.inf])
def test_time_is_a_number(value):
    made = clock.Clock(0)
    with pytest.raises(ValueError, match="rate: "):
        made.set_rate(value)
    with pytest.raises(ValueError, match="advance: "):
        made.advance(value)
    with pytest.raises(ValueError, match="rate: "):
        clock.Clock(value)
    assert made.now() == 0


# -- journal --------------------------------------------------------------------


def test_occurrences_count_a_key_within_a_memento():
    made = journal.Journal()
    for memento, key in [("a", "x"), ("b", "x"), ("a", "y"), ("a", "x"), (None, "x")]:
        made.open({**CALL, "memento": memento, "key": key})
    assert [r["occurrence"] for r in made.records()] == [1, 1, 1, 2, 1]
    assert [r["seq"] for r in made.records()] == [1, 2, 3, 4, 5]


def test_the_journal_does_not_grow_without_bound():
    made = journal.Journal(keep=3)
    for _ in range(10):
        made.open(dict(CALL))
    assert [r["seq"] for r in made.records()] == [8, 9, 10]


def test_records_are_copies_and_filtered():
    made = journal.Journal()
    made.open({**CALL, "memento": "spawn:1", "system": "s1"})
    made.open({**CALL, "memento": "bg:poll", "layer": "command", "system": "s2"})
    assert [r["seq"] for r in made.records(memento="spawn:*")] == [1]
    assert [r["seq"] for r in made.records(layer="command", system="s2")] == [2]
    assert [r["seq"] for r in made.records(since=1)] == [2]
    assert made.records(memento="spawn") == []
    made.records()[0]["key"] = "changed"
    assert made.records()[0]["key"] == "GET /x"
    made.clear()
    assert made.records() == []
    assert made.open({**CALL, "memento": "spawn:1"})["occurrence"] == 1


def test_waiting_for_records():
    made = journal.Journal()
    first = made.open(dict(CALL))
    assert made.wait(0.01, done=True) == []
    threading.Timer(0.02, made.close, [first], {"dt": 1.0}).start()
    assert made.wait(60, done=True)[0]["dt"] == 1.0
    threading.Timer(0.02, made.open, [dict(CALL)]).start()
    assert len(made.wait(60, count=2)) == 2


def test_calls_at_once_get_numbers_of_their_own():
    made = journal.Journal()

    def work():
        for _ in range(200):
            made.open({**CALL, "memento": "m"})

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(r["occurrence"] for r in made.records()) == list(range(1, 801))


# -- latency ----------------------------------------------------------------------


def test_the_first_prefix_that_fits_counts():
    made = latency.Latency("realistic")
    made.table = [("GET /slow", 2.0, 3.0), ("GET", 0.5, 0.5)]
    assert 2 <= made.of({"key": "GET /slow/1"}) <= 3
    assert made.of({"key": "GET /x"}) == 0.5
    assert made.of({"key": "PUT /x"}) == 0
    made.set_profile("none")
    assert made.of({"key": "GET /x"}) == 0
    with pytest.raises(ValueError, match="profile: must be one of"):
        made.set_profile("some")


# -- transitions --------------------------------------------------------------------


@pytest.fixture
def standing():
    made = clock.Clock(0)
    return made, transitions.Transitions(made)


def test_without_a_choice_it_is_at_once_or_takes_its_time(standing):
    ticking, made = standing
    assert made.begin("job:PowerOn", 10, at_once=True).done()
    slow = made.begin("job:PowerOn", 10, at_once=False)
    assert not slow.ask()
    ticking.advance(10)
    assert slow.ask()


def test_manual_is_done_at_the_nth_question(standing):
    _ticking, made = standing
    made.set({"job:*": {"progression": "manual", "times": 3}})
    progress = made.begin("job:PowerOn", 10, at_once=True)
    ended = waits(progress.wait)
    assert [progress.ask(), progress.done(), progress.ask()] == [False] * 3
    assert not ended.is_set()
    assert progress.ask()
    assert ended.wait(60)


def test_the_longest_name_counts_and_null_takes_back(standing):
    ticking, made = standing
    made.set(
        {
            "*": {"progression": "immediate"},
            "job:*": {"progression": "manual", "times": 2},
            "job:PowerOn": {"progression": "time", "seconds": 5},
        }
    )
    assert made.begin("rmc", 10, at_once=False).done()
    assert not made.begin("job:Other", 0, at_once=True).done()
    timed = made.begin("job:PowerOn", 0, at_once=True)
    ticking.advance(4)
    assert not timed.done()
    ticking.advance(1)
    assert timed.wait()
    made.set({"job:PowerOn": None, "*": None})
    assert set(made.export()) == {"job:*"}
    made.clear()
    assert made.export() == {}


def test_waiting_can_be_stopped(standing):
    _ticking, made = standing
    made.set({"x": {"progression": "manual"}})
    assert made.begin("x", at_once=True).wait(lambda: True) is False
    assert made.begin("y", 5, at_once=False).wait(lambda: True) is False


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ([], "transitions: must be an object"),
        ({"x": "manual"}, "x: must be an object or null"),
        ({"x": {}}, "x.progression: must be one of"),
        ({"x": {"progression": "manual", "time": 1}}, "x.time: unknown field"),
        ({"x": {"progression": "time", "seconds": -1}}, "x.seconds"),
        ({"x": {"progression": "time", "seconds": "1"}}, "x.seconds"),
        ({"x": {"progression": "manual", "times": 0}}, "x.times"),
    ],
)
def test_a_wrong_transition_changes_nothing(standing, given, field):
    _ticking, made = standing
    good = {"a": {"progression": "immediate"}}
    with pytest.raises(ValueError, match=f"^{field}"):
        made.set({**good, **given} if isinstance(given, dict) else given)
    assert made.export() == {}
