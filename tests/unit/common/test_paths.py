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

"""What backends may do beside the plain way, and what goes wrong between."""

from __future__ import annotations

import io
import json

import pytest
from nova import exception as nova
from nova.network import model
from nova.virt import fake

from ibmvirt import configdrive
from ibmvirt.common import driver_part, exceptions
from tests.support import memory_backend, nova_objects
from tests.unit.common import test_spawn


def gone():
    return exceptions.ImageGone("clone the image", "it is not there any more")


class TestImageGone:
    def test_it_is_prepared_again(self, spawn, world, monkeypatch, driver):
        """Another host, or the ageing of images, was faster than this build."""
        disks = type(driver.backend.disks)
        create, tries = disks.create, []

        def create_late(self, server, specs, image_key):
            tries.append(image_key)
            if len(tries) == 1:
                world.images.clear()
                raise gone()
            return create(self, server, specs, image_key)

        monkeypatch.setattr(disks, "create", create_late)
        spawn()
        assert world.calls.count("store_image") == 2
        assert len(tries) == 2

    def test_once(self, spawn, world):
        world.faults["create_root"] = ("before", gone())
        with pytest.raises(exceptions.ImageGone):
            spawn()
        assert world.kept() == {"guests": [], "disks": [], "media": []}

    def test_without_an_image_it_is_an_error(self, spawn, world):
        world.faults["create_ephemeral"] = ("before", gone())
        volume = dict(test_spawn.BOOT_VOLUME)
        volume["ephemerals"] = [{"size": 1, "guest_format": None}]
        with pytest.raises(exceptions.ImageGone):
            spawn(block_device_info=volume)


def test_a_name_that_is_taken_is_not_kept(spawn, world, driver, monkeypatch):
    """Else the delete of this server would find somebody else's guest by it."""
    monkeypatch.setattr(
        type(driver.backend.guests), "record", lambda _self, _spec: {"name": "abc"}
    )
    world.faults["define"] = ("before", exceptions.NameTaken("make abc", "it exists"))
    server = nova_objects.instance()
    with pytest.raises(exceptions.NameTaken):
        spawn(server)
    assert server.system_metadata["name"] == ""


def test_a_guest_that_settles_does_so_before_it_starts(
    spawn, world, driver, monkeypatch
):
    guests = type(driver.backend.guests)
    monkeypatch.setattr(guests, "settles", lambda _self, _spec: True)

    def settle(_self, guest, spec, disks):
        assert world.guests[guest.id].disks.keys() == {disk.id for disk in disks}
        with world.call("settle"):
            pass

    monkeypatch.setattr(guests, "settle", settle)
    spawn()
    assert world.calls.index("settle") < world.calls.index("power_on")


class TestAbandon:
    """A build that ended while its volumes were prepared, before its guest."""

    def test_the_backend_hears_of_it(self, driver, world, monkeypatch):
        heard = []
        monkeypatch.setattr(
            type(driver.backend.volumes),
            "abandon",
            lambda _self, server: heard.append(server.uuid),
        )
        server = nova_objects.instance()
        driver.failed_spawn_cleanup(server)
        assert heard == [server.uuid]

    def test_an_error_is_logged_and_nothing_more(self, driver, monkeypatch, caplog):
        def fail(_self, _server):
            raise exceptions.HypervisorError("give back the port", "it says no")

        monkeypatch.setattr(type(driver.backend.volumes), "abandon", fail)
        driver.failed_spawn_cleanup(nova_objects.instance())
        assert "it says no" in caplog.text


class TestDrive:
    def read(self, world, path):
        (drive,) = world.media.values()
        with configdrive.Image(io.BytesIO(drive)) as image:
            return image.read(path)

    def test_all_that_nova_puts_on_it(self, spawn, world, configuration, tmp_path):
        user_data = "IyEvYmluL3NoCg=="
        file = tmp_path / "vendor.json"
        file.write_text('{"site": "a"}')
        configuration.set_override("vendordata_jsonfile_path", str(file), "api")
        server = nova_objects.instance(config_drive="True", user_data=user_data)
        spawn(server, files=[("/etc/motd", b"hello")], password="secret")
        meta = json.loads(self.read(world, "openstack/latest/meta_data.json"))
        assert meta["uuid"] == server.uuid
        assert meta["admin_pass"] == "secret"
        (content,) = [f for f in meta["files"] if f["path"] == "/etc/motd"]
        path = "openstack" + content["content_path"]
        assert self.read(world, path) == b"hello"
        assert self.read(world, "openstack/latest/user_data") == b"#!/bin/sh\n"
        vendor = json.loads(self.read(world, "openstack/latest/vendor_data.json"))
        assert vendor == {"site": "a"}
        network = json.loads(self.read(world, "openstack/latest/network_data.json"))
        assert {link["ethernet_mac_address"] for link in network["links"]} == {
            "fa:16:3e:00:00:01", "02:00:00:00:00:07",
        }  # fmt: skip
        management = network["networks"][-1]
        assert management["ip_address"] == "fe80::ff:fe00:7"

    def test_without_networks(self, spawn, world):
        spawn(
            nova_objects.instance(config_drive="True"), network_info=model.NetworkInfo()
        )
        network = json.loads(self.read(world, "openstack/latest/network_data.json"))
        assert [link["id"] for link in network["links"]] == ["ibmvirt-management"]

    def test_another_format_is_refused_before_anything(
        self, spawn, world, configuration
    ):
        configuration.set_override("config_drive_format", "vfat")
        with pytest.raises(nova.BuildAbortException, match="to iso9660"):
            spawn(nova_objects.instance(config_drive="True"))
        assert not world.calls

    def test_what_no_drive_can_hold(self, spawn, world, monkeypatch):
        monkeypatch.setattr(
            "nova.api.metadata.base.InstanceMetadata.metadata_for_config_drive",
            lambda _self: [("x" * 100, b"")],
        )
        with pytest.raises(nova.BuildAbortException, match="100 bytes"):
            spawn(nova_objects.instance(config_drive="True"))
        assert world.kept() == {"guests": [], "disks": [], "media": []}


class TestDeleting:
    """How a build learns that Nova no longer wants the server."""

    @pytest.mark.parametrize(
        ("task", "why"),
        [("spawning", None), (None, None), ("deleting", "the server is being deleted")],
    )
    def test_by_its_task(self, monkeypatch, glance, task, why):
        current = nova_objects.instance(task_state=task)
        monkeypatch.setattr(
            "nova.objects.Instance.get_by_uuid", lambda *_a, **_n: current
        )
        assert driver_part._deleting(nova_objects.instance()) == why

    def test_by_its_absence(self, monkeypatch, glance):
        def find(_context, uuid, **_names):
            raise nova.InstanceNotFound(instance_id=uuid)

        monkeypatch.setattr("nova.objects.Instance.get_by_uuid", find)
        why = driver_part._deleting(nova_objects.instance())
        assert why == "the server was deleted"


def test_a_backend_without_an_image_cache_ages_nothing(glance, fast_clock):
    least = memory_backend.LeastDriver(fake.FakeVirtAPI())
    least.manage_image_cache(nova_objects.request(), [])
    assert not least.world.calls
