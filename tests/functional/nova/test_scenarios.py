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
"""What every hypervisor does with servers, through Nova's API."""

from __future__ import annotations

import pytest
from openstack import exceptions

from tests.functional.nova import servers
from tests.functional.nova.conftest import IMAGE
from tests.support.smallnova import prepared, waits


def state(nova, server):
    found = servers.guest(nova, server)
    return found and found["state"]


def volumes(nova, server):
    """How many paths to volumes a server's guest has."""
    found = servers.guest(nova, server)
    if "volumes" in found:
        return sum(len(v["fcp"]) for v in found["volumes"])
    return sum(s["kind"] == "PhysicalVolume" for s in found["storage"])


def end(nova, *made):
    """Delete servers; then the hypervisor is as before the test."""
    for server in made:
        servers.delete(nova, server)
    assert nova.simulator.compare() == []
    assert set(nova.simulator.verify()) <= nova.left_open


# -- one server -----------------------------------------------------------------


def test_servers_are_listed_with_what_the_hypervisor_has(nova):
    made = [servers.boot(nova, f"server-{number}") for number in range(3)]
    made = [servers.wait(nova, server) for server in made]
    nova.client.compute.stop_server(made[0])
    servers.wait(nova, made[0], "SHUTOFF")
    listed = {s.name: s for s in nova.client.compute.servers()}
    assert [listed[f"server-{n}"].status for n in range(3)] == [
        "SHUTOFF", "ACTIVE", "ACTIVE",
    ]  # fmt: skip
    assert [s.name for s in nova.client.compute.servers(status="SHUTOFF")] == [
        "server-0"
    ]
    assert [state(nova, s) for s in made] == [
        nova.outside.stopped, nova.outside.running, nova.outside.running,
    ]  # fmt: skip
    (node,) = nova.client.compute.hypervisors()
    assert nova.client.compute.get_hypervisor(node).uptime
    end(nova, *made)


def test_a_snapshot_boots_another_server(nova):
    server = servers.wait(nova, servers.boot(nova))
    nova.simulator.mark("snapshot")
    image = nova.client.compute.create_server_image(server, "captured", wait=False)
    image = waits.image(nova, image if isinstance(image, str) else image.id)
    assert servers.settled(nova, server).status == "ACTIVE"
    assert state(nova, server) == nova.outside.running
    assert nova.simulator.compare("snapshot") == []
    assert (image.disk_format, image.container_format) == ("raw", "bare")
    for name, value in nova.image_properties.items():
        assert image[name] == value
    second = servers.boot(nova, "second", image_id=image.id)
    servers.wait(nova, second)
    assert servers.root_bytes(nova, second) == IMAGE
    end(nova, server, second)
    nova.client.image.delete_image(image)


def test_rebuild_gives_the_disk_of_another_image(nova):
    image = prepared.new_image(nova, "other", prepared.OTHER)
    server = servers.wait(nova, servers.boot(nova))
    assert servers.root_bytes(nova, server) == IMAGE
    address = servers.guest(nova, server)["adapters"]
    nova.client.compute.rebuild_server(server, image=image.id)
    rebuilt = servers.wait(nova, server)
    assert rebuilt.image.id == image.id
    assert servers.root_bytes(nova, server) == prepared.OTHER
    assert state(nova, server) == nova.outside.running
    macs = [adapter["mac"] for adapter in servers.guest(nova, server)["adapters"]]
    assert {adapter["mac"] for adapter in address} & set(macs)
    end(nova, server)
    nova.client.image.delete_image(image)


@pytest.mark.slow
def test_a_backup_rotates(nova):
    server = servers.wait(nova, servers.boot(nova))
    for number in range(2):
        nova.client.compute.backup_server(server, f"backup-{number}", "daily", 1)
        servers.settled(nova, server)
        servers.until(
            lambda name=f"backup-{number}": [
                image.name
                for image in nova.client.image.images()
                if image.name.startswith("backup") and image.status == "active"
            ] == [name],
            "only the last backup is there",
        )  # fmt: skip
    end(nova, server)
    (image,) = [i for i in nova.client.image.images() if i.name == "backup-1"]
    nova.client.image.delete_image(image)


def test_shelve_and_unshelve(nova):
    """Shelved, it has nothing on the hypervisor; unshelved, its bytes."""
    volume = servers.make_volume(nova)
    nova.simulator.mark()
    server = servers.wait(nova, servers.boot(nova))
    servers.attach(nova, server, volume)
    nova.client.compute.shelve_server(server)
    servers.wait(nova, server, "SHELVED_OFFLOADED")
    assert servers.guest(nova, server) is None
    assert nova.simulator.compare() == []
    # To a host of an administrator's choice.
    body = {"unshelve": {"host": "small"}}
    nova.client.compute.post(f"/servers/{server.id}/action", json=body)
    assert servers.wait(nova, server).compute_host == "small"
    assert state(nova, server) == nova.outside.running
    assert servers.root_bytes(nova, server) == IMAGE
    assert volumes(nova, server) == 2
    waits.volume(nova, volume, "in-use")
    end(nova, server)
    # Nova deletes the image that it made for this.
    names = [image.name for image in nova.client.image.images()]
    assert names == [nova.image.name]


