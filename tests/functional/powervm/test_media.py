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

import pytest
from pypowervm.wrappers import storage, virtual_io_server

from ibmvirt.common import exceptions
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
