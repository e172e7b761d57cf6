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
"""What an operator does with a server, on any hypervisor.

Each function is a section: it gets the lane to write to, and the hypervisor.
Whatever Nova says is compared with what the hypervisor has.
"""

from __future__ import annotations

import base64
import io
import json
import os
import struct

from demo import picture, steps
from ibmvirt import configdrive
from ibmvirt.simulators.core import sparse
from tests.support.smallnova import waits

USER_DATA = "#cloud-config\nruncmd:\n  - echo ibmvirt was here\n"


def _public_key():
    """A well-formed key that nobody has the other half of."""
    parts = (b"ssh-ed25519", os.urandom(32))
    blob = b"".join(struct.pack(">I", len(part)) + part for part in parts)
    return f"ssh-ed25519 {base64.b64encode(blob).decode()} demo"


KEY = _public_key()


def start(lane, at, room_picture):
    """The simulator, Nova, and an image in Glance."""
    at.start()
    at.say_where(lane)
    lane.fact("Nova's API", at.nova.ready["compute"])
    at.picture = room_picture
    at.image = at.register(lane, room_picture)


def boot(lane, at):
    client = at.client
    disk = at.picture.disk_gib
    flavor = client.compute.create_flavor(name="demo", ram=1024, vcpus=1, disk=disk)
    client.compute.create_keypair(name="demo", public_key=KEY, type="ssh")
    at.server = client.compute.create_server(
        name=at.server_name,
        image_id=at.image.id,
        flavor_id=flavor.id,
        networks=[{"uuid": network.id} for network in client.network.networks()],
        key_name="demo",
        config_drive=True,
        user_data=base64.b64encode(USER_DATA.encode()).decode(),
    )
    with steps.Follow(lane, at.nova, f"spawn:{at.server.id}"):
        at.server = waits.server(at.nova, at.server, seconds=120)
    lane.check(f"the server {at.server.name} is active", at.server.status == "ACTIVE")
    at.say_calls(lane)


def compare(lane, at):
    """What Nova lists beside what the hypervisor has."""
    (shown,) = at.client.compute.servers()
    guest = at.guest()
    ports = [
        (
            "port",
            f"{a['OS-EXT-IPS-MAC:mac_addr']} {network} {a['addr']}",
            at.say_adapter(guest, a["OS-EXT-IPS-MAC:mac_addr"]),
        )
        for network, found in sorted(shown.addresses.items())
        for a in found
    ]
    memory = shown.flavor.ram
    lane.table(
        ("", "Nova", at.title),
        [
            ("name", shown.instance_name, guest["name"]),
            ("state", shown.status, guest["state"]),
            ("memory", f"{memory} MiB", f"{guest['memory_mib']} MiB"),
            *ports,
            *at.rows(guest),
        ],
    )
    lane.check("it runs", guest["state"] == at.running)
    lane.check("it has its memory", guest["memory_mib"] == memory)
    wanted = _adapters_wanted(at)
    lane.check(
        "its adapters are those of its ports, each in its network's VLAN",
        len(wanted) == 2 and at.adapters(guest) == wanted,
    )
    at.check_guest(lane, guest)


def _adapters_wanted(at):
    """VLANs by MAC address, as Neutron has the server's ports."""
    network = at.client.network
    vlans = {one.id: one.provider_segmentation_id for one in network.networks()}
    ports = network.ports(device_id=at.server.id)
    return {port.mac_address: vlans[port.network_id] for port in ports}


def contents(lane, at):
    """The bytes of the disk, and what cloud-init would see."""
    guest, server, image = at.guest(), at.server, at.picture
    found = picture.digest_of(at.address(at.boot_disk(guest)), image.size)
    lane.check(
        f"the boot disk holds the image (SHA-256 {found[:16]}...)",
        found == image.digest,
    )
    drive = at.drive(guest)
    with configdrive.Image(io.BytesIO(drive)) as read:
        meta = json.loads(read.read("openstack/latest/meta_data.json"))
        network = json.loads(read.read("openstack/latest/network_data.json"))
        user_data = read.read("openstack/latest/user_data").decode()
    lane.fact("config drive", f"{len(drive)} bytes, read back from the hypervisor")
    host = meta["hostname"]
    lane.check(f"it names the host {host}", host.split(".")[0] == server.name)
    lane.check("it gives the server's id", meta["uuid"] == server.id)
    lane.check("it holds the key", KEY in meta["public_keys"]["demo"])
    lane.check("it holds the user data", user_data == USER_DATA)
    wanted = at.addresses()
    given = {item.get("ip_address") for item in network["networks"]}
    shown = ", ".join(wanted)
    lane.check(
        f"it gives the addresses {shown}", len(wanted) == 2 and given >= set(wanted)
    )
    at.check_drive(lane, guest, network)


