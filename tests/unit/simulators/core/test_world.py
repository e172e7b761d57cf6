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

"""Worlds: transactions, readers beside writers, marks, dump and load."""

from __future__ import annotations

import dataclasses
import threading

import pytest

from ibmvirt.simulators.core import world


@dataclasses.dataclass(frozen=True)
class Thing:
    name: str
    size: int = 1
    image: bool = False


@pytest.fixture
def made():
    found = world.World()
    found.things = found.collection(
        "things",
        world.KEPT,
        dataclasses.asdict,
        lambda thing: thing.image,
        world.Codec(
            dataclasses.asdict, lambda fields: Thing(**fields), lambda one: one.name
        ),
    )
    found.images = found.collection("images", world.CACHE)
    found.numbers = found.collection("numbers", world.COUNTER)
    found.lines = found.collection("lines", world.LOG)
    found.things["a"] = Thing("a")
    return found


def test_a_failed_transaction_changes_nothing(made):
    with pytest.raises(ZeroDivisionError), made.transaction():
        made.things["b"] = Thing("b")
        del made.things["a"]
        made.numbers["id"] = 5
        assert list(made.things) == ["b"]
        raise ZeroDivisionError
    assert dict(made.things) == {"a": Thing("a")}
    assert not made.numbers


def test_a_failed_inner_transaction_leaves_the_outer_one(made):
    with made.transaction():
        made.things["b"] = Thing("b")
        with pytest.raises(ZeroDivisionError), made.transaction():
            made.things["c"] = Thing("c")
            made.images["i"] = 1
            raise ZeroDivisionError
        assert set(made.things) == {"a", "b"}
        with made.transaction():
            made.things["d"] = Thing("d")
        made.things["e"] = Thing("e")
    assert set(made.things) == {"a", "b", "d", "e"}
    assert not made.images


def test_savepoints_of_several_depths(made):
    with made.transaction():
        made.things["b"] = Thing("b")
        with pytest.raises(KeyError), made.transaction():
            with pytest.raises(ZeroDivisionError), made.transaction():
                made.things["c"] = Thing("c")
                raise ZeroDivisionError
            made.things["d"] = Thing("d")
            raise KeyError
        assert set(made.things) == {"a", "b"}
        made.things["f"] = Thing("f")
    assert set(made.things) == {"a", "b", "f"}


def test_others_see_a_change_when_it_is_whole(made):
    inside, looked = threading.Event(), threading.Event()
    seen = []

    def look():
        inside.wait(60)
        seen.append(dict(made.things))
        looked.set()

    reader = threading.Thread(target=look)
    reader.start()
    with made.transaction():
        made.things["b"] = Thing("b")
        inside.set()
        assert looked.wait(60)
    reader.join()
    assert seen == [{"a": Thing("a")}]
    assert "b" in made.things


def test_readers_and_writers_at_once_never_meet_half_a_change(made):
    """Two entries change together; failed and finished transactions mix."""
    with made.transaction():
        made.things["x"] = made.things["y"] = Thing("0", 0)
    wrong, stop = [], threading.Event()

    def read():
        while not stop.is_set():
            now = made.things.current()
            if now["x"] != now["y"]:
                wrong.append(now)
            # Iteration beside writers must not fail either.
            sum(thing.size for thing in made.things.values())

    def write(number):
        for turn in range(200):
            try:
                with made.transaction():
                    made.things["x"] = Thing(str(number), turn)
                    made.things["y"] = Thing(str(number), turn)
                    made.numbers["n"] = made.numbers.get("n", 0) + 1
                    if turn % 2:
                        made.things["y"] = Thing("half")
                        raise ZeroDivisionError
            except ZeroDivisionError:
                pass

    readers = [threading.Thread(target=read) for _ in range(2)]
    writers = [threading.Thread(target=write, args=(n,)) for n in range(3)]
    for thread in readers + writers:
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    for thread in readers:
        thread.join()
    assert not wrong
    assert made.numbers["n"] == 3 * 100


def test_writes_without_a_transaction_are_not_lost(made):
    def write(number):
        for turn in range(100):
            made.things[f"{number}-{turn}"] = Thing("t")

    writers = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for thread in writers:
        thread.start()
    for thread in writers:
        thread.join()
    assert len(made.things) == 401


def test_compare_tells_path_was_and_is(made):
    made.images["old"] = "bytes"
    made.mark()
    assert made.compare() == []
    made.things["a"] = Thing("a", 2)
    made.things["b"] = Thing("b")
    made.things["img"] = Thing("img", image=True)
    made.images["new"] = "bytes"
    made.numbers["id"] = 7
    made.lines["1"] = "text"
    assert made.compare() == [
        {"path": "things/a/size", "was": 1, "is": 2},
        {
            "path": "things/b",
            "was": None,
            "is": {"name": "b", "size": 1, "image": False},
        },
    ]
    del made.images["old"]
    assert {"path": "images/old", "was": "bytes", "is": None} in made.compare()


