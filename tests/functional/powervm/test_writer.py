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

import pytest

from ibmvirt.common import plan
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
