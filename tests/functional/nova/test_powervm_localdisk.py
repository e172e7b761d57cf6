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


"""Servers with disks in volume groups of the VIOSes, through Nova's API."""

from __future__ import annotations

import io

import pytest

from ibmvirt.simulators.novalink import NovaLinkSimulator
from tests.functional.nova.conftest import IMAGE
from tests.functional.nova.servers import boot, delete, guest, settled, until, wait
from tests.support.smallnova import handle

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def nova():
    """The small Nova on volume groups; images age at once."""
    with NovaLinkSimulator() as simulator:
        made = handle.powervm(
            simulator, disk_driver="localdisk", volume_group_name="datavg"
        )
        made.options["image_cache"] = {
            "manager_interval": 1,
            "remove_unused_original_minimum_age_seconds": 1,
        }
        with made as nova:
            nova.simulator = simulator
            client = nova.client
            nova.image = client.image.create_image(
                "small",
                data=io.BytesIO(IMAGE),
                disk_format="raw",
                container_format="bare",
                validate_checksum=False,
            )
            nova.flavor = client.compute.create_flavor(
                name="small", ram=512, vcpus=1, disk=1, ephemeral=2, swap=512
            )
            nova.networks = [{"uuid": n.id} for n in client.network.networks()]
            yield nova


def disks(nova, server):
    """Ids of a server's virtual disks, by their sort."""
    found = guest(nova, server)["storage"]
    return {s["id"][:2]: s["id"] for s in found if s["kind"] == "VirtualDisk"}


def test_a_servers_life(nova):
    nova.simulator.mark("before")
    server = wait(nova, boot(nova, config_drive=True))
    found = disks(nova, server)
    assert sorted(found) == ["b_", "e0", "s0"]
    assert nova.simulator.disk(found["b_"]) == IMAGE
    nova.client.compute.rebuild_server(server, image=nova.image.id)
    settled(nova, server)
    wait(nova, server)
    assert disks(nova, server) == found
    assert nova.simulator.disk(found["b_"]) == IMAGE
    image = nova.client.compute.create_server_image(server, "captured")
    until(
        lambda: nova.client.image.get_image(image.id).status == "active",
        "the image is active",
        seconds=60,
    )
    assert settled(nova, server).status == "ACTIVE"
    nova.client.image.delete_image(image)
    delete(nova, server)
    # Nova's periodic task removes the image that nobody uses.
    until(
        lambda: nova.simulator.compare("before") == [], "the image is aged", seconds=60
    )
