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
"""What happens without anybody's request: to guests, and to images."""

from __future__ import annotations

import contextlib

import pytest

from tests.functional.nova import servers
from tests.support.smallnova import prepared

# Nova's periodic tasks in as many seconds. PowerVM tells of its guests; about
# those of z/VM Nova has to ask.
AGEING = {
    "manager_interval": "1",
    "remove_unused_base_images": "true",
    "remove_unused_original_minimum_age_seconds": "1",
}
OPTIONS = {
    "powervm_process": {"image_cache": AGEING},
    "zvm_nova_process": {
        "image_cache": AGEING,
        "DEFAULT": {"sync_power_state_interval": "1"},
    },
}


@pytest.fixture(
    scope="module", params=["powervm_process", "zvm_nova_process"],
    ids=["PowerVM", "zVM"],
)  # fmt: skip
def watching(request):
    """The small Nova on each hypervisor, its periodic tasks as in OPTIONS."""
    nova = request.getfixturevalue(request.param)
    with servers.restarted(nova, **OPTIONS[request.param]):
        yield nova


@pytest.fixture
def nova(watching):
    # Images that earlier tests brought go at some moment, too.
    unused_images_are_gone(watching)
    yield from servers.between(watching)


def unused_images_are_gone(nova):
    servers.until(lambda: not nova.outside.images(), "the images are removed")


def state(nova, server):
    return servers.guest(nova, server)["state"]


def test_a_guest_restarts_and_later_stops_by_itself(nova):
    server = servers.wait(nova, servers.boot(nova))
    name = servers.guest(nova, server)["name"]
    nova.simulator.admin("DELETE", "journal")
    nova.outside.restart(name)
    nova.outside.wait_heard(server)
    assert servers.wait(nova, server).status == "ACTIVE"
    assert state(nova, server) == nova.outside.running
    nova.outside.stop(name)
    servers.wait(nova, server, "SHUTOFF")
    assert state(nova, server) == nova.outside.stopped
    # Nova has stopped it once: not when it restarted.
    assert len(servers.actions(nova, server, "stop")) == 1
    nova.client.compute.start_server(server)
    servers.wait(nova, server)
    assert state(nova, server) == nova.outside.running
    servers.delete(nova, server)
    unused_images_are_gone(nova)
    assert nova.simulator.compare() == []


def test_images_that_nobody_uses_leave_the_hypervisor(nova):
    """[image_cache]: Nova asks now and then, and the driver removes them."""
    used = servers.wait(nova, servers.boot(nova, "used"))
    kept = nova.outside.images()
    image = prepared.new_image(nova, "once")
    with contextlib.ExitStack() as stack:
        stack.callback(nova.client.image.delete_image, image)
        server = servers.wait(nova, servers.boot(nova, "once", image_id=image.id))
        (brought,) = nova.outside.images() - kept
        servers.delete(nova, server)
        servers.until(
            lambda: brought not in nova.outside.images(), "the image is removed"
        )
        calls = nova.simulator.journal(memento="bg:image_cache", layer="rest")
        assert any(call["verb"] == "DELETE" for call in calls)
        # That of the server that is there stays.
        assert kept & nova.outside.images()
        # Where it is wanted again, it is brought again.
        again = servers.wait(nova, servers.boot(nova, "again", image_id=image.id))
        assert brought in nova.outside.images()
        servers.delete(nova, again)
    servers.delete(nova, used)
    unused_images_are_gone(nova)
    assert nova.simulator.compare() == []
