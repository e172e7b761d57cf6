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

import time

from openstack import exceptions


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
    """The server, once it has a status and no task is under way.

    :raises ResourceFailure: its status is ERROR.
    """

    def there():
        found = nova.client.compute.get_server(server.id)
        if found.status == "ERROR" != status:
            raise exceptions.ResourceFailure(f"{server.id}: {found.fault}")
        done = found.status == status and found.task_state is None
        return found if done else None

    return until(there, f"the server is {status}", seconds)


def delete(nova, server):
    nova.client.compute.delete_server(server)
    nova.client.compute.wait_for_delete(server, wait=60, interval=0.2)


def until(condition, what, seconds=30):
    """What a condition gives once it holds."""
    end = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.1)


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


def settled(nova, server):
    """Wait until no task is under way on a server; the server then."""

    def idle():
        found = nova.client.compute.get_server(server.id)
        return found if found.task_state is None else None

    return until(idle, "the server's task ends")


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

    return until(failed, f"the action {action} fails", seconds=20)


# -- volumes --------------------------------------------------------------------


def make_volume(nova, size=1, **options):
    return nova.client.block_storage.create_volume(size=size, **options)


def drop_volume(nova, volume):
    """Delete a volume that nobody has any more."""
    volume_is(nova, volume, "available")
    nova.client.block_storage.delete_volume(volume, ignore_missing=False)


def volume_is(nova, volume, status):
    """Wait for a volume's status."""

    def there():
        found = nova.client.block_storage.get_volume(volume.id)
        return found if found.status == status else None

    return until(there, f"the volume is {status}")


def attach(nova, server, volume):
    nova.client.compute.create_volume_attachment(server, volume_id=volume.id)
    volume_is(nova, volume, "in-use")


def detach(nova, server, volume):
    nova.client.compute.delete_volume_attachment(server, volume.id)
    volume_is(nova, volume, "available")
