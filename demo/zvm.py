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
"""The demo on z/VM: the real Cloud Connector on a simulated z/VM."""

from __future__ import annotations

import gzip
import shutil
import urllib.request

from demo import hypervisor
from ibmvirt.simulators.core import sparse
from ibmvirt.simulators.zvm import ZVMSimulator, imagefile
from tests.support import zvm
from tests.support.smallnova import handle

# The Connector sleeps for many seconds at a time; here they pass faster.
_RATE = "50"


class ZVM(hypervisor.Hypervisor):
    title, column = "z/VM", "zvm"
    server_name = "demo-z"
    running, stopped = "on", "off"

    def make_simulator(self):
        return ZVMSimulator("--rate", _RATE)

    def make_nova(self):
        # What an administrator of z/VM does once: devices for volumes.
        zvm.fcp_template(self.simulator)
        return handle.zvm(self.simulator, self.room / "zvm")

    def register(self, lane, picture):
        """The Connector has an image format of its own."""
        packed = self.room / "image.zvm"
        imagefile.make(picture.raw, packed, "ECKD")
        with packed.open("rb") as file:
            image = self.client.image.create_image(
                "demo-image",
                data=file,
                disk_format="raw",
                container_format="bare",
                validate_checksum=False,
                os_distro="rhel",
                os_version="9.4",
            )
        image = self.client.image.get_image(image.id)
        lane.fact("image", f"{image.name}, {image.size} bytes, for ECKD disks")
        return image

    def is_of_server(self, guest):
        return guest["instance_id"] == self.server.id

    def say_where(self, lane):
        lane.fact("Cloud Connector", self.simulator.connector_url)

    def say_calls(self, lane):
        calls = self.calls("spawn", layer="rest")
        lane.fact("calls to the Connector", f"{calls}, the image's import included")
        lane.fact("commands it executed", self.calls("spawn", layer="command"))

    def rows(self, guest):
        return [
            ("host name", self.server.name, guest["hostname"]),
            *[
                ("minidisk", "", f"{d['vdev']} {d['size']} units of {d['pool']}")
                for d in guest["storage"]
            ],
        ]

    def adapters(self, guest):
        # Those that are coupled at this moment, not those of its entry.
        return {
            hypervisor.mac(found): found["vlan"] for found in guest["active_adapters"]
        }

    def say_adapter(self, guest, mac):
        for found in guest["adapters"]:
            if hypervisor.mac(found) == mac:
                return f"{found['vdev']}, VLAN {found['vlan']}, {found['switch']}"
        return "missing"

    def check_guest(self, lane, guest):
        granted = [adapter["granted"] for adapter in guest["adapters"]]
        lane.check("the vswitch has granted both", granted == [True, True])
        wanted = self.addresses()
        given = sorted(network["address"] for network in guest["networks"])
        lane.check(
            f"it configured {', '.join(wanted)}", len(wanted) == 2 and given == wanted
        )

    def boot_disk(self, guest):
        return f"{guest['name']}/0100"

    def drive(self, guest):
        url = f"{self.simulator.admin_url}/sim/guests/{guest['name']}/drive"
        with urllib.request.urlopen(url, timeout=30) as response:
            return response.read()

    def check_drive(self, lane, guest, network):
        lane.check(
            "the guest took its host name from it",
            guest["hostname"].split(".")[0] == self.server.name,
        )

    def luns(self):
        return {lun["number"] for lun in self.simulator.admin("GET", "luns")}

    def volumes(self, guest):
        return {
            volume["number"]: [f"LUN {volume['lun']} by {fcp}" for fcp in volume["fcp"]]
            for volume in guest["volumes"]
        }

    def unpack(self, snapshot):
        raw = self.room / "snapshot.raw"
        with snapshot.open("rb") as file, sparse.SparseFile(raw.open("wb")) as output:
            # The packed disk follows the header.
            file.seek(imagefile.BLOCK)
            with gzip.open(file) as disk:
                shutil.copyfileobj(disk, output, 1 << 20)
        return raw

    def check_nothing_left(self, lane):
        drives = list((self.nova.state / "zvm").rglob("cfgdrive.iso"))
        lane.check("no config drive is left on the driver's side", not drives)
        lane.check(
            "no minidisk, link or spool file is left", not self.simulator.verify()
        )
