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

"""Minidisks on the Connector's Linux: linked, formatted, given back.

The tools look at what they work on: dasdfmt wants an ECKD disk, fdasd one that
is formatted, mkfs a partition. What they write is kept as the disk's layout,
not as bytes; the texts of their errors are assumed.
"""

from __future__ import annotations

import itertools
import re

from ibmvirt.simulators.zvm import model
from ibmvirt.simulators.zvm.codes import Refusal
from ibmvirt.simulators.zvm.commands.base import ASSUMED, Caller, Result, tool

_NODE = re.compile(r"/dev/(dasd[a-z]+)(\d*)$")
# dasda is the Linux's own disk.
_FIRST = 1


class _Wrong(Exception):
    """The tool ends with an error; the text is what it writes."""


@tool("linkdiskandbringonline", refusals=ASSUMED)
def link(zvm: model.Zvm, caller: Caller, words: list[str]) -> Result:
    """``linkdiskandbringonline USERID VDEV MODE``: the disk becomes a node."""
    if len(words) != 3:
        return Result(4, "Error: USERID VDEV MODE are wanted\n")
    try:
        disk = zvm.disk(words[0], words[1])
    except Refusal as error:
        return Result(4, f"Error: {error.text}\n")
    if any(found.owner == disk.owner and found.vdev == disk.vdev
           for found in zvm.links.values()):  # fmt: skip
        return Result(4, f"Error: {disk.key} is linked already\n")
    names = (f"dasd{_letters(number)}" for number in itertools.count(_FIRST))
    node = next(n for n in names if f"{caller.member}/{n}" not in zvm.links)
    zvm.links[f"{caller.member}/{node}"] = model.Link(
        caller.member, node, disk.owner, disk.vdev
    )
    name = f"linkdiskandbringonline {disk.owner}"
    return Result(
        0,
        f"{name} start time: 2026-01-09-11:00:00.000\n"
        f"Success: Userid {disk.owner} vdev {disk.vdev} linked at ad35 "
        f"device name {node}\n"
        f"{name} exit time: 2026-01-09-11:00:01.000\n",
    )


def _letters(number: int) -> str:
    """a to z, then aa and so on, as Linux names DASDs."""
    text = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        text = chr(ord("a") + rest) + text
    return text


@tool("offlinediskanddetach", refusals=ASSUMED)
def detach(zvm: model.Zvm, caller: Caller, words: list[str]) -> Result:
    """``offlinediskanddetach USERID VDEV``."""
    if len(words) != 2:
        return Result(4, "Error: USERID VDEV are wanted\n")
    owner, vdev = words[0].upper(), words[1].upper().zfill(4)
    for key, found in list(zvm.links.items()):
        if (found.member, found.owner, found.vdev) == (caller.member, owner, vdev):
            del zvm.links[key]
            return Result(0, "")
    return Result(4, f"Error: {owner} {vdev} is not linked\n")


def _disk(
    zvm: model.Zvm, caller: Caller, device: str, partition: int = 0
) -> model.Minidisk:
    """The disk behind a node, or behind its partition.

    :raises _Wrong: nothing is there.
    """
    match = _NODE.match(device)
    found = zvm.links.get(f"{caller.member}/{match.group(1)}") if match else None
    disk = zvm.disks.get(f"{found.owner}/{found.vdev}") if found else None
    if match is None or not isinstance(disk, model.Minidisk):
        raise _Wrong(f"{device}: No such device or address")
    number = int(match.group(2) or 0)
    if number != partition or number > disk.partitions:
        raise _Wrong(f"{device}: No such file or directory")
    return disk


def _run(
    name: str, words: list[str], known: set[str], takes: set[str]
) -> tuple[dict[str, str], str]:
    """Options and the device of a tool's command line.

    :raises _Wrong: another option, or not one device.
    """
    options, devices, index = {}, [], 0
    while index < len(words):
        word = words[index]
        if word in takes and index + 1 < len(words):
            options[word] = words[index + 1]
            index += 1
        elif word in known:
            options[word] = ""
        elif word.startswith("-"):
            raise _Wrong(f"{name}: invalid option {word}")
        else:
            devices.append(word)
        index += 1
    if len(devices) != 1:
        raise _Wrong(f"{name}: one device is wanted")
    return options, devices[0]


