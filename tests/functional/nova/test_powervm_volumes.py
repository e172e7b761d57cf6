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

"""Volumes of servers on PowerVM, through the APIs of Nova and Cinder."""

from __future__ import annotations

import pytest
from openstack import exceptions

from tests.functional.nova import servers
from tests.support.smallnova import prepared, waits


def disks(nova, server):
    """(VIOS, MiB) of the LUNs that a server's partition has."""
    return sorted(
        (s["vios"], s["size_mib"])
        for s in servers.guest(nova, server)["storage"]
        if s["kind"] == "PhysicalVolume"
    )


def both(gib):
    return [("vios1", gib * 1024), ("vios2", gib * 1024)]


def test_a_volume_is_attached_grown_and_detached(powervm):
    server = servers.wait(powervm, servers.boot(powervm))
    volume = servers.make_volume(powervm, name="data")
    powervm.simulator.mark("attaching")
    servers.attach(powervm, server, volume)
    assert disks(powervm, server) == both(1)
    powervm.client.block_storage.extend_volume(volume, 3)
    servers.until(lambda: disks(powervm, server) == both(3), "the disk has grown")
    powervm.client.compute.reboot_server(server, "HARD")
    servers.wait(powervm, server)
    assert disks(powervm, server) == both(3)
    servers.detach(powervm, server, volume)
    assert disks(powervm, server) == []
    servers.drop_volume(powervm, volume)
    servers.delete(powervm, server)
    assert powervm.simulator.compare() == []


def test_a_shared_volume_is_at_two_servers(powervm):
    one, other = (servers.boot(powervm, name) for name in ("one", "other"))
    servers.wait(powervm, one)
    servers.wait(powervm, other)
    volume = servers.make_volume(powervm, volume_type="fc-shared")
    servers.attach(powervm, one, volume)
    servers.attach(powervm, other, volume)
    assert disks(powervm, one) == disks(powervm, other) == both(1)
    powervm.client.compute.delete_volume_attachment(one, volume.id)
    servers.until(lambda: disks(powervm, one) == [], "one has lost it")
    assert disks(powervm, other) == both(1)
    servers.until(
        lambda: (
            len(powervm.client.block_storage.get_volume(volume.id).attachments) == 1
        ),
        "one attachment is left",
    )
    servers.delete(powervm, other)
    servers.delete(powervm, one)
    servers.drop_volume(powervm, volume)
    assert powervm.simulator.compare() == []


def test_a_server_boots_from_a_volume(powervm):
    mapping = {
        "uuid": powervm.image.id,
        "source_type": "image",
        "destination_type": "volume",
        "boot_index": 0,
        "volume_size": 1,
        "delete_on_termination": True,
    }
    server = servers.boot(powervm, block_device_mapping=[mapping])
    servers.wait(powervm, server)
    assert disks(powervm, server) == both(1)
    (volume,) = powervm.client.block_storage.volumes()
    assert volume.is_bootable
    powervm.client.compute.stop_server(server)
    servers.wait(powervm, server, "SHUTOFF")
    powervm.client.compute.start_server(server)
    servers.wait(powervm, server)
    # Rebuilt, it has the same volume, with another image's bytes.
    image = prepared.new_image(powervm, "other", prepared.OTHER)
    rebuild = {"rebuild": {"imageRef": image.id}}
    answer = powervm.client.compute.post(
        f"/servers/{server.id}/action", json=rebuild, microversion="2.93"
    )
    assert answer.status_code == 202
    servers.succeeded(powervm, server, "rebuild")
    servers.wait(powervm, server)
    assert disks(powervm, server) == both(1)
    (again,) = powervm.client.block_storage.volumes()
    assert again.id == volume.id
    assert again.volume_image_metadata["image_id"] == image.id
    servers.delete(powervm, server)
    powervm.client.image.delete_image(image)
    assert list(powervm.client.block_storage.volumes()) == []
    assert powervm.simulator.compare() == []


def test_an_attach_that_fails_leaves_the_volume_free(powervm):
    server = servers.wait(powervm, servers.boot(powervm))
    volume = servers.make_volume(powervm)
    powervm.simulator.mark("attaching")
    powervm.simulator.rule(
        match={"key": "PUT VirtualIOServer/{id}/do/LUARecovery"},
        on="job",
        count=None,
        effect={"kind": "job", "message": "VIOS0099 a fault"},
    )
    powervm.client.compute.create_volume_attachment(server, volume_id=volume.id)
    assert servers.outcome(powervm, server, "attach_volume")
    waits.volume(powervm, volume, "available")
    assert powervm.simulator.compare("attaching") == []
    powervm.simulator.delete_rule()
    servers.attach(powervm, server, volume)
    servers.delete(powervm, server)
    servers.drop_volume(powervm, volume)
    assert powervm.simulator.compare() == []


def test_a_volume_of_another_server_is_refused(powervm):
    one, other = (servers.boot(powervm, name) for name in ("one", "other"))
    servers.wait(powervm, one)
    servers.wait(powervm, other)
    volume = servers.make_volume(powervm)
    servers.attach(powervm, one, volume)
    with pytest.raises(exceptions.BadRequestException, match="already attached"):
        powervm.client.compute.create_volume_attachment(other, volume_id=volume.id)
    assert disks(powervm, other) == []
    servers.delete(powervm, one)
    servers.delete(powervm, other)
    servers.drop_volume(powervm, volume)
