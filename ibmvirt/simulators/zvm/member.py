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

import dataclasses
import os
import pathlib
import re
import secrets
import shutil
import string
import subprocess
import sys
import tempfile
import time

from ibmvirt.simulators.core import process
from ibmvirt.simulators.zvm import bends, frontend

PROGRAMS = ("sudo", "vmcp", "scp", "fdisk", "udevadm", "udevsettle")
_TOKEN_LENGTH = 42
_TMP = "/tmp"  # noqa: S108
_ODD = re.compile(r"[^\w./+,@=:-]", re.ASCII)
_CONF = """[network]
my_ip = 127.0.0.1
[zvm]
user_profile = OSDFLT
disk_pool = {pool}
namelist = {namelist}
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
[wsgi]
auth = {auth}
token_path = {home}/token.dat
"""


@dataclasses.dataclass(frozen=True)
class Settings:
    """What the Connectors of all members share.

    ``pool`` is TYPE:NAME; ``certificate`` and ``key`` are files for TLS.
    """

    socket: str
    pool: str
    auth: bool = False
    certificate: pathlib.Path | None = None
    key: pathlib.Path | None = None


def is_plain(path: str) -> bool:
    """Whether the Connector can work with it.

    It puts paths into commands, which it splits at blanks (documented:
    ``_get_disk_size_units`` and others in zvmsdk/smtclient.py), and into a
    configuration file.
    """
    return _ODD.search(path) is None


def _temporary() -> dict[str, str]:
    """Where the Connector may put temporary files, if not where others do."""
    return {} if is_plain(tempfile.gettempdir()) else {"TMPDIR": _TMP}


class Member:
    """One z/VM system of the cluster, with a Connector."""

    def __init__(self, name: str, room: pathlib.Path, settings: Settings) -> None:
        self.name = name
        self.home = room / name.lower()
        self._settings = settings
        self._child: subprocess.Popen[bytes] | None = None
        self.url = ""

    @property
    def databases(self) -> pathlib.Path:
        return self.home / "databases"

    @property
    def namelist(self) -> str:
        """Of the guests, 8 characters at most."""
        return f"NL{self.name[-6:]}"

    @property
    def token_path(self) -> pathlib.Path | None:
        """The file with the administrator's token, if one is wanted."""
        return self.home / "token.dat" if self._settings.auth else None

    def clear(self) -> None:
        """Remove what an earlier simulator left in this state directory.

        Its z/VM is gone, so the Connector must know nothing of it either.
        """
        shutil.rmtree(self.home, ignore_errors=True)

    def start(
        self, state: process.StateDirectory, host: str, port: int, timeout: float = 60
    ) -> None:
        """Start the Connector and wait until it serves.

        :raises RuntimeError: it ended; the text is its output.
        """
        self.begin(state, host, port)
        self.wait(timeout)

    def begin(self, state: process.StateDirectory, host: str, port: int) -> None:
        """Start the Connector."""
        self._prepare()
        self._ready.unlink(missing_ok=True)
        options = {
            "--home": self.home,
            "--socket": self._settings.socket,
            "--member": self.name,
            "--listen": f"{host}:{port}",
            "--ready": self._ready,
            "--certificate": self._settings.certificate,
            "--key": self._settings.key,
        }
        command = [
            sys.executable, "-W", "ignore", "-m", "ibmvirt.simulators.zvm.launcher",
            *(str(w) for pair in options.items() if pair[1] is not None for w in pair),
        ]  # fmt: skip
        environment = {
            **frontend.environment(os.environ),
            "HOME": str(self.home),
            **_temporary(),
            "PATH": f"{self.home}/bin:{os.environ.get('PATH', '/usr/bin:/bin')}",
        }
        with self._log.open("ab") as output:
            self._child = process.spawn_child(
                state, command, stdout=output, stderr=output, env=environment
            )

    def wait(self, timeout: float = 60) -> None:
        """Wait until it serves.

        :raises RuntimeError: it ended; the text is its output.
        """
        end = time.monotonic() + timeout
        while not self._ready.exists():
            ended = self._child is None or self._child.poll() is not None
            if ended or time.monotonic() > end:
                text = self._log.read_text(errors="replace")[-2000:]
                raise RuntimeError(
                    f"the Connector of {self.name} did not start: {text}"
                )
            time.sleep(0.02)
        self.url = self._ready.read_text()

    @property
    def _ready(self) -> pathlib.Path:
        return self.home / "ready"

    @property
    def _log(self) -> pathlib.Path:
        return self.home / "output"

    def _prepare(self) -> None:
        for part in ("bin", "databases", "images", "files", "log"):
            (self.home / part).mkdir(parents=True, exist_ok=True)
        text = frontend.text(self._settings.socket, self.name)
        for name in (*PROGRAMS, *bends.missing_programs()):
            program = self.home / "bin" / name
            program.write_text(text)
            program.chmod(0o755)
        conf = _CONF.format(
            pool=self._settings.pool,
            namelist=self.namelist,
            home=self.home,
            auth="auth" if self._settings.auth else "none",
        )
        (self.home / "zvmsdk.conf").write_text(conf)
        token = self.token_path
        if token is not None and not token.exists():
            letters = string.ascii_letters + string.digits
            text = "".join(secrets.choice(letters) for _ in range(_TOKEN_LENGTH))
            descriptor = os.open(token, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(text)

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child is not None else None

    def kill(self) -> None:
        """End the Connector as a crash does; what it executes goes on."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            self._child = None

    def stop(self) -> None:
        if self._child is not None:
            process.end_child(self._child)
            self._child = None
