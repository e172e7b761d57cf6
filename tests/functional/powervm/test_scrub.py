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


"""What a start of the service removes, on the simulator."""

from __future__ import annotations

import dataclasses

import pytest

from tests.support import powervm


@pytest.fixture
def orphaned(novalink):
    """A partition that was deleted beside Nova, with all that is left of it."""
    with powervm.running(novalink) as driven:
        spawn = driven.plan()
        ports = tuple(
            dataclasses.replace(vif, type="ovs", vlan=None, bridge="br-int")
            for vif in spawn.guest.vifs
        )
        spawn = dataclasses.replace(
            spawn, guest=dataclasses.replace(spawn.guest, vifs=ports)
        )
        kept = driven.plan(2)
        driven.spawn(kept)
        driven.spawn(spawn)
        guest = driven.guest(spawn)
        driven.backend.guests.power_off(guest, timeout=0, retry_interval=0)
        driven.backend.guests.undefine(guest)
    return spawn, kept


def test_mappings_and_trunks_of_a_partition_that_is_gone_go(novalink, orphaned):
    spawn, kept = orphaned
    with powervm.running(novalink) as driven:
        storage = novalink.guest(kept.server.name)["storage"]
        assert len(storage) == 3
        networks = driven.backend.networks._kinds["ovs"]
        assert networks._trunks(spawn.guest.vifs[0]) == []
        own = novalink.journal(memento="bg:scrub")
        writes = [r["key"] for r in own if r["key"].startswith("POST")]
        # One of each VIOS, and one of the media repository.
        assert sorted(writes) == [
            "POST VirtualIOServer/{id}/VolumeGroup/{id}",
            *(2 * ["POST VirtualIOServer/{id}?group=ViosSCSIMapping"]),
        ]
        # What is left is the disk, which a delete removes.
        driven.destroy(spawn)
        driven.destroy(kept)
    assert novalink.verify() == []


def test_a_start_costs_the_same_for_any_number_of_partitions(novalink):
    def start():
        novalink.admin("DELETE", "journal")
        with powervm.running(novalink):
            records = novalink.journal()
        return len([r for r in records if r["memento"] == "bg:scrub"])

    few = start()
    with powervm.running(novalink) as driven:
        for number in range(1, 5):
            driven.spawn(driven.plan(number))
    assert start() == few <= 5


def test_a_start_does_not_fail_because_of_leftovers(novalink):
    novalink.rule(match={"memento": "bg:scrub"}, count=None, effect={"kind": "refuse"})
    with powervm.running(novalink) as driven:
        assert driven.backend.host.node_name()
