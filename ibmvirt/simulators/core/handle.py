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

"""A simulator started and used from Python; the standard library only."""

from __future__ import annotations

import collections.abc
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import typing
import urllib.error
import urllib.parse
import urllib.request

from ibmvirt.simulators.core import process

# Seconds to wait for the bytes of a disk.
_BYTES = 300.0
# A simulator is on this machine: a proxy of the environment does not know it.
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class SimulatorError(Exception):
    """The simulator did not start, or refused an admin request."""


class Simulator:
    """A simulator's process and a client of its admin API.

    :param arguments: of ``ibmvirt-sim <platform>``.
    :param timeout: seconds to wait until it serves.
    """

    platform = ""
    # What is run as ``python -m``.
    module = "ibmvirt.simulators.script"

    def __init__(self, *arguments: str, timeout: float = 60.0) -> None:
        self._arguments = arguments
        self._timeout = timeout
        self._child: subprocess.Popen[bytes] | None = None
        self._directory: tempfile.TemporaryDirectory[str] | None = None
        self.ready: dict[str, typing.Any] = {}

    def start(self) -> typing.Self:
        self._directory = tempfile.TemporaryDirectory(prefix="ibmvirt-handle-")
        home = pathlib.Path(self._directory.name)
        ready_file, self._log = home / "ready.json", home / "output"
        command = [
            sys.executable,
            "-m",
            self.module,
            self.platform,
            "--ready-file",
            str(ready_file),
            # In our directory, which is removed even if the simulator is killed.
            "--state-dir",
            str(home / "state"),
            "--end-with-stdin",
            str(home),
            *self._arguments,
        ]
        with self._log.open("wb") as output:
            self._child = subprocess.Popen(
                command,
                # A pipe that nobody writes to: it ends when this process does.
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
                # Ctrl-C at a terminal is for whoever started it.
                process_group=0,
            )
        end = time.monotonic() + self._timeout
        while not ready_file.exists():
            if self._child.poll() is not None or time.monotonic() > end:
                text = self.output()
                self.stop()
                raise SimulatorError(f"{' '.join(command)} did not serve: {text}")
            time.sleep(0.02)
        self.ready = json.loads(ready_file.read_text())
        return self

    def stop(self) -> None:
        """End the process and everything it started."""
        if self._child is not None:
            process.end_child(self._child, timeout=20)
            if self._child.stdin is not None:
                self._child.stdin.close()
            self._child = None
        if self._directory is not None:
            self._directory.cleanup()
            self._directory = None

    def output(self) -> str:
        """The last of what the process wrote."""
        if self._directory is None:
            return ""
        return self._log.read_text(errors="replace")[-2000:]

    def __enter__(self) -> typing.Self:
        return self.start()

    def __exit__(self, *_error: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        return int(self.ready["pid"])

    @property
    def admin_url(self) -> str:
        return str(self.ready["admin_url"])

    # -- the admin API ----------------------------------------------------

    def admin(
        self, verb: str, path: str, body: typing.Any = None, timeout: float = 60.0
    ) -> typing.Any:
        """One request to ``/sim/<path>``; JSON in, JSON out.

        :raises SimulatorError: it was refused, or the process has ended; with
            the process's last output then.
        """
        try:
            return request(self.admin_url, verb, path, body, timeout)
        except OSError as error:
            state = "the simulator has ended" if self._ended() else "no answer"
            text = f"{verb} {path}: {state}: {error}; output: {self.output()}"
            raise SimulatorError(text) from error

    def _ended(self) -> bool:
        """Whether the process is gone; its connections go a moment earlier."""
        if self._child is None:
            return True
        try:
            self._child.wait(timeout=1.0)
        except subprocess.TimeoutExpired:
            return False
        return True

    def state(self) -> typing.Any:
        """Kept, cache, counters and log, as they are compared."""
        return self.admin("GET", "state")

    def dump(self) -> typing.Any:
        """The world whole but for the bytes of disks, for :meth:`load`."""
        return self.admin("GET", "state?form=dump")

    def load(self, dump: typing.Any) -> None:
        """Replace the collections that a dump has.

        :raises SimulatorError: it is wrong, or names bytes that are not here.
        """
        self.admin("PUT", "state", dump)

    def save(self, directory: pathlib.Path) -> None:
        """Write the world with the bytes of its disks, for :meth:`restore`."""
        contents = directory / "contents"
        contents.mkdir(parents=True, exist_ok=True)
        (directory / "world.json").write_text(json.dumps(self.dump()))
        for found in self.admin("GET", "contents"):
            url = f"{self.admin_url}/sim/contents/{found['name']}"
            with (
                _direct.open(url, timeout=_BYTES) as source,
                (contents / found["name"]).open("wb") as target,
            ):
                shutil.copyfileobj(source, target)

    def restore(self, directory: pathlib.Path) -> None:
        """Load what :meth:`save` wrote, also of another process.

        :raises SimulatorError: it is wrong.
        """
        for path in sorted((directory / "contents").iterdir()):
            with path.open("rb") as source:
                call = urllib.request.Request(  # noqa: S310
                    f"{self.admin_url}/sim/contents",
                    data=source,
                    headers={"Content-Length": str(path.stat().st_size)},
                    method="PUT",
                )
                _direct.open(call, timeout=_BYTES).close()
        self.load(json.loads((directory / "world.json").read_text()))

    def world(self, action: str, **fields: typing.Any) -> None:
        """Change the world from outside, by an action of this simulator."""
        self.admin("POST", "world", {"action": action, **fields})

    def mark(self, name: str = "mark") -> None:
        self.admin("POST", "mark", {"name": name})

    def reset(self, name: str = "mark") -> None:
        """Back to the mark, without rules and with an empty journal."""
        self.admin("POST", "reset", {"name": name})

    def compare(self, name: str = "mark") -> list[dict[str, typing.Any]]:
        """Differences of the kept state from the mark."""
        result: list[dict[str, typing.Any]] = self.admin(
            "POST", "compare", {"name": name}
        )
        return result

    def verify(self) -> list[str]:
        result: list[str] = self.admin("POST", "verify", {})
        return result

    def journal(self, **query: typing.Any) -> list[dict[str, typing.Any]]:
        """Records; filters memento, key, layer, system (a trailing * fits all),
        and since, a sequence number."""
        text = urllib.parse.urlencode({k: v for k, v in query.items() if v is not None})
        result: list[dict[str, typing.Any]] = self.admin("GET", f"journal?{text}")
        return result

    def wait_journal(
        self, timeout: float = 60.0, **query: typing.Any
    ) -> list[dict[str, typing.Any]]:
        """Wait for records that fit; ``count`` of them, ``done`` if told so."""
        fields = {"timeout": timeout, **query}
        result: list[dict[str, typing.Any]] = self.admin(
            "POST", "journal/wait", fields, timeout + 10
        )
        return result

    def rule(self, **fields: typing.Any) -> int:
        """Add a fault rule; its number."""
        return int(self.admin("POST", "rules", fields)["id"])

    def rules(self) -> list[dict[str, typing.Any]]:
        result: list[dict[str, typing.Any]] = self.admin("GET", "rules")
        return result

    def delete_rule(self, number: int | None = None) -> None:
        self.admin("DELETE", "rules" if number is None else f"rules/{number}")

    def wait_parked(self, number: int, timeout: float = 60.0) -> bool:
        """Wait until a ``hold`` or ``hang`` rule holds a call."""
        return bool(
            self.admin(
                "POST", f"rules/{number}/wait", {"timeout": timeout}, timeout + 10
            )["parked"]
        )

    def clock(self, **fields: float) -> dict[str, float]:
        """Read the clock, or set ``rate`` or ``advance``."""
        verb = "PUT" if fields else "GET"
        result: dict[str, float] = self.admin(verb, "clock", fields or None)
        return result

    def latency(self, profile: str) -> None:
        self.admin("PUT", "latency", {"profile": profile})

    def transitions(self, **chosen: typing.Any) -> typing.Any:
        """Choose how transitions go on, by name; None takes a choice back.

        Names with a colon: ``transitions(**{"job:PowerOn": {...}})``.
        """
        return self.admin("PUT" if chosen else "GET", "transitions", chosen or None)

    def disk(self, identity: str) -> bytes:
        """The bytes of a disk."""
        return self.download(f"disks/{urllib.parse.quote(identity)}")

    def download(self, path: str) -> bytes:
        """The bytes of ``/sim/<path>``."""
        url = f"{self.admin_url}/sim/{path}"
        with _direct.open(url, timeout=60) as response:
            content: bytes = response.read()
        return content

    def guest(self, identity: str) -> typing.Any:
        """What a guest sees."""
        return self.admin("GET", f"guests/{urllib.parse.quote(identity)}")


def request(
    base: str,
    verb: str,
    path: str,
    body: typing.Any = None,
    timeout: float = 60.0,
) -> typing.Any:
    """One request to a simulator's admin API.

    :raises SimulatorError: it was refused; the text is the simulator's.
    """
    data = None if body is None else json.dumps(body).encode()
    headers: collections.abc.MutableMapping[str, str] = {
        "Content-Type": "application/json"
    }
    call = urllib.request.Request(  # noqa: S310
        f"{base}/sim/{path}", data=data, headers=headers, method=verb
    )
    try:
        with _direct.open(call, timeout=timeout) as response:
            return json.loads(response.read() or b"null")
    except urllib.error.HTTPError as error:
        text = error.read().decode(errors="replace")
        raise SimulatorError(f"{verb} {path}: {error.code} {text}") from None
