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
"""

from __future__ import annotations

import dataclasses
import json
import urllib.request

import pytest

from tests.functional.nova import servers
from tests.support.smallnova import waits


@dataclasses.dataclass(frozen=True)
class Operation:
    """A request for something unsupported.

    :ivar body: of the server's action; ``path`` is another place to post it.
    :ivar status: of the answer; 202 and 200 mean that the action must fail.
    :ivar action: the instance action that must end in error, if any.
    """

    name: str
    body: dict
    status: int
    action: str = ""
    path: str = "action"


def console(protocol, kind):
    body = {"remote_console": {"protocol": protocol, "type": kind}}
    return Operation(f"{protocol} console", body, 400, path="remote-consoles")


BOTH = [
    Operation("suspend", {"suspend": None}, 202, "suspend"),
    Operation("resume", {"resume": None}, 409),
    Operation("resize", {"resize": {"flavorRef": "{larger}"}}, 202, "resize"),
    Operation("migrate", {"migrate": None}, 202, "migrate"),
    Operation(
        "live migration",
        {"os-migrateLive": {"host": None, "block_migration": "auto"}},
        202,
        "live-migration",
    ),
    Operation("evacuate", {"evacuate": {}}, 400),
    Operation(
        "password", {"changePassword": {"adminPass": "x"}}, 409, "changePassword"
    ),
    Operation("restore", {"restore": None}, 409),
    Operation("unrescue", {"unrescue": None}, 409),
    console("vnc", "novnc"),
    console("spice", "spice-html5"),
    console("serial", "serial"),
    console("mks", "webmks"),
]
POWERVM = [
    *BOTH,
    Operation("pause", {"pause": None}, 202, "pause"),
    Operation("console log", {"os-getConsoleOutput": {}}, 404),
]
ZVM = [
    *BOTH,
    Operation("crash dump", {"trigger_crash_dump": None}, 202, "trigger_crash_dump"),
]
CASES = [
    pytest.param(f"{name}_process", operation, id=f"{title}-{operation.name}")
    for name, title, operations in (
        ("powervm", "PowerVM", POWERVM),
        ("zvm_nova", "zVM", ZVM),
    )
    for operation in operations
]


@pytest.fixture(scope="module")
def standing():
    """Nova and a server of each hypervisor that all these tests ask."""
    made = {}
    yield made
    for nova, server, larger in made.values():
        servers.delete(nova, server)
        nova.client.compute.delete_flavor(larger)
        assert nova.simulator.compare("empty") == []


@pytest.fixture
def here(request, standing):
    """(Nova, a server that runs, a larger flavor) of the hypervisor asked for."""

    def get(name):
        if name not in standing:
            nova = request.getfixturevalue(name)
            nova.simulator.mark("empty")
            larger = nova.client.compute.create_flavor(
                name="larger", ram=1024, vcpus=1, disk=1
            )
            standing[name] = (nova, servers.wait(nova, servers.boot(nova)), larger)
        return standing[name]

    return get


def allocations(nova, server):
    """What placement has given to a server."""
    request = urllib.request.Request(
        f"{nova.ready['placement']}/allocations/{server.id}",
        headers={"X-Auth-Token": "admin"},
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        given = json.loads(response.read())["allocations"]
    return {provider: found["resources"] for provider, found in given.items()}


def ask(nova, server, larger, operation):
    """The response to the request; the action's failure is waited for."""
    text = json.dumps(operation.body).replace("{larger}", larger.id)
    response = nova.client.compute.post(
        f"/servers/{server.id}/{operation.path}",
        json=json.loads(text),
        microversion="2.90",
    )
    if operation.action:
        servers.outcome(nova, server, operation.action)
    return response


@pytest.mark.parametrize(("name", "operation"), CASES)
def test_it_is_refused_and_nothing_changes(here, name, operation):
    nova, server, larger = here(name)
    given = allocations(nova, server)
    nova.simulator.mark("asking")
    response = ask(nova, server, larger, operation)
    assert response.status_code == operation.status, response.text
    found = servers.settled(nova, server)
    assert (found.status, found.vm_state) == ("ACTIVE", "active")
    assert found.flavor.ram == nova.flavor.ram
    assert allocations(nova, server) == given
    assert nova.simulator.compare("asking") == []
    if operation.status == 400 and operation.path == "remote-consoles":
        assert "console type" in response.text


def test_rescue_is_refused(nova):
    """Nova itself calls a server ERROR whatever a driver's rescue raises.

    It says which operation failed; a hard reboot makes it active again.
    """
    server = servers.wait(nova, servers.boot(nova))
    given = allocations(nova, server)
    nova.simulator.mark("asking")
    nova.client.compute.rescue_server(server)
    servers.outcome(nova, server, "rescue")
    found = servers.settled(nova, server)
    assert "Could not rescue the server" in found.fault["message"]
    assert "does not support it" in found.fault["message"]
    assert allocations(nova, server) == given
    assert nova.simulator.compare("asking") == []
    nova.client.compute.reboot_server(server, "HARD")
    waits.until(
        lambda: nova.client.compute.get_server(server.id).status == "ACTIVE",
        "the server is active again",
    )
    servers.delete(nova, server)
    assert nova.simulator.compare() == []


def test_a_swap_of_volumes_is_refused(nova):
    old, new = servers.make_volume(nova), servers.make_volume(nova)
    nova.simulator.mark()
    server = servers.wait(nova, servers.boot(nova))
    servers.attach(nova, server, old)
    given = allocations(nova, server)
    nova.simulator.mark("asking")
    response = nova.client.compute.put(
        f"/servers/{server.id}/os-volume_attachments/{old.id}",
        json={"volumeAttachment": {"volumeId": new.id}},
        microversion="2.90",
    )
    assert response.status_code in (202, 400, 409), response.text
    if response.status_code == 202:
        servers.outcome(nova, server, "swap_volume")
    waits.volume(nova, old, "in-use")
    waits.volume(nova, new, "available")
    assert servers.settled(nova, server).status == "ACTIVE"
    assert allocations(nova, server) == given
    assert nova.simulator.compare("asking") == []
    servers.delete(nova, server)
    assert nova.simulator.compare() == []


def test_a_volume_of_zvm_does_not_grow_while_attached(zvm_nova):
    nova = zvm_nova
    volume = servers.make_volume(nova)
    server = servers.wait(nova, servers.boot(nova))
    servers.attach(nova, server, volume)
    nova.simulator.mark("asking")
    nova.client.block_storage.extend_volume(volume, 2)
    servers.outcome(nova, server, "extend_volume")
    assert servers.settled(nova, server).status == "ACTIVE"
    # The storage has let the LUN grow; nothing else has changed.
    changed = [change["path"] for change in nova.simulator.compare("asking")]
    assert [path for path in changed if not path.startswith("luns/")] == []
    servers.delete(nova, server)
    servers.drop_volume(nova, volume)
