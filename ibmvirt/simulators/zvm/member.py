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

"""A member's directory, programs and process."""

from __future__ import annotations

import os
import pathlib
import socket
import subprocess
import sys
import time

from ibmvirt.simulators.core import process
from ibmvirt.simulators.zvm import bends, wire

PROGRAMS = ("sudo", "vmcp", "scp", "fdisk", "udevadm", "udevsettle")
_CONF = """[network]
my_ip = 127.0.0.1
[zvm]
user_profile = OSDFLT
disk_pool = {pool}
namelist = NL{member}
[database]
dir = {home}/databases/
[image]
sdk_image_repository = {home}/images
[file]
file_repository = {home}/files
[logging]
log_dir = {home}/log/
[monitor]
cache_interval = 0
[sdkserver]
bind_addr = 127.0.0.1
bind_port = {port}
[wsgi]
auth = none
"""


class Member:
    """One z/VM system of the cluster, with a Connector."""

    def __init__(
        self, name: str, room: pathlib.Path, daemon_socket: str, pool: str
    ) -> None:
        self.name = name
        self.home = room / name.lower()
        self._socket = daemon_socket
        self._pool = pool
        self._child: subprocess.Popen[bytes] | None = None
        self.url = ""

    @property
    def databases(self) -> pathlib.Path:
        return self.home / "databases"

    def start(
        self, state: process.StateDirectory, host: str, port: int, timeout: float = 60
    ) -> None:
        """Start the Connector and wait until it serves.

        :raises RuntimeError: it ended; the text is its output.
        """
        self._prepare()
        ready = self.home / "ready"
        ready.unlink(missing_ok=True)
        log = self.home / "output"
        command = [
            sys.executable,
            "-W",
            "ignore",
            "-m",
            "ibmvirt.simulators.zvm.launcher",
            "--home",
            str(self.home),
            "--socket",
            self._socket,
            "--member",
            self.name,
            "--listen",
            f"{host}:{port}",
            "--ready",
            str(ready),
        ]
        environment = {
            **os.environ,
            "HOME": str(self.home),
            "PATH": f"{self.home}/bin:{os.environ.get('PATH', '/usr/bin:/bin')}",
        }
        with log.open("ab") as output:
            self._child = process.spawn_child(
                state, command, stdout=output, stderr=output, env=environment
            )
        end = time.monotonic() + timeout
        while not (ready.exists() and ready.read_text()):
            if self._child.poll() is not None or time.monotonic() > end:
                raise RuntimeError(log.read_text(errors="replace")[-2000:])
            time.sleep(0.02)
        self.url = ready.read_text()

    def _prepare(self) -> None:
        for part in ("bin", "databases", "images", "files", "log"):
            (self.home / part).mkdir(parents=True, exist_ok=True)
        text = wire.FRONTEND.format(
            python=sys.executable, path=self._socket, member=self.name
        )
        for name in (*PROGRAMS, *bends.missing_programs()):
            program = self.home / "bin" / name
            program.write_text(text)
            program.chmod(0o755)
        conf = _CONF.format(
            pool=self._pool, member=self.name[:6], home=self.home, port=_free_port()
        )
        (self.home / "zvmsdk.conf").write_text(conf)

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child is not None else None

    def kill(self) -> None:
        """End the Connector as a crash does."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            self._child = None

    def stop(self) -> None:
        if self._child is not None:
            process.end_child(self._child)
            self._child = None


def _free_port() -> int:
    """A port that was free a moment ago: the daemon's own cannot be 0."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
