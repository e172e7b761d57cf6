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

"""CP commands by vmcp."""

from __future__ import annotations

import dataclasses

from ibmvirt.simulators.zvm import model
from ibmvirt.simulators.zvm.commands.base import ASSUMED, Caller, Result, tool


@tool("vmcp", refusals=ASSUMED)
def vmcp(zvm: model.Zvm, caller: Caller, words: list[str]) -> Result:
    """The commands that the Connector gives; others are refused by CP."""
    match " ".join(words).upper().split():
        case ["Q" | "QUERY", *rest]:
            return _query(zvm, caller, rest)
        case ["CHANGE", "RDR", number, "CLASS", name] if len(name) == 1:
            return _change(zvm, caller, number, name)
        case ["TRANSFER", "*", "RDR", number, "TO", user, "RDR"]:
            return _transfer(zvm, caller, number, user)
        case ["PURGE", "RDR", number]:
            return _purge(zvm, caller, number)
        case ["SPOOL", "READER", "CLASS", _name]:
            return Result(0, "")
        case [command, *_rest]:
            text = f"HCPCMD001E Unknown CP command: {command}\n"
            return _failed(1, text, " ".join(words))
        case _:
            return _failed(1, "", "")


def _failed(number: int, text: str, command: str, unknown: bool = True) -> Result:
    """As vmcp tells of a command that CP refuses."""
    said = f"Error: non-zero CP response for command '{command.upper()}': #{number}\n"
    return Result(1, text, said, unknown=f"vmcp {command}" if unknown else None)


def _query(zvm: model.Zvm, caller: Caller, words: list[str]) -> Result:
    match words:
        case ["USERID"]:
            return Result(0, f"{caller.userid} AT {caller.member}\n")
        case ["CPLEVEL"]:
            return Result(
                0,
                "z/VM Version 7 Release 3.0, service level 2301 (64-bit)\n"
                "Generated at 01/09/26 10:00:00 EST\n"
                f"IPL at {zvm.host.ipl}\n",
            )
        case ["CHPID" | "CHPIDV", number]:
            return _channel(zvm, caller, number)
        case ["USER", name]:
            # CP does not tell a user that is not there from one that is off.
            return _user(zvm, caller, name, known=True)
        case [name]:
            return _user(zvm, caller, name, known=name in zvm.users)
    text = f"HCPCQV003E Invalid option - {' '.join(words)}\n"
    return _failed(3, text, f"query {' '.join(words)}")


def _user(zvm: model.Zvm, caller: Caller, name: str, known: bool) -> Result:
    if not known:
        text = f"HCPCQV003E Invalid option - {name}\n"
        return _failed(3, text, f"q {name}", unknown=False)
    user = zvm.users.get(name)
    if user is None or not user.on:
        text = f"HCPCQU045E {name} not logged on\n"
        return _failed(45, text, f"q {name}", unknown=False)
    # One that is logged on at another member of the cluster.
    where = "DSC" if user.member == caller.member else "SSI"
    return Result(0, f"{name:<8} - {where}\n")


def _channel(zvm: model.Zvm, caller: Caller, number: str) -> Result:
    """A channel path, which later Connectors ask for."""
    found = any(
        device.chpid == number.zfill(2) and device.member == caller.member
        for device in zvm.devices.values()
    )
    if not found:
        text = f"HCPQCH040E Path {number} does not exist\n"
        return _failed(40, text, f"query chpid {number}", unknown=False)
    return Result(0, f"Path {number.zfill(2)} online to devices\n")


def _mine(zvm: model.Zvm, caller: Caller, number: str) -> model.SpoolFile | None:
    """A file in the Connector's reader."""
    file = zvm.spool.get(number.zfill(4))
    if not isinstance(file, model.SpoolFile) or file.queue != caller.userid:
        return None
    return file


def _missing(number: str) -> Result:
    text = f"HCPCSU042E Spool file {number} does not exist\n"
    return _failed(42, text, f"rdr {number}", unknown=False)


def _change(zvm: model.Zvm, caller: Caller, number: str, name: str) -> Result:
    file = _mine(zvm, caller, number)
    if file is None:
        return _missing(number)
    zvm.spool[file.number] = dataclasses.replace(file, spool_class=name)
    return Result(0, "0000001 FILE CHANGED\n")


def _transfer(zvm: model.Zvm, caller: Caller, number: str, user: str) -> Result:
    file = _mine(zvm, caller, number)
    if file is None:
        return _missing(number)
    if user not in zvm.users:
        text = f"HCPCSU053E {user} not in CP directory\n"
        return _failed(53, text, f"transfer rdr {number}", unknown=False)
    zvm.spool[file.number] = dataclasses.replace(file, queue=user)
    return Result(0, "0000001 FILE TRANSFERRED\n")


def _purge(zvm: model.Zvm, caller: Caller, number: str) -> Result:
    file = _mine(zvm, caller, number)
    if file is not None:
        del zvm.spool[file.number]
    return Result(0, f"{int(file is not None):07d} FILE PURGED\n")
