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

"""Everything of one simulator process: the daemon, the members, the admin API."""

from __future__ import annotations

import collections.abc
import contextlib
import dataclasses
import functools
import os
import pathlib
import tempfile
import threading
import typing

from ibmvirt.simulators.core import (
    admin,
    blobs,
    calls,
    http,
    process,
    tls,
    world,
    worldfile,
)
from ibmvirt.simulators.zvm import (
    daemon,
    events,
    generator,
    inspection,
    member,
    model,
    rows,
    world_file,
)
from ibmvirt.simulators.zvm.commands import base

# The longest path of a Unix socket on Linux has 107 bytes.
_SOCKET_PATH = 100
# Simulated seconds by key for the profile "realistic": estimates.
LATENCY = [
    ("smcli Image_Create_DM", 0.5, 2.0),
    ("smcli Image_Delete_DM", 1.0, 3.0),
    ("smcli Image_Disk_Create_DM", 1.0, 4.0),
    ("smcli Image_Activate", 0.5, 1.0),
    ("smcli", 0.1, 0.5),
    ("unpackdiskimage", 5.0, 20.0),
    ("creatediskimage", 10.0, 40.0),
    ("dasdfmt", 5.0, 15.0),
    ("mkfs", 1.0, 3.0),
    ("iucvclnt", 0.02, 0.1),
    ("vmcp", 0.01, 0.05),
    ("vmur", 0.05, 0.2),
]


@dataclasses.dataclass(frozen=True)
class Options:
    """What the command line says. ``pools`` are pairs of type and name."""

    listen: str = "127.0.0.1:0"
    members: int = 1
    guests: int = 0
    pools: tuple[tuple[str, str], ...] = (("ECKD", "POOL1"),)
    auth: bool = False
    tls: bool = False
    world: str | None = None
    latency: str = "none"
    rate: float = 1.0


