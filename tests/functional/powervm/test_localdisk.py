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


"""Disks in volume groups: made, copied, removed, and what goes wrong."""

from __future__ import annotations

import concurrent.futures
import dataclasses

import pytest
from pypowervm.wrappers import storage, virtual_io_server

from ibmvirt.common import exceptions, plan
from ibmvirt.powervm.disks import localdisk, volume_images
from tests.support import powervm

LOCAL = {"disk_driver": "localdisk", "volume_group_name": "datavg"}
ON_ONE = {**LOCAL, "volume_group_vios_name": "vios2"}


@pytest.fixture
def driven(novalink):
    with powervm.running(novalink, **ON_ONE) as found:
        yield found


def root(spawn):
    return localdisk.disk_name(spawn.server.uuid, "root")


def disks(driven, kinds=("VirtualDisk",)):
    """(VIOS, group, disk, GB) of all virtual disks."""
    adapter = driven.backend.disks.configured._adapter
    return sorted(
        (vios.name, group.name, disk.name, disk.capacity)
        for vios in virtual_io_server.VIOS.get(adapter)
        for group in storage.VG.get(adapter, parent=vios)
        for disk in group.virtual_disks
    )


def with_disks(spawn, *more):
    guest = dataclasses.replace(spawn.guest, disks=(*spawn.guest.disks, *more))
    return dataclasses.replace(spawn, guest=guest)


def test_a_boot_disk_is_a_copy_of_the_image(driven):
    spawn = driven.plan()
    driven.spawn(spawn)
    guest = driven.simulator.guest(spawn.server.name)
    assert guest["state"] == "running"
    mapped = sorted((s["vios"], s["kind"], s["id"]) for s in guest["storage"])
    drive = [m for m in mapped if m[1] == "VirtualOpticalMedia"]
    assert [m for m in mapped if m not in drive] == [
        ("vios2", "VirtualDisk", root(spawn))
    ]
    assert driven.simulator.disk(root(spawn)) == powervm.IMAGE_BYTES
    image = volume_images.image_name(spawn.image.id)
    assert disks(driven) == [
        # As large as the flavor says, whatever the image has.
        ("vios2", "datavg", root(spawn), 2.0),
        ("vios2", "datavg", image, 1.0),
    ]
    driven.destroy(spawn)
    assert disks(driven) == [("vios2", "datavg", image, 1.0)]
    driven.destroy(spawn)


def test_new_disks_go_where_most_space_is_free(novalink):
    with powervm.running(novalink, **LOCAL) as driven:
        first, second = driven.plan(1), driven.plan(2)
        driven.spawn(first)
        driven.spawn(second)
        homes = {vios for vios, _group, _disk, _size in disks(driven)}
        assert homes == {"vios1", "vios2"}
        driven.destroy(first)
        driven.destroy(second)
        powervm.forget_images(driven)
        assert novalink.compare() == []


def test_the_only_group_beside_rootvg_needs_no_name(novalink):
    with powervm.running(novalink, disk_driver="localdisk") as driven:
        spawn = driven.plan()
        driven.spawn(spawn)
        assert {group for _v, group, _d, _s in disks(driven)} == {"datavg"}


@pytest.mark.parametrize(
    "options",
    [
        {"volume_group_name": "rootvg"},
        {"volume_group_name": "nowhere"},
        {"volume_group_name": "datavg", "volume_group_vios_name": "vios9"},
    ],
)
def test_a_volume_group_that_cannot_be_used_is_named(novalink, options):
    with powervm.running(novalink, disk_driver="localdisk", **options) as driven:
        with pytest.raises(exceptions.HypervisorError) as raised:
            driven.spawn(driven.plan())
        assert f"volume_group_name is {options['volume_group_name']!r}" in str(
            raised.value
        )
        assert "datavg of vios1" in str(raised.value)
        assert novalink.compare() == []


def test_ten_builds_at_once_copy_one_image(driven):
    plans = [driven.plan(number) for number in range(1, 11)]
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        list(pool.map(driven.spawn, plans))
    assert driven.source.opened == 1
    journal = driven.simulator.journal()
    assert [r["key"] for r in journal if r["status"] == 412] == []
    for spawn in plans:
        assert driven.simulator.disk(root(spawn)) == powervm.IMAGE_BYTES
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        list(pool.map(driven.destroy, plans))
    powervm.forget_images(driven)
    assert driven.simulator.compare() == []


