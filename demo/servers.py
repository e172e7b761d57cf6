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

"""What the demo does with a server on any hypervisor."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import pathlib
import signal
import struct
import threading

from ibmvirt import configdrive

USER_DATA = "#cloud-config\nruncmd:\n  - echo ibmvirt was here\n"


def _public_key():
    """A well-formed key that nobody has the other half of."""
    parts = (b"ssh-ed25519", os.urandom(32))
    blob = b"".join(struct.pack(">I", len(part)) + part for part in parts)
    return f"ssh-ed25519 {base64.b64encode(blob).decode()} demo"


KEY = _public_key()


def image_bytes():
    """Bytes of an image: of the file IMAGE names, or made on the spot."""
    path = os.environ.get("IMAGE")
    if path:
        return pathlib.Path(path).read_bytes()
    # A boot sector's signature and bytes that do not repeat.
    return os.urandom(510) + b"\x55\xaa" + os.urandom((8 << 20) - 512)


def register_image(nova, content, **properties):
    client = nova.client
    image = client.image.create_image(
        "demo-image",
        data=io.BytesIO(content),
        disk_format="raw",
        container_format="bare",
        validate_checksum=False,
        **properties,
    )
    return client.image.get_image(image.id)


def boot(screen, nova, name, image):
    """Create a server with two networks and show the flow's steps."""
    client = nova.client
    flavor = client.compute.create_flavor(name="demo", ram=1024, vcpus=1, disk=2)
    if not any(key.name == "demo" for key in client.compute.keypairs()):
        client.compute.create_keypair(name="demo", public_key=KEY, type="ssh")
    networks = [{"uuid": network.id} for network in client.network.networks()]
    server = client.compute.create_server(
        name=name,
        image_id=image.id,
        flavor_id=flavor.id,
        networks=networks,
        key_name="demo",
        config_drive=True,
        user_data=base64.b64encode(USER_DATA.encode()).decode(),
    )
    with Steps(screen, nova, f"spawn:{server.id}"):
        server = client.compute.wait_for_server(server, wait=120, interval=0.5)
    screen.check(f"the server {name} is {server.status}", server.status == "ACTIVE")
    return server


class Steps:
    """Shows the steps of a flow as they end."""

    def __init__(self, screen, nova, memento):
        self._screen = screen
        self._nova = nova
        self._memento = memento
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._shown = 0

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_error):
        self._stop.set()
        self._thread.join()
        self._show()

    def _follow(self):
        while not self._stop.wait(0.1):
            self._show()

    def _show(self):
        mine = [s for s in self._nova.steps() if s["memento"] == self._memento]
        for step in mine[self._shown :]:
            if step["event"] != "started":
                text = f"{step['seconds'] * 1000:7.0f} ms  {step['step']}"
                if step["event"] != "done":
                    text += f" ({step['event']}) {step['error']}"
                self._screen.say(f"  {text}")
        self._shown = len(mine)


def check_drive(screen, server, drive):
    """Read a drive as cloud-init would, and compare with the server."""
    with configdrive.Image(io.BytesIO(drive)) as image:
        meta = json.loads(image.read("openstack/latest/meta_data.json"))
        network = json.loads(image.read("openstack/latest/network_data.json"))
        user_data = image.read("openstack/latest/user_data").decode()
    screen.fact("config drive", f"{len(drive)} bytes, label config-2")
    screen.check(
        f"the drive names the host {meta['hostname']}",
        meta["hostname"].split(".")[0] == server.name,
    )
    screen.check("the drive gives the server's id", meta["uuid"] == server.id)
    screen.check("the drive holds the key", KEY in meta["public_keys"]["demo"])
    screen.check("the drive holds the user data", user_data == USER_DATA)
    wanted = {
        address["addr"] for found in server.addresses.values() for address in found
    }
    given = {item.get("ip_address") for item in network["networks"]}
    screen.check(
        f"the drive gives the addresses {', '.join(sorted(wanted))}", wanted <= given
    )
    return network


def same_beginning(screen, disk, content, what):
    screen.check(
        f"{what} holds the image's bytes "
        f"(SHA-256 {hashlib.sha256(content).hexdigest()[:16]}...)",
        disk[: len(content)] == content,
    )


def wait_for_enter():
    """KEEP=1: leave everything running until Enter, or a signal."""
    try:
        input()
    except EOFError:
        signal.pause()
