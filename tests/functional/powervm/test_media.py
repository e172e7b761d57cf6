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


"""Config drives: the repository that they are in, and what is left of them."""

from __future__ import annotations

import concurrent.futures
import dataclasses

import pytest
from pypowervm.wrappers import storage, virtual_io_server

from ibmvirt.common import exceptions, plan
from ibmvirt.powervm import media
from ibmvirt.powervm.guests import identities
from tests.functional.powervm.test_recovery import until
from tests.support import powervm


def groups(driven):
    adapter = driven.backend.disks.configured._adapter
    return {
        (vios.name, group.name): group
        for vios in virtual_io_server.VIOS.get(adapter)
        for group in storage.VG.get(adapter, parent=vios)
    }


@pytest.fixture
def bare(novalink):
    """A system without a media repository."""
    with powervm.running(novalink) as driven:
        group = groups(driven)["vios1", "rootvg"]
        group.vmedia_repos = []
        group.update()
    novalink.mark()
    return novalink


def repositories(driven):
    return {
        (*home, repository.name, repository.size)
        for home, group in groups(driven).items()
        for repository in group.vmedia_repos
    }


def test_a_repository_is_made_once_where_there_is_none(bare):
    options = {"vopt_media_rep_size": 3, "vopt_media_volume_group": "datavg"}
    with powervm.running(bare, **options) as driven:
        plans = [driven.plan(number) for number in range(1, 5)]
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(driven.spawn, plans))
        assert repositories(driven) == {("vios1", "datavg", "vopt", 3.0)}
        for spawn in plans:
            kinds = {s["kind"] for s in bare.guest(spawn.server.name)["storage"]}
            assert "VirtualOpticalMedia" in kinds
            driven.destroy(spawn)
        (repository,) = groups(driven)["vios1", "datavg"].vmedia_repos
        assert len(repository.optical_media) == 0


def test_without_a_place_for_it_a_drive_is_refused_before_anything(bare):
    with powervm.running(bare, vopt_media_volume_group="nowhere") as driven:
        with pytest.raises(exceptions.HypervisorError) as raised:
            driven.backend.media.check()
        text = str(raised.value)
        assert "none has the volume group nowhere" in text
        assert "there are: datavg, rootvg" in text
        assert "vopt_media_volume_group" in text
        assert bare.compare() == []


def test_without_room_on_one_vios_another_gets_it(bare):
    with powervm.running(bare) as driven:
        group = groups(driven)["vios1", "rootvg"]
        full = storage.VDisk.bld(group.adapter, "full", group.available_size)
        group.virtual_disks.append(full)
        group.update()
    with powervm.running(bare) as driven:
        driven.backend.media.check()
        assert repositories(driven) == {("vios2", "rootvg", "vopt", 1.0)}


def test_too_little_room_anywhere_is_named(bare):
    with powervm.running(bare, vopt_media_rep_size=1 << 20) as driven:
        with pytest.raises(exceptions.OutOfResources, match="make a media repository"):
            driven.backend.media.check()
        assert bare.compare() == []


@pytest.mark.parametrize("phase", ["before", "after"])
def test_a_lost_answer_does_not_make_two(bare, phase):
    bare.rule(
        match={"key": "POST VirtualIOServer/{id}/VolumeGroup/{id}"},
        phase=phase,
        effect={"kind": "drop"},
    )
    with powervm.running(bare) as driven:
        driven.backend.media.check()
        assert repositories(driven) == {("vios1", "rootvg", "vopt", 1.0)}


def test_a_drive_is_removed_from_whichever_repository_has_it(novalink):
    """Another VIOS has got one while the first was away."""
    with powervm.running(novalink) as driven:
        spawn = driven.plan()
        driven.spawn(spawn)
        group = groups(driven)["vios2", "rootvg"]
        made = storage.VMediaRepos.bld(group.adapter, "vopt", "1")
        group.vmedia_repos = [made]
        group = group.update()
        other = storage.VOptMedia.bld(group.adapter, "cfg_other.iso", size="0.1")
        group.vmedia_repos[0].optical_media.append(other)
        group.update()
    with powervm.running(novalink) as driven:
        assert len(driven.backend.media.names()) == 2
        driven.backend.media.remove({"cfg_other.iso"}, "remove it")
        driven.destroy(spawn)
        assert driven.backend.media.names() == set()