class Machine:
    """One simulator; :meth:`start` it, and :meth:`stop` it whatever happened.

    :raises WorldFileError: the world file is wrong; nothing was started.
    """

    def __init__(self, options: Options, state: process.StateDirectory) -> None:
        base.load()
        self.state = state
        self.instruments = calls.Instruments(options.rate, options.latency)
        self.instruments.latency.table = list(LATENCY)
        document = world_file.read(options.world) if options.world else None
        pools = world_file.pools(document) if document is not None else []
        pools = pools or generator.pools(options.pools, options.guests)
        names = (document is not None and document.value["members"]) or [
            f"ZVMSIM{number}" for number in range(1, options.members + 1)
        ]
        host = world_file.host(document) if document is not None else None
        self.zvm = model.Zvm(
            self.instruments, blobs.Blobs(state.path / "blobs"), names, host
        )
        self.collector = blobs.Collector(self.zvm.blobs, self._named)
        with self.zvm.world.transaction():
            generator.populate(self.zvm, pools)
            self.guests = generator.guests(self.zvm, options.guests)
            for guest in self.guests:
                try:
                    generator.add(self.zvm, guest)
                except generator.Wrong as wrong:
                    text = f"--guests {options.guests}: {guest.name}: {wrong}"
                    raise worldfile.WorldFileError(text) from None
            if document is not None:
                self.guests += world_file.apply(self.zvm, document)
        certificates = tls.make(state.path)[1] if options.tls else None
        self.certificate: pathlib.Path | None = certificates
        self._room: tempfile.TemporaryDirectory[str] | None = None
        home = self._home()
        self.daemon = daemon.Daemon(self.zvm, home / "socket")
        settings = member.Settings(
            self.daemon.path,
            f"{pools[0].type}:{pools[0].name}",
            options.auth,
            certificates,
            certificates.with_name("key.pem") if certificates else None,
        )
        self.members = [member.Member(name, home, settings) for name in names]
        for one in self.members:
            one.clear()
        self._restarting = threading.Lock()
        self._stopped = False
        host_name, _, port = options.listen.rpartition(":")
        self._listen = (host_name or "127.0.0.1", int(port))
        self.admin = http.Server(("127.0.0.1", 0), self._control().answer)

    def _named(self) -> set[str]:
        """Contents that the world, a mark or an image file names."""
        used = self.zvm.unpacker.used()
        for value in self.zvm.world.values():
            if isinstance(value, dict):
                used.add(str(value.get("config_drive")))
            else:
                used.add(getattr(value, "blob", ""))
        return used

    def _home(self) -> pathlib.Path:
        """The state directory, by a path that a socket and the Connector take."""
        home = self.state.path
        # Of a predecessor that was killed.
        (home / "socket").unlink(missing_ok=True)
        short = len(os.fsencode(home / "socket")) <= _SOCKET_PATH
        if not short or not member.is_plain(str(home)):
            self._room = tempfile.TemporaryDirectory(prefix="zvm-", dir="/tmp")
            link = pathlib.Path(self._room.name, "s")
            link.symlink_to(home, target_is_directory=True)
            return link
        return home

    def _control(self) -> admin.Admin:
        control = admin.Admin(
            "ibmvirt-sim zvm", self.instruments, self.zvm.world, self.zvm.blobs
        )
        inspection.add_routes(control, self.zvm)
        events.register(self.zvm)
        control.route("POST", "members/([^/]+)/kill", self.kill)
        control.route("POST", "members/([^/]+)/restart", self.restart)
        self.instruments.handle(
            expire_token=daemon.expire_token, restart=self._restart_by_rule
        )
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
        return control

    def start(self) -> None:
        """:raises RuntimeError: a Connector did not start."""
        self.daemon.start()
        host, port = self._listen
        with self._without_latency():
            for number, one in enumerate(self.members):
                one.begin(self.state, host, port + number if port else 0)
            for one in self.members:
                one.wait()
                known = [
                    g for g in self.guests if g.registered and g.member == one.name
                ]
                rows.register(one.databases, known)
                # As the Connector keeps a list of its guests.
                if known:
                    names = tuple(sorted(guest.name for guest in known))
                    self.zvm.lists[one.namelist] = names
        self.zvm.world.mark()
        self.collector.start()
        self.admin.start()

    def _member(self, name: str) -> member.Member:
        """:raises KeyError: no such member."""
        for one in self.members:
            if one.name == name.upper():
                return one
        raise KeyError(f"member {name}")

    def kill(self, name: str, body: typing.Any) -> typing.Any:
        """End a member's Connector as a crash does, until the next restart."""
        one = self._member(name)
        with self._restarting:
            if self._stopped:
                raise KeyError("member that runs")
            self._crash(one)
        return {"connector_url": one.url}

    def restart(self, name: str, body: typing.Any) -> typing.Any:
        """Kill a member's Connector and start it on the same port.

        :raises KeyError: no such member, or the simulator ends.
        """
        one = self._member(name)
        with self._restarting:
            self._crash(one)
            self._start_again(one)
        return {"connector_url": one.url}

    def _restart_by_rule(self, _effect: calls.Effect, call: calls.Call) -> None:
        """The Connector crashes at this call, which gets no answer."""
        one = self._member(str(call.record["system"]))

        def start_again() -> None:
            try:
                # Meanwhile the simulator may have been told to end.
                with contextlib.suppress(KeyError):
                    self._start_again(one)
            finally:
                self._restarting.release()

        # Held over both threads: nobody else kills or starts it meanwhile.
        self._restarting.acquire()
        try:
            self._crash(one)
            threading.Thread(target=start_again, daemon=True).start()
        except BaseException:
            self._restarting.release()
            raise
        raise calls.Broken("drop")

    def _crash(self, one: member.Member) -> None:
        one.kill()
        self.daemon.forget(one.name)

    def _start_again(self, one: member.Member) -> None:
        if self._stopped:
            raise KeyError("member that runs")
        host, _, port = one.url.partition("://")[2].rpartition(":")
        with self._without_latency():
            one.start(self.state, host, int(port))

    @contextlib.contextmanager
    def _without_latency(self) -> collections.abc.Iterator[None]:
        """A Connector executes commands at its start: where the clock stands,
        nobody would move it on for them."""
        latency = self.instruments.latency
        profile = latency.profile
        latency.set_profile("none")
        try:
            yield
        finally:
            latency.set_profile(profile)

    def stop(self) -> None:
        """End everything; also after a start that failed in the middle."""
        self.collector.stop()
        self.instruments.rules.delete()
        with self._restarting:
            self._stopped = True
            for one in self.members:
                one.stop()
        self.daemon.stop()
        self.admin.stop()
        if self._room is not None:
            self._room.cleanup()

    def ready(self) -> dict[str, typing.Any]:
        """What the ready file says."""
        return {
            "pid": os.getpid(),
            "admin_url": self.admin.url,
            "certificate": str(self.certificate) if self.certificate else None,
            "members": [
                {
                    "name": one.name,
                    "connector_url": one.url,
                    "token_path": str(one.token_path) if one.token_path else None,
                }
                for one in self.members
            ],
        }
