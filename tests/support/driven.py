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

"""A backend on a simulator, driven by the common flows without Nova."""

from __future__ import annotations

import hashlib
import io
import uuid

from ibmvirt.common import context, engine, plan
from ibmvirt.common.flows import destroy as destroy_flow
from ibmvirt.common.flows import spawn as spawn_flow


class Source:
    """An image's bytes without Glance; counts its transfers."""

    def __init__(self, content):
        self.content = content
        self.opened = 0

    def open(self):
        self.opened += 1
        return io.BytesIO(self.content)

    def size(self):
        return len(self.content)


class Driven:
    """Plans servers, builds them and removes them.

    :param image: keyword arguments of plan.Image beside its id and size.
    :param vif: keyword arguments of every plan.Vif.
    """

    def __init__(self, backend, simulator, content, *, image, vif, mac, drive):
        self.backend = backend
        self.simulator = simulator
        self.source = Source(content)
        self.image = image
        self.vif = vif
        self.mac = mac
        self.drive = drive
        self.image_id = "0c5a9f0e-6a4b-4b7e-8f43-0f6f1a3f7c11"
        self.states = []
        self.kept = {}
        self.launched = set()

    def plan(
        self, number=1, *, vifs=1, extra_specs=None, name=None, root=2048, further=()
    ):
        """A server to build.

        :param root: size of the root disk in MiB.
        :param further: plan.DiskSpec of ephemeral and swap disks.
        """
        server = plan.Server(
            uuid=str(uuid.UUID(int=(0xF << 124) + number * 7919, version=4)),
            name=name or f"instance-{number:08x}",
        )
        image = plan.Image(
            id=self.image_id,
            name="small",
            disk_format="raw",
            container_format="bare",
            size=len(self.source.content),
            checksum=hashlib.md5(self.source.content).hexdigest(),
            **self.image,
        )
        image = self.backend.disks.inspect(image, self.source)
        flavor = {
            "name": "small",
            "vcpus": 1,
            "memory_mb": 512,
            "extra_specs": extra_specs or {},
        }
        ports = tuple(
            plan.Vif(
                id=str(uuid.UUID(int=number * 100 + i)),
                mac=f"{self.mac}:{number:02x}:{i:02x}",
                vlan=100 + i,
                addresses=(plan.Address(f"10.{i}.0.{number}", 4, f"10.{i}.0.0/16"),),
                **self.vif,
            )
            for i in range(vifs)
        )
        guest = plan.GuestSpec(
            server=server,
            vcpus=1,
            memory_mib=512,
            disks=(plan.DiskSpec("root", 0, root, image=image), *further),
            vifs=ports,
            platform=self.backend.guests.platform(server, flavor, image),
        )
        self.backend.guests.check(guest)
        self.backend.networks.check(ports)
        return plan.Spawn(guest, image, config_drive=True)

    def spawn(self, spawn):
        tools = spawn_flow.Tools(
            image_source=self.source,
            make_drive=lambda *_args: self.drive,
            plug_and_wait=lambda _vifs, plug: plug(),
            keep=lambda record: self._keep(spawn, record),
        )
        with self.operation("spawn", spawn.server):
            # The driver plans in the operation: so is its look counted too.
            self.backend.disks.inspect(spawn.image, self.source)
            engine.run(spawn_flow.build(spawn, self.backend, tools))
        self.launched.add(spawn.server.uuid)

    def _keep(self, spawn, record):
        # Assigned whole: ``kept`` may be shared with another process.
        uuid = spawn.server.uuid
        self.kept[uuid] = {**self.kept.get(uuid, {}), **record}

    def server(self, spawn):
        """The server as Nova knows it now: with what was kept of it."""
        server = spawn.server
        return plan.Server(
            uuid=server.uuid,
            name=server.name,
            system_metadata=self.kept.get(server.uuid, {}),
            launched=server.uuid in self.launched,
        )

    def destroy(self, spawn):
        what = plan.Destroy(self.server(spawn), spawn.guest.vifs, spawn.guest.volumes)
        with self.operation("destroy", spawn.server):
            engine.run(destroy_flow.build(what, self.backend))

    @staticmethod
    def operation(name, server):
        return context.operation(context.Operation(name, server.uuid))

    def calls(self, operation, spawn, layer="rest"):
        """Keys of the calls of an operation on a server."""
        memento = f"{operation}:{spawn.server.uuid}"
        records = self.simulator.journal(memento=memento, layer=layer)
        return [record["key"] for record in records]

    def guest(self, spawn):
        return self.backend.guests.find(self.server(spawn))
