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

"""The spool: punching files, readers, consoles."""

from __future__ import annotations

import pathlib

from ibmvirt.simulators.zvm import model
from ibmvirt.simulators.zvm.codes import refuse
from ibmvirt.simulators.zvm.commands.base import (
    ASSUMED,
    Arguments,
    Caller,
    Result,
    api,
    tool,
)

# Bytes of a card: what a record of a punched file holds.
_CARD = 80


@tool("vmur", locked=False, refusals=ASSUMED)
def vmur(zvm: model.Zvm, caller: Caller, words: list[str]) -> Result:
    """``punch -r FILE``, ``list`` and ``re -t -O NUMBER``."""
    match words:
        case ["punch", "-r", path]:
            return _punch(zvm, caller, path)
        case ["list"]:
            return _list(zvm, caller)
        case ["re", "-t", "-O", number]:
            return _receive(zvm, caller, number)
    command = " ".join(words)
    text = f"vmur: {command} is not known here\n"
    return Result(2, "", text, unknown=f"vmur {command}")


def _punch(zvm: model.Zvm, caller: Caller, path: str) -> Result:
    file = pathlib.Path(caller.cwd, path)
    try:
        blob = zvm.blobs.put(file.read_bytes())
    except OSError as error:
        return Result(2, "", f"vmur: {path}: {error.strerror}\n")
    # Names of spool files are at most 8 and 8 characters long.
    name, _, kind = file.name.partition(".")
    with zvm.world.transaction():
        number = zvm.next_spool()
        zvm.spool[number] = model.SpoolFile(
            number, caller.userid, caller.userid, "A", name[:8], kind[:8], blob
        )
    return Result(0, f"Reader file with spoolid {number} created.\n")


def _list(zvm: model.Zvm, caller: Caller) -> Result:
    lines = [
        "ORIGINID FILE CLASS TYPE RECORDS  CPY HOLD DATE  TIME     NAME      TYPE  DIST"
    ]
    for file in zvm.reader(caller.userid):
        kind = "CON" if file.console else "PUN"
        records = -(-zvm.blobs.size(file.blob) // _CARD)
        lines.append(
            f"{file.origin:<8} {file.number} {file.spool_class} {kind} {records:08d} "
            f"001 NONE 01/09 11:00:00 {file.name:<8} {file.type:<8} {caller.userid}"
        )
    return Result(0, "\n".join(lines) + "\n")


def _receive(zvm: model.Zvm, caller: Caller, number: str) -> Result:
    with zvm.world.transaction():
        file = zvm.spool.get(number.zfill(4))
        if file is None or file.queue != caller.userid:
            return Result(2, "", f"vmur: Reader file {number} not found\n")
        del zvm.spool[file.number]
    return Result(0, zvm.blobs.path(file.blob).read_text(errors="replace"))


@api("System_RDR_File_Manage", "-T", "spoolids", refusals=ASSUMED)
def purge(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    """Every file of a user's reader."""
    user = zvm.user(args.user())
    if args.key("spoolids").lower() != "all":
        raise refuse("bad_argument", name=f"-k spoolids={args.key('spoolids')}")
    for file in zvm.reader(user.name):
        del zvm.spool[file.number]
    return ""


@api("Image_Console_Get")
def console(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    """Close the console's spool file into the Connector's reader."""
    user = zvm.user(args.user())
    lines = zvm.consoles.pop(user.name, ())
    if not lines:
        raise refuse("no_console", user=user.name)
    blob = zvm.blobs.put(("\n".join(lines) + "\n").encode())
    number = zvm.next_spool()
    zvm.spool[number] = model.SpoolFile(
        number, user.name, caller.userid, "T", user.name, "CONSOLE", blob, console=True
    )
    return ""
