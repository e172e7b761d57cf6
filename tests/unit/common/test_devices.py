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

"""Names of block devices, and the tags that users give them."""

from __future__ import annotations

import io
import json

import pytest
from nova import exception as nova
from nova import objects

from ibmvirt import configdrive
from ibmvirt.common import device_names
from tests.support import nova_objects

POWER = device_names.Names("/dev/sd", "/dev/sd")
ZVM = device_names.Names("/dev/dasd", "/dev/sd")
CONNECTION = {"driver_volume_type": "fibre_channel", "data": {"volume_id": "vol-1"}}
VOLUME = {"volume_id": "vol-1"}


def bdms(*names, **values):
    return [nova_objects.bdm(device_name=name, **values) for name in names]


class TestNames:
    def test_the_root_disk(self):
        assert POWER.root(nova_objects.bdm()) == "/dev/sda"
        assert ZVM.root(nova_objects.bdm()) == "/dev/dasda"
        assert ZVM.root(nova_objects.bdm(**VOLUME)) == "/dev/sda"

    @pytest.mark.parametrize(("names", "held", "asked", "given"), [
        (POWER, ["/dev/sda"], None, "/dev/sdb"),
        (POWER, ["/dev/sda", "/dev/sdc"], None, "/dev/sdb"),
        # Named by an older driver.
        (POWER, ["/dev/vda", "vdb"], None, "/dev/sdc"),
        (POWER, ["/dev/sda"], "/dev/vdd", "/dev/sdd"),
        (POWER, ["/dev/sda"], "/dev/sdq", "/dev/sdq"),
        # On z/VM minidisks and volumes are named apart.
        (ZVM, ["/dev/dasda"], None, "/dev/sda"),
        (ZVM, ["/dev/vda"], "/dev/vdb", "/dev/sdb"),
    ])  # fmt: skip
    def test_the_next_volume(self, names, held, asked, given):
        volume = nova_objects.bdm(device_name=asked, **VOLUME)
        assert names.next(volume, [*bdms(*held), volume]) == given

    def test_after_z_comes_aa(self):
        held = bdms(*(f"/dev/sd{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"))
        assert POWER.next(nova_objects.bdm(**VOLUME), held) == "/dev/sdaa"

    @pytest.mark.parametrize("name", ["/dev/sda", "/dev/vda", "sda"])
    def test_a_name_that_is_taken(self, name):
        volume = nova_objects.bdm(device_name=name, **VOLUME)
        with pytest.raises(nova.DevicePathInUse):
            POWER.next(volume, bdms("/dev/sda"))

    @pytest.mark.parametrize("name", ["hdisk1", "/dev/mapper/x", "/dev/sd", "/dev/SDA"])
    def test_a_name_that_is_none(self, name):
        volume = nova_objects.bdm(device_name=name, **VOLUME)
        with pytest.raises(nova.InvalidDevicePath):
            POWER.next(volume, [])


def test_the_devices_of_a_new_server(driver):
    root, ephemeral, swap = bdms("/dev/sda", None, None)
    volume = nova_objects.bdm(**VOLUME)
    lists = [[root], [ephemeral], [swap], [volume]]
    driver.default_device_names_for_instance(None, "/dev/sda", *lists)
    named = [bdm.device_name for (bdm,) in lists]
    assert named == ["/dev/sda", "/dev/sdb", "/dev/sdc", "/dev/sdd"]
    assert [len(bdm.saved) for (bdm,) in lists] == [0, 1, 1, 1]
    assert driver.default_root_device_name(None, None, root) == "/dev/sda"


def test_the_most_that_a_server_may_have(driver, configuration):
    configuration.set_override("max_disk_devices_to_attach", 2, "compute")
    try:
        with pytest.raises(nova.TooManyDiskDevices):
            driver.get_device_name_for_instance(
                None, bdms("/dev/sda", "/dev/sdb"), nova_objects.bdm(**VOLUME)
            )
    finally:
        configuration.clear_override("max_disk_devices_to_attach", "compute")


@pytest.fixture
def tagged(tagged_ports):
    """A server with a tagged port and two volumes, one of them tagged."""
    port = nova_objects.port()
    tagged_ports += [
        objects.VirtualInterface(address=port["address"], tag="front"),
        objects.VirtualInterface(address="fa:16:3e:00:00:09", tag=None),
    ]
    server = nova_objects.instance(config_drive="True")
    volumes = [
        nova_objects.bdm(volume_id="vol-1", tag="database"),
        nova_objects.bdm(volume_id="vol-2"),
    ]
    server.get_bdms = lambda: volumes
    return server


def devices(server):
    return [
        (getattr(found, "mac", None) or found.serial, *found.tags)
        for found in server.device_metadata.devices
    ]


class TestTags:
    def test_the_config_drive_gives_them(self, spawn, world, tagged):
        spawn(tagged)
        (drive,) = world.media.values()
        with configdrive.Image(io.BytesIO(drive)) as opened:
            data = json.loads(opened.read("openstack/latest/meta_data.json"))
        port, volume = data["devices"]
        assert (port["mac"], port["tags"]) == ("fa:16:3e:00:00:01", ["front"])
        assert (volume["serial"], volume["tags"]) == ("vol-1", ["database"])

    def test_without_tags_there_is_nothing(self, spawn):
        assert spawn().device_metadata is None

    def test_attached_later(self, driver, spawn, tagged_ports):
        server = spawn()
        server.saved.clear()
        request = nova_objects.request()
        volume = nova_objects.bdm(volume_id="vol-1", tag="database")
        server.get_bdms = lambda: [volume]
        driver.attach_volume(request, CONNECTION, server, "/dev/sdb")
        assert devices(server) == [("vol-1", "database")]
        assert server.saved

        port = nova_objects.port(2)
        tagged_ports.append(objects.VirtualInterface(address=port["address"], tag="x"))
        driver.attach_interface(request, server, None, port)
        assert devices(server) == [(port["address"], "x"), ("vol-1", "database")]
        driver.detach_interface(request, server, port)
        assert devices(server) == [("vol-1", "database")]

    def test_a_record_that_fails_takes_the_attachment_back(
        self, driver, spawn, world, monkeypatch
    ):
        server = spawn()
        guest = world.guests[server.uuid]
        ports = set(guest.ports)

        def fail():
            raise nova.NovaException("the database is away")

        server.get_bdms = fail
        request = nova_objects.request()
        with pytest.raises(nova.NovaException, match="database"):
            driver.attach_volume(request, CONNECTION, server, "/dev/sdb")
        with pytest.raises(nova.NovaException, match="database"):
            driver.attach_interface(request, server, None, nova_objects.port(2))
        assert not guest.volumes
        assert guest.ports == ports

    def test_capabilities(self, driver):
        traits = driver.capabilities_as_traits()
        for name in (
            "DEVICE_TAGGING",
            "VOLUME_ATTACH_WITH_TAG",
            "NET_ATTACH_INTERFACE_WITH_TAG",
        ):
            assert traits[f"COMPUTE_{name}"], name
