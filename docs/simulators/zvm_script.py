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

"""Make an image, deploy a guest of it, start it, and show what it has."""

import os
import pathlib
import subprocess
import tempfile
import urllib.parse

import requests
from zvmconnector import connector

url = urllib.parse.urlsplit(os.environ["ZVM_CONNECTOR_URL"])
client = connector.ZVMConnector(url.hostname, url.port)


def call(name, *args, **kwargs):
    answer = client.send_request(name, *args, **kwargs)
    if answer["overallRC"]:
        raise SystemExit(f"{name}: {answer['errmsg']}")
    return answer["output"]


with tempfile.TemporaryDirectory() as directory:
    raw, image = (pathlib.Path(directory, name) for name in ("raw", "image"))
    raw.write_bytes(b"the bytes of a disk" * 1000)
    make = ["ibmvirt-sim", "zvm", "make-image", raw, "-o", image]
    subprocess.run(make, check=True)
    call("image_import", "linux", f"file://{image}", {"os_version": "rhel9.4"})
disks = [{"size": "1g", "is_boot_disk": True}]
call("guest_create", "WEB1", 2, 1024, disk_list=disks)
call("guest_deploy", "WEB1", "linux")
network = {
    "ip_addr": "192.0.2.5",
    "gateway_addr": "192.0.2.1",
    "cidr": "192.0.2.0/24",
    "nic_id": "port-1",
    "mac_addr": "02:00:00:00:00:05",
    "dns_addr": ["192.0.2.2"],
    "mtu": 1450,
}
call("guest_create_network_interface", "WEB1", "rhel9.4", [network])
call("vswitch_grant_user", "DEFAULT", "WEB1")
call("guest_nic_couple_to_vswitch", "WEB1", "1000", "DEFAULT", vlan_id=10)
call("guest_start", "WEB1")
admin = f"{os.environ['IBMVIRT_SIM_ADMIN_URL']}/sim/guests/WEB1"
guest = requests.get(admin, timeout=30).json()
print(guest["state"], guest["networks"][0]["address"], guest["adapters"][0]["vlan"])
