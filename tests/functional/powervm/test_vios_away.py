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

from ibmvirt.common import exceptions
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
    places = driven.backend.disks.configured._topology
    (away,) = (vios.uuid for vios in places.vioses() if vios.name == "vios2")
    stop(driven, "vios2")
    tier = places.tier()
    places._known["tier"] = dataclasses.replace(tier, nodes=frozenset((away,)))
    spawn = driven.plan()
    with pytest.raises(exceptions.HypervisorUnavailable) as raised:
        driven.spawn(spawn)
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