def volume(lane, at):
    known = at.luns()
    made = at.client.block_storage.create_volume(size=1, name="demo-volume")
    waits.volume(at.nova, made, "available")
    (lun,) = at.luns() - known
    before = at.volumes(at.guest())
    at.client.compute.create_volume_attachment(at.server, volume=made)
    waits.volume(at.nova, made, "in-use")
    there = at.volumes(at.guest())
    paths = there.get(lun, [])
    for path in paths:
        lane.fact("attached", path)
    lane.check(
        "the guest has the volume, and nothing else that is new, by two paths",
        len(paths) == 2 and there == {**before, lun: paths},
    )
    at.client.compute.delete_volume_attachment(at.server, made)
    waits.volume(at.nova, made, "available")
    lane.check("detached: it has it no more", at.volumes(at.guest()) == before)
    at.client.block_storage.delete_volume(made)


def power(lane, at):
    compute = at.client.compute
    if at.has("operation.pause"):
        compute.pause_server(at.server)
        waits.server(at.nova, at.server, "PAUSED")
        lane.check("paused: so is the guest", at.guest()["state"] == "paused")
        compute.unpause_server(at.server)
        waits.server(at.nova, at.server)
        lane.check("unpaused: it runs", at.guest()["state"] == at.running)
    compute.stop_server(at.server)
    waits.server(at.nova, at.server, "SHUTOFF")
    state = at.guest()["state"]
    lane.check(f"stopped: the guest is {state}", state == at.stopped)
    compute.start_server(at.server)
    waits.server(at.nova, at.server)
    state = at.guest()["state"]
    lane.check(f"started: the guest is {state}", state == at.running)
    for kind in ("SOFT", "HARD"):
        before = at.guest()["boots"]
        compute.reboot_server(at.server, kind)
        waits.server(at.nova, at.server)
        boots = f"the guest boots, after {before} times"
        waits.until(lambda: at.guest()["boots"] > before, boots)  # noqa: B023
        guest = at.guest()
        state = guest["state"]
        lane.check(
            f"{kind.lower()} reboot: the guest has booted once more, and is {state}",
            guest["boots"] == before + 1 and state == at.running,
        )


def snapshot(lane, at):
    """An image of the server's disk, equal to it byte for byte."""
    made = at.client.compute.create_server_image(at.server, "demo-snapshot", wait=False)
    image = waits.image(at.nova, made if isinstance(made, str) else made.id)
    waits.settled(at.nova, at.server)
    path = at.room / f"snapshot-{at.column}"
    with sparse.SparseFile(path.open("wb")) as file:
        at.client.image.download_image(image, output=file)
    raw = at.unpack(path)
    address = at.address(at.boot_disk(at.guest()))
    size = raw.stat().st_size
    lane.fact("snapshot", f"{image.size} bytes, a disk of {size}")
    lane.check("it has the disk's bytes, all of them", picture.same(raw, address))
    at.client.image.delete_image(image)
    waits.server(at.nova, at.server)
    lane.check("the guest runs on", at.guest()["state"] == at.running)


def console(lane, at):
    output = at.client.compute.get_server_console_output(at.server)["output"]
    for line in output.splitlines()[-4:]:
        lane.say(f"| {line}")
    host = at.guest()["hostname"]
    lane.check("the console shows the boot", output.endswith(f"{host} login:\n"))


def delete(lane, at):
    with steps.Follow(lane, at.nova, f"destroy:{at.server.id}"):
        at.client.compute.delete_server(at.server)
        waits.deleted(at.nova, at.server)
    lane.check("Nova has no server", not list(at.client.compute.servers()))
    left = at.simulator.compare()
    for change in left:
        lane.say(f"{change['path']}: was {change['was']}, is {change['is']}")
    at.check_nothing_left(lane)
    answer = "no" if left else "yes"
    lane.check(f"hypervisor state as before: {answer}", not left)
