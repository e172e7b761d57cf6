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

"""A PowerVM backend on a simulator, and plans to drive it with."""

from __future__ import annotations

import contextlib
import io
import urllib.parse
import uuid

from oslo_config import cfg

from ibmvirt.common import context, engine, plan
from ibmvirt.common.flows import destroy as destroy_flow
from ibmvirt.common.flows import spawn as spawn_flow
from ibmvirt.powervm import backend, options

IMAGE_BYTES = bytes(range(256)) * 4096


class Source:
    """An image's bytes without Glance; counts its transfers."""

    def __init__(self, content=IMAGE_BYTES):
        self.content = content
        self.opened = 0

    def open(self):
        self.opened += 1
        return io.BytesIO(self.content)

    def size(self):
        return len(self.content)


@contextlib.contextmanager
def running(simulator, **overrides):
    """A started backend; its power state changes are in ``.states``."""
    system = simulator.systems[0]
    url = urllib.parse.urlsplit(system["url"])
    conf = cfg.ConfigOpts()
    options.register(conf)
    conf([])
    values = {
        "novalink_host": url.hostname,
        "novalink_port": url.port,
        "novalink_protocol": url.scheme,
        "novalink_user": system["username"],
        "novalink_password": system["password"],
        "novalink_ca_file": simulator.ca_file,
        "vios_wait_timeout": 0,
        **overrides,
    }
    for name, value in values.items():
        conf.set_override(name, value, "powervm")
    made = backend.build(conf.powervm, "127.0.0.1")
    states = []
    made.host.start(lambda server, state: states.append((server, state)))
    try:
        yield Driven(made, simulator, states)
    finally:
        made.host.stop()


class Driven:
    """Runs the common flows on a backend, without Nova."""

    def __init__(self, made, simulator, states):
        self.backend = made
        self.simulator = simulator
        self.states = states
        self.source = Source()

    def plan(self, number=1, *, vifs=1, extra_specs=None, vif_type="pvm_sea"):
        server = plan.Server(
            uuid=str(uuid.UUID(int=(0xF << 124) + number * 7919, version=4)),
            name=f"instance-{number:08x}",
        )
        image = plan.Image(
            id="0c5a9f0e-6a4b-4b7e-8f43-0f6f1a3f7c11",
            name="cirros",
            disk_format="raw",
            container_format="bare",
            size=len(self.source.content),
            checksum="0123456789abcdef0123456789abcdef",
        )
        flavor = {
            "name": "small",
            "vcpus": 1,
            "memory_mb": 512,
            "extra_specs": extra_specs or {},
        }
        ports = tuple(
            plan.Vif(
                id=str(uuid.UUID(int=number * 100 + i)),
                mac=f"fa:16:3e:00:{number:02x}:{i:02x}",
                type=vif_type,
                vlan=100 + i,
            )
            for i in range(vifs)
        )
        guest = plan.GuestSpec(
            server=server,
            vcpus=1,
            memory_mib=512,
            disks=(plan.DiskSpec("root", 0, 2048, image=image),),
            vifs=ports,
            platform=self.backend.guests.platform(server, flavor, image),
        )
        self.backend.guests.check(guest)
        self.backend.networks.check(ports)
        return plan.Spawn(guest, image, config_drive=True)

    def spawn(self, spawn):
        tools = spawn_flow.Tools(
            image_source=self.source,
            make_drive=lambda *_args: b"drive" * 1000,
            plug_and_wait=lambda _vifs, plug: plug(),
            keep=lambda _record: None,
        )
        with self.operation("spawn", spawn.server):
            engine.run(spawn_flow.build(spawn, self.backend, tools))

    def destroy(self, spawn):
        what = plan.Destroy(spawn.server, spawn.guest.vifs)
        with self.operation("destroy", spawn.server):
            engine.run(destroy_flow.build(what, self.backend))

    @staticmethod
    def operation(name, server):
        return context.operation(context.Operation(name, server.uuid))

    def calls(self, operation, spawn):
        """Keys of the calls of an operation on a server."""
        memento = f"{operation}:{spawn.server.uuid}"
        return [record["key"] for record in self.simulator.journal(memento=memento)]

    def guest(self, spawn):
        return self.backend.guests.find(spawn.server)