def test_a_spawn_from_a_known_image_takes_at_most_14_calls(driven):
    driven.spawn(driven.plan(1))
    spawn = driven.plan(2)
    driven.spawn(spawn)
    assert len(driven.calls("spawn", spawn)) <= 14, driven.calls("spawn", spawn)
    driven.destroy(spawn)
    assert len(driven.calls("destroy", spawn)) <= 14


def test_ephemeral_and_swap_disks_are_made_and_removed(driven):
    spawn = with_disks(
        driven.plan(),
        plan.DiskSpec("ephemeral", 0, 3 << 10),
        plan.DiskSpec("ephemeral", 1, 1 << 10),
        plan.DiskSpec("swap", 0, 512),
    )
    driven.spawn(spawn)
    sizes = {name[:2]: size for _v, _g, name, size in disks(driven)}
    assert sizes == {"b_": 2, "e0": 3, "e1": 1, "s0": 1, "i_": 1}
    guest = driven.simulator.guest(spawn.server.name)
    mapped = [s["id"] for s in guest["storage"] if s["kind"] == "VirtualDisk"]
    assert mapped[0] == root(spawn)
    assert len(mapped) == 4
    driven.destroy(spawn)
    powervm.forget_images(driven)
    assert driven.simulator.compare() == []


@pytest.mark.parametrize(
    ("disk", "text"),
    [
        (plan.DiskSpec("ephemeral", 0, 1024, filesystem="ext4"), "file system ext4"),
        (plan.DiskSpec("ephemeral", 8, 1024), "at most 8"),
    ],
)
@pytest.mark.parametrize("options", [{}, ON_ONE])
def test_a_disk_that_cannot_be_made_is_refused_by_name(novalink, options, disk, text):
    with (
        powervm.running(novalink, **options) as driven,
        pytest.raises(exceptions.InvalidRequest, match=text),
    ):
        driven.backend.disks.check((disk,))


def test_too_little_space_is_named_and_leaves_nothing(driven):
    big = plan.DiskSpec("ephemeral", 0, 1 << 30)
    spawn = with_disks(driven.plan(), big)
    with pytest.raises(exceptions.OutOfResources, match="create the disks b_"):
        driven.spawn(spawn)
    powervm.forget_images(driven)
    assert driven.simulator.compare() == []


def test_what_the_host_has_is_the_groups(novalink):
    with powervm.running(novalink, **LOCAL) as driven:
        before = driven.backend.host.resources()
        spawn = driven.plan()
        driven.spawn(spawn)
        after = driven.backend.host.resources()
        assert before.disk_gb == after.disk_gb > 0
        # The image and the server's disk.
        assert after.disk_gb_used - before.disk_gb_used == 3


def test_an_image_that_went_is_uploaded_again(driven):
    driven.spawn(driven.plan(1))
    other = driven.backend.disks.configured
    # Somebody else removes it; the driver does not know.
    known = dict(other.images._known)
    powervm.forget_images(driven)
    other.images._known.update(known)
    second = driven.plan(2)
    driven.spawn(second)
    assert driven.simulator.disk(root(second)) == powervm.IMAGE_BYTES
    assert driven.source.opened == 2


def test_a_servers_disks_are_removed_where_new_ones_are_units(driven, novalink):
    spawn = driven.plan()
    driven.spawn(spawn)
    powervm.forget_images(driven)
    with powervm.running(novalink) as other:
        other.kept = driven.kept
        other.destroy(spawn)
        assert disks(driven) == []
        assert novalink.compare() == []


SSP = {"disk_driver": "ssp"}
ELSEWHERE = {"disk_driver": "localdisk", "volume_group_name": "othervg"}


