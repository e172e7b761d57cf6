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

"""Nova's own in-tree driver, unmodified: a client that nobody here wrote.

It runs in a nova-compute of its own, beside the real Connector.
"""

from __future__ import annotations

import base64
import io
import uuid

import pytest

from ibmvirt import configdrive
from ibmvirt.simulators.zvm import imagefile
from tests.functional.simulators.zvm.conftest import RAW, Client
from tests.support.smallnova import handle


@pytest.fixture(scope="module")
def nova_process(zvm_process, tmp_path_factory):
    """A small Nova whose compute_driver is zvm.ZVMDriver."""
    zvm_process.reset("clean")
    state = tmp_path_factory.mktemp("in-tree")
    with handle.zvm_in_tree(zvm_process, state) as nova:
        nova.image = nova.client.image.create_image(
            "base",
            data=io.BytesIO(imagefile.write(RAW)),
            disk_format="raw",
            container_format="bare",
            validate_checksum=False,
            os_distro="rhel9.4",
        )
        nova.flavor = nova.client.compute.create_flavor(
            name="small", ram=512, vcpus=1, disk=1, ephemeral=1
        )
        nova.network = next(nova.client.network.networks())
        yield nova


@pytest.fixture
def nova(nova_process, zvm_process):
    zvm_process.admin("DELETE", "journal")
    zvm_process.mark()
    yield nova_process
    zvm_process.delete_rule()
    for server in nova_process.client.compute.servers():
        nova_process.client.compute.delete_server(server)
        nova_process.client.compute.wait_for_delete(server, wait=60, interval=0.2)


def boot(nova):
    compute = nova.client.compute
    server = compute.create_server(
        name="independent",
        image_id=nova.image.id,
        flavor_id=nova.flavor.id,
        networks=[{"uuid": nova.network.id}],
        user_data=base64.b64encode(b"#!/bin/sh\n").decode(),
    )
    return compute.wait_for_server(server, "ACTIVE", wait=60, interval=0.2)


def wait(nova, server, status="ACTIVE"):
    return nova.client.compute.wait_for_server(server, status, wait=60, interval=0.2)


def test_the_service_reports_the_host(nova):
    found = next(nova.client.compute.hypervisors(details=True))
    assert found.name == "ZVMSIM1"
    assert found.hypervisor_type == "zvm"
    assert found.status == "enabled"
    assert "IPL at" in nova.client.compute.get_hypervisor(found.id).uptime


def test_a_servers_life(nova, zvm_process):
    server = boot(nova)
    compute = nova.client.compute
    found = zvm_process.guest("OSP00001")
    address = server.addresses["net1"][0]["addr"]
    assert found["instance_id"] == server.id
    assert [n["address"] for n in found["networks"]] == [address]
    assert [s["vdev"] for s in found["storage"]] == ["0100", "0101"]
    assert found["ephemeral"] == ["0101"]
    assert zvm_process.disk("OSP00001/0100") == RAW
    for action, status, state in (
        (compute.pause_server, "PAUSED", "paused"),
        (compute.unpause_server, "ACTIVE", "on"),
        (compute.stop_server, "SHUTOFF", "off"),
        (compute.start_server, "ACTIVE", "on"),
        (lambda server: compute.reboot_server(server, "SOFT"), "ACTIVE", "on"),
        (lambda server: compute.reboot_server(server, "HARD"), "ACTIVE", "on"),
    ):
        action(server)
        wait(nova, server, status)
        assert zvm_process.guest("OSP00001")["state"] == state
    console = compute.get_server_console_output(server)["output"]
    assert "independent.novalocal login:" in console
    compute.delete_server(server)
    compute.wait_for_delete(server, wait=60, interval=0.2)
    assert zvm_process.compare() == []
    assert zvm_process.verify() == []


def test_its_drive_is_read_back_whole(nova, zvm_process):
    server = boot(nova)
    url = f"guests/{server.instance_name}/drive"
    drive = zvm_process.download(url)
    assert configdrive.verify(io.BytesIO(drive)) is not None
    assert uuid.UUID(server.id).hex in drive.decode("latin1").replace("-", "")


def test_a_snapshot_is_captured_and_exported(nova, zvm_process):
    """The driver reads the exported image as text and fails on it then; what
    it asks of the Connector before works."""
    server = boot(nova)
    image = nova.client.compute.create_server_image(server, "snapshot")
    zvm_process.wait_journal(layer="rest", key="DELETE /images/{id}", done=True)
    statuses = {
        record["key"]: record["status"] for record in zvm_process.journal(layer="rest")
    }
    assert statuses["POST /guests/{id}/action capture"] == 200
    assert statuses["PUT /images/{id}"] == 200
    client = Client(zvm_process.connector_url)
    known = [found["imagename"] for found in client.ok("image_query")]
    # Images of other tests may be there: they are a cache.
    assert nova.image.id in known
    assert image.id not in known
