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

"""Tools of the Linux that the Connector runs on."""

from __future__ import annotations

import ipaddress
import pathlib
import shutil
import socket

from ibmvirt.simulators.zvm import model
from ibmvirt.simulators.zvm.commands.base import ASSUMED, Caller, Result, tool

_NO_VALUE = {"-B", "-r", "-q", "-p"}


@tool("udevadm", refusals=ASSUMED)
def udevadm(zvm: model.Zvm, caller: Caller, words: list[str]) -> Result:
    """``udevadm settle``: devices are there as soon as their command ends."""
    if words != ["settle"]:
        command = " ".join(words)
        text = f"udevadm: {command} is not known here\n"
        return Result(1, "", text, unknown=f"udevadm {command}")
    return Result(0, "")


@tool("udevsettle", refusals=ASSUMED)
def udevsettle(zvm: model.Zvm, caller: Caller, words: list[str]) -> Result:
    """The same, as it was called once."""
    return Result(0, "")


@tool("lschp", answer=ASSUMED, refusals=ASSUMED)
def lschp(zvm: model.Zvm, caller: Caller, words: list[str]) -> Result:
    """The channel paths of the member's devices, which later Connectors read."""
    found = {d.chpid for d in zvm.devices.values() if d.member == caller.member}
    lines = ["CHPID  Vary  Cfg.  Type  Cmg  Shared  PCHID", "=" * 44]
    lines += [
        f"0.{c.lower()}   1     1     25    3    1       -" for c in sorted(found)
    ]
    return Result(0, "\n".join(lines) + "\n")


def _here(host: str) -> bool:
    """Whether a host is this machine: the only one that scp reaches."""
    name = host.rpartition("@")[2]
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name in ("localhost", socket.gethostname())


@tool("scp", locked=False)
def scp(zvm: model.Zvm, caller: Caller, words: list[str]) -> Result:
    """``scp [-B -P PORT -o OPTION -r] SOURCE TARGET`` from or to a host."""
    places, index = [], 0
    while index < len(words):
        word = words[index]
        if word in _NO_VALUE or (word.startswith("-o") and len(word) > 2):
            index += 1
        elif word in ("-P", "-o"):
            index += 2
        elif word.startswith("-"):
            text = f"scp: unknown option -- {word[1:]}\n"
            return Result(1, "", text, unknown=f"scp {word}")
        else:
            places.append(word)
            index += 1
    if len(places) != 2:
        return Result(1, "", "usage: scp [-B] [-P port] [-o option] source target\n")
    paths = []
    for place in places:
        host, colon, path = place.partition(":")
        if not colon:
            path = str(pathlib.Path(caller.cwd, place))
        elif not _here(host):
            text = f"ssh: connect to host {host.rpartition('@')[2]}: No route to host\n"
            return Result(255, "", text)
        paths.append(path)
    try:
        shutil.copyfile(*paths)
    except OSError as error:
        return Result(1, "", f"scp: {error.filename}: {error.strerror}\n")
    return Result(0, "")


@tool("hexdump", locked=False)
def hexdump(zvm: model.Zvm, caller: Caller, words: list[str]) -> Result:
    """``hexdump -n COUNT -C FILE``, where the tool is not installed."""
    count, path = 64, ""
    index = 0
    while index < len(words):
        if words[index] == "-n":
            count = int(words[index + 1])
            index += 1
        elif not words[index].startswith("-"):
            path = words[index]
        index += 1
    try:
        content = pathlib.Path(caller.cwd, path).read_bytes()[:count]
    except OSError as error:
        return Result(1, "", f"hexdump: {path}: {error.strerror}\n")
    lines = []
    for offset in range(0, len(content), 16):
        row = content[offset : offset + 16]
        codes = [f"{byte:02x}" for byte in row] + ["  "] * (16 - len(row))
        text = "".join(chr(b) if 32 <= b < 127 else "." for b in row)
        halves = " ".join(codes[:8]) + "  " + " ".join(codes[8:])
        lines.append(f"{offset:08x}  {halves}  |{text}|")
    lines.append(f"{len(content):08x}")
    return Result(0, "\n".join(lines) + "\n")
