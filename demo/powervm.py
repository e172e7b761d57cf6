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
"""The demo on PowerVM: NovaLink's simulator beneath Nova and the driver."""

from __future__ import annotations

from demo import hypervisor
from ibmvirt.simulators.novalink import NovaLinkSimulator
from tests.support.smallnova import handle


class PowerVM(hypervisor.Hypervisor):
    title, column = "PowerVM", "powervm"
    server_name = "demo-power"
    running, stopped = "running", "not activated"

    def make_simulator(self):
        return NovaLinkSimulator()

    def make_nova(self):
        nova = handle.powervm(self.simulator)
        nova.state = self.room / "powervm"
        return nova

    def register(self, lane, picture):
        with picture.path.open("rb") as file:
            image = self.client.image.create_image(
                "demo-image",
                data=file,
                disk_format=picture.format,
                container_format="bare",
                validate_checksum=False,
            )
        image = self.client.image.get_image(image.id)
        lane.fact("image", f"{image.name}, {image.size} bytes, {picture.format}")
        return image

    def is_of_server(self, guest):
        # A partition's UUID is the server's with bit 0 cleared.
        return guest["uuid"].lower()[1:] == self.server.id[1:]

    def say_where(self, lane):
        system = self.simulator.systems[0]
        lane.fact("NovaLink", f"{system['url']}, user {system['username']}")

    def say_calls(self, lane):
        calls = self.calls("spawn")
        lane.fact("calls to NovaLink", f"{calls}, the image's upload included")

    def rows(self, guest):
        return [
            ("id", self.server.id, guest["uuid"]),
            *[
                ("storage", "", f"{s['kind']} {s['name']} on {s['vios']}")
                for s in guest["storage"]
            ],
        ]

    def adapters(self, guest):
        return {
            hypervisor.mac(found): found["vlan"]
            for found in guest["adapters"]
            if found["switch"] != "MGMTSWITCH"
        }

    def say_adapter(self, guest, mac):
        for found in guest["adapters"]:
            if hypervisor.mac(found) == mac:
                return f"slot {found['slot']}, VLAN {found['vlan']}, {found['switch']}"
        return "missing"

    def check_guest(self, lane, guest):
        lane.check("RMC is active", guest["rmc"] == "active")
        homes = {s["vios"] for s in guest["storage"] if s["kind"] == "LogicalUnit"}
        lane.check("both VIOSes map the boot disk", len(homes) == 2)

    def boot_disk(self, guest):
        (name,) = {s["name"] for s in guest["storage"] if s["kind"] == "LogicalUnit"}
        return name

    def drive(self, guest):
        kind = "VirtualOpticalMedia"
        (drive,) = [s["id"] for s in guest["storage"] if s["kind"] == kind]
        return self.simulator.disk(drive)

    def check_drive(self, lane, guest, network):
        found = [n for n in network["networks"] if n["id"] == "ibmvirt-management"]
        lane.check(
            "it gives the management adapter a link-local address",
            found and found[0]["ip_address"].startswith("fe80::"),
        )

    def luns(self):
        return {lun["udid"] for lun in self.simulator.admin("GET", "luns")}

    def volumes(self, guest):
        found = {}
        for one in guest["storage"]:
            if one["kind"] == "PhysicalVolume":
                size = one["size_mib"] / 1024
                path = f"{one['name']} of {size:g} GiB on {one['vios']}"
                found.setdefault(one["udid"], []).append(path)
        return found

    def check_nothing_left(self, lane):
        lane.check("no job and no file is left open", not self.simulator.verify())
