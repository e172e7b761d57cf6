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

"""Several servers at once, as their users use them, on a hypervisor that fails now
and then: what two faults in a row, or two operations side by side, leave behind.

The choices are those of a seed; what meets what is up to the threads.
"""

from __future__ import annotations

import contextlib
import dataclasses
import random
import threading

from openstack import exceptions

from tests.functional.nova import servers
from tests.support.smallnova import waits

USERS = 4
_PATIENCE = 120
_DELETE_TRIES = 5


@dataclasses.dataclass(frozen=True)
class Fault:
    """A rule of the simulator, but for when it strikes."""

    match: dict
    phase: str
    effect: dict


class Crowd:
    """Users of a small Nova.

    :ivar seen: what the operations ended with: {(operation, outcome): times}.
    """

    def __init__(self, nova, faults, seed):
        self.nova = nova
        self.seen = {}
        self._faults = faults
        self._seed = seed
        self._errors = []
        self._over = threading.Event()
        self._lock = threading.Lock()

    def run(self, seconds):
        """Let them work, and delete all that they have then.

        :raises ExceptionGroup: what is no error of Nova's API.
        """
        users = [_User(self, f"{self._seed}-{n}").run for n in range(USERS)]
        threads = [
            threading.Thread(target=self._guarded, args=(work,))
            for work in (*users, self._fail)
        ]
        for thread in threads:
            thread.start()
        self._over.wait(seconds)
        self._over.set()
        for thread in threads:
            thread.join()
        self.nova.simulator.delete_rule()
        self._guarded(self._clean_up)
        if self._errors:
            raise ExceptionGroup(f"with the seed {self._seed}", self._errors)

    @property
    def over(self):
        return self._over.is_set()

    def note(self, operation, outcome):
        with self._lock:
            key = (operation, outcome)
            self.seen[key] = self.seen.get(key, 0) + 1

    def _guarded(self, work):
        try:
            work()
        except Exception as error:
            self._errors.append(error)
            self._over.set()

    def _fail(self):
        chance = random.Random(self._seed)
        while not self._over.wait(chance.uniform(0.3, 2)):
            fault = chance.choice(self._faults)
            self.nova.simulator.rule(
                match=fault.match,
                skip=chance.randint(0, 25),
                count=chance.choice([1, 1, 2, 3]),
                phase=fault.phase,
                effect=fault.effect,
            )

    def _clean_up(self):
        """As users do, and as an administrator does of Cinder's attachments that
        were reserved and never made."""
        for server in self.nova.client.compute.servers():
            waits.settled(self.nova, server, _PATIENCE)
            servers.delete(self.nova, server)
        storage = self.nova.client.block_storage
        for found in list(storage.attachments()):
            storage.delete_attachment(found)
        for volume in list(storage.volumes()):
            servers.drop_volume(self.nova, volume)


OPERATIONS = (
    "stop", "start", "reboot", "rebuild", "shelve", "snapshot", "attach_volume",
    "detach_volume", "attach_interface", "detach_interface", "diagnostics",
)  # fmt: skip


class _User:
    """Somebody with one server, who does one thing after the other with it."""

    def __init__(self, crowd, seed):
        self._crowd = crowd
        self._nova = crowd.nova
        self._compute = crowd.nova.client.compute
        self._chance = random.Random(seed)
        self._server = None
        self._name = f"server-{seed}"

    def run(self):
        while not self._crowd.over:
            if self._server is None:
                work = self._boot
            elif self._found().status == "ERROR" or self._chance.random() < 0.04:
                work = self._delete
            else:
                work = getattr(self, self._chance.choice(OPERATIONS))
            name = work.__name__.strip("_")
            try:
                work()
                outcome = self._settled().status if self._server else "gone"
            except exceptions.SDKException as error:
                # What Nova refuses, as the server is not in the state for it.
                outcome = type(error).__name__
            self._crowd.note(name, outcome)

    def _found(self):
        return self._compute.get_server(self._server)

    def _settled(self):
        return waits.settled(self._nova, self._server, _PATIENCE)

    def _boot(self):
        some = self._chance.choice([self._nova.networks[:1], self._nova.networks])
        self._server = servers.boot(
            self._nova, self._name, networks=some, config_drive=True
        )
        if self._chance.random() < 0.8:
            waits.until(
                lambda: self._found().status != "BUILD", "it is built", _PATIENCE
            )

    def _delete(self):
        """Again, where a fault has ended it."""
        for _attempt in range(_DELETE_TRIES):
            self._compute.delete_server(self._server)
            with contextlib.suppress(TimeoutError):
                waits.deleted(self._nova, self._server, 10)
                self._server = None
                return

    # -- what there is to do ------------------------------------------------------

    def stop(self):
        self._compute.stop_server(self._server)

    def start(self):
        self._compute.start_server(self._server)

    def reboot(self):
        kind = self._chance.choice(["SOFT", "HARD"])
        self._compute.reboot_server(self._server, kind)

    def rebuild(self):
        self._compute.rebuild_server(self._server, image=self._nova.image.id)

    def shelve(self):
        self._compute.shelve_server(self._server)
        if self._settled().status == "SHELVED_OFFLOADED":
            self._compute.unshelve_server(self._server)

    def snapshot(self):
        self._compute.create_server_image(self._server, "snapshot", wait=False)

    def attach_volume(self):
        volume = servers.make_volume(self._nova)
        self._compute.create_volume_attachment(self._server, volume_id=volume.id)
        self._until_volume(volume.id, "attaching", "reserved")

    def detach_volume(self):
        for found in list(self._compute.volume_attachments(self._server))[:1]:
            self._compute.delete_volume_attachment(self._server, found.volume_id)
            self._until_volume(found.volume_id, "detaching")

    def _until_volume(self, volume, *under_way):
        """No task of the server shows that a volume comes or goes."""
        storage = self._nova.client.block_storage
        # After a fault it may stay so.
        with contextlib.suppress(TimeoutError):
            waits.until(
                lambda: storage.get_volume(volume).status not in under_way,
                "the volume has come, or gone",
                30,
            )

    def attach_interface(self):
        network = self._chance.choice(self._nova.networks)["uuid"]
        self._compute.create_server_interface(self._server, net_id=network)

    def detach_interface(self):
        for found in list(self._compute.server_interfaces(self._server))[:1]:
            self._compute.delete_server_interface(found.port_id, self._server)

    def diagnostics(self):
        self._compute.get_server_diagnostics(self._server)
