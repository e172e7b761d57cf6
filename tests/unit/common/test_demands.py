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


"""What servers ask for that no platform gives is refused before any change."""

from __future__ import annotations

import copy
import datetime

import pytest
from nova import exception as nova

from tests.support import nova_objects
from tests.unit.common import test_spawn

CONNECTION = {
    "driver_volume_type": "fibre_channel",
    "data": {"volume_id": "vol-1", "target_lun": 1},
    "serial": "vol-1",
}


def with_volume(**data):
    found = copy.deepcopy(test_spawn.BOOT_VOLUME)
    (volume,) = found["block_device_mapping"]
    volume["connection_info"]["data"].update(data)
    return {"block_device_info": found}


@pytest.mark.parametrize(
    ("server", "image", "values", "told"),
    [
        ({}, {"properties": {"hw_firmware_type": "uefi"}}, {}, "hw_firmware_type"),
        ({"extra_specs": {"quota:disk_total_iops_sec": "9"}}, {}, {},
         "quota:disk_total_iops_sec"),
        ({"extra_specs": {"hw:cpu_policy": "dedicated"}}, {}, {}, "hw:cpu_policy"),
        ({"extra_specs": {"hw:mem_page_size": "large"}}, {}, {}, "pages of its own"),
        ({}, {}, {"files": [("/etc/motd", b"text")]}, "config drive"),
        ({}, {}, with_volume(encrypted=True), "encrypted volume vol-1"),
        ({}, {}, with_volume(qos_specs={"total_iops_sec": "9"}), "QoS specs"),
    ],
    ids=["UEFI", "limits of disks", "processors", "pages", "files", "encrypted volume", "limits of a volume"],
)  # fmt: skip
def test_a_build_is_refused(spawn, world, server, image, values, told):
    with pytest.raises(nova.BuildAbortException, match=told):
        spawn(
            nova_objects.instance(**server), nova_objects.image_meta(**image), **values
        )
    assert not world.calls


@pytest.mark.parametrize(
    ("specs", "values"),
    [
        ({"quota:disk_total_iops_sec": "9"}, {}),
        ({"hw:cpu_policy": "dedicated"}, {}),
        ({}, with_volume(qos_specs={"total_iops_sec": "9"})),
    ],
    ids=["limits of disks", "processors", "limits of a volume"],
)
def test_a_server_that_has_run_without_is_built_again(
    spawn, world, caplog, specs, values
):
    """The former driver ignored it; Nova has destroyed the guest for a rebuild."""
    now = datetime.datetime.now(datetime.UTC)
    server = spawn(nova_objects.instance(extra_specs=specs, launched_at=now), **values)
    assert server.uuid in world.guests
    assert "It has run without" in caplog.text


@pytest.mark.parametrize("data", [{"encrypted": True}, {"qos_specs": {"x": "1"}}])
def test_such_a_volume_is_not_attached(driver, spawn, world, data):
    server = spawn()
    world.calls.clear()
    info = {**CONNECTION, "data": {**CONNECTION["data"], **data}}
    with pytest.raises(NotImplementedError, match="vol-1"):
        driver.attach_volume(nova_objects.request(), info, server, "/dev/sdb")
    # What was reserved for it is looked for, to be given back.
    assert set(world.calls) == {"find"}


def test_data_of_a_connection_that_asks_for_nothing(driver, spawn, world):
    server = spawn()
    data = {**CONNECTION["data"], "encrypted": False, "qos_specs": None}
    info = {**CONNECTION, "data": data}
    driver.attach_volume(nova_objects.request(), info, server, "/dev/sdb")
    assert set(world.guests[server.uuid].volumes) == {"vol-1"}


class TestQuiesce:
    """Its image says that snapshots must be whole."""

    @pytest.fixture
    def server(self, spawn):
        wanted = {"image_os_require_quiesce": "yes"}
        return spawn(nova_objects.instance(system_metadata=wanted))

    def snapshot(self, driver, server):
        driver.snapshot(nova_objects.request(), server, "image-1", lambda **_s: None)

    def test_a_guest_that_runs_is_not_captured(self, driver, server, world):
        with pytest.raises(NotImplementedError, match="quiesced snapshot"):
            self.snapshot(driver, server)
        assert "capture" not in world.calls

    def test_one_that_is_off_is_captured(self, driver, server, glance):
        driver.power_off(server)
        self.snapshot(driver, server)
        assert "image-1" in glance.uploaded

    def test_one_that_the_platform_stops_is_captured(
        self, driver, server, glance, monkeypatch
    ):
        monkeypatch.setattr(type(driver.backend.snapshots), "quiesced", True)
        self.snapshot(driver, server)
        assert "image-1" in glance.uploaded

    @pytest.mark.parametrize("call", ["quiesce", "unquiesce"])
    def test_nova_is_told_in_its_own_words(self, driver, server, call):
        with pytest.raises(nova.InstanceQuiesceNotSupported, match=server.uuid):
            getattr(driver, call)(nova_objects.request(), server, None)


def test_a_live_migration_that_is_refused_leaves_the_server(driver, spawn, world):
    """Any other error makes Nova's conductor set the server to ERROR."""
    server = spawn()
    world.calls.clear()
    with pytest.raises(nova.MigrationPreCheckError, match=r"live migrate.*support"):
        driver.check_can_live_migrate_destination(
            nova_objects.request(), server, {}, {}
        )
    assert not world.calls
