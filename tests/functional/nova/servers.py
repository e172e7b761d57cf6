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

from tests.support.smallnova import prepared, waits
from tests.support.smallnova.waits import settled, until

__all__ = [
    "REAP",
    "actions",
    "allocations",
    "as_member",
    "attach",
    "between",
    "boot",
    "delete",
    "detach",
    "drop_volume",
    "events",
    "guest",
    "jobs",
    "make_volume",
    "outcome",
    "restarted",
    "root_bytes",
    "settled",
    "succeeded",
    "unchanged",
    "until",
    "wait",
]


# Nova removes at once, and not after half an hour, what it has forgotten.
REAP = {"DEFAULT": {"running_deleted_instance_poll_interval": "1"}}


def between(nova):
    """A mark before a test; its rules, servers and volumes are removed after it.

    Servers that were there before stay. Of all else a test leaves nothing itself.
    """
    standing = {server.id for server in nova.client.compute.servers()}
    before = _furniture(nova)
    nova.left_open = set(nova.simulator.verify())
    nova.simulator.admin("DELETE", "journal")
    nova.simulator.mark()
    yield nova
    nova.simulator.delete_rule()
    for server in nova.client.compute.servers():
        if server.id not in standing:
            delete(nova, server)
    for volume in nova.client.block_storage.volumes():
        drop_volume(nova, volume)
    assert _furniture(nova) == before


def _furniture(nova):
    """What of the clouds' other things is there: (sort, id)."""
    client = nova.client
    return {
        (name, found.id)
        for name, listed in (
            ("image", client.image.images()),
            ("flavor", client.compute.flavors(is_public=None)),
            ("aggregate", client.compute.aggregates()),
            ("group", client.compute.server_groups(all_projects=True)),
            ("port", client.network.ports()),
        )
        for found in listed
    }


@contextlib.contextmanager
def restarted(nova, **options):
    """The service was killed and started with other options for the block."""
    former = nova.options
    nova.kill()
    nova.options = {**former, **options}
    try:
        nova.start()
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


def root_bytes(nova, server):
    """The beginning of the disk that a server boots from."""
    found = guest(nova, server)
    if "vdev" in found["storage"][0]:
        name = f"{found['name']}/0100"
    else:
        (name,) = {s["name"] for s in found["storage"] if s["kind"] == "LogicalUnit"}
    return nova.simulator.disk(name)[: len(prepared.IMAGE)]


def actions(nova, server, action):
    """The ended actions of a name, the newest first."""
    return [
        found
        for found in nova.client.compute.server_actions(server)
        if found.action == action
    ]


def events(nova, server, action):
    """(Result, what users are told) of each event of the newest such action."""
    found = next(iter(actions(nova, server, action)), None)
    if found is None:
        return []
    path = f"/servers/{server.id}/os-instance-actions/{found.request_id}"
    shown = nova.client.compute.get(path).json()["instanceAction"]
    return [(event["result"], event["details"] or "") for event in shown["events"]]


def succeeded(nova, server, action, count=1):
    """Wait until as many such actions were asked for and the newest has succeeded."""

    def done():
        results = [result for result, _told in events(nova, server, action)]
        return (
            len(actions(nova, server, action)) == count
            and results
            and set(results) == {"Success"}
        )

    until(done, f"{action} succeeds")


def jobs(nova, server, operation):
    """The calls by which the driver let an operation happen; all of them worked."""
    found = [
        call
        for call in nova.simulator.journal(
            memento=f"{operation}:{server.id}", layer="rest"
        )
        if call["verb"] in ("PUT", "POST")
    ]
    assert [call for call in found if call["status"] >= 400] == []
    return found


def outcome(nova, server, action):
    """What users are told of an action, once the newest one has ended in error."""

    def failed():
        # Nova writes it after the task has ended.
        found = next(iter(actions(nova, server, action)), None)
        if found is None or not found.message:
            return None
        return " ".join(told for _result, told in events(nova, server, action))

    return until(failed, f"the action {action} fails")


def allocations(nova, server):
    """What placement has given to a server."""
    request = urllib.request.Request(
        f"{nova.ready['placement']}/allocations/{server.id}",
        headers={"X-Auth-Token": "admin"},
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        given = json.loads(response.read())["allocations"]
    return {provider: found["resources"] for provider, found in given.items()}


@contextlib.contextmanager
def unchanged(nova, server):
    """The block leaves a server, what it was given and the hypervisor as they are."""
    before = nova.client.compute.get_server(server.id)
    given = allocations(nova, server)
    assert given
    nova.simulator.mark("unchanged")
    yield
    after = settled(nova, server)
    for name in ("status", "vm_state", "task_state", "power_state", "flavor", "image"):
        assert getattr(after, name) == getattr(before, name), name
    assert allocations(nova, server) == given
    assert nova.simulator.compare("unchanged") == []


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
