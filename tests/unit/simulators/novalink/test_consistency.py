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


"""Readers see whole transactions, and hear of changes when they can read them."""

from __future__ import annotations

import threading

import pytest

from ibmvirt.simulators.novalink import refusals
from tests.unit.simulators.novalink import build, support


@pytest.fixture
def system(tmp_path):
    return support.world(tmp_path, lpars=3)


def elsewhere(function):
    """The result of a function that another thread runs."""
    results = []
    thread = threading.Thread(target=lambda: results.append(function()))
    thread.start()
    thread.join(60)
    return results[0]


def test_a_change_is_seen_when_it_is_whole(system):
    def units():
        return [unit.value("UnitName") for unit in system.all("LogicalUnit")]

    with system.fabric.world.transaction():
        build.unit(system, "one")
        assert units() == ["one"]
        assert elsewhere(units) == []
        build.unit(system, "two")
        assert elsewhere(units) == []
    assert elsewhere(units) == ["one", "two"]


def test_events_follow_the_change_they_tell_of(system):
    heard = []

    def hear(what, item, detail):
        found = elsewhere(lambda: system.find(item.type, item.uuid))
        heard.append((what, found is not None))

    system.on_change = hear
    made = build.unit(system, "one")
    support.drop(system, made)
    assert heard == [("ADD_URI", True), ("DELETE_URI", False)]


def test_what_was_refused_is_not_told(system):
    heard = []
    system.on_change = lambda *event: heard.append(event)
    with pytest.raises(refusals.Refusal), system.fabric.world.transaction():
        build.unit(system, "one")
        build.unit(system, "one")
    assert heard == []
    assert system.all("LogicalUnit") == []


def test_refused_requests_do_not_disturb_readers(system):
    """A reader never finds the world empty while a transaction is undone."""
    done = threading.Event()
    counts = set()

    def read():
        while not done.is_set():
            counts.add(len(system.all("LogicalPartition")))

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(200):
        with pytest.raises(refusals.Refusal):
            support.make(system, "LogicalPartition", build.lpar("lpar0001"))
    done.set()
    reader.join(60)
    assert counts == {3}


def test_numbers_are_given_once(system):
    numbers = []

    def take():
        numbers.extend(system.fabric.next_number("x") for _ in range(200))

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(set(numbers)) == 800
