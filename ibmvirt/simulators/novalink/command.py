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

"""``ibmvirt-sim powervm``: a NovaLink in a process."""

from __future__ import annotations

import argparse
import gc
import os
import pathlib
import secrets
import ssl
import typing

from ibmvirt.simulators.core import admin, blobs, calls, http, process, tls
from ibmvirt.simulators.novalink import (
    auth,
    events,
    files,
    generator,
    inspection,
    jobs,
    local_side,
    registry,
    server,
    store,
    world_actions,
    world_file,
)

# Simulated seconds by key, for the profile "realistic". These are estimates:
# no source gives measured times.
LATENCY = [
    ("GET Event", 0.0, 0.0),
    ("GET LogicalPartition/{id}/quick", 0.02, 0.05),
    ("GET ManagedSystem", 0.1, 0.2),
    ("POST VirtualIOServer", 2.0, 6.0),
    ("GET VirtualIOServer", 0.3, 1.0),
    ("PUT LogicalPartition", 0.3, 0.8),
    ("PUT ManagedSystem", 1.0, 2.0),
    ("PUT web/File/contents", 0.5, 1.0),
    ("PUT", 0.3, 0.8),
    ("POST", 0.3, 1.0),
    ("DELETE", 0.2, 0.6),
    ("GET", 0.05, 0.2),
]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    for name, default, least, most, text in (
        ("systems", 1, 1, 16, "managed systems"),
        ("vioses", 2, 0, 16, "VIOSes of each"),
        ("lpars", 0, 0, 1900, "LPARs of each"),
    ):
        kind = _whole(least, most)
        text = f"{text}, {least} to {most} (default {default})"
        add(f"--{name}", type=kind, default=default, metavar="N", help=text)
    add("--no-ssp", action="store_true", help="no cluster and shared storage pool")
    add("--no-rmc", action="store_true", help="no partition gets an RMC connection")
    add("--strict", action="store_true", help="refuse what careless clients send")


