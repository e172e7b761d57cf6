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

"""What the Connector's process expects of a z/VM guest and finds nowhere else.

No file of the installed packages is changed: each function here bends one
place in the running process. The docs list them by their names.
"""

from __future__ import annotations

import builtins
import fcntl
import functools
import io
import os
import pathlib
import shutil
import tempfile
import time
import types
import typing

from ibmvirt.simulators.zvm import wire

SYSINFO = """Manufacturer:         IBM
Type:                 3931
Model:                A01
Sequence Code:        00000000000SIM01
CPUs Total:           8
CPUs Configured:      8
CPUs Standby:         0
LPAR Number:          1
LPAR Characteristics: Shared
LPAR Name:            SIMLPAR
LPAR CPUs Total:      8
LPAR CPUs Configured: 8
LPAR CPUs IFL:        7
VM00 Name:            ZCCUSER
VM00 Control Program: z/VM    7.3.0
VM00 CPUs Total:      2
"""
_READER = "/sys/bus/ccw/drivers/vmur/0.0.000c/online"


def apply(socket: str, home: pathlib.Path) -> None:
    """Bend everything, after the Connector's configuration was loaded."""
    files_of_the_system()
    consoles(home)
    setup_disk(home)
    authorization()
    programs()
    tokens()
    sleeps(socket)


def files_of_the_system() -> None:
    """/proc/sysinfo and the reader's ``online`` file: this is no IBM Z."""
    from smtLayer import getHost, getVM

    texts = {"/proc/sysinfo": SYSINFO, _READER: "1\n"}

    def open_here(
        path: typing.Any, *args: typing.Any, **names: typing.Any
    ) -> typing.Any:
        if isinstance(path, str) and path in texts:
            return io.StringIO(texts[path])
        return builtins.open(path, *args, **names)

    for module in (getHost, getVM):
        _set(module, "open", open_here)


def consoles(home: pathlib.Path) -> None:
    """The guests' consoles are kept in the member's directory, not in /var."""
    from zvmsdk import constants

    _set(constants, "SDK_DATA_PATH", f"{home}/")


def setup_disk(home: pathlib.Path) -> None:
    """``setupDisk`` is not in the Connector's package: one that does nothing is
    punched in its place; the simulated guest reads what it is called with."""
    from zvmsdk import smtclient

    script = home / "setupDisk"
    script.write_text("#!/bin/bash\n")
    original = smtclient.SMTClient.aemod_handler

    @functools.wraps(original)
    def aemod(self: typing.Any, name: str, function: str, parms: str) -> None:
        chosen = str(script) if function.endswith("/setupDisk") else function
        original(self, name, chosen, parms)

    smtclient.SMTClient.aemod_handler = aemod


def authorization() -> None:
    """Two Connectors of one machine share /tmp/<userid> for a moment, which
    each of them removes: one at a time."""
    from zvmsdk import smtclient

    original = smtclient.SMTClient.guest_authorize_iucv_client

    @functools.wraps(original)
    def alone(self: typing.Any, *args: typing.Any, **names: typing.Any) -> typing.Any:
        shared = os.open(tempfile.gettempdir(), os.O_RDONLY)
        try:
            fcntl.flock(shared, fcntl.LOCK_EX)
            return original(self, *args, **names)
        finally:
            os.close(shared)

    smtclient.SMTClient.guest_authorize_iucv_client = alone


def programs() -> None:
    """Programs that are named by their path, where ``PATH`` has no say: scp is
    always the simulator's (no sshd is needed), hexdump if there is none."""
    from zvmsdk import utils

    original = utils.execute
    ours = {f"/usr/bin/{name}": name for name in ("scp", *missing_programs())}

    @functools.wraps(original)
    def execute(cmd: typing.Any, timeout: float | None = None) -> typing.Any:
        if isinstance(cmd, list):
            # The port of scp may be a number, which Popen does not take.
            cmd = [ours.get(cmd[0], cmd[0]), *(str(word) for word in cmd[1:])]
        else:
            path, space, rest = cmd.partition(" ")
            cmd = f"{ours.get(path, path)}{space}{rest}"
        return original(cmd, timeout)

    utils.execute = execute


def missing_programs() -> tuple[str, ...]:
    """What the Connector runs without sudo and this machine does not have."""
    return () if shutil.which("hexdump", path="/usr/bin") else ("hexdump",)


def tokens() -> None:
    """This Connector was written for PyJWT 1: ``encode`` gave bytes, and
    ``decode`` needed no list of algorithms. With PyJWT 2 no token is ever
    given and none is accepted."""
    from zvmsdk.sdkwsgi.handlers import tokens as handlers

    real = handlers.jwt

    def encode(payload: typing.Any, key: str) -> bytes:
        text = real.encode(payload, key, algorithm="HS256")
        return text if isinstance(text, bytes) else bytes(text.encode())

    def decode(token: str, key: str) -> typing.Any:
        return real.decode(token, key, algorithms=["HS256"])

    handlers.jwt = types.SimpleNamespace(
        encode=encode,
        decode=decode,
        ExpiredSignatureError=real.ExpiredSignatureError,
        DecodeError=real.DecodeError,
    )


def sleeps(socket: str) -> None:
    """Fixed sleeps, of 15 s and more, follow the simulated clock."""
    from smtLayer import makeVM, powerVM, vmUtils
    from zvmsdk import smtclient, utils

    class Time:
        def __getattr__(self, name: str) -> typing.Any:
            return getattr(time, name)

        @staticmethod
        def sleep(seconds: float) -> None:
            wire.ask(socket, {"kind": "sleep", "seconds": seconds})

    for module in (powerVM, vmUtils, makeVM, smtclient, utils):
        if hasattr(module, "time"):
            _set(module, "time", Time())


def _set(module: types.ModuleType, name: str, value: object) -> None:
    setattr(module, name, value)
