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

"""What the scenarios of both hypervisors do with servers through the API."""

from __future__ import annotations

import contextlib
import json
import urllib.error
import urllib.request

from tests.support.smallnova import waits
from tests.support.smallnova.waits import settled, until

__all__ = [
    "actions",
    "as_member",
    "attach",
    "between",
    "boot",
    "delete",
    "detach",
    "drop_volume",
    "guest",
    "make_volume",
    "outcome",
    "restarted",
    "settled",
    "until",
    "wait",
]


def between(nova):
    """A mark before a test; rules, servers and volumes are removed after it."""
    nova.left_open = set(nova.simulator.verify())
    nova.simulator.admin("DELETE", "journal")
    nova.simulator.mark()
    yield nova
    nova.simulator.delete_rule()
    for server in nova.client.compute.servers():
        delete(nova, server)
    for volume in nova.client.block_storage.volumes():
        drop_volume(nova, volume)


@contextlib.contextmanager
def restarted(nova, **options):
    """The service was killed and started with other options for the block."""
    former = nova.options
    nova.kill()
    nova.options = {**former, **options}
    nova.start()
    try:
        yield
    finally:
        nova.kill()
        nova.options = former
        nova.start()


def boot(nova, name="server", networks=None, **options):
    """A server of the small image and flavor, not waited for."""
    if "block_device_mapping" not in options:
        options.setdefault("image_id", nova.image.id)
    options.setdefault("flavor_id", nova.flavor.id)
    return nova.client.compute.create_server(
        name=name,
        networks=nova.networks[:1] if networks is None else networks,
        **options,
    )


def wait(nova, server, status="ACTIVE", seconds=60):
    return waits.server(nova, server, status, seconds)


def delete(nova, server):
    nova.client.compute.delete_server(server)
    waits.deleted(nova, server)


def guest(nova, server):
    """What the hypervisor has of a server, None for nothing.

    A partition's UUID is the server's with bit 0 cleared; a z/VM guest takes
    its instance's id from the config drive.
    """
    for found in nova.simulator.admin("GET", "guests"):
        if found.get("instance_id") == server.id:
            return found
        if found.get("uuid", "").lower()[1:] == server.id[1:]:
            return found
    return None


def actions(nova, server, action):
    """The ended actions of a name, the newest first."""
    return [
        found
        for found in nova.client.compute.server_actions(server)
        if found.action == action
    ]


def outcome(nova, server, action):
    """The message of an instance action, once it has ended in error."""

    def failed():
        # Nova writes it after the task has ended.
        return next((a.message for a in actions(nova, server, action) if a.message), "")

    return until(failed, f"the action {action} fails")


def as_member(nova, verb, path, body):
    """The status of a request of somebody who is no administrator."""
    request = urllib.request.Request(
        nova.ready["compute"] + path,
        data=json.dumps(body).encode(),
        headers={"X-Auth-Token": "somebody", "Content-Type": "application/json"},
        method=verb,
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status
    except urllib.error.HTTPError as error:
        return error.code


# -- volumes --------------------------------------------------------------------


def make_volume(nova, size=1, **options):
    return nova.client.block_storage.create_volume(size=size, **options)


def drop_volume(nova, volume):
    """Delete a volume that nobody has any more."""
    waits.volume(nova, volume, "available")
    nova.client.block_storage.delete_volume(volume, ignore_missing=False)


def attach(nova, server, volume):
    nova.client.compute.create_volume_attachment(server, volume_id=volume.id)
    waits.volume(nova, volume, "in-use")


def detach(nova, server, volume):
    nova.client.compute.delete_volume_attachment(server, volume.id)
    waits.volume(nova, volume, "available")
