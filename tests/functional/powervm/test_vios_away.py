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

import dataclasses

import pytest
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
