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


"""Choosing Fibre Channel ports, knowing disks, and locking volumes."""

from __future__ import annotations

import threading

import pytest

from ibmvirt.common import exceptions, plan
from ibmvirt.powervm import parallel
from ibmvirt.powervm.rest import topology
from ibmvirt.powervm.volumes import fabrics, intents, ledger, luarecovery

VIOSES = ("one", "two")


def ports(total=64):
    """Two ports of each VIOS: A0 and A1 of the first, B0 and B1 of the second."""
    return {
        vios: tuple(
            topology.FcPort(vios, f"fcs{n}", f"{letter}{n}", total) for n in (0, 1)
        )
        for vios, letter in zip(VIOSES, "AB", strict=True)
    }


FABRIC = fabrics.Fabric("A", frozenset({"A0", "A1", "B0", "B1"}))


@pytest.mark.parametrize(
    ("count", "used", "chosen"),
    [
        (1, {}, ["A0"]),
        (2, {}, ["A0", "B0"]),
        (4, {}, ["A0", "B0", "A1", "B1"]),
        (5, {}, ["A0", "B0", "A1", "B1", "A0"]),
        (2, {"A0": 3, "B0": 1, "B1": 1}, ["A1", "B0"]),
        # A full port, and a full VIOS.
        (2, {"A0": 64}, ["A1", "B0"]),
        (2, {"A0": 64, "A1": 64}, ["B0", "B1"]),
    ],
)
def test_ports_are_spread_over_vioses_and_the_least_used_taken(count, used, chosen):
    assert fabrics.choose(FABRIC, count, VIOSES, ports(), used) == chosen


def test_only_ports_of_the_fabric_are_taken():
    fabric = fabrics.Fabric("B", frozenset({"B1"}))
    assert fabrics.choose(fabric, 2, VIOSES, ports(), {}) == ["B1", "B1"]


def test_a_fabric_without_room_is_named():
    with pytest.raises(exceptions.OutOfResources, match="fabric A"):
        fabrics.choose(FABRIC, 5, VIOSES, ports(total=1), {})


def found(name, udid):
    return luarecovery.Found(luarecovery.AVAILABLE, name, udid, "")


def volume(number):
    return plan.Volume(f"v{number}", "fibre_channel", {})


def test_a_name_that_is_given_again_is_another_disk():
    known = ledger.Ledger()
    known.learn(volume(1), {"one"}, {"one": found("hdisk9", "first")}, set())
    known.learn(volume(2), {"one"}, {"one": found("hdisk9", "second")}, set())
    assert known.found("v1") == {}
    # The removal of the former one ends only now.
    known.forgotten("one", "hdisk9", "first")
    assert known.found("v2")["one"].udid == "second"


def test_a_disk_that_stays_is_taken_once_more_and_only_by_one():
    known = ledger.Ledger()
    known.keep("one", "hdisk9", "first")
    assert known.take_left() == {"one": {("hdisk9", "first")}}
    assert known.take_left() == {}
    known.keep("one", "hdisk9", "first")
    known.learn(volume(2), {"one"}, {"one": found("hdisk9", "second")}, set())
    assert not known.take_left()["one"]


def test_a_lost_answer_is_doubted_until_the_vios_has_said_something():
    known = ledger.Ledger()
    known.learn(volume(1), {"one", "two"}, {"two": found("hdisk3", "x")}, {"one"})
    assert known.doubtful("v1")
    assert known.doubts() == [(volume(1), {"one"})]
    known.learn(volume(1), {"one"}, {}, set())
    assert not known.doubtful("v1")
    assert set(known.found("v1")) == {"two"}


def test_a_doubt_ends_when_the_vios_never_answers():
    known = ledger.Ledger()
    known.learn(volume(1), {"one"}, {}, {"one"})
    tries = 0
    while known.doubts():
        known.learn(volume(1), {"one"}, {}, {"one"})
        tries += 1
        assert tries < 10
    assert tries > 1


def test_an_intent_is_read_as_it_is_kept():
    made = plan.Volume("v", "fibre_channel", {"target_lun": 7})
    targets = [f"50050768010{n:05d}" for n in range(20)]
    kept = intents.intent(made, targets)
    assert all(len(value) <= 255 for value in kept.values())
    (read,) = intents.parse({**kept, "image_os_distro": "aix"}, "fibre_channel")
    assert (read.id, read.data["target_lun"]) == ("v", 7)
    assert read.data["target_wwn"] == targets[:8]


def test_one_at_a_time_works_on_a_volume():
    locks, inside, order = parallel.Locks(), threading.Event(), []

    def second():
        inside.set()
        with locks.hold(("b", "a")):
            order.append("second")

    with locks.hold(("a", "b")):
        thread = threading.Thread(target=second)
        thread.start()
        assert inside.wait(60)
        with locks.attempt("a") as free:
            assert not free
        with locks.attempt("c") as free:
            assert free
        order.append("first")
    thread.join(60)
    assert order == ["first", "second"]
    with locks.attempt("a") as free:
        assert free
