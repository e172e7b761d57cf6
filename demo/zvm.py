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

import urllib.request

from demo import servers
from ibmvirt.simulators.zvm import ZVMSimulator, imagefile
from tests.support.smallnova import handle

# The Connector sleeps for many seconds at a time; here they pass faster.
_RATE = "50"


def run(screen, room, *, keep):
    screen.heading("z/VM: real Cloud Connector, Nova 34 and ibmvirt.ZVMDriver")
    with (
        ZVMSimulator("--rate", _RATE) as simulator,
        handle.zvm(simulator, room / "zvm") as nova,
    ):
        screen.fact("Cloud Connector", simulator.connector_url)
        screen.fact("Nova's API", nova.ready["compute"])
        simulator.mark()
        story(screen, simulator, nova)
        if keep:
            screen.heading("Running; press Enter to end")
            screen.fact("simulator in a browser", f"{simulator.admin_url}/sim/")
            screen.fact("Nova's API", f"{nova.ready['compute']}, X-Auth-Token: admin")
            servers.wait_for_enter()


def story(screen, simulator, nova):
    """A server's life; each step is compared with what the hypervisor has."""
    client = nova.client
    content = servers.image_bytes()
    image = servers.register_image(
        nova, imagefile.write(content), os_distro="rhel", os_version="9.4"
    )
    screen.fact("image", f"{image.name}, {image.size} bytes, for ECKD disks")

    screen.heading("Boot with a config drive, a key, user data and two networks")
    server = servers.boot(screen, nova, "demo-z", image)
    calls = len(simulator.journal(memento=f"spawn:{server.id}", layer="rest"))
    commands = len(simulator.journal(memento=f"spawn:{server.id}", layer="command"))
    screen.fact("calls to the Connector", f"{calls}, the image's import included")
    screen.fact("commands it executed", commands)

    screen.heading("What Nova lists, and what the hypervisor has")
    guest = guest_of(simulator, server)
    shown = client.compute.get_server(server.id)
    screen.table(
        ("", "Nova", "z/VM"),
        [
            ("name", shown.instance_name, guest["name"]),
            ("host name", server.name, guest["hostname"]),
            ("state", shown.status, guest["state"]),
            ("memory", "1024 MiB", f"{guest['memory_mib']} MiB"),
            *[
                ("port", f"{a['OS-EXT-IPS-MAC:mac_addr']} {net} {a['addr']}",
                 adapter_text(guest, a["OS-EXT-IPS-MAC:mac_addr"]))
                for net, found in sorted(server.addresses.items())
                for a in found
            ],
            *[
                ("minidisk", "", f"{d['vdev']} {d['size']} units of {d['pool']}")
                for d in guest["storage"]
            ],
        ],
    )  # fmt: skip
    screen.check("the guest is on", guest["state"] == "on")
    screen.check(
        "its adapters are coupled in VLANs 101 and 102, and granted",
        sorted(a["vlan"] for a in guest["adapters"]) == [101, 102]
        and all(a["granted"] for a in guest["adapters"]),
    )
    wanted = {a["addr"] for found in server.addresses.values() for a in found}
    screen.check(
        f"the guest configured {', '.join(sorted(wanted))}",
        {network["address"] for network in guest["networks"]} == wanted,
    )

    screen.heading("What is on the disk and on the config drive")
    disk = simulator.disk(f"{guest['name']}/0100")
    servers.same_beginning(screen, disk, content, "the minidisk")
    url = f"{simulator.admin_url}/sim/guests/{guest['name']}/drive"
    with urllib.request.urlopen(url, timeout=30) as response:
        drive = response.read()
    servers.check_drive(screen, server, drive)
    screen.check("the guest took its host name from it",
                 guest["hostname"].split(".")[0] == server.name)  # fmt: skip

    screen.heading("Pause, stop, start, reboot, console")
    client.compute.pause_server(server)
    client.compute.wait_for_server(server, "PAUSED", wait=60, interval=0.5)
    state = guest_of(simulator, server)["state"]
    screen.check("paused: so is the guest", state == "paused")
    client.compute.unpause_server(server)
    client.compute.wait_for_server(server, "ACTIVE", wait=60, interval=0.5)
    client.compute.stop_server(server)
    client.compute.wait_for_server(server, "SHUTOFF", wait=60, interval=0.5)
    state = guest_of(simulator, server)["state"]
    screen.check("stopped: the guest is logged off", state == "off")
    client.compute.start_server(server)
    client.compute.wait_for_server(server, "ACTIVE", wait=60, interval=0.5)
    for kind in ("SOFT", "HARD"):
        client.compute.reboot_server(server, kind)
        server = client.compute.wait_for_server(server, "ACTIVE", wait=60, interval=0.5)
        state = guest_of(simulator, server)["state"]
        screen.check(f"{kind.lower()} reboot: the guest is on", state == "on")
    console = client.compute.get_server_console_output(server)["output"]
    for line in console.splitlines()[-4:]:
        screen.say(f"  | {line}")
    screen.check("the console shows the boot", "login:" in console)

    screen.heading("Delete")
    client.compute.delete_server(server)
    client.compute.wait_for_delete(server, wait=60, interval=0.5)
    left = simulator.compare()
    for change in left:
        screen.say(f"  {change['path']}: was {change['was']}, is {change['is']}")
    drives = list((nova.state / "zvm").rglob("cfgdrive.iso"))
    screen.check("no config drive is left on our side", not drives)
    screen.check(f"hypervisor state as before: {'no' if left else 'yes'}", not left)


def guest_of(simulator, server):
    """The guest that the server's drive made."""
    for guest in simulator.admin("GET", "guests"):
        if guest["instance_id"] == server.id:
            return guest
    raise LookupError(f"z/VM has no guest of {server.id}")


def adapter_text(guest, mac):
    bare = mac.replace(":", "")
    for adapter in guest["adapters"]:
        if adapter["mac"].lower() == bare:
            return f"{adapter['vdev']}, VLAN {adapter['vlan']}, {adapter['switch']}"
    return "missing"
