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

"""What a driver does not support ends as a 4xx, or as an action in error that
names the operation; servers, allocations and the hypervisor stay as they are.

The tables are in unsupported.py.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json

import pytest

from ibmvirt import configdrive
from tests.functional.nova import drives, servers, unsupported
from tests.support.smallnova import prepared, waits

FIXTURES = {unsupported.POWERVM: "powervm", unsupported.ZVM: "zvm_nova"}


def cases(table):
    """(fixture, entry) of each entry and each platform that it is for."""
    return [
        pytest.param(FIXTURES[platform], entry, id=f"{platform}-{entry.name}")
        for platform in FIXTURES
        for entry in table
        if platform in entry.platforms
    ]


@pytest.fixture(scope="module")
def standing():
    """Nova and a server of each hypervisor that many of these tests ask."""
    made = {}
    with contextlib.ExitStack() as ended:
        yield made
        for found in made.values():
            ended.callback(_end, *found)


def _end(nova, server, larger):
    servers.delete(nova, server)
    nova.client.compute.delete_flavor(larger)
    assert nova.simulator.compare("standing") == []


@pytest.fixture
def here(request, standing):
    """(Nova, a server that runs, a larger flavor) of the hypervisor asked for."""

    def get(name):
        if name not in standing:
            nova = request.getfixturevalue(f"{name}_process")
            nova.simulator.mark("standing")
            larger = nova.client.compute.create_flavor(
                name="larger", ram=1024, vcpus=1, disk=1
            )
            standing[name] = (nova, servers.wait(nova, servers.boot(nova)), larger)
        return standing[name]

    return get


def ask(nova, server, larger, operation):
    """(The answer's status, what users are told), once an action has failed."""
    text = json.dumps(operation.body).replace("{larger}", larger.id)
    response = nova.client.compute.request(
        operation.path.replace("{server}", server.id), operation.verb,
        microversion=operation.version, raise_exc=False,
        **({} if operation.body is None else {"json": json.loads(text)}),
    )  # fmt: skip
    told = response.text
    if operation.action:
        told += servers.outcome(nova, server, operation.action)
    return response.status_code, told


@pytest.mark.parametrize(("name", "operation"), cases(unsupported.OPERATIONS))
def test_it_is_refused_and_nothing_changes(here, name, operation):
    nova, server, larger = here(name)
    assert server.status == "ACTIVE"
    with servers.unchanged(nova, server):
        status, told = ask(nova, server, larger, operation)
        assert (status, operation.told in told) == (operation.status, True), told


@pytest.mark.parametrize(("name", "attachment"), cases(unsupported.ATTACHMENTS))
def test_such_a_volume_is_not_attached(here, name, attachment):
    nova, server, _larger = here(name)
    volume = servers.make_volume(nova, volume_type=attachment.volume_type)
    with servers.unchanged(nova, server):
        nova.client.compute.create_volume_attachment(server, volume_id=volume.id)
        assert attachment.told in servers.outcome(nova, server, "attach_volume")
        waits.volume(nova, volume, "available")
        assert list(nova.client.compute.volume_attachments(server)) == []
    servers.drop_volume(nova, volume)


# -- builds ---------------------------------------------------------------------


@contextlib.contextmanager
def asked_for(nova, build):
    """The body of a request for a server, while what it names is there."""
    compute = nova.client.compute
    with contextlib.ExitStack() as stack:
        flavor = compute.create_flavor(name=build.name, ram=512, vcpus=1, disk=1)
        stack.callback(compute.delete_flavor, flavor)
        if build.specs:
            compute.create_flavor_extra_specs(flavor, dict(build.specs))
        image = nova.image
        if build.image:
            image = prepared.new_image(nova, build.name, **build.image)
            stack.callback(nova.client.image.delete_image, image)
        body = {"name": "asking", "flavorRef": flavor.id, "imageRef": image.id,
                "networks": nova.networks[:1], **build.options}  # fmt: skip
        if build.port:
            network = nova.networks[0]["uuid"]
            port = nova.client.network.create_port(network_id=network)
            # openstacksdk knows not all that an administrator may set.
            nova.client.network.put(f"/ports/{port.id}", json={"port": build.port})
            stack.callback(nova.client.network.delete_port, port)
            body["networks"] = [{"port": port.id}]
        if build.volume:
            volume = servers.make_volume(nova, volume_type=build.volume)
            stack.callback(servers.drop_volume, nova, volume)
            body["block_device_mapping_v2"] = [
                {"uuid": image.id, "source_type": "image", "boot_index": 0,
                 "destination_type": "local"},
                {"uuid": volume.id, "source_type": "volume", "boot_index": -1,
                 "destination_type": "volume"},
            ]  # fmt: skip
        yield {"server": body}


@pytest.mark.parametrize(("name", "build"), cases(unsupported.BUILDS))
def test_such_a_server_is_not_built(here, name, build):
    nova, _server, _larger = here(name)
    with asked_for(nova, build) as body:
        nova.simulator.mark("asking")
        response = nova.client.compute.post(
            "/servers", json=body, microversion=build.version
        )
        assert response.status_code == 202, response.text
        server = nova.client.compute.get_server(response.json()["server"]["id"])
        found = servers.wait(nova, server, "ERROR")
        assert build.told in found.fault["message"]
        assert found.task_state is None
        assert servers.allocations(nova, server) == {}
        assert servers.guest(nova, server) is None
        assert nova.simulator.compare("asking") == []
        servers.delete(nova, server)


# -- what needs a server of its own ----------------------------------------------


def test_rescue_is_refused(nova):
    """Nova itself calls a server ERROR whatever a driver's rescue raises.

    It says which operation failed; a hard reboot makes it active again.
    """
    server = servers.wait(nova, servers.boot(nova))
    given = servers.allocations(nova, server)
    nova.simulator.mark("asking")
    nova.client.compute.rescue_server(server)
    assert "Could not rescue the server" in servers.outcome(nova, server, "rescue")
    found = servers.wait(nova, server, "ERROR")
    assert "Could not rescue the server" in found.fault["message"]
    assert "does not support it" in found.fault["message"]
    assert servers.allocations(nova, server) == given
    assert nova.simulator.compare("asking") == []
    nova.client.compute.reboot_server(server, "HARD")
    waits.until(
        lambda: nova.client.compute.get_server(server.id).status == "ACTIVE",
        "the server is active again",
    )
    servers.delete(nova, server)
    assert nova.simulator.compare() == []


def test_a_rebuild_that_is_refused_may_be_asked_for_again(nova):
    """Nova has destroyed the guest by then: nothing of it is left anywhere."""
    server = servers.wait(nova, servers.boot(nova))
    image = prepared.new_image(nova, "firmware", hw_firmware_type="uefi")
    nova.client.compute.rebuild_server(server, image=image.id)
    assert "by UEFI" in servers.outcome(nova, server, "rebuild")
    found = servers.wait(nova, server, "ERROR")
    assert "by UEFI" in found.fault["message"]
    assert found.task_state is None
    assert nova.simulator.compare() == []
    nova.client.compute.rebuild_server(server, image=nova.image.id)
    waits.until(
        lambda: nova.client.compute.get_server(server.id).status == "ACTIVE",
        "it is there again",
    )
    assert servers.settled(nova, server).power_state == 1
    assert servers.root_bytes(nova, server) == prepared.IMAGE
    servers.delete(nova, server)
    nova.client.image.delete_image(image)
    assert nova.simulator.compare() == []


def test_an_evacuation_is_refused(nova):
    """Of a host that is down. Nova's scheduler finds no other, and Nova itself
    calls the server ERROR."""
    compute = nova.client.compute
    server = servers.wait(nova, servers.boot(nova))
    given = servers.allocations(nova, server)
    (service,) = compute.services(binary="nova-compute")
    nova.simulator.mark("asking")
    compute.update_service_forced_down(service, service.host, service.binary, True)
    try:
        body = {"evacuate": {}}
        compute.post(f"/servers/{server.id}/action", json=body, microversion="2.90")
        assert "No valid host" in servers.outcome(nova, server, "evacuate")
        found = servers.wait(nova, server, "ERROR")
        assert servers.allocations(nova, server) == given
        assert nova.simulator.compare("asking") == []
    finally:
        compute.update_service_forced_down(service, service.host, service.binary, False)
    compute.reset_server_state(found, "active")
    assert servers.wait(nova, server).power_state == 1
    servers.delete(nova, server)
    assert nova.simulator.compare() == []


def test_a_swap_of_volumes_is_refused(nova):
    """As Cinder asks for it, when it moves a volume to other storage."""
    old = servers.make_volume(nova, metadata={"migrating": "migrating"})
    new = servers.make_volume(nova)
    nova.simulator.mark()
    server = servers.wait(nova, servers.boot(nova))
    servers.attach(nova, server, old)
    with servers.unchanged(nova, server):
        response = nova.client.compute.put(
            f"/servers/{server.id}/os-volume_attachments/{old.id}",
            json={"volumeAttachment": {"volumeId": new.id}},
            microversion="2.90",
        )
        assert response.status_code == 202, response.text
        told = servers.outcome(nova, server, "swap_volume")
        assert "Could not swap a volume of the server" in told
        assert waits.volume(nova, old, "in-use").migration_status == "error"
        waits.volume(nova, new, "available")
    servers.delete(nova, server)
    assert nova.simulator.compare() == []


def test_a_quiesced_snapshot_is_refused(powervm):
    """Of a partition that runs, where its image wants snapshots so."""
    nova = powervm
    image = prepared.new_image(nova, "whole", os_require_quiesce="yes")
    local = servers.boot(nova, "local", image_id=image.id)
    mapping = {"uuid": image.id, "source_type": "image", "destination_type": "volume",
               "boot_index": 0, "volume_size": 1, "delete_on_termination": True}  # fmt: skip
    remote = servers.boot(nova, "remote", block_device_mapping=[mapping])
    local, remote = (servers.wait(nova, server) for server in (local, remote))
    images = {found.id for found in nova.client.image.images()}
    with servers.unchanged(nova, local):
        nova.client.compute.create_server_image(local, "never")
        waits.until(lambda: "take a quiesced snapshot" in nova.log(), "it is refused")
        waits.until(
            lambda: {found.id for found in nova.client.image.images()} == images,
            "the image that failed is gone",
        )
    # Of a volume the storage takes it, in a request that waits.
    with servers.unchanged(nova, remote):
        body = {"createImage": {"name": "never"}}
        response = nova.client.compute.post(
            f"/servers/{remote.id}/action", json=body, microversion="2.90"
        )
        assert response.status_code == 400
        assert "Quiescing is not supported" in response.text
    for server in (local, remote):
        servers.delete(nova, server)
    nova.client.image.delete_image(image)


def test_files_are_in_the_config_drive_alone(nova):
    """Nova's old way to give a guest files: the disk has the image's bytes."""
    text = b"of its user"
    body = {
        "name": "files", "imageRef": nova.image.id, "flavorRef": nova.flavor.id,
        "networks": nova.networks[:1], "config_drive": True,
        "personality": [
            {"path": "/etc/motd", "contents": base64.b64encode(text).decode()}
        ],
    }  # fmt: skip
    response = nova.client.compute.post(
        "/servers", json={"server": body}, microversion="2.56"
    )
    server = nova.client.compute.get_server(response.json()["server"]["id"])
    servers.wait(nova, server)
    with configdrive.Image(io.BytesIO(drives.content(nova, server))) as found:
        (entry,) = json.loads(found.read("openstack/latest/meta_data.json"))["files"]
        assert entry["path"] == "/etc/motd"
        assert found.read("openstack" + entry["content_path"]) == text
    assert servers.root_bytes(nova, server) == prepared.IMAGE
    servers.delete(nova, server)
    assert nova.simulator.compare() == []
