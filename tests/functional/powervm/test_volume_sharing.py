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


"""Volumes that several servers use, and volumes in unusual states."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import threading

import pytest

from ibmvirt.common import exceptions, plan
from ibmvirt.powervm.volumes import vscsi
from tests.support import powervm


@pytest.fixture
def driven(novalink):
    with powervm.running(novalink) as found:
        yield found


def a_volume(driven, number=201, *, shared=False, **data):
    """A volume on a new LUN of the simulator's storage, as Nova describes it."""
    lun = driven.simulator.admin("POST", "luns", {"size": 2048, "lun": number})
    return plan.Volume(
        id=f"volume-{number}",
        protocol="fibre_channel",
        data={"target_wwn": lun["targets"], "target_lun": number, **data},
        multiattach=shared,
    )


def built(driven, *numbers):
    spawns = [driven.plan(number, vifs=0) for number in numbers]
    for spawn in spawns:
        driven.spawn(spawn)
    return spawns


def vioses(driven, spawn):
    """The VIOSes that map a LUN to a server."""
    storage = driven.simulator.guest(spawn.server.name)["storage"]
    return sorted(s["vios"] for s in storage if s["kind"] == "PhysicalVolume")


BOTH = ["vios1", "vios2"]


def test_a_shared_volume_stays_with_the_other_server(driven):
    first, second = built(driven, 1, 2)
    driven.simulator.mark()
    volume = a_volume(driven, shared=True)
    volumes = driven.backend.volumes
    volumes.attach(driven.guest(first), volume)
    volumes.attach(driven.guest(second), volume)
    assert vioses(driven, first) == vioses(driven, second) == BOTH
    driven.simulator.admin("DELETE", "journal")
    volumes.detach(driven.guest(first), volume)
    assert (vioses(driven, first), vioses(driven, second)) == ([], BOTH)
    # The VIOSes were not even asked to forget the disk.
    assert not [r for r in driven.simulator.journal() if "RemoveDevice" in r["key"]]
    volumes.attach(driven.guest(first), volume)
    driven.destroy(first)
    assert vioses(driven, second) == BOTH
    volumes.detach(driven.guest(second), volume)
    driven.destroy(second)
    left = driven.simulator.compare("clean")
    assert [line for line in left if "luns" not in str(line)] == []


def test_servers_that_come_and_go_at_once_do_not_disturb_each_other(driven):
    spawns = built(driven, *range(1, 7))
    volume = a_volume(driven, shared=True)
    volumes = driven.backend.volumes
    barrier = threading.Barrier(len(spawns))

    def turns(spawn):
        guest = driven.guest(spawn)
        barrier.wait()
        for _ in range(3):
            volumes.attach(guest, volume)
            assert vioses(driven, spawn) == BOTH
            volumes.detach(guest, volume)
            assert vioses(driven, spawn) == []
        volumes.attach(guest, volume)

    with concurrent.futures.ThreadPoolExecutor(len(spawns)) as pool:
        list(pool.map(turns, spawns))
    assert [vioses(driven, spawn) for spawn in spawns] == [BOTH] * len(spawns)


def test_a_volume_that_is_not_shared_has_one_server(driven):
    first, second = built(driven, 1, 2)
    volume = a_volume(driven)
    driven.backend.volumes.attach(driven.guest(first), volume)
    with pytest.raises(exceptions.HypervisorError, match="not to be shared"):
        driven.backend.volumes.attach(driven.guest(second), volume)
    driven.backend.volumes.detach(driven.guest(second), volume)
    assert (vioses(driven, first), vioses(driven, second)) == (BOTH, [])


def test_a_stopped_server_gets_and_gives_back_volumes(driven):
    (spawn,) = built(driven, 1)
    guest, volumes = driven.guest(spawn), driven.backend.volumes
    driven.backend.guests.power_off(guest, timeout=0, retry_interval=0)
    volume = a_volume(driven)
    driven.simulator.mark()
    volumes.attach(guest, volume)
    volumes.extend(guest, volume, 4 << 30)
    assert vioses(driven, spawn) == BOTH
    volumes.detach(guest, volume)
    assert driven.simulator.compare() == []


def test_several_volumes_are_detached_one_by_one(driven):
    (spawn,) = built(driven, 1)
    guest, volumes = driven.guest(spawn), driven.backend.volumes
    some = [a_volume(driven, number) for number in (201, 202, 203)]
    driven.simulator.mark()
    for volume in some:
        volumes.attach(guest, volume)
    volumes.detach(guest, some[1])
    assert len(vioses(driven, spawn)) == 4
    for volume in some:
        volumes.detach(guest, volume)
    assert driven.simulator.compare() == []


def test_a_path_that_is_broken_is_no_failure(driven):
    (spawn,) = built(driven, 1)
    volume = a_volume(driven)
    targets = [*volume.data["target_wwn"], "50050768010000ff"]
    data = {**volume.data, "target_wwn": targets}
    volume = dataclasses.replace(volume, data=data)
    driven.backend.volumes.attach(driven.guest(spawn), volume)
    assert vioses(driven, spawn) == BOTH


