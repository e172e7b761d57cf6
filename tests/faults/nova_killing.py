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
"""The kill sweep: Nova with the driver is killed while a call is under way.

A call of an operation is held, before or after it took effect; the small Nova
is killed with SIGKILL, the call goes on without it, as a request does that is
under way, and Nova is started again on the same files. A delete through its
API must then leave the hypervisor as it was, and nothing open in it.
"""

from __future__ import annotations

import dataclasses
import typing
import uuid

from openstack import exceptions

from tests.faults import engine, killing
from tests.functional.nova import servers
from tests.support.smallnova import prepared, waits

PHASES = ("before", "after")
# Seconds within which a clean run reaches each of its calls.
_PATIENCE = 20.0


@dataclasses.dataclass(frozen=True)
class Operation:
    """Something that a user asks of Nova.

    :ivar name: the memento's, without the server.
    :ivar prepare: gets Nova; gives the server and a volume, or None for what
        is not there yet.
    :ivar ask: the request, not waited for; gives the server.
    :ivar done: whether it has ended, for a run without a kill.
    """

    name: str
    prepare: typing.Callable
    ask: typing.Callable
    done: typing.Callable


def _nothing(nova):
    return None, None


def _running(nova):
    return servers.wait(nova, servers.boot(nova)), None


def _with_volume(nova):
    volume = servers.make_volume(nova)
    return servers.wait(nova, servers.boot(nova)), volume


def _attached(nova):
    server, volume = _with_volume(nova)
    servers.attach(nova, server, volume)
    return server, volume


def _boot(nova, server, volume):
    # An image that no host knows, so that its transfer is part of the build.
    image = prepared.new_image(nova, f"fresh-{uuid.uuid4().hex[:8]}")
    return servers.boot(nova, "killed", image_id=image.id, config_drive=True)


def _booted(nova, server, volume):
    servers.wait(nova, server)


def _delete(nova, server, volume):
    nova.client.compute.delete_server(server)
    return server


def _deleted(nova, server, volume):
    waits.deleted(nova, server)


def _attach(nova, server, volume):
    nova.client.compute.create_volume_attachment(server, volume_id=volume.id)
    return server


def _is_attached(nova, server, volume):
    waits.volume(nova, volume, "in-use")


def _detach(nova, server, volume):
    nova.client.compute.delete_volume_attachment(server, volume.id)
    return server


def _is_detached(nova, server, volume):
    waits.volume(nova, volume, "available")


def _snapshot(nova, server, volume):
    nova.client.compute.create_server_image(server, "snapshot", wait=False)
    return server


def _snapshot_is_there(nova, server, volume):
    (image,) = [i for i in nova.client.image.images() if i.name == "snapshot"]
    waits.image(nova, image.id)
    servers.settled(nova, server)


OPERATIONS = [
    Operation("spawn", _nothing, _boot, _booted),
    Operation("destroy", _attached, _delete, _deleted),
    Operation("attach_volume", _with_volume, _attach, _is_attached),
    Operation("detach_volume", _attached, _detach, _is_detached),
    Operation("snapshot", _running, _snapshot, _snapshot_is_there),
]


class Killing:
    """Kills a small Nova at calls of operations."""

    def __init__(self, nova):
        self._nova = nova
        self._simulator = nova.simulator

    def calls(self, operation):
        """(key, occurrence) of the calls of a run without a kill.

        By a service that has just started, as in a cell, on a hypervisor that
        has been worked on before.
        """
        self._clean_run(operation)
        self._nova.kill()
        self._nova.start()
        return self._clean_run(operation)

    def _clean_run(self, operation):
        nova = self._nova
        self._simulator.mark("killing")
        server, volume = operation.prepare(nova)
        self._simulator.admin("DELETE", "journal")
        server = operation.ask(nova, server, volume)
        operation.done(nova, server, volume)
        found = self._simulator.journal(
            memento=f"{operation.name}:{server.id}", layer="rest"
        )
        self._clean_up(server, volume)
        left = self._simulator.compare("killing")
        assert left == [], left
        return list(dict.fromkeys((r["key"], r["occurrence"]) for r in found))

    def run(self, operation, phase):
        """The outcome of a kill at every call."""
        calls = self.calls(operation)
        return [self._cell(operation, phase, *call) for call in calls]

    def _cell(self, operation, phase, key, occurrence):
        nova, simulator = self._nova, self._simulator
        simulator.mark("killing")
        server, volume = operation.prepare(nova)
        simulator.admin("DELETE", "journal")
        where = {"key": key, "memento": f"{operation.name}:*", "layer": "rest"}
        rule = simulator.rule(
            match={**where, "occurrence": occurrence},
            phase=phase,
            effect={"kind": "hold"},
        )
        server = operation.ask(nova, server, volume)
        parked = simulator.wait_parked(rule, _PATIENCE)
        nova.kill()
        simulator.delete_rule()
        if parked:
            # The request that was held is over when the next service looks.
            simulator.wait_journal(count=occurrence, done=True, **where)
        nova.start()
        outcome, text = self._judge(server, volume)
        if not parked and outcome == "cleaned":
            text = "the call was not made"
        return engine.Cell(
            operation.name,
            f"Nova killed {phase}",
            f"{key} #{occurrence}",
            outcome,
            text,
        )

    def _judge(self, server, volume):
        try:
            self._clean_up(server, volume)
        except TimeoutError as error:
            return "hung", str(error)
        except (exceptions.SDKException, AssertionError) as error:
            return "leaked", repr(error)
        left = self._simulator.compare("killing")
        left += killing.left_open(self._simulator)
        return ("leaked", str(left)) if left else ("cleaned", "")

    def _clean_up(self, server, volume):
        """What a user does next: delete the server, and its volume."""
        nova = self._nova
        if nova.client.compute.find_server(server.id, ignore_missing=True):
            nova.client.compute.delete_server(server)
        waits.deleted(nova, server)
        if volume is not None:
            self._free(volume)
            servers.drop_volume(nova, volume)
        for image in nova.client.image.images():
            if image.name.startswith("fresh"):
                self._build_again(image)
            if image.name != nova.image.name:
                nova.client.image.delete_image(image)

    def _build_again(self, image):
        """What of an image was half transferred belongs to no server: the next
        build of that image makes it whole."""
        nova = self._nova
        server = servers.wait(nova, servers.boot(nova, "again", image_id=image.id))
        servers.delete(nova, server)

    def _free(self, volume):
        """An attachment that was reserved and never made stays in Cinder: its
        administrator removes it. The hypervisor has nothing of it."""
        storage = self._nova.client.block_storage
        for found in storage.attachments():
            if found.volume_id == volume.id and found.status != "attached":
                storage.delete_attachment(found)
