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

from demo import servers
from ibmvirt.simulators.novalink import NovaLinkSimulator
from tests.support.smallnova import handle


def run(screen, room, *, keep):
    screen.heading("PowerVM: NovaLink simulator, Nova 34 and ibmvirt.PowerVMDriver")
    with NovaLinkSimulator() as simulator:
        nova = handle.powervm(simulator)
        nova.state = room / "powervm"
        with nova:
            system = simulator.systems[0]
            screen.fact("NovaLink", system["url"])
            screen.fact("Nova's API", nova.ready["compute"])
            simulator.mark()
            story(screen, simulator, nova)
            if keep:
                pause(screen, simulator, nova)


def story(screen, simulator, nova):
    """A server's life; each step is compared with what the hypervisor has."""
    client = nova.client
    content = servers.image_bytes()
    image = servers.register_image(nova, content)
    screen.fact("image", f"{image.name}, {image.size} bytes")

    screen.heading("Boot with a config drive, a key, user data and two networks")
    server = servers.boot(screen, nova, "demo-power", image)
    calls = len(simulator.journal(memento=f"spawn:{server.id}"))
    screen.fact("calls to NovaLink", f"{calls}, the image's upload included")

    screen.heading("What Nova lists, and what the hypervisor has")
    guest = partition_of(simulator, server)
    shown_server = client.compute.get_server(server.id)
    screen.table(
        ("", "Nova", "PowerVM"),
        [
            ("name", shown_server.instance_name, guest["name"]),
            ("id", server.id, guest["uuid"]),
            ("state", shown_server.status, guest["state"]),
            ("memory", "1024 MiB", f"{guest['memory_mib']} MiB"),
            *[
                ("port", f"{a['OS-EXT-IPS-MAC:mac_addr']} {net} {a['addr']}",
                 adapter_text(guest, a["OS-EXT-IPS-MAC:mac_addr"]))
                for net, found in sorted(server.addresses.items())
                for a in found
            ],
            *[
                ("storage", "", f"{s['kind']} {s['name']} on {s['vios']}")
                for s in guest["storage"]
            ],
        ],
    )  # fmt: skip
    screen.check("the partition runs", guest["state"] == "running")
    screen.check("RMC is active", guest["rmc"] == "active")
    vlans = sorted(a["vlan"] for a in guest["adapters"] if a["vlan"] != 1)
    screen.check("its adapters are in VLANs 101 and 102", vlans == [101, 102])

    screen.heading("What is on the disk and on the config drive")
    disks = {s["name"] for s in guest["storage"] if s["kind"] == "LogicalUnit"}
    screen.check("one boot disk, mapped by both VIOSes", len(disks) == 1)
    disk = simulator.disk(disks.pop())
    servers.same_beginning(screen, disk, content, "the disk")
    drives = [s for s in guest["storage"] if s["kind"] == "VirtualOpticalMedia"]
    drive = simulator.disk(drives[0]["id"])
    network = servers.check_drive(screen, server, drive)
    management = [n for n in network["networks"] if n["id"] == "ibmvirt-management"]
    screen.check(
        "the drive gives the management adapter its link-local address",
        management and management[0]["ip_address"].startswith("fe80::"),
    )

    screen.heading("Stop, start, reboot")
    client.compute.stop_server(server)
    client.compute.wait_for_server(server, "SHUTOFF", wait=60, interval=0.5)
    state = partition_of(simulator, server)["state"]
    screen.check("stopped: the partition is not activated", state == "not activated")
    client.compute.start_server(server)
    client.compute.wait_for_server(server, "ACTIVE", wait=60, interval=0.5)
    for kind in ("SOFT", "HARD"):
        client.compute.reboot_server(server, kind)
        server = client.compute.wait_for_server(server, "ACTIVE", wait=60, interval=0.5)
        state = partition_of(simulator, server)["state"]
        screen.check(f"{kind.lower()} reboot: the partition runs", state == "running")

    screen.heading("Delete")
    client.compute.delete_server(server)
    client.compute.wait_for_delete(server, wait=60, interval=0.5)
    calls = len(simulator.journal(memento=f"destroy:{server.id}"))
    screen.fact("calls to NovaLink", calls)
    left = simulator.compare()
    for change in left:
        screen.say(f"  {change['path']}: was {change['was']}, is {change['is']}")
    open_ends = simulator.verify()
    screen.check("no job and no file is left open", not open_ends)
    screen.check(f"hypervisor state as before: {'no' if left else 'yes'}", not left)


def partition_of(simulator, server):
    """The partition's UUID is the server's with bit 0 cleared."""
    found = [
        guest
        for guest in simulator.admin("GET", "guests")
        if guest["uuid"].lower()[1:] == server.id[1:]
    ]
    return found[0]


def adapter_text(guest, mac):
    bare = mac.replace(":", "").upper()
    for adapter in guest["adapters"]:
        if adapter["mac"] == bare:
            return (
                f"slot {adapter['slot']}, VLAN {adapter['vlan']}, {adapter['switch']}"
            )
    return "missing"


def pause(screen, simulator, nova):
    """KEEP=1: leave it running until a key is pressed."""
    system = simulator.systems[0]
    screen.heading("Running; press Enter to end")
    screen.fact("simulator in a browser", f"{simulator.admin_url}/sim/")
    screen.fact("NovaLink", f"{system['url']} {system['username']}")
    screen.fact("Nova's API", f"{nova.ready['compute']} with X-Auth-Token: admin")
    screen.fact("log", nova.ready["log"])
    servers.wait_for_enter()
