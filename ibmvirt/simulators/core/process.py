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
import concurrent.futures
import contextlib
import ctypes
import fcntl
import json
import os
import pathlib
import queue
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import typing

_PR_SET_PDEATHSIG = 1
# Loaded here: between fork and exec nothing may take the loader's lock.
_LIBC = ctypes.CDLL(None, use_errno=True)
# Not an event: one that is set in a signal's handler waits for ever for its own
# lock, where the signal came while that was held. To put here is always safe.
_STOP: queue.SimpleQueue[None] = queue.SimpleQueue()
_STDIN_ENDED = threading.Event()
# The kernel's signal at a parent's death comes when the *thread* ends that
# made the child: so all children are made by one thread that stays.
_MAKER = concurrent.futures.ThreadPoolExecutor(1, "children")


class InUse(Exception):
    """Another simulator works in this state directory."""


class StateDirectory:
    """The directory of a simulator; a temporary one goes with the process.

    :raises InUse: another simulator works in it.
    """

    def __init__(self, path: str | None) -> None:
        self._temporary = path is None
        if path is None:
            self.path = pathlib.Path(tempfile.mkdtemp(prefix="ibmvirt-sim-"))
        else:
            self.path = pathlib.Path(path).absolute()
            self.path.mkdir(parents=True, exist_ok=True)
        self._lock = (self.path / "lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise InUse(f"{self.path}: another simulator works there") from None
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
                # A number may be another process by now: its start tells.
                if pid.isdigit() and started and _started(int(pid)) == started:
                    _kill(int(pid))
            self._pids.unlink()

    def close(self) -> None:
        self._pids.unlink(missing_ok=True)
        self._lock.close()
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
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def spawn_child(
    state: StateDirectory, command: list[str], **options: typing.Any
) -> subprocess.Popen[bytes]:
    """Start a child that never outlives this process.

    It leads a process group of its own: Ctrl-C in a terminal is for the
    simulator alone, and what the child starts can be ended with it.
    """
    parent = os.getpid()

    def prepare() -> None:
        die_with_parent()
        if os.getppid() != parent:
            os._exit(1)

    def make() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            preexec_fn=prepare,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            **options,
        )

    child = _MAKER.submit(make).result()
    state.remember(child.pid)
    return child


def end_child(child: subprocess.Popen[bytes], timeout: float = 5.0) -> None:
    """Terminate a child, kill it if it does not go, and reap it.

    What is left of its process group, if it leads one, is killed.
    """
    leads = _leads(child.pid)
    child.terminate()
    try:
        child.wait(timeout)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    if leads:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)


def _leads(pid: int) -> bool:
    try:
        return os.getpgid(pid) == pid
    except ProcessLookupError:
        return False


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if _leads(pid):
            os.killpg(pid, signal.SIGKILL)
        else:
            os.kill(pid, signal.SIGKILL)


def announce(
    exports: collections.abc.Mapping[str, str],
    ready: collections.abc.Mapping[str, typing.Any],
    ready_file: str | None,
) -> None:
    """Print lines for a shell to eval, and write the ready file whole."""
    for name, value in exports.items():
        print(f"export {name}={shlex.quote(value)}")
    if sys.stdout is not None:
        # None: it was closed by who started this.
        sys.stdout.flush()
    if ready_file:
        target = pathlib.Path(ready_file)
        partial = target.with_name(f".{target.name}.{os.getpid()}")
        partial.write_text(json.dumps(ready, indent=1))
        os.replace(partial, target)


def catch_signals(end_with_stdin: bool = False) -> None:
    """From now on SIGTERM and SIGINT let :func:`wait_for_end` return.

    Called before anything is started, so that a signal in between still ends
    cleanly.

    :param end_with_stdin: the end of standard input is a signal too. It tells
        of a parent's death, however the parent died.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_args: _STOP.put(None))
    if end_with_stdin:
        threading.Thread(target=_watch_stdin, daemon=True).start()


def _watch_stdin() -> None:
    with contextlib.suppress(OSError):
        while os.read(0, 4096):
            pass
    _STDIN_ENDED.set()
    _STOP.put(None)


def parent_is_gone() -> bool:
    """Whether standard input, watched for that, has ended."""
    return _STDIN_ENDED.is_set()


def wait_for_end() -> None:
    """Return on SIGTERM or SIGINT (after :func:`catch_signals`)."""
    _STOP.get()