def media_of(novalink, spawn):
    storage = novalink.guest(spawn.server.name)["storage"]
    return [s["id"] for s in storage if s["kind"] == "VirtualOpticalMedia"]


def test_a_drive_is_taken_away_some_time_after_the_first_start(novalink):
    options = {"remove_vopt_media_on_boot": True, "remove_vopt_media_time": 10}
    with powervm.running(novalink, **options) as driven:
        spawn = driven.plan()
        driven.spawn(spawn)
        novalink.clock(advance=9 * 60)
        assert len(media_of(novalink, spawn)) == 1
        novalink.clock(advance=2 * 60)
        until(lambda: not media_of(novalink, spawn))
        # Its mappings have changed behind the driver's back.
        guests, guest = driven.backend.guests, driven.guest(spawn)
        guests.power_off(guest, timeout=0, retry_interval=0)
        guests.power_on(guest)
        driven.destroy(spawn)
        assert driven.backend.media.names() == set()
        assert novalink.compare() == []


def test_a_start_that_fails_does_not_count_as_the_first(novalink):
    options = {"remove_vopt_media_on_boot": True, "remove_vopt_media_time": 0}
    with powervm.running(novalink, **options) as driven:
        spawn = dataclasses.replace(driven.plan(), power_on=False)
        driven.spawn(spawn)
        guest = driven.guest(spawn)
        novalink.rule(
            match={"key": "PUT LogicalPartition/{id}/do/PowerOn"}, on="job",
            effect={"kind": "job", "message": "HSCL9999 a fault"},
        )  # fmt: skip
        with pytest.raises(exceptions.HypervisorError):
            driven.backend.guests.power_on(guest)
        assert len(media_of(novalink, spawn)) == 1
        driven.backend.guests.power_on(guest)
        novalink.clock(advance=1)
        until(lambda: not media_of(novalink, spawn))


def test_a_drive_is_taken_away_although_another_service_built_the_server(novalink):
    """It was killed, or started anew, before the server's first start."""
    options = {"remove_vopt_media_on_boot": True, "remove_vopt_media_time": 10}
    with powervm.running(novalink, **options) as driven:
        spawn = dataclasses.replace(driven.plan(), power_on=False)
        driven.spawn(spawn)
    with powervm.running(novalink, **options) as driven:
        guests, guest = driven.backend.guests, driven.guest(spawn)
        guests.power_on(guest)
        novalink.clock(advance=11 * 60)
        until(lambda: not media_of(novalink, spawn))
    # What the platform took away does not hinder a later start.
    with powervm.running(novalink, **options) as driven:
        driven.backend.guests.power_off(guest, timeout=0, retry_interval=0)
        driven.backend.guests.power_on(guest)
        assert driven.backend.guests.state(guest, use_cache=False).power_state == 1


def test_drives_stay_unless_it_is_configured(novalink):
    with powervm.running(novalink) as driven:
        spawn = driven.plan()
        driven.spawn(spawn)
        novalink.clock(advance=86400)
        assert len(media_of(novalink, spawn)) == 1


# -- what a killed service left -----------------------------------------------------


def test_a_start_removes_drives_without_a_partition_and_no_others(novalink):
    with powervm.running(novalink) as driven:
        kept, gone = driven.plan(1), driven.plan(2)
        driven.spawn(kept)
        driven.backend.media.upload(gone.server, b"drive" * 100)
        (group,) = (
            found
            for found in groups(driven).values()
            if any(len(one.optical_media) for one in found.vmedia_repos)
        )
        for name in ("vios.iso", "cfg_web.iso"):
            group.vmedia_repos[0].optical_media.append(
                storage.VOptMedia.bld(group.adapter, name, size="0.1")
            )
        group.update()
        before = driven.backend.media.names()
    with powervm.running(novalink) as driven:
        gone_name = media.drive_name(gone.server)
        assert driven.backend.media.names() == before - {gone_name}
        assert media_of(novalink, kept) == [media.drive_name(kept.server)]


@pytest.mark.parametrize("first", "0123456789abcdef")
def test_a_drive_is_known_as_its_partitions_whatever_its_first_digit(first):
    server = plan.Server(f"{first}2345678-1234-4234-8234-123456789abc", "web")
    name = media.drive_name(server)
    assert len(name) == 37
    digits = media.digits_of(name)
    assert digits == media.partition_digits(identities.uuid_of(server.uuid))
    assert media.digits_of("cfg_web.iso") is None