def _whole(least: int, most: int) -> typing.Callable[[str], int]:
    """A type of options: a whole number within limits."""

    def parse(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not {least} to {most}")
        return int(text)

    return parse


class Machine:
    """Everything of one simulator process."""

    def __init__(
        self, arguments: argparse.Namespace, state: process.StateDirectory
    ) -> None:
        registry.load()
        document = world_file.read(arguments.world) if arguments.world else None
        chosen = world_file.options(
            document,
            generator.Options(
                systems=arguments.systems,
                vioses=arguments.vioses,
                lpars=arguments.lpars,
                ssp=not arguments.no_ssp,
                rmc=not arguments.no_rmc,
            ),
        )
        self.state = state
        self.instruments = calls.Instruments(arguments.rate, arguments.latency)
        self.instruments.latency.table = list(LATENCY)
        self.blobs = blobs.Blobs(state.path / "blobs")
        self.collector = blobs.Collector(self.blobs, self._named)
        self.fabric = store.Fabric(
            self.instruments, self.blobs, strict=arguments.strict
        )
        self.certificate: pathlib.Path | None = None
        context: ssl.SSLContext | None = None
        if arguments.tls:
            context, self.certificate = tls.make(state.path)
        host, _, port = arguments.listen.rpartition(":")
        self.endpoints: list[server.Endpoint] = []
        self.servers: list[http.Server] = []
        for number in range(1, chosen.systems + 1):
            system = store.System(self.fabric, f"sys{number}", f"21{number:03d}0A")
            self.fabric.systems.append(system)
            endpoint = self._endpoint(system)
            address = (host or "127.0.0.1", int(port) + number - 1 if int(port) else 0)
            serving = http.Server(address, endpoint.answer, context)
            system.base_url = serving.url
            self.endpoints.append(endpoint)
            self.servers.append(serving)
        generator.populate(self.fabric, chosen)
        if document is not None:
            world_file.apply(self.fabric, document)
        self._handlers()
        control = admin.Admin(
            "ibmvirt-sim powervm", self.instruments, self.fabric.world, self.blobs
        )
        inspection.add_routes(control, self.fabric)
        self.admin = http.Server(("127.0.0.1", 0), control.answer)
        self.local = {
            system.name: local_side.LocalSide(
                system, state.path / "local" / system.name, self.blobs
            )
            for system in self.fabric.systems
        }
        inspection.add_local_routes(control, self.local)
        for local in self.local.values():
            local.install(self.admin.url)
        self.fabric.world.check(self._left_open)
        self.fabric.world.on_reset(self._after_reset)
        self.fabric.world.mark()

    def _endpoint(self, system: store.System) -> server.Endpoint:
        queue = events.Queue(system)
        sessions = auth.Sessions(
            self.instruments.clock,
            "padmin",
            secrets.token_hex(8),
            self.state.path,
        )
        return server.Endpoint(
            system,
            sessions,
            queue,
            jobs.Jobs(system, self.instruments),
            files.Files(system),
        )

    def _handlers(self) -> None:
        """Effects of fault rules that only this simulator can carry out."""

        def expire(_effect: calls.Effect, _call: calls.Call) -> None:
            for endpoint in self.endpoints:
                endpoint.sessions.expire()

        def restart(effect: calls.Effect, call: calls.Call) -> None:
            self.restart()
            raise calls.Broken("drop")

        def event(effect: calls.Effect, _call: calls.Call) -> None:
            for endpoint in self.endpoints:
                endpoint.queue.add(
                    str(effect.get("event", "MODIFY_URI")), str(effect.get("data", ""))
                )

        self.instruments.handle(expire_token=expire, restart=restart, event=event)
        self.instruments.offer("job")
        world_actions.install(
            self.fabric, {one.system.name: one.queue for one in self.endpoints}
        )

    def restart(self) -> None:
        """As a restart of NovaLink's service: objects stay, sessions do not."""
        for endpoint in self.endpoints:
            endpoint.sessions.expire()
            endpoint.queue.forget_clients()
            endpoint.jobs.clear()
            endpoint.files.clear()

    def _named(self) -> set[str]:
        """Contents that an object, a mark or an open file names."""
        used = set().union(*(endpoint.files.blobs() for endpoint in self.endpoints))
        for value in self.fabric.world.values():
            blob = getattr(value, "blob", "")
            if blob:
                used.update(blobs.named(blob))
        return used

    def _after_reset(self) -> None:
        for endpoint in self.endpoints:
            endpoint.jobs.clear()
            endpoint.files.clear()
            local = self.local[endpoint.system.name]
            local.consoles.clear()
            local.disks.clear()
            # A client's caches are of another world now.
            endpoint.queue.add("CACHE_CLEARED", "")

    def _left_open(self) -> list[str]:
        found = []
        for endpoint in self.endpoints:
            name = endpoint.system.name
            found += [
                f"{name}: job {text} was not deleted" for text in endpoint.jobs.left()
            ]
            found += [f"{name}: file {text} is open" for text in endpoint.files.left()]
            count = endpoint.sessions.count()
            if self.fabric.strict and count:
                # Elsewhere a client may ask while it is logged on.
                found.append(f"{name}: {count} sessions were not logged off")
        return found

    def start(self) -> None:
        # The generated world stays: the collector need not look at it again,
        # which takes milliseconds with many partitions.
        gc.collect()
        gc.freeze()
        self.collector.start()
        for serving in self.servers:
            serving.start()
        self.admin.start()

    def stop(self) -> None:
        self.collector.stop()
        self.instruments.rules.delete()
        for endpoint in self.endpoints:
            endpoint.queue.close()
        for local in self.local.values():
            local.consoles.clear()
        for serving in [*self.servers, self.admin]:
            serving.stop()

    def ready(self) -> dict[str, typing.Any]:
        return {
            "pid": os.getpid(),
            "admin_url": self.admin.url,
            "certificate": str(self.certificate) if self.certificate else None,
            "systems": [
                {
                    "name": endpoint.system.name,
                    "uuid": endpoint.system.uuid,
                    "url": endpoint.system.base_url,
                    "username": endpoint.sessions.user,
                    "password": endpoint.sessions.password,
                    "local_bin": str(self.local[endpoint.system.name].bin),
                    "local_root": str(self.local[endpoint.system.name].root),
                }
                for endpoint in self.endpoints
            ],
        }


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM or Ctrl-C."""
    state = process.StateDirectory(arguments.state_dir)
    try:
        machine = Machine(arguments, state)
        machine.start()
        ready = machine.ready()
        first = ready["systems"][0]
        exports = {
            "IBMVIRT_SIM_PID": str(ready["pid"]),
            "IBMVIRT_SIM_ADMIN_URL": ready["admin_url"],
            "NOVALINK_URL": first["url"],
            "NOVALINK_USER": first["username"],
            "NOVALINK_PASSWORD": first["password"],
            "NOVALINK_LOCAL_BIN": first["local_bin"],
            "NOVALINK_LOCAL_ROOT": first["local_root"],
        }
        if ready["certificate"]:
            exports["NOVALINK_CA_FILE"] = ready["certificate"]
        process.announce(exports, ready, arguments.ready_file)
        process.wait_for_end()
        machine.stop()
    finally:
        state.close()
    return 0
