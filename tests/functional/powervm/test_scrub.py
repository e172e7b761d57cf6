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
from pypowervm.wrappers import virtual_io_server

from tests.functional.powervm import test_npiv, test_ovs, test_volumes
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


def remove_beside_nova(driven, spawn):
    """Delete a server's partition, as an operator does, and nothing else."""
    guest = driven.guest(spawn)
    driven.backend.guests.power_off(guest, timeout=0, retry_interval=0)
    driven.backend.guests.undefine(guest)


def mapped_to_nobody(driven):
    """Kinds of what VIOSes map without a client, SCSI and Fibre Channel."""
    wrappers = virtual_io_server.VIOS.get(
        driven.backend.guests._adapter, xag=["ViosSCSIMapping", "ViosFCMapping"]
    )
    return sorted(
        mapping.backing_storage.schema_type
        if hasattr(mapping, "backing_storage")
        else "FibreChannel"
        for wrapper in wrappers
        for mapping in (*wrapper.scsi_mappings, *wrapper.vfc_mappings)
        if mapping.client_adapter is None
    )


def test_a_start_removes_stale_mappings_of_every_kind_once(novalink):
    with powervm.running(novalink) as driven:
        over_vscsi = driven.plan(1)
        driven.spawn(over_vscsi)
        volume, _lun = test_volumes.a_volume(driven)
        driven.backend.volumes.attach(driven.guest(over_vscsi), volume)
    with powervm.running(novalink, **test_npiv.FABRICS) as driven:
        by_npiv, kept = driven.plan(2), driven.plan(3)
        for spawn in (by_npiv, kept):
            driven.spawn(spawn)
            test_npiv.connect(driven, spawn)
            driven.backend.volumes.attach(driven.guest(spawn), test_npiv.VOLUME)
        there = novalink.guest(kept.server.name)
        remove_beside_nova(driven, over_vscsi)
        remove_beside_nova(driven, by_npiv)
        assert mapped_to_nobody(driven) == [
            *(2 * ["FibreChannel"]),
            *(4 * ["LogicalUnit"]),
            *(2 * ["PhysicalVolume"]),
            *(2 * ["VirtualOpticalMedia"]),
        ]
    novalink.admin("DELETE", "journal")
    with powervm.running(novalink) as driven:
        assert mapped_to_nobody(driven) == []
        after = novalink.guest(kept.server.name)
        for part in ("storage", "fibre_channel"):
            assert after[part] == there[part]
    posts = [r["key"] for r in novalink.journal() if r["key"].startswith("POST Virt")]
    # A write of each VIOS for each kind, and one of the media repository.
    assert len(posts) == len(set(posts)) + 2 == 5
    novalink.admin("DELETE", "journal")
    with powervm.running(novalink):
        pass
    assert not [r for r in novalink.journal() if r["key"].startswith("POST Virt")]


def test_what_is_left_goes_also_when_the_partitions_number_is_given_again(novalink):
    with powervm.running(novalink) as driven:
        old = driven.plan(1)
        driven.spawn(old)
        volume, _lun = test_volumes.a_volume(driven)
        driven.backend.volumes.attach(driven.guest(old), volume)
        number = driven.backend.guests._cache.get(driven.guest(old).id).id
        remove_beside_nova(driven, old)
        new = driven.plan(2)
        driven.spawn(new)
        assert driven.backend.guests._cache.get(driven.guest(new).id).id == number
        assert mapped_to_nobody(driven)
        there = novalink.guest(new.server.name)["storage"]
    with powervm.running(novalink) as driven:
        assert mapped_to_nobody(driven) == []
        assert novalink.guest(new.server.name)["storage"] == there


def test_a_trunk_of_somebody_else_stays_and_does_not_hinder_a_start(novalink):
    with powervm.running(novalink) as driven:
        spawn = test_ovs.ovs_plan(driven)
        driven.spawn(spawn)
        (trunk,) = driven.backend.networks._kinds["ovs"]._trunks(spawn.guest.vifs[0])
        trunk.ovs_ext_ids = "vm-uuid=not-one-of-novas"
        trunk.update()
    with powervm.running(novalink) as driven:
        kind, uuid = driven.backend.guests._topology.management()
        read = driven.backend.guests._adapter.read
        feed = read(kind, uuid, "ClientNetworkAdapter").feed
        assert trunk.uuid in {entry.uuid for entry in feed.entries}
