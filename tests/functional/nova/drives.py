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

"""The config drives of servers, as the hypervisor has them and as guests read them."""

from __future__ import annotations

import hashlib
import io
import json
import urllib.request

from ibmvirt import configdrive
from tests.functional.nova import servers
from tests.support import cloudinit


def content(nova, server):
    """The bytes of a server's drive: optical media, or what its reader holds."""
    guest = servers.guest(nova, server)
    media = {
        item["id"]
        for item in guest.get("storage", ())
        if item.get("kind") == "VirtualOpticalMedia"
    }
    if media:
        (drive,) = media
        return nova.simulator.disk(drive)
    url = f"{nova.simulator.admin_url}/sim/guests/{guest['name']}/drive"
    with urllib.request.urlopen(url, timeout=30) as response:
        return response.read()


def check(nova, server, script, directory):
    """A server's drive tells its guest what Nova knows; where cloud-init is
    installed, its own reader finds the same.

    :param script: the server's user data.
    """
    drive = content(nova, server)
    assert configdrive.verify(io.BytesIO(drive)) is not None
    with configdrive.Image(io.BytesIO(drive)) as image:
        found = {
            "metadata": json.loads(image.read("openstack/latest/meta_data.json")),
            "networkdata": json.loads(image.read("openstack/latest/network_data.json")),
            "userdata": _digest(image.read("openstack/latest/user_data")),
        }
    _told(found, server, script)
    if (python := cloudinit.python()) is not None:
        read = cloudinit.read(python, io.BytesIO(drive), directory / "drive")
        _told(read, server, script)


def _digest(text):
    return f"sha256:{hashlib.sha256(text).hexdigest()}"


def _told(found, server, script):
    assert found["metadata"]["uuid"] == server.id
    assert found["metadata"]["hostname"].split(".")[0] == server.name
    assert found["userdata"] == _digest(script)
    ports = [address for net in server.addresses.values() for address in net]
    links = found["networkdata"]["links"]
    # PowerVM has its own management network beside the server's.
    assert {link["ethernet_mac_address"] for link in links} >= {
        port["OS-EXT-IPS-MAC:mac_addr"] for port in ports
    }
    given = {net.get("ip_address") for net in found["networkdata"]["networks"]}
    assert given >= {port["addr"] for port in ports}