def test_reset_goes_back_but_counters_go_on(made):
    made.numbers["id"] = 1
    made.mark()
    rebuilt = []
    made.on_reset(lambda: rebuilt.append(dict(made.things)))
    made.things["b"] = Thing("b")
    made.numbers["id"] = 9
    made.lines["1"] = "text"
    made.reset()
    assert made.compare() == []
    assert dict(made.things) == {"a": Thing("a")}
    assert made.numbers["id"] == 9
    assert not made.lines
    assert rebuilt == [{"a": Thing("a")}]


def test_marks_have_names(made):
    made.mark("one")
    made.things["b"] = Thing("b")
    made.mark("two")
    made.reset("one")
    assert set(made.things) == {"a"}
    made.reset("two")
    assert set(made.things) == {"a", "b"}
    with pytest.raises(KeyError, match="mark three"):
        made.reset("three")
    with pytest.raises(KeyError, match="mark three"):
        made.compare("three")
    assert set(made.things) == {"a", "b"}


def test_a_probe_is_marked_compared_and_restored(made):
    rows = {"guest": "running"}
    made.probe("rows", world.Probe(lambda: dict(rows), rows.update))
    made.mark()
    rows["guest"] = "gone"
    assert made.compare() == [{"path": "rows/guest", "was": "running", "is": "gone"}]
    made.reset()
    assert rows == {"guest": "running"}


def test_dump_and_load_give_the_same_world(made):
    made.things["b"] = Thing("b", 5)
    dump = made.dump()
    made.mark()
    made.things["c"] = Thing("c")
    del made.things["a"]
    made.load(dump)
    assert made.compare() == []


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"things": {"a": {"name": "a"}, "b": {"nome": "x"}}}, "things/b: .*nome"),
        ({"things": {"a": 5}}, "things/a"),
        ({"things": {"a": {"name": "b"}}}, "things/a: this is the value of b"),
        ({"things": []}, "things: must be an object"),
        ({"images": {}}, "images: cannot be loaded"),
        ({"others": {}}, "others: cannot be loaded"),
        ([], "state: must be an object"),
        ({}, "state: must be an object"),
    ],
)
def test_a_wrong_dump_changes_nothing(made, given, text):
    made.mark()
    with pytest.raises(ValueError, match=text):
        made.load(given)
    assert made.compare() == []


def test_an_action_is_whole_or_not_at_all(made):
    def grow(fields):
        made.things["a"] = Thing("a", 99)
        if fields["by"] < 0:
            raise ValueError("by: must not be negative")
        made.things["a"] = Thing("a", fields["by"])

    made.action("grow", grow)
    made.act({"action": "grow", "by": 3, "kind": "world"})
    assert made.things["a"].size == 3
    with pytest.raises(ValueError, match="by: must not"):
        made.act({"action": "grow", "by": -1})
    assert made.things["a"].size == 3
    with pytest.raises(ValueError, match=r"action: must be one of \['grow'\]"):
        made.act({"action": "shrink"})


def test_verify_collects_complaints(made):
    made.check(lambda: ["one"])
    made.check(list)
    made.check(lambda: ["two"])
    assert made.verify() == ["one", "two"]


def test_a_collection_is_declared_once(made):
    with pytest.raises(ValueError, match="things exists"):
        made.collection("things")
    with pytest.raises(ValueError, match="kind must be one of"):
        made.collection("more", "precious")


def test_state_is_by_class(made):
    made.numbers["id"] = 1
    assert made.state() == {
        "kept": {"things": {"a": {"name": "a", "size": 1, "image": False}}},
        "cache": {"images": {}},
        "counters": {"numbers": {"id": 1}},
        "log": {"lines": {}},
    }


def test_changes_are_told_of_in_their_order(made):
    """However slow the one who is told first."""
    order, begun = [], threading.Event()

    def slow():
        begun.set()
        late.join(0.3)
        order.append("first")

    def second():
        begun.wait(60)
        with made.transaction():
            made.on_commit(lambda: order.append("second"))

    late = threading.Thread(target=second)
    late.start()
    with made.transaction():
        made.on_commit(slow)
    late.join(60)
    assert order == ["first", "second"]


def test_what_began_before_a_reset_does_not_change_the_new_world(made):
    made.mark()
    with made.as_it_is():
        with made.transaction():
            made.things["b"] = Thing("b")
        other = threading.Thread(target=made.reset)
        other.start()
        other.join(60)
        with pytest.raises(world.Replaced), made.transaction():
            made.things["c"] = Thing("c")
    assert list(made.things) == ["a"]
    with made.transaction():
        made.things["d"] = Thing("d")
    assert list(made.things) == ["a", "d"]
