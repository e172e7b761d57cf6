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

"""A simulator as a process: its state, what it prints, how it ends."""

from __future__ import annotations

import collections.abc
import contextlib
import ctypes
import json
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import typing

_PR_SET_PDEATHSIG = 1


class StateDirectory:
    """The directory of a simulator; a temporary one goes with the process."""

    def __init__(self, path: str | None) -> None:
        self._temporary = path is None
        if path is None:
            self.path = pathlib.Path(tempfile.mkdtemp(prefix="ibmvirt-sim-"))
        else:
            self.path = pathlib.Path(path).absolute()
            self.path.mkdir(parents=True, exist_ok=True)
        self._pids = self.path / "pids"
        self._end_predecessors()

    def remember(self, pid: int) -> None:
        """A child process that must end with this one, whatever happens."""
        with self._pids.open("a") as file:
            file.write(f"{pid} {_started(pid)}\n")

    def _end_predecessors(self) -> None:
        """End what a killed predecessor left running in this directory."""
        with contextlib.suppress(FileNotFoundError):
            for line in self._pids.read_text().splitlines():
                pid, _, started = line.partition(" ")
                if started and _started(int(pid)) == started:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(int(pid), signal.SIGKILL)
            self._pids.unlink()

    def close(self) -> None:
        self._pids.unlink(missing_ok=True)
        if self._temporary:
            shutil.rmtree(self.path, ignore_errors=True)


def _started(pid: int) -> str:
    """The start time of a process in clock ticks, or '' if it is gone."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    return stat.rsplit(")", 1)[1].split()[19]


def die_with_parent() -> None:
    """Let the kernel end this process when its parent ends."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def spawn_child(
    state: StateDirectory, command: list[str], **options: typing.Any
) -> subprocess.Popen[bytes]:
    """Start a child that never outlives this process."""
    child = subprocess.Popen(
        command,
        preexec_fn=die_with_parent,
        stdin=subprocess.DEVNULL,
        **options,
    )
    state.remember(child.pid)
    return child


def end_child(child: subprocess.Popen[bytes], timeout: float = 5.0) -> None:
    """Terminate a child, kill it if it does not go, and reap it."""
    child.terminate()
    try:
        child.wait(timeout)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def announce(
    exports: collections.abc.Mapping[str, str],
    ready: collections.abc.Mapping[str, typing.Any],
    ready_file: str | None,
) -> None:
    """Print lines for a shell to eval, and write the ready file whole."""
    for name, value in exports.items():
        print(f"export {name}={shlex.quote(value)}")
    sys.stdout.flush()
    if ready_file:
        target = pathlib.Path(ready_file)
        partial = target.with_name(f".{target.name}.{os.getpid()}")
        partial.write_text(json.dumps(ready, indent=1))
        os.replace(partial, target)


def wait_for_end() -> None:
    """Return on SIGTERM or SIGINT."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_args: stop.set())
    while not stop.wait(3600):
        pass
