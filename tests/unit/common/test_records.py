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


"""What a backend wants to be kept of a server and its volumes."""

from __future__ import annotations

import dataclasses
import types

import pytest
from nova import exception as nova
from nova import objects
from nova.compute import task_states

from ibmvirt.common import exceptions
from tests.support import memory_backend, nova_objects


class Recording(memory_backend.Volumes):
    """Wants an entry in the server's metadata before its first connector."""

    def __init__(self, world):
        super().__init__(world)
        self.made = 0

    def incomplete(self, server, guest):
        return "wwpn" not in server.system_metadata

    def record(self, server):
        if not self.incomplete(server, None):
            return {}
        self.made += 1
        return {"wwpn": f"c05{self.made}"}

    def connector(self, server, guest):
        return {"wwpns": [server.system_metadata.get("wwpn")]}

    def intent(self, guest, volume):
        return {f"attaching_{volume.id}": "1"}

    def kept(self, volume):
        return {"udid": f"disk of {volume.id}"}


class Mapping(dict):
    """A block device mapping as Nova gives it to a driver."""

    saved = 0

    def save(self):
        self.saved += 1


@pytest.fixture
def volumes(driver, world):
    made = Recording(world)
    driver.backend = dataclasses.replace(driver.backend, volumes=made)
    return made


@pytest.fixture
def stored(monkeypatch):
    """The system metadata that Nova's database has."""
    found = {}

    def get(_context, _uuid, expected_attrs):
        assert expected_attrs == ["system_metadata"]
        return types.SimpleNamespace(system_metadata=found)

    monkeypatch.setattr(objects.Instance, "get_by_uuid", get)
    return found


def test_what_is_missing_is_made_once_and_saved(driver, volumes, stored):
    server = nova_objects.instance()
    assert driver.get_volume_connector(server)["wwpns"] == ["c051"]
    assert server.saved
    server.saved.clear()
    assert driver.get_volume_connector(server)["wwpns"] == ["c051"]
    assert (server.saved, volumes.made) == ([], 1)


def test_what_another_request_has_kept_is_taken_over(driver, volumes, stored):
    """Nova's request may have been sent before the other one was carried out."""
    stored["wwpn"] = "c05f"
    server = nova_objects.instance()
    assert driver.get_volume_connector(server)["wwpns"] == ["c05f"]
    assert volumes.made == 0


def test_a_server_that_is_being_deleted_gets_nothing_new(driver, volumes, stored):
    server = nova_objects.instance(task_state=task_states.DELETING)
    assert driver.get_volume_connector(server)["wwpns"] == [None]
    assert volumes.made == 0


def test_a_server_that_the_database_does_not_have(driver, volumes, monkeypatch):
    def gone(_context, uuid, expected_attrs):
        raise nova.InstanceNotFound(instance_id=uuid)

    monkeypatch.setattr(objects.Instance, "get_by_uuid", gone)
    assert driver.get_volume_connector(nova_objects.instance())["wwpns"] == ["c051"]


def test_an_attached_volume_leaves_its_mark_in_the_connection(driver, volumes, spawn):
    server = spawn()
    connection = {
        "driver_volume_type": "fibre_channel",
        "data": {"volume_id": "vol-1", "target_lun": 1},
    }
    driver.attach_volume(nova_objects.request(), connection, server, "/dev/sdb")
    assert connection["data"]["udid"] == "disk of vol-1"
    assert "attaching_vol-1" not in server.system_metadata


def test_an_attached_volume_is_attached_also_when_the_database_is_away(
    driver, volumes, spawn, world, monkeypatch
):
    """Nova would take an error for a volume that is not attached."""
    server = spawn()
    connection = {
        "driver_volume_type": "fibre_channel",
        "data": {"volume_id": "vol-1", "target_lun": 1},
    }
    real = server.save

    def save(*arguments, **names):
        if "attaching_vol-1" not in server.system_metadata:
            raise nova.NovaException("the database is away")
        real(*arguments, **names)

    monkeypatch.setattr(server, "save", save)
    driver.attach_volume(nova_objects.request(), connection, server, "/dev/sdb")
    assert connection["data"]["udid"] == "disk of vol-1"
    # The next time that it is saved, the record is gone.
    assert "attaching_vol-1" not in server.system_metadata


def test_what_is_being_attached_is_kept_until_that_is_done(
    driver, volumes, spawn, world
):
    server = spawn()
    connection = {
        "driver_volume_type": "fibre_channel",
        "data": {"volume_id": "vol-1", "target_lun": 1},
    }
    seen = []
    real = volumes.attach

    def attach(guest, volume):
        seen.append(dict(server.system_metadata))
        real(guest, volume)

    volumes.attach = attach
    error = exceptions.HypervisorError("map it", "it says no")
    world.faults["attach"] = ("after", error)
    with pytest.raises(exceptions.HypervisorError):
        driver.attach_volume(nova_objects.request(), connection, server, "/dev/sdb")
    assert seen[0]["attaching_vol-1"] == "1"
    assert server.system_metadata["attaching_vol-1"] == "1"


def test_a_build_saves_the_marks_of_its_volumes(driver, volumes, spawn):
    data = {"volume_id": "vol-1", "target_lun": 0}
    mapping = Mapping(
        connection_info={"driver_volume_type": "fibre_channel", "data": data},
        mount_device="/dev/sda",
        boot_index=0,
    )
    blocks = {
        "root_device_name": "/dev/sda", "ephemerals": [], "swap": None,
        "block_device_mapping": [mapping],
    }  # fmt: skip
    spawn(block_device_info=blocks)
    assert data["udid"] == "disk of vol-1"
    assert mapping.saved == 1


def test_a_volume_without_a_connection_hinders_no_removal(driver, world, spawn):
    """Nova had not connected it yet when the server was deleted."""
    server = spawn()
    mapping = Mapping(connection_info=None, mount_device="/dev/sdb", boot_index=None)
    blocks = {
        "root_device_name": "/dev/sda", "ephemerals": [], "swap": None,
        "block_device_mapping": [mapping],
    }  # fmt: skip
    driver.destroy(nova_objects.request(), server, nova_objects.ports(), blocks)
    assert not world.guests
    driver.cleanup(nova_objects.request(), server, nova_objects.ports(), blocks)
