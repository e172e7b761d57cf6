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
from ibmvirt.simulators.zvm.commands.base import Caller, Result, tool


@tool("vmcp")
def vmcp(zvm: model.Zvm, caller: Caller, words: list[str]) -> Result:
    """The commands that the Connector gives; others are refused by CP."""
    text = " ".join(words).split()
    lower = [word.lower() for word in text]
    if lower[:1] in (["q"], ["query"]):
        return _query(zvm, caller, lower[1:], text[1:])
    if lower[:2] == ["change", "rdr"]:
        return _change(zvm, caller, lower[2], class_of(text))
    if lower[:3] == ["transfer", "*", "rdr"]:
        return _transfer(zvm, caller, lower[3], text[5])
    if lower[:2] == ["purge", "rdr"]:
        file = zvm.spool.get(lower[2].zfill(4))
        if file is not None and file.queue == caller.userid:
            del zvm.spool[file.number]
        return Result(0, "")
    if lower[:2] == ["spool", "reader"]:
        return Result(0, "")
    command = text[0].upper() if text else ""
    return Result(1, f"HCPCMD001E Unknown CP command: {command}\n")


def _query(zvm: model.Zvm, caller: Caller, lower: list[str], text: list[str]) -> Result:
    if lower == ["userid"]:
        return Result(0, f"{caller.userid} AT {caller.member}\n")
    if lower == ["cplevel"]:
        return Result(
            0,
            "z/VM Version 7 Release 3.0, service level 2301 (64-bit)\n"
            "Generated at 01/09/26 10:00:00 EST\n"
            "IPL at 01/09/26 11:00:00 EST\n",
        )
    name = text[-1].upper() if text else ""
    user = zvm.users.get(name)
    if user is None:
        return Result(1, f"HCPCQU003E Invalid option - {name}\n")
    if not user.on:
        return Result(1, f"HCPCQU045E {name} not logged on\n")
    if user.member != caller.member:
        return Result(0, f"{name} - SSI\n")
    return Result(0, f"{name} - DSC\n")


def class_of(text: list[str]) -> str:
    lower = [word.lower() for word in text]
    return text[lower.index("class") + 1] if "class" in lower else "A"


def _change(zvm: model.Zvm, caller: Caller, number: str, name: str) -> Result:
    file = zvm.spool.get(number.zfill(4))
    if file is None or file.queue != caller.userid:
        return Result(1, f"HCPCSU042E Spool file {number} does not exist\n")
    zvm.spool[file.number] = dataclasses.replace(file, spool_class=name.upper())
    return Result(0, "0000001 FILE CHANGED\n")


def _transfer(zvm: model.Zvm, caller: Caller, number: str, user: str) -> Result:
    file = zvm.spool.get(number.zfill(4))
    if file is None or file.queue != caller.userid:
        return Result(1, f"HCPCSU042E Spool file {number} does not exist\n")
    if user.upper() not in zvm.users:
        return Result(1, f"HCPCSU053E {user} not in CP directory\n")
    zvm.spool[file.number] = dataclasses.replace(file, queue=user.upper())
    return Result(0, "0000001 FILE TRANSFERRED\n")