@pytest.mark.parametrize(
    ("made_by", "removed_by", "key"),
    [
        (ON_ONE, SSP, "POST VirtualIOServer/{id}/VolumeGroup/{id}"),
        (SSP, LOCAL, "DELETE Tier/{id}/LogicalUnit/{id}"),
        (ON_ONE, ELSEWHERE, "POST VirtualIOServer/{id}/VolumeGroup/{id}"),
    ],
)
def test_a_removal_that_was_cut_off_ends_with_other_options(
    novalink, made_by, removed_by, key
):
    """Nothing is mapped any more by which the disks would be found."""
    with powervm.running(novalink, **made_by) as driven:
        spawn = driven.plan()
        driven.backend.disks.prepare_image(spawn.image, driven.source)
        novalink.mark()
        driven.spawn(dataclasses.replace(spawn, config_drive=False))
        rule = novalink.rule(
            match={"key": key}, count=None, effect=powervm.fault("refuse")
        )
        with pytest.raises(exceptions.HypervisorError, match="delete the disk"):
            driven.destroy(spawn)
        novalink.delete_rule(rule)
        (left,) = driven.backend.disks.leftovers(spawn.server)
    with powervm.running(novalink, **removed_by) as driven:
        assert driven.backend.disks.within_reach(spawn.server)
        driven.destroy(spawn)
        assert driven.backend.disks.leftovers(spawn.server) == ()
    assert novalink.compare() == [], left


def test_a_disk_of_an_earlier_try_is_not_taken_for_a_new_one(driven):
    spawn = driven.plan()
    local = driven.backend.disks.configured
    (group,) = local.groups()
    wrapper = local._read(group)
    wrapper.virtual_disks.append(storage.VDisk.bld(wrapper.adapter, root(spawn), 2))
    wrapper.update()
    with pytest.raises(exceptions.HypervisorError, match="of an earlier try"):
        driven.spawn(spawn)
    # The build that failed has removed it.
    driven.spawn(spawn)
    assert driven.simulator.disk(root(spawn)) == powervm.IMAGE_BYTES


def test_a_volume_group_that_is_made_later_is_found(novalink):
    options = {"disk_driver": "localdisk", "volume_group_name": "newvg"}
    with powervm.running(novalink, **options) as driven:
        local = driven.backend.disks.configured
        with pytest.raises(exceptions.HypervisorError, match="newvg"):
            local.groups()
        novalink.admin("DELETE", "journal")
        with pytest.raises(exceptions.HypervisorError, match="newvg"):
            local.groups()
        # It looked again.
        keys = [record["key"] for record in novalink.journal()]
        assert "GET VirtualIOServer/{id}/VolumeGroup" in keys


def test_a_half_upload_of_a_dead_service_is_not_taken_for_an_image(novalink):
    """Killed while it uploaded: the disk is there and holds nothing."""
    novalink.rule(
        match={"key": "PUT web/File/contents/*"}, count=None, effect={"kind": "reset"}
    )
    # And nothing could be cleaned: a killed process cleans nothing.
    held = novalink.rule(
        match={"key": "POST VirtualIOServer/{id}/VolumeGroup/{id}"},
        skip=1, count=None, effect={"kind": "refuse", "status": 500},
    )  # fmt: skip
    with powervm.running(novalink, **ON_ONE) as driven:
        with pytest.raises(exceptions.IBMVirtError):
            driven.spawn(driven.plan())
        assert [name[:2] for _v, _g, name, _s in disks(driven)] == ["i_", "p_"], held
    novalink.delete_rule()
    with powervm.running(novalink, **ON_ONE) as driven:
        spawn = driven.plan()
        driven.spawn(spawn)
        assert driven.source.opened == 1
        assert driven.simulator.disk(root(spawn)) == powervm.IMAGE_BYTES
        driven.destroy(spawn)
        powervm.forget_images(driven)
        assert novalink.compare() == []


def test_destroy_removes_half_uploads_in_the_same_write(novalink):
    rules = [
        {"match": {"key": "PUT web/File/contents/*"}, "effect": {"kind": "reset"}},
        {
            "match": {"key": "POST VirtualIOServer/{id}/VolumeGroup/{id}"}, "skip": 1,
            "effect": {"kind": "refuse", "status": 500},
        },
    ]  # fmt: skip
    for rule in rules:
        novalink.rule(count=None, **rule)
    with powervm.running(novalink, **ON_ONE) as driven:
        spawn = driven.plan()
        with pytest.raises(exceptions.IBMVirtError):
            driven.spawn(spawn)
        novalink.delete_rule()
        driven.destroy(spawn)
        assert novalink.compare() == []
