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

"""The Connector's own client on a simulator."""

from __future__ import annotations

import pathlib

import pytest
from zvmconnector import connector

from ibmvirt.simulators.zvm import ZVMSimulator, imagefile

RAW = bytes(range(256)) * 4096
NETWORK = {
    "ip_addr": "10.0.0.5", "gateway_addr": "10.0.0.1", "cidr": "10.0.0.0/24",
    "mac_addr": "02:00:00:00:00:05", "nic_id": "port-1", "mtu": 1450,
    "dns_addr": ["10.0.0.2"],
}  # fmt: skip


class Client:
    """Calls of ZVMConnector: ``ok`` gives the output, ``refused`` the codes."""

    def __init__(self, url: str) -> None:
        host, _, port = url.removeprefix("http://").rpartition(":")
        self.real = connector.ZVMConnector(host, int(port))

    def ok(self, name, *args, **kwargs):
        answer = self.real.send_request(name, *args, **kwargs)
        assert answer["overallRC"] == 0, (name, answer)
        return answer["output"]

    def refused(self, name, *args, **kwargs):
        answer = self.real.send_request(name, *args, **kwargs)
        assert answer["overallRC"] != 0, (name, answer)
        return answer["overallRC"], answer["rs"]


@pytest.fixture
def client(zvm):
    return Client(zvm.connector_url)


@pytest.fixture(scope="module")
def cluster_process():
    with ZVMSimulator("--members", "2", "--rate", "100") as simulator:
        simulator.mark("clean")
        yield simulator


@pytest.fixture
def cluster(cluster_process):
    """Two members of a cluster, as new."""
    cluster_process.reset("clean")
    return cluster_process


@pytest.fixture
def image(tmp_path):
    """A file in the Connector's format."""
    path = pathlib.Path(tmp_path, "image")
    path.write_bytes(imagefile.write(RAW))
    return path


@pytest.fixture
def server(client, image):
    """A deployed guest T1 with an adapter that is coupled; it is off."""
    make(client, image)
    yield "T1"
    client.real.send_request("image_delete", "base")


def make(client, image, name="T1"):
    client.ok("image_import", "base", f"file://{image}", {"os_version": "rhel9.4"})
    disks = [{"size": "1g", "is_boot_disk": True}, {"size": "100m", "format": "ext3"}]
    client.ok("guest_create", name, 2, 1024, disk_list=disks, max_mem="8G", max_cpu=8)
    client.ok("guest_deploy", name, "base")
    client.ok("guest_create_network_interface", name, "rhel9.4", [dict(NETWORK)])
    client.ok("vswitch_grant_user", "DEFAULT", name)
    client.ok("guest_nic_couple_to_vswitch", name, "1000", "DEFAULT", vlan_id=10)
