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

"""``ibmvirt-sim zvm``: a z/VM beneath real Cloud Connectors."""

from __future__ import annotations

import argparse
import functools
import os
import pathlib
import tempfile
import typing

from ibmvirt.simulators.core import admin, blobs, calls, http, process, world
from ibmvirt.simulators.zvm import (
    daemon,
    events,
    imagefile,
    inspection,
    member,
    model,
    rows,
)

# Simulated seconds by key for the profile "realistic": estimates.
LATENCY = [
    ("smcli Image_Create_DM", 0.5, 2.0),
    ("smcli Image_Disk_Create_DM", 1.0, 4.0),
    ("unpackdiskimage", 5.0, 20.0),
    ("smcli", 0.1, 0.5),
    ("vmcp", 0.01, 0.05),
]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--members", type=int, default=1, help="members of the SSI cluster (default 1)")
    add(
        "--disk-pool",
        default="ECKD:POOL1",
        metavar="TYPE:NAME",
        help="disk pool of the Connectors, ECKD or FBA (default %(default)s)",
    )
    tasks = parser.add_subparsers(dest="task", metavar="[make-image]")
    make = tasks.add_parser(
        "make-image", help="write an image in the Connector's format, and end"
    )
    make.add_argument("raw", metavar="RAW", type=pathlib.Path, help="bytes of a disk")
    make.add_argument(
        "-o", dest="image", metavar="IMAGE", type=pathlib.Path, required=True
    )
    make.add_argument("--type", choices=("ECKD", "FBA"), default="ECKD")


class Machine:
    """Everything of one simulator."""

    def __init__(
        self, arguments: argparse.Namespace, state: process.StateDirectory
    ) -> None:
        self.state = state
        self.instruments = calls.Instruments(arguments.rate, arguments.latency)
        self.instruments.latency.table = list(LATENCY)
        kind, _, pool = arguments.disk_pool.upper().partition(":")
        if kind not in ("ECKD", "FBA") or not pool:
            raise SystemExit(
                f"--disk-pool {arguments.disk_pool}: not ECKD:NAME or FBA:NAME"
            )
        names = [f"ZVMSIM{number}" for number in range(1, arguments.members + 1)]
        self.zvm = model.Zvm(self.instruments, blobs.Blobs(state.path / "blobs"), names)
        self._populate(pool, kind, names)
        # A path for a Unix socket is short: not in a deep state directory.
        self._room = tempfile.TemporaryDirectory(prefix="zvm-", dir="/tmp")
        self.daemon = daemon.Daemon(self.zvm, pathlib.Path(self._room.name, "s"))
        self.members = [
            member.Member(name, state.path, self.daemon.path, f"{kind}:{pool}")
            for name in names
        ]
        host, _, port = arguments.listen.rpartition(":")
        self._listen = (host or "127.0.0.1", int(port))
        control = admin.Admin(
            "ibmvirt-sim zvm", self.instruments, self.zvm.world, self.zvm.blobs
        )
        inspection.add_routes(control, self.zvm)
        events.register(self.zvm)
        control.route("POST", "members/([^/]+)/restart", self.restart)
        self.admin = http.Server(("127.0.0.1", 0), control.answer)
        for one in self.members:
            self.zvm.world.probe(
                f"connector/{one.name}",
                world.Probe(
                    functools.partial(rows.read, one.databases),
                    functools.partial(rows.restore, one.databases),
                    rows.kept,
                ),
            )
            self.zvm.world.probe(
                f"incomplete images/{one.name}",
                world.Probe(
                    functools.partial(rows.read_incomplete, one.home),
                    functools.partial(rows.restore_incomplete, one.home),
                ),
            )

    def _populate(self, pool: str, kind: str, names: list[str]) -> None:
        """A profile, the Connector's users, a pool and vswitches."""
        zvm = self.zvm
        zvm.put(model.User("OSDFLT", ("PROFILE OSDFLT", "IPL CMS")))
        entry = (f"IDENTITY {daemon.CONNECTOR} LBYONLY 4G 8G BG",)
        zvm.put(model.User(daemon.CONNECTOR, entry, on=True, member=names[0]))
        for number in (*range(0x1A00, 0x1A08), *range(0x1B00, 0x1B08)):
            chpid = f"{number >> 8:02X}"
            zvm.devices[f"{number:04X}"] = model.RealDevice(
                f"{number:04X}",
                "fcp",
                chpid,
                f"C05076DE33{number:06X}",
                f"C05076DE34{number >> 8:06X}",
            )
        for number in ("0440", "0443"):
            zvm.devices[number] = model.RealDevice(number, "osa", "10")
        size = 1_000_000 if kind == "ECKD" else 1_500_000_000
        zvm.pools[pool] = model.Pool(pool, kind, size)
        for name, aware in (("DEFAULT", True), ("VSWFLAT", False)):
            zvm.vswitches[name] = model.Vswitch(name, vlan_aware=aware)

    def start(self) -> None:
        self.daemon.start()
        host, port = self._listen
        for number, one in enumerate(self.members):
            one.start(self.state, host, port + number if port else 0)
        self.zvm.world.mark()
        self.admin.start()

    def restart(self, name: str, body: typing.Any) -> typing.Any:
        """Kill a member's Connector and start it on the same port."""
        found = [one for one in self.members if one.name == name.upper()]
        if not found:
            raise KeyError(name)
        host, _, port = found[0].url.removeprefix("http://").rpartition(":")
        found[0].kill()
        found[0].start(self.state, host, int(port))
        return {"connector_url": found[0].url}

    def stop(self) -> None:
        self.instruments.rules.delete()
        for one in self.members:
            one.stop()
        self.daemon.stop()
        self.admin.stop()
        self._room.cleanup()

    def ready(self) -> dict[str, typing.Any]:
        return {
            "pid": os.getpid(),
            "admin_url": self.admin.url,
            "members": [
                {"name": one.name, "connector_url": one.url, "token_path": None}
                for one in self.members
            ],
        }


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM or Ctrl-C."""
    if arguments.task == "make-image":
        imagefile.make(arguments.raw, arguments.image, arguments.type)
        return 0
    if arguments.tls or arguments.world:
        raise SystemExit("--tls and --world are not there yet for zvm")
    state = process.StateDirectory(arguments.state_dir)
    try:
        machine = Machine(arguments, state)
        try:
            machine.start()
            ready = machine.ready()
            exports = {
                "IBMVIRT_SIM_PID": str(ready["pid"]),
                "IBMVIRT_SIM_ADMIN_URL": ready["admin_url"],
                "ZVM_CONNECTOR_URL": ready["members"][0]["connector_url"],
            }
            process.announce(exports, ready, arguments.ready_file)
            process.wait_for_end()
        finally:
            machine.stop()
    finally:
        state.close()
    return 0