@tool("dasdfmt", refusals=ASSUMED)
def dasdfmt(zvm: model.Zvm, caller: Caller, words: list[str]) -> Result:
    """``dasdfmt -y -b 4096 -d cdl -v DEVICE``: an ECKD disk loses everything."""
    try:
        options, device = _run("dasdfmt", words, {"-y", "-v", "-p"}, {"-b", "-d"})
        disk = _disk(zvm, caller, device)
        if disk.type != "3390":
            raise _Wrong(f"dasdfmt: {device} is not an ECKD device")
        if options.get("-b", "4096") not in ("512", "1024", "2048", "4096"):
            raise _Wrong(f"dasdfmt: {options['-b']} is not a valid blocksize")
        layout = options.get("-d", "cdl")
        if layout not in ("cdl", "ldl"):
            raise _Wrong(f"dasdfmt: {layout} is not a valid disk layout")
    except _Wrong as error:
        return _failed(error)
    # The volume label is the only partition of an ldl disk.
    parts = 1 if layout == "ldl" else 0
    zvm.put_disk(
        disk.changed(blob="", low_level=layout, partitions=parts, file_system="")
    )
    return Result(0, "Finished formatting the device.\n")


@tool("fdasd", refusals=ASSUMED)
def fdasd(zvm: model.Zvm, caller: Caller, words: list[str]) -> Result:
    """``fdasd -a DEVICE``: one partition over the whole disk."""
    try:
        options, device = _run("fdasd", words, {"-a", "-s"}, set())
        disk = _disk(zvm, caller, device)
        if "-a" not in options:
            raise _Wrong("fdasd: only -a is known here")
        if disk.low_level != "cdl":
            raise _Wrong(f"fdasd: {device} is not formatted with the z/OS layout")
    except _Wrong as error:
        return _failed(error)
    zvm.put_disk(disk.changed(partitions=1, file_system=""))
    return Result(0, "auto-creating one partition for the whole disk...\n")


@tool("fdisk", refusals=ASSUMED)
def fdisk(zvm: model.Zvm, caller: Caller, words: list[str]) -> Result:
    """``fdisk DEVICE`` with its commands on standard input.

    Known are ``g``, a new table, and ``n`` with its answers, one partition.
    """
    try:
        _options, device = _run("fdisk", words, set(), set())
        disk = _disk(zvm, caller, device)
        if disk.type != "9336":
            raise _Wrong(f"fdisk: {device} is not an FBA device")
        said = caller.stdin.split("\n")
        if said[-2:-1] != ["w"]:
            raise _Wrong("fdisk: the table is not written")
        if said[0] == "g":
            changed = disk.changed(low_level="gpt", partitions=0, file_system="")
        elif said[0] == "n":
            if not disk.low_level or disk.partitions:
                raise _Wrong(f"fdisk: {device} has no room for a partition")
            changed = disk.changed(partitions=1)
        else:
            raise _Wrong(f"{said[0]}: unknown command")
    except _Wrong as error:
        return _failed(error)
    zvm.put_disk(changed)
    return Result(0, "The partition table has been altered.\n")


_FILE_SYSTEMS = ("ext2", "ext3", "ext4", "xfs")


def _make(
    zvm: model.Zvm,
    caller: Caller,
    name: str,
    words: list[str],
    kind: str | None = None,
) -> Result:
    try:
        options, device = _run(name, words, {"-F", "-f"}, {"-t"})
        disk = _disk(zvm, caller, device, partition=1)
        chosen = kind or options.get("-t", "ext2")
        if kind is None and chosen not in _FILE_SYSTEMS:
            raise _Wrong(f"mkfs: failed to execute mkfs.{chosen}: No such file")
    except _Wrong as error:
        return _failed(error)
    zvm.put_disk(disk.changed(file_system=chosen))
    return Result(0, "done\n")


@tool("mkfs", refusals=ASSUMED)
def mkfs(zvm: model.Zvm, caller: Caller, words: list[str]) -> Result:
    """``mkfs -F -t TYPE DEVICE``."""
    return _make(zvm, caller, "mkfs", words)


@tool("mkfs.xfs", refusals=ASSUMED)
def mkfs_xfs(zvm: model.Zvm, caller: Caller, words: list[str]) -> Result:
    """``mkfs.xfs -f DEVICE``."""
    return _make(zvm, caller, "mkfs.xfs", words, "xfs")


@tool("mkswap", refusals=ASSUMED)
def mkswap(zvm: model.Zvm, caller: Caller, words: list[str]) -> Result:
    """``mkswap DEVICE``."""
    return _make(zvm, caller, "mkswap", words, "swap")


@tool("blockdev", refusals=ASSUMED)
def blockdev(zvm: model.Zvm, caller: Caller, words: list[str]) -> Result:
    """``blockdev --flushbufs DEVICE``."""
    try:
        _options, device = _run("blockdev", words, {"--flushbufs"}, set())
        match = _NODE.match(device)
        _disk(zvm, caller, device, int(match.group(2) or 0) if match else 0)
    except _Wrong as error:
        return _failed(error)
    return Result(0, "")


def _failed(error: _Wrong) -> Result:
    return Result(1, "", f"{error}\n")