def fail_one(driven, operation, code="VIOS0099 a broken path"):
    """Let the job fail on one VIOS, and not on the other."""
    driven.simulator.rule(
        match={"key": f"PUT VirtualIOServer/{{id}}/do/{operation}"},
        on="job",
        effect={"kind": "job", "message": code},
    )


def test_as_many_vioses_as_required_must_find_a_volume(novalink):
    with powervm.running(novalink, vscsi_vios_connections_required=2) as driven:
        (spawn,) = built(driven, 1)
        volume = a_volume(driven)
        driven.simulator.mark()
        guest, volumes = driven.guest(spawn), driven.backend.volumes
        fail_one(driven, "LUARecovery")
        with pytest.raises(exceptions.HypervisorError, match="1 of 2 VIOSes"):
            volumes.attach(guest, volume)
        volumes.detach(guest, volume)
        assert driven.simulator.compare() == []
        volumes.attach(guest, volume)
        assert vioses(driven, spawn) == BOTH


def test_a_volume_grows_where_it_is_mapped(driven):
    (spawn,) = built(driven, 1)
    guest, volumes = driven.guest(spawn), driven.backend.volumes
    volume = a_volume(driven)
    fail_one(driven, "LUARecovery")
    volumes.attach(guest, volume)
    assert len(vioses(driven, spawn)) == 1
    volumes.extend(guest, volume, 4 << 30)
    volumes.detach(guest, volume)
    with pytest.raises(exceptions.HypervisorError, match="new size of the volume"):
        volumes.extend(guest, volume, 4 << 30)


def test_what_is_kept_of_a_connection_finds_the_disk_again(driven):
    (spawn,) = built(driven, 1)
    volume = a_volume(driven)
    driven.simulator.mark()
    driven.backend.volumes.attach(driven.guest(spawn), volume)
    kept = driven.backend.volumes.kept(volume)
    assert set(kept) == {vscsi.KEPT}
    # The storage has taken the LUN away already, and the service was restarted.
    number = driven.simulator.admin("GET", "luns")[-1]["number"]
    driven.simulator.admin("DELETE", f"luns/{number}")
    again = dataclasses.replace(volume, data={**volume.data, **kept})
    with powervm.running(driven.simulator) as later:
        later.backend.volumes.detach(later.guest(spawn), again)
        later.backend.volumes.detach(later.guest(spawn), again)
    assert vioses(driven, spawn) == []


def test_a_disk_that_cannot_be_told_is_not_left_in_silence(driven):
    (spawn,) = built(driven, 1)
    volume = a_volume(driven)
    driven.backend.volumes.attach(driven.guest(spawn), volume)
    number = driven.simulator.admin("GET", "luns")[-1]["number"]
    driven.simulator.admin("DELETE", f"luns/{number}")
    with powervm.running(driven.simulator) as later:
        guest = later.guest(spawn)
        with pytest.raises(exceptions.HypervisorError, match="the disk of the volume"):
            later.backend.volumes.detach(guest, volume)
        assert vioses(driven, spawn) == BOTH
        # A server that has no volume at all does not have this one either.
        (other,) = built(later, 2)
        later.backend.volumes.detach(later.guest(other), volume)
        later.destroy(spawn)


def test_the_connector_of_a_host_is_the_same_for_all_servers(driven):
    first, second = built(driven, 1, 2)
    volumes = driven.backend.volumes
    connector = volumes.connector(driven.server(first), driven.guest(first))
    assert connector["host"] == "compute1.example.com"
    assert connector["wwpns"] == sorted(connector["wwpns"])
    assert connector == volumes.connector(driven.server(second), None)
    assert not volumes.incomplete(driven.server(first), None)


@pytest.mark.parametrize("same_service", [True, False])
def test_volumes_go_also_when_the_partition_is_gone(novalink, same_service):
    """A build's rollback may have removed the partition and not its mappings."""
    with powervm.running(novalink) as driven:
        (other,) = built(driven, 2)
        shared = a_volume(driven, 202, shared=True)
        driven.backend.volumes.attach(driven.guest(other), shared)
        own = a_volume(driven)
        novalink.mark()
        (spawn,) = built(driven, 1)
        guest = driven.guest(spawn)
        for volume in (own, shared):
            driven.backend.volumes.attach(guest, volume)
        if same_service:
            lost(driven, spawn, own, shared)
    if not same_service:
        with powervm.running(novalink) as driven:
            lost(driven, spawn, own, shared)
    assert novalink.compare() == []


def lost(driven, spawn, *volumes):
    """The partition is removed, and then Nova deletes the server."""
    guest = driven.guest(spawn)
    driven.backend.guests.power_off(guest, timeout=0, retry_interval=0)
    driven.backend.guests.undefine(guest)
    spec = dataclasses.replace(spawn.guest, volumes=volumes)
    driven.destroy(dataclasses.replace(spawn, guest=spec))
