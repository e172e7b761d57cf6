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


"""VIOSes that go away and come back: what is used of them, and what is told."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import functools
import types

import pytest
from nova.compute import power_state
from pypowervm.wrappers import virtual_io_server

from ibmvirt.common import exceptions, plan
from ibmvirt.powervm import preflight
from ibmvirt.powervm.disks import localdisk
from tests.functional.powervm import test_volumes
from tests.functional.powervm.test_recovery import start, stop, until
from tests.support import powervm

LOCAL = {"disk_driver": "localdisk", "volume_group_name": "datavg"}


@pytest.fixture
def driven(novalink):
    with powervm.running(novalink) as found:
        yield found


def test_the_groups_of_a_vios_that_was_away_at_the_start_are_known_later(novalink):
    options = {**LOCAL, "volume_group_vios_name": "vios2"}
    with powervm.running(novalink, **options) as driven:
        spawn = driven.plan()
        driven.spawn(spawn)
        stop(driven, "vios2")
    with powervm.running(novalink, **LOCAL) as driven:
        assert driven.backend.disks.configured.where() == "datavg of vios1"
        start(driven, "vios2")
        driven.destroy(spawn)
        where = driven.backend.disks.configured.where()
        assert where == "datavg of vios1, datavg of vios2"


def test_no_disk_is_made_in_the_group_of_a_vios_that_is_away(novalink):
    with powervm.running(novalink, **LOCAL) as driven:
        assert len(driven.backend.disks.configured.groups()) == 2
        stop(driven, "vios1")
        spawn = driven.plan()
        driven.spawn(spawn)
        storage = novalink.guest(spawn.server.name)["storage"]
        assert {(s["vios"], s["kind"]) for s in storage} == {
            ("vios2", "VirtualDisk"),
            ("vios2", "VirtualOpticalMedia"),
        }


def test_a_drive_goes_to_a_vios_that_is_active(driven):
    first = driven.plan(1)
    driven.spawn(first)
    stop(driven, "vios1")
    spawn = driven.plan(2)
    driven.spawn(spawn)
    storage = driven.simulator.guest(spawn.server.name)["storage"]
    assert ("vios2", "VirtualOpticalMedia") in {(s["vios"], s["kind"]) for s in storage}


def test_a_disk_that_no_active_vios_can_map_is_named(driven):
    spawn = driven.plan()
    places = driven.backend.disks.configured._topology
    (away,) = (vios.uuid for vios in places.vioses() if vios.name == "vios2")
    stop(driven, "vios2")
    tier = places.tier()
    places._known["tier"] = dataclasses.replace(tier, nodes=frozenset((away,)))
    for refused in (
        lambda: driven.spawn(spawn),
        lambda: preflight._disks(places, driven.backend.disks),
    ):
        with pytest.raises(exceptions.HypervisorUnavailable) as raised:
            refused()
        assert "no active VIOS is a node of the cluster" in str(raised.value)
    assert driven.backend.disks.leftovers(spawn.server) == ()


def test_a_drive_that_was_not_removed_goes_when_its_vios_is_back(driven):
    spawn = driven.plan()
    driven.spawn(spawn)
    (name,) = driven.backend.media.names()
    stop(driven, "vios1")
    with pytest.raises(exceptions.HypervisorError):
        driven.destroy(spawn)
    start(driven, "vios1")
    until(lambda: name not in driven.backend.media.names())


def test_a_disk_that_a_vios_keeps_is_deleted_with_its_name_in_the_error(driven):
    spawn = driven.plan()
    driven.spawn(spawn)
    stop(driven, "vios2")
    with pytest.raises(exceptions.HypervisorError) as raised:
        driven.destroy(spawn)
    text = str(raised.value)
    assert "vios2 may map it still, and has no active RMC connection" in text
    assert "Start vios2" in text
    start(driven, "vios2")
    until(lambda: not mapped_by(driven, "vios2"))
    driven.destroy(spawn)
    assert driven.backend.disks.leftovers(spawn.server) == ()


def mapped_by(driven, name):
    (uuid,) = (
        vios.uuid
        for vios in driven.backend.guests._topology.vioses()
        if vios.name == name
    )
    adapter = driven.backend.guests._adapter
    groups = ["ViosSCSIMapping"]
    return list(
        virtual_io_server.VIOS.get(adapter, uuid=uuid, xag=groups).scsi_mappings
    )


def test_a_local_disk_of_a_vios_that_is_away_is_named(novalink):
    options = {**LOCAL, "volume_group_vios_name": "vios2"}
    with powervm.running(novalink, **options) as driven:
        spawn = driven.plan()
        driven.spawn(spawn)
    with powervm.running(novalink, **LOCAL) as driven:
        stop(driven, "vios2")
        name = localdisk.disk_name(spawn.server.uuid, "root")
        disk = plan.DiskRef(localdisk.KIND, "03none.1", name)
        with pytest.raises(exceptions.HypervisorUnavailable, match="Start vios2"):
            driven.backend.disks.delete((disk,))


def test_a_volume_that_was_detached_meanwhile_is_unmapped_by_a_vios_that_is_back(
    driven,
):
    spawn = driven.plan()
    driven.spawn(spawn)
    guest, volumes = driven.guest(spawn), driven.backend.volumes
    gone, _lun = test_volumes.a_volume(driven, 201)
    again, _lun = test_volumes.a_volume(driven, 202)
    driven.simulator.mark()
    for volume in (gone, again):
        volumes.attach(guest, volume)
    stop(driven, "vios2")
    for volume in (gone, again):
        volumes.detach(guest, volume)
    volumes.attach(guest, again)
    assert test_volumes.disks(driven, guest) == ["vios1", "vios2", "vios2"]
    start(driven, "vios2")
    until(lambda: test_volumes.disks(driven, guest) == ["vios1", "vios2"])
    volumes.detach(guest, again)
    assert test_volumes.disks(driven, guest) == []
    # The VIOSes have forgotten the disks too; one of them was off.
    until(
        lambda: (
            not any(
                "PhysicalVolume" in line["path"] for line in driven.simulator.compare()
            )
        )
    )


def gone(driven):
    """No VIOS has a disk of a volume that was not there when it was marked."""
    paths = [line["path"] for line in driven.simulator.compare()]
    return not any("PhysicalVolume" in path for path in paths)


@pytest.fixture
def restarts(novalink, tmp_path):
    """``restarts()`` is the service on one state path, started anew."""
    return functools.partial(powervm.running, novalink, state=tmp_path)


@pytest.fixture
def detached(restarts):
    """A server whose volume was detached while vios2 was away; then a restart."""
    with restarts() as driven:
        spawn = driven.plan()
        driven.spawn(spawn)
        volume, _lun = test_volumes.a_volume(driven)
        driven.simulator.mark()
        driven.backend.volumes.attach(driven.guest(spawn), volume)
        stop(driven, "vios2")
        driven.backend.volumes.detach(driven.guest(spawn), volume)
        assert test_volumes.disks(driven, driven.guest(spawn)) == ["vios2"]
    return spawn, volume


def test_what_a_vios_missed_is_known_after_a_restart(restarts, detached):
    spawn, _volume = detached
    with restarts() as driven:
        assert test_volumes.disks(driven, driven.guest(spawn)) == ["vios2"]
        start(driven, "vios2")
        until(lambda: gone(driven))
        assert test_volumes.disks(driven, driven.guest(spawn)) == []
    # And it is made up for once.
    driven.simulator.admin("DELETE", "journal")
    with restarts() as driven:
        calls = [record["key"] for record in driven.simulator.journal()]
        assert not [key for key in calls if key.startswith("POST VirtualIOServer")]


def test_a_vios_that_came_back_before_the_service_started(restarts, detached, novalink):
    spawn, _volume = detached
    with powervm.running(novalink) as another:
        start(another, "vios2")
    with restarts() as driven:
        assert gone(driven)
        assert test_volumes.disks(driven, driven.guest(spawn)) == []


def test_a_damaged_note_hides_no_other(restarts, detached, tmp_path, caplog):
    spawn, _volume = detached
    folder = tmp_path / "powervm" / "missed"
    assert len(list(folder.iterdir())) == 1
    (folder / "a.json").write_text('{"guest": ')
    with restarts() as driven:
        start(driven, "vios2")
        until(lambda: test_volumes.disks(driven, driven.guest(spawn)) == [])
        assert f"{folder / 'a.json'} cannot be read" in caplog.text


def test_a_volume_that_is_attached_again_stays(restarts, detached):
    spawn, volume = detached
    with restarts() as driven:
        driven.backend.volumes.attach(driven.guest(spawn), volume)
    with restarts() as driven:
        start(driven, "vios2")
        # Whoever unmaps it there would hold the volume's lock.
        driven.backend.volumes.extend(driven.guest(spawn), volume, 4 << 30)
        assert test_volumes.disks(driven, driven.guest(spawn)) == ["vios1", "vios2"]


def test_another_server_may_have_it_before_the_vios_has_caught_up(restarts, detached):
    spawn, volume = detached
    with restarts() as driven:
        other = driven.plan(2)
        driven.spawn(other)
        rule = driven.simulator.rule(
            match={"key": "POST VirtualIOServer/{id}?group=ViosSCSIMapping",
                   "memento": "bg:*"},
            effect=powervm.fault("refuse"), count=None,
        )  # fmt: skip
        start(driven, "vios2")
        until(lambda: struck(driven, rule))
        driven.simulator.delete_rule(rule)
        driven.backend.volumes.attach(driven.guest(other), volume)
        assert test_volumes.disks(driven, driven.guest(other)) == ["vios1", "vios2"]
        assert test_volumes.disks(driven, driven.guest(spawn)) == []


def test_events_are_heard_while_somebody_uses_what_is_to_be_unmapped(
    restarts, detached
):
    spawn, volume = detached
    with restarts() as driven, concurrent.futures.ThreadPoolExecutor(1) as pool:
        guest, server = driven.guest(spawn), driven.server(spawn)
        rule = driven.simulator.rule(
            match={"key": "PUT VirtualIOServer/{id}/do/LUARecovery"},
            effect={"kind": "hold"},
        )

        def attach():
            with driven.operation("attach_volume", server):
                driven.backend.volumes.attach(guest, volume)

        attached = pool.submit(attach)
        try:
            assert driven.simulator.wait_parked(rule, 60)
            start(driven, "vios2")
            # The first may be seen as all partitions are read.
            tell(driven, spawn, "error", power_state.CRASHED)
            tell(driven, spawn, "running", power_state.RUNNING)
        finally:
            driven.simulator.delete_rule(rule)
        attached.result(60)
        assert test_volumes.disks(driven, guest) == ["vios1", "vios2"]


def tell(driven, spawn, state, heard):
    name = spawn.server.name
    driven.simulator.world("partition_state", partition=name, state=state)
    until(lambda: driven.states[-1:] == [(spawn.server.uuid, heard)])


def struck(driven, number):
    return any(r["id"] == number and r["hits"] for r in driven.simulator.rules())


def booting(driven, volume):
    """The plan of a server that boots from a volume."""
    plain = driven.plan()
    guest = dataclasses.replace(
        plain.guest, disks=(), volumes=(dataclasses.replace(volume, boot=True),)
    )
    return dataclasses.replace(plain, guest=guest, image=None, config_drive=False)


def test_a_vios_that_comes_back_while_a_volume_is_looked_for(driven):
    places = driven.backend.guests._topology
    (first,) = (vios for vios in places.active_vioses() if vios.name == "vios1")
    # When the connecting began, the other was away.
    driven.backend.storage._topology = types.SimpleNamespace(
        active_vioses=lambda: (first,)
    )
    volume, _lun = test_volumes.a_volume(driven)
    driven.simulator.mark()
    spawn = booting(driven, volume)
    driven.spawn(spawn)
    assert test_volumes.disks(driven, driven.guest(spawn)) == ["vios1"]
    driven.destroy(spawn)
    assert gone(driven)


def test_a_disk_of_a_server_that_was_deleted_meanwhile_goes(restarts):
    with restarts() as driven:
        volume, _lun = test_volumes.a_volume(driven)
        driven.simulator.mark()
        before = mapped_by(driven, "vios2")
        spawn = booting(driven, volume)
        driven.spawn(spawn)
        stop(driven, "vios2")
        driven.destroy(spawn)
    with restarts() as driven:
        assert not gone(driven)
        start(driven, "vios2")
        until(lambda: gone(driven))
        assert mapped_by(driven, "vios2") == before


def test_a_disk_that_a_vios_did_not_forget_goes_with_the_next_start(restarts):
    with restarts() as driven:
        spawn = driven.plan()
        driven.spawn(spawn)
        volume, _lun = test_volumes.a_volume(driven)
        driven.simulator.mark()
        driven.backend.volumes.attach(driven.guest(spawn), volume)
        rule = driven.simulator.rule(
            match={"key": "PUT VirtualIOServer/{id}/do/RemoveDevice"},
            effect=powervm.fault("refuse"), count=None,
        )  # fmt: skip
        driven.backend.volumes.detach(driven.guest(spawn), volume)
        assert not gone(driven)
    driven.simulator.delete_rule(rule)
    with restarts() as driven:
        assert driven.simulator.compare() == []


def test_a_vios_that_is_back_is_noticed_although_an_answer_is_lost(driven):
    spawn = driven.plan()
    driven.spawn(spawn)
    stop(driven, "vios2")
    with pytest.raises(exceptions.HypervisorError):
        driven.destroy(spawn)
    assert mapped_by(driven, "vios2")
    driven.simulator.rule(
        match={"key": "GET VirtualIOServer", "memento": "bg:events"},
        effect={"kind": "drop"},
    )
    start(driven, "vios2")
    until(lambda: not mapped_by(driven, "vios2"))


def test_a_vios_that_goes_away_again_has_still_missed_it(restarts, detached):
    spawn, _volume = detached
    with restarts() as driven:
        removals = driven.backend.volumes._removal
        # As they were a moment ago: all active.
        vioses = driven.backend.guests._topology.vioses()
        (entry,) = removals._missed.due(vios.uuid for vios in vioses)
        removals._make_up(entry, vioses)
        start(driven, "vios2")
        until(lambda: gone(driven))
        assert test_volumes.disks(driven, driven.guest(spawn)) == []


def test_a_disk_of_a_vios_that_is_away_is_not_taken_for_removed(driven):
    volumes = driven.backend.volumes._kinds["fibre_channel"]._vscsi
    places = driven.backend.guests._topology
    (away,) = (vios.uuid for vios in places.vioses() if vios.name == "vios2")
    stop(driven, "vios2")
    volumes._ledger.keep(away, "hdisk90", "first")
    left = volumes.forget({away: {("hdisk91", "second")}}, set(), {})
    assert left[away] == {("hdisk90", "first"), ("hdisk91", "second")}
    assert volumes._ledger.take_left() == {away: {("hdisk90", "first")}}
