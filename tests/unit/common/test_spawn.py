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


"""Building and removing servers, and what is left when a call fails."""

from __future__ import annotations

import io
import threading

import pytest
from nova import exception as nova
from nova.compute import power_state

from ibmvirt import configdrive
from ibmvirt.common import exceptions
from tests.support import nova_objects

BLOCKS = {
    "root_device_name": "/dev/sda",
    "ephemerals": [
        {"size": 2, "guest_format": "ext4", "device_name": "/dev/sdb"},
        {"size": 3, "guest_format": None, "device_name": "/dev/sdc"},
    ],
    "swap": {"swap_size": 64, "device_name": "/dev/sdd"},
    "block_device_mapping": [],
}
BOOT_VOLUME = {
    "root_device_name": "/dev/sda",
    "ephemerals": [],
    "swap": None,
    "block_device_mapping": [
        {
            "connection_info": {
                "driver_volume_type": "fibre_channel",
                "data": {"volume_id": "vol-1", "target_lun": 0},
                "serial": "vol-1",
            },
            "mount_device": "/dev/sda",
            "boot_index": 0,
            "delete_on_termination": False,
        }
    ],
}


def test_a_server_runs_with_everything(spawn, world, driver):
    server = spawn(block_device_info=BLOCKS)
    guest = world.guests[server.uuid]
    assert guest.state == power_state.RUNNING
    assert sorted(disk.role for disk in guest.disks.values()) == [
        "ephemeral", "ephemeral", "root", "swap",
    ]  # fmt: skip
    assert guest.ports == {nova_objects.port()["id"]}
    assert world.images[nova_objects.IMAGE_ID] == nova_objects.CONTENT
    assert not guest.media
    assert f"spawn:{server.uuid}" in world.mementos
    assert world.mementos <= {f"spawn:{server.uuid}", "bg:init_host"}
    assert driver.get_info(server).state == power_state.RUNNING


def test_it_stays_off_when_nova_wants_that(spawn, world):
    server = spawn(power_on=False)
    assert world.guests[server.uuid].state == power_state.SHUTDOWN


def test_it_boots_from_a_volume_without_an_image(spawn, world):
    server = spawn(block_device_info=BOOT_VOLUME)
    guest = world.guests[server.uuid]
    assert not guest.disks
    assert set(guest.volumes) == {"vol-1"}
    assert not world.images


def test_an_image_that_went_meanwhile_is_prepared_again(spawn, world, driver):
    disks, create = driver.backend.disks, type(driver.backend.disks).create
    gone = [True]

    def create_once_without(server, wanted, key):
        if gone.pop() if gone else False:
            world.images.clear()
            raise exceptions.ImageGone("create the disks", "the image is gone")
        return create(disks, server, wanted, key)

    disks.create = create_once_without
    server = spawn()
    assert world.guests[server.uuid].state == power_state.RUNNING
    assert world.images[nova_objects.IMAGE_ID] == nova_objects.CONTENT


def test_an_image_that_goes_again_and_again_is_an_error(spawn, world, driver):
    def create(*_args):
        raise exceptions.ImageGone("create the disks", "the image is gone")

    driver.backend.disks.create = create
    with pytest.raises(exceptions.ImageGone):
        spawn()
    assert not world.guests


def test_an_image_larger_than_the_flavors_disk_is_refused_before_anything(spawn, world):
    size = (1 << 30) + 1
    with pytest.raises(nova.BuildAbortException, match=f"{size} bytes, the flavor's"):
        spawn(image=nova_objects.image_meta(size=size))
    assert world.calls == []


def test_disks_and_drives_that_cannot_be_are_refused_before_anything(
    spawn, world, driver
):
    def refuse(*_args):
        raise exceptions.InvalidRequest("make the disks", "no room for them")

    for part, config_drive in ((driver.backend.disks, ""), (driver.backend.media, "1")):
        part.check = refuse
        with pytest.raises(nova.BuildAbortException, match="no room for them"):
            spawn(nova_objects.instance(config_drive=config_drive))
        assert world.calls == []
        del part.check


def test_the_config_drive_holds_what_nova_gives(spawn, world):
    server = spawn(
        nova_objects.instance(config_drive="True", user_data="I2Nsb3VkLWNvbmZpZwo="),
        files=[("/etc/motd", b"hello\n")],
        password="herp",
    )
    (content,) = world.media.values()
    assert world.guests[server.uuid].media
    found = dict(_files(content))
    meta = found["openstack/latest/meta_data.json"].decode()
    assert server.uuid in meta
    assert "herp" in meta
    assert found["openstack/latest/user_data"] == b"#cloud-config\n"
    assert b"hello\n" in found.values()
    network = found["openstack/latest/network_data.json"].decode()
    assert "fa:16:3e:00:00:01" in network
    # The management adapter by the link-local address of its MAC.
    assert "fe80::ff:fe00:7" in network


def _files(content):
    with configdrive.Image(io.BytesIO(content)) as drive:
        for entry in drive.entries():
            if entry.kind == "file":
                yield entry.path, drive.read(entry.path)


def test_image_and_guest_do_not_wait_for_each_other(spawn, world, glance):
    defined = threading.Event()
    world.passed["plug"] = defined.set

    def wait_for_guest(_start):
        # The first transfer only judges the image, before anything is built.
        assert glance.downloads == 1 or defined.wait(60), (
            "the guest waits for the image"
        )

    glance.chunk = wait_for_guest
    spawn()


