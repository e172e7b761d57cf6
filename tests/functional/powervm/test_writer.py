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


"""The writer of each VIOS, on the simulator."""

from __future__ import annotations

import concurrent.futures
import threading
import time

import pytest

from ibmvirt.common import exceptions, plan
from ibmvirt.powervm import mappings
from tests.support import powervm


@pytest.fixture
def driven(novalink):
    with powervm.running(novalink) as found:
        yield found


def test_ten_changes_at_once_are_a_few_writes_without_a_412(driven):
    spawns = [driven.plan(number) for number in range(1, 11)]
    for spawn in spawns:
        driven.spawn(spawn)
    guests = [driven.guest(spawn) for spawn in spawns]
    tier = driven.backend.disks
    server = plan.Server(uuid="0" * 36, name="extra")
    disks = [
        tier.create(server, (plan.DiskSpec("ephemeral", index, 1024),), None)
        for index in range(len(guests))
    ]
    driven.simulator.rule(
        match={"layer": "rest"}, count=None, effect={"kind": "delay", "seconds": 0.02}
    )
    driven.simulator.admin("DELETE", "journal")
    barrier = threading.Barrier(len(guests))

    def connect(guest, made):
        work = plan.Server(uuid=guest.uuid, name=guest.name)
        with driven.operation("connect", work):
            barrier.wait()
            driven.backend.storage.connect(guest, made, None, ())

    with concurrent.futures.ThreadPoolExecutor(len(guests)) as pool:
        list(pool.map(connect, guests, disks))
    records = [r for r in driven.simulator.journal() if "VirtualIO" in r["key"]]
    assert len(records) <= 8, [(r["key"], r["status"]) for r in records]
    assert {r["status"] for r in records} == {200}
    for guest in guests:
        storage = driven.simulator.guest(guest.name)["storage"]
        assert [s["kind"] for s in storage].count("LogicalUnit") == 4


def test_a_change_that_breaks_does_not_break_others_of_its_write(driven):
    """Whatever it raises: they are made in one write, while another goes on."""
    spawn = driven.plan()
    driven.spawn(spawn)
    vios = driven.backend.guests._topology.active_vioses()[0]
    writer = driven.backend.storage._writers.of(vios.uuid, vios.name, mappings.GROUP)
    writer.forget()
    held = driven.simulator.rule(
        match={"key": "GET VirtualIOServer/{id}?group=ViosSCSIMapping"},
        effect={"kind": "hold"},
    )
    seen = []

    def broken(_wrapper):
        raise KeyError("a port that is gone")

    def look(wrapper):
        seen.append(wrapper.uuid)
        return False

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        first = pool.submit(writer.apply, look, "look")
        assert driven.simulator.wait_parked(held, 60)
        others = [
            pool.submit(writer.apply, change, "change")
            for change in (look, broken, look)
        ]
        while len(writer._waiting) < len(others):
            time.sleep(0.01)
        driven.simulator.delete_rule(held)
        first.result(60)
        kinds = [type(other.exception(60)) for other in others]
    assert kinds.count(KeyError) == 1
    assert kinds.count(type(None)) == 2


@pytest.mark.parametrize("verb", ["GET", "POST"])
def test_a_platform_that_hangs_is_not_asked_for_ever(novalink, verb):
    with powervm.running(novalink) as driven:
        spawn = driven.plan()
        driven.spawn(spawn)
        storage, guest = driven.backend.storage, driven.guest(spawn)
        storage._writers.forget()
        session = driven.backend.host._connection._session
        session.timeout, session._timeouts = 0.3, (10, 0.3)
        novalink.admin("DELETE", "journal")
        key = f"{verb} VirtualIOServer/{{id}}?group=ViosSCSIMapping"
        novalink.rule(match={"key": key}, count=None, effect={"kind": "hang"})
        with pytest.raises(exceptions.HypervisorUnavailable) as raised:
            storage.disconnect(guest, ())
        assert "unmap the storage" in str(raised.value)
        novalink.delete_rule()
        tries = [r for r in novalink.journal() if r["key"] == key]
        # Of two VIOSes.
        assert len(tries) <= 2 * 2


def test_what_is_forgotten_during_a_write_is_read_again(driven):
    """Somebody else has changed the VIOS, while a change of ours was made."""
    first = driven.plan()
    driven.spawn(first)
    (vios, *_others) = driven.backend.guests._topology.active_vioses()
    mine = driven.backend.storage._writers.of(vios.uuid, vios.name, mappings.GROUP)
    mine.look(lambda _wrapper: mine.forget(), "forget it")
    driven.simulator.admin("DELETE", "journal")
    mine.look(lambda _wrapper: None, "look at it")
    mine.look(lambda _wrapper: None, "look at it")
    # Events of the build may still be followed by reads of the partition.
    keys = [r["key"] for r in driven.simulator.journal() if "VirtualIO" in r["key"]]
    assert keys == ["GET VirtualIOServer/{id}?group=ViosSCSIMapping"]
