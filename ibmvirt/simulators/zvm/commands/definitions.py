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

"""Statements of a directory entry that SMAPI changes one by one."""

from __future__ import annotations

import re

from ibmvirt.simulators.zvm import model
from ibmvirt.simulators.zvm.codes import refuse
from ibmvirt.simulators.zvm.commands.base import ASSUMED, Arguments, Caller, api

_CPU = re.compile(r"CPU=CPUADDR=([0-9A-Fa-f]{1,2})$")
_SHARE = re.compile(r"SHARE=RELATIVE=(\d+)$")


def _split(args: Arguments) -> tuple[list[str], list[str]]:
    """CPU statements and SHARE statements; another definition is refused."""
    cpus, shares = [], []
    for text in args.definitions:
        cpu, share = _CPU.match(text), _SHARE.match(text)
        if cpu:
            cpus.append(f"CPU {cpu.group(1).upper().zfill(2)}")
        elif share:
            shares.append(f"SHARE RELATIVE {share.group(1)}")
        else:
            raise refuse("bad_argument", name=f"-k {text}")
    if not cpus and not shares:
        raise refuse("no_argument", name="-k")
    return cpus, shares


def _define(zvm: model.Zvm, args: Arguments) -> str:
    """Add CPUs that are not there, replace the share."""
    user = zvm.unlocked(args.user())
    cpus, shares = _split(args)
    entry = list(user.entry)
    if shares:
        entry = [line for line in entry if not line.startswith("SHARE ")]
    entry += [line for line in cpus + shares if line not in entry]
    zvm.put(user.changed(entry=tuple(entry)))
    return ""


@api("Image_Definition_Update_DM", "-T", "CPU SHARE", refusals=ASSUMED)
def update(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    return _define(zvm, args)


@api("Image_Definition_Create_DM", "-T", "CPU SHARE", refusals=ASSUMED)
def create(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    return _define(zvm, args)


@api("Image_Definition_Delete_DM", "-T", "CPU SHARE", refusals=ASSUMED)
def delete(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    user = zvm.unlocked(args.user())
    cpus, shares = _split(args)
    gone = set(cpus + shares)
    missing = sorted(gone - set(user.entry))
    if missing:
        raise refuse("no_statement", user=user.name, text=missing[0])
    entry = tuple(line for line in user.entry if line not in gone)
    zvm.put(user.changed(entry=entry))
    return ""
