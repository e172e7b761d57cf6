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

"""A small Nova on each simulator, one a worker."""

from __future__ import annotations

import io

import pytest

from ibmvirt.simulators.zvm import imagefile
from tests.support.smallnova import handle

IMAGE = bytes(range(256)) * 8192


@pytest.fixture(scope="session")
def powervm_process(novalink_process):
    """The small Nova on PowerVM; servers of former tests are gone."""
    novalink_process.reset("clean")
    with handle.powervm(novalink_process) as nova:
        client = nova.client
        nova.image = client.image.create_image(
            "small",
            data=io.BytesIO(IMAGE),
            disk_format="raw",
            container_format="bare",
            validate_checksum=False,
        )
        nova.flavor = client.compute.create_flavor(
            name="small", ram=512, vcpus=1, disk=1
        )
        nova.networks = [{"uuid": n.id} for n in client.network.networks()]
        yield nova


@pytest.fixture
def powervm(powervm_process, novalink_process):
    """The small Nova on PowerVM, and its simulator as ``.simulator``."""
    novalink_process.admin("DELETE", "journal")
    novalink_process.mark()
    powervm_process.simulator = novalink_process
    yield powervm_process
    novalink_process.delete_rule()
    for server in powervm_process.client.compute.servers():
        powervm_process.client.compute.delete_server(server)
        powervm_process.client.compute.wait_for_delete(server, wait=60, interval=0.2)


@pytest.fixture(scope="session")
def zvm_nova_process(zvm_process, tmp_path_factory):
    """The small Nova on z/VM."""
    zvm_process.reset("clean")
    state = tmp_path_factory.mktemp("zvm-nova")
    with handle.zvm(zvm_process, state) as nova:
        client = nova.client
        nova.image = client.image.create_image(
            "small",
            data=io.BytesIO(imagefile.write(IMAGE)),
            disk_format="raw",
            container_format="bare",
            validate_checksum=False,
            os_distro="rhel",
            os_version="9.4",
        )
        nova.flavor = client.compute.create_flavor(
            name="small", ram=512, vcpus=1, disk=1
        )
        nova.networks = [{"uuid": n.id} for n in client.network.networks()]
        yield nova


@pytest.fixture
def zvm_nova(zvm_nova_process, zvm_process):
    """The small Nova on z/VM, and its simulator as ``.simulator``."""
    zvm_process.admin("DELETE", "journal")
    zvm_process.mark()
    zvm_nova_process.simulator = zvm_process
    yield zvm_nova_process
    zvm_process.delete_rule()
    for server in zvm_nova_process.client.compute.servers():
        zvm_nova_process.client.compute.delete_server(server)
        zvm_nova_process.client.compute.wait_for_delete(server, wait=60, interval=0.2)