@pytest.mark.parametrize(
    ("server", "image", "values"),
    [
        ({"extra_specs": {"memory:weight": "heavy"}}, {}, {}),
        ({}, {"disk_format": "vmdk"}, {}),
        ({}, {"container_format": "ova"}, {}),
        ({}, {}, {"network_info": nova_objects.ports(nova_objects.port(type="unbound"))}),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_before_any_change(
    spawn, world, server, image, values
):
    with pytest.raises(nova.BuildAbortException):
        spawn(
            nova_objects.instance(**server), nova_objects.image_meta(**image), **values
        )
    assert not world.calls


def test_another_config_drive_format_is_refused(spawn, world, monkeypatch):
    from ibmvirt.common import media

    media.CONF.set_override("config_drive_format", "vfat")
    try:
        with pytest.raises(nova.BuildAbortException, match="iso9660"):
            spawn(nova_objects.instance(config_drive="True"))
    finally:
        media.CONF.clear_override("config_drive_format")
    assert not world.calls


CALLS = [
    "prepare_image", "store_image", "define", "plug", "create_root",
    "create_ephemeral", "create_swap", "upload_media", "connect", "power_on",
]  # fmt: skip


@pytest.mark.parametrize("phase", ["before", "after"])
@pytest.mark.parametrize("call", CALLS)
def test_a_failed_build_leaves_nothing(spawn, world, call, phase):
    error = exceptions.HypervisorError(f"do {call}", "it says no")
    world.faults[call] = (phase, error)
    empty = world.kept()
    with pytest.raises(exceptions.HypervisorError) as caught:
        spawn(nova_objects.instance(config_drive="True"), block_device_info=BLOCKS)
    assert caught.value is error
    assert world.kept() == empty


@pytest.mark.parametrize("undo", ["delete_disks", "undefine", "unplug", "disconnect"])
def test_a_failed_revert_hides_nothing_and_destroy_cleans(spawn, world, driver, undo):
    error = exceptions.HypervisorError("start it", "it says no")
    world.faults["power_on"] = ("after", error)
    world.faults[undo] = ("before", exceptions.HypervisorError(undo, "no either"))
    empty = world.kept()
    server = nova_objects.instance(config_drive="True")
    with pytest.raises(exceptions.HypervisorError) as caught:
        spawn(server)
    assert caught.value is error
    world.faults.clear()
    driver.destroy(nova_objects.request(), server, nova_objects.ports())
    assert world.kept() == empty


@pytest.mark.parametrize(
    ("error", "seen"),
    [
        (exceptions.OutOfResources("a", "b"), nova.ComputeResourcesUnavailable),
        (exceptions.InvalidRequest("a", "b"), nova.BuildAbortException),
        (exceptions.Unsupported("a", "b"), nova.BuildAbortException),
        (exceptions.NetworkNotPlugged("a", "b"), nova.VirtualInterfaceCreateException),
        (exceptions.HypervisorUnavailable("a", "b"), exceptions.HypervisorUnavailable),
        (exceptions.Cancelled("a", "b"), nova.InstanceNotFound),
    ],
)
def test_nova_sees_its_own_exceptions(spawn, world, error, seen):
    world.faults["define"] = ("before", error)
    with pytest.raises(seen):
        spawn()


class TestDestroy:
    def test_nothing_is_left(self, spawn, world, driver):
        empty = world.kept()
        server = spawn(nova_objects.instance(config_drive="True"))
        driver.destroy(nova_objects.request(), server, nova_objects.ports())
        assert world.kept() == empty
        assert not driver.instance_exists(server)
        assert f"destroy:{server.uuid}" in world.mementos

    def test_disks_can_be_kept(self, spawn, world, driver):
        server = spawn()
        driver.destroy(
            nova_objects.request(), server, nova_objects.ports(), destroy_disks=False
        )
        assert not world.guests
        assert len(world.disks) == 1

    def test_a_server_that_is_not_there_is_fine(self, driver):
        driver.destroy(
            nova_objects.request(), nova_objects.instance(), nova_objects.ports()
        )

    @pytest.mark.parametrize(
        "call", ["power_off", "unplug", "disconnect", "undefine", "delete_media",
                 "delete_disks"],
    )  # fmt: skip
    @pytest.mark.parametrize("phase", ["before", "after"])
    def test_a_second_one_goes_on(self, spawn, world, driver, call, phase):
        empty = world.kept()
        server = spawn(nova_objects.instance(config_drive="True"))
        error = exceptions.HypervisorError(call, "it says no")
        world.faults[call] = (phase, error)
        with pytest.raises(exceptions.HypervisorError) as caught:
            driver.destroy(nova_objects.request(), server, nova_objects.ports())
        assert caught.value is error
        world.faults.clear()
        driver.destroy(nova_objects.request(), server, nova_objects.ports())
        assert world.kept() == empty

    def test_cleanup_after_a_build_that_failed(self, spawn, world, driver):
        server = spawn()
        driver.cleanup(nova_objects.request(), server, None)
        assert world.kept() == {"guests": [], "disks": [], "media": []}