def test_a_locked_server_is_left_alone_by_others(nova):
    server = servers.wait(nova, servers.boot(nova))
    nova.client.compute.lock_server(server)
    status = servers.as_member(
        nova, "POST", f"/servers/{server.id}/action", {"os-stop": None}
    )
    assert status == 409
    assert servers.settled(nova, server).status == "ACTIVE"
    nova.client.compute.unlock_server(server)
    status = servers.as_member(
        nova, "POST", f"/servers/{server.id}/action", {"os-stop": None}
    )
    assert status == 202
    servers.wait(nova, server, "SHUTOFF")
    end(nova, server)


def test_server_groups(nova):
    compute = nova.client.compute
    near = compute.create_server_group(name="near", policy="affinity")
    far = compute.create_server_group(name="far", policy="anti-affinity")
    made = [
        servers.wait(nova, servers.boot(nova, scheduler_hints={"group": group.id}))
        for group in (near, near, far)
    ]
    # There is one host.
    fourth = servers.boot(nova, scheduler_hints={"group": far.id})
    with pytest.raises(exceptions.ResourceFailure, match="No valid host"):
        servers.wait(nova, fourth)
    assert servers.guest(nova, fourth) is None
    end(nova, fourth, *made)
    for group in (near, far):
        compute.delete_server_group(group)


# -- builds that end early ----------------------------------------------------------


@pytest.mark.parametrize("skip", [0, 3, 7])
def test_delete_while_building(nova, skip):
    """The server is deleted while a call of its build is under way."""
    rule = nova.simulator.rule(
        match={**nova.outside.call, "memento": "spawn:*"},
        skip=skip,
        effect={"kind": "hold"},
    )
    server = servers.boot(nova)
    assert nova.simulator.wait_parked(rule)
    nova.client.compute.delete_server(server)
    nova.simulator.delete_rule(rule)
    waits.deleted(nova, server)
    assert nova.simulator.compare() == []


def test_an_errored_server_is_deleted(nova):
    nova.simulator.rule(
        match=nova.outside.fatal, count=None, effect=nova.outside.refusal
    )
    server = servers.boot(nova)
    with pytest.raises(exceptions.ResourceFailure):
        servers.wait(nova, server)
    assert nova.simulator.compare() == []
    # The fault lasts while it is deleted.
    end(nova, server)


# -- the service starts again ----------------------------------------------------


def test_the_service_starts_again_with_servers(nova):
    volume = servers.make_volume(nova)
    nova.simulator.mark()
    running, stopped = servers.boot(nova, "running"), servers.boot(nova, "stopped")
    running, stopped = (servers.wait(nova, s) for s in (running, stopped))
    servers.attach(nova, running, volume)
    nova.client.compute.stop_server(stopped)
    servers.wait(nova, stopped, "SHUTOFF")
    nova.simulator.mark("restart")
    nova.stop()
    nova.start()
    assert nova.simulator.compare("restart") == []
    assert servers.wait(nova, running).status == "ACTIVE"
    assert servers.wait(nova, stopped, "SHUTOFF").status == "SHUTOFF"
    # What the former service attached, this one detaches.
    servers.detach(nova, running, volume)
    assert volumes(nova, running) == 0
    nova.client.compute.start_server(stopped)
    servers.wait(nova, stopped)
    end(nova, running, stopped)


def test_guests_run_again_after_the_host_booted(nova):
    """[DEFAULT] resume_guests_state_on_host_boot: what ran, runs again."""
    running, stopped = servers.boot(nova, "running"), servers.boot(nova, "stopped")
    running, stopped = (servers.wait(nova, s) for s in (running, stopped))
    nova.client.compute.stop_server(stopped)
    servers.wait(nova, stopped, "SHUTOFF")
    nova.kill()
    nova.outside.stop(servers.guest(nova, running)["name"])
    assert state(nova, running) == nova.outside.stopped
    former = nova.options
    resume = {"DEFAULT": {"resume_guests_state_on_host_boot": "true"}}
    nova.options = {**former, **resume}
    try:
        nova.start()
    finally:
        # Of a start alone.
        nova.options = former
    servers.until(lambda: state(nova, running) == nova.outside.running, "it runs again")
    assert servers.wait(nova, running).status == "ACTIVE"
    assert state(nova, stopped) == nova.outside.stopped
    end(nova, running, stopped)


@pytest.mark.parametrize("skip", [pytest.param(2, marks=pytest.mark.slow), 6])
def test_nova_is_killed_in_the_midst_of_a_build(nova, skip):
    """The server that ran still runs; the half built one is deleted, and its
    image, whose transfer may have been cut off, builds another."""
    image = prepared.new_image(nova, f"fresh-{skip}")
    running = servers.wait(nova, servers.boot(nova, "running"))
    rule = nova.simulator.rule(
        match={**nova.outside.call, "memento": "spawn:*"},
        skip=skip,
        phase="after",
        effect={"kind": "hold"},
    )
    server = servers.boot(nova, image_id=image.id)
    assert nova.simulator.wait_parked(rule)
    nova.kill()
    nova.simulator.delete_rule(rule)
    nova.start()
    assert servers.wait(nova, running).status == "ACTIVE"
    assert state(nova, running) == nova.outside.running
    servers.delete(nova, server)
    again = servers.wait(nova, servers.boot(nova, "again", image_id=image.id))
    assert servers.root_bytes(nova, again) == IMAGE
    end(nova, again, running)
    nova.client.image.delete_image(image)
