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


"""Snapshots of PowerVM servers, through Nova's API."""

from __future__ import annotations

import hashlib

import pytest

from tests.functional.nova.conftest import IMAGE
from tests.functional.nova.servers import (
    boot,
    delete,
    guest,
    settled,
    until,
    wait,
)

GB = 1 << 30


def root_disk():
    """SHA-256 of a root disk of 1 GB that the small image was put on."""
    found = hashlib.sha256(IMAGE)
    zeros = bytes(1 << 20)
    for _ in range((GB - len(IMAGE)) >> 20):
        found.update(zeros)
    return found.hexdigest()


def capture(nova, server, name):
    """The image of a server's disk, once Glance has it."""
    image = nova.client.compute.create_server_image(server, name)

    def there():
        found = nova.client.image.get_image(image.id)
        return found if found.status == "active" else None

    return until(there, f"the image {name} is active", seconds=60)


@pytest.mark.slow
def test_a_server_is_made_of_another_that_is_stopped(powervm):
    server = wait(powervm, boot(powervm))
    powervm.client.compute.stop_server(server)
    wait(powervm, server, "SHUTOFF")
    image = capture(powervm, server, "captured")
    assert image.hash_value == root_disk()
    assert settled(powervm, server).status == "SHUTOFF"
    second = wait(powervm, boot(powervm, "second", image_id=image.id))
    (disk,) = {item["id"] for item in guest(powervm, second)["storage"]}
    assert powervm.simulator.disk(disk)[: len(IMAGE)] == IMAGE
    for made in (second, server):
        delete(powervm, made)
    powervm.client.image.delete_image(image)
    assert powervm.simulator.compare() == []


def test_a_snapshot_that_fails_leaves_server_and_images_as_they_were(powervm):
    server = wait(powervm, boot(powervm))
    powervm.simulator.mark("before")
    images = {image.id for image in powervm.client.image.images()}
    powervm.simulator.rule(
        match={"memento": f"snapshot:{server.id}", "verb": "POST"},
        count=None,
        effect={"kind": "refuse", "status": 500, "message": "VIOS0099 a fault"},
    )
    powervm.client.compute.create_server_image(server, "never")
    calls = powervm.simulator.journal
    until(
        lambda: [c for c in calls(memento=f"snapshot:{server.id}") if c["rule"]],
        "the snapshot fails",
    )
    assert settled(powervm, server).status == "ACTIVE"
    until(
        lambda: {image.id for image in powervm.client.image.images()} == images,
        "the image that failed is gone",
    )
    assert powervm.simulator.compare("before") == []
    powervm.simulator.delete_rule()
    delete(powervm, server)
    assert powervm.simulator.compare() == []
