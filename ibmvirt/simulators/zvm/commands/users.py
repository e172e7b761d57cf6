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

"""Users: the directory, log-on and log-off."""

from __future__ import annotations

import pathlib

from ibmvirt.simulators.zvm import guest, model
from ibmvirt.simulators.zvm.codes import refuse
from ibmvirt.simulators.zvm.commands.base import Arguments, Caller, api


def _entry(path: str) -> tuple[str, ...]:
    lines = pathlib.Path(path).read_text(errors="replace").splitlines()
    return tuple(line.rstrip() for line in lines if line.strip())


@api("Image_Create_DM")
def create(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    name = args.user()
    if name in zvm.users:
        raise refuse("exists", user=name)
    entry = _entry(args.flag("-f"))
    for line in entry:
        if line.startswith("INCLUDE "):
            profile = line.split()[1].upper()
            if profile not in zvm.users:
                raise refuse("no_profile", profile=profile)
    zvm.put(model.User(name, entry))
    return ""


@api("Image_Delete_DM")
def delete(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    user = zvm.unlocked(args.user())
    if user.on:
        raise refuse("already_on", user=user.name)
    for key in [k for k, d in zvm.disks.items() if d.owner == user.name]:
        del zvm.disks[key]
    for file in zvm.reader(user.name):
        del zvm.spool[file.number]
    zvm.guests.pop(user.name, None)
    zvm.consoles.pop(user.name, None)
    del zvm.users[user.name]
    return ""


@api("Image_Query_DM")
def query(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    user = zvm.user(args.user())
    return "\n".join([*user.entry, "*DVHOPT LNK0 LOG1 RCM1 SMS0 NPW1"]) + "\n"


@api("Image_Name_Query_DM")
def names(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    return "\n".join(sorted(zvm.users)) + "\n"


@api("Image_Lock_DM")
def lock(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    zvm.put(zvm.unlocked(args.user()).changed(locked=True))
    return ""


@api("Image_Unlock_DM")
def unlock(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    user = zvm.user(args.user())
    if not user.locked:
        raise refuse("not_locked", user=user.name)
    zvm.put(user.changed(locked=False))
    return ""


@api("Image_Replace_DM")
def replace(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    user = zvm.user(args.user())
    if not user.locked:
        raise refuse("not_locked", user=user.name)
    # Replacing an entry gives its lock back (documented).
    zvm.put(user.changed(entry=_entry(args.flag("-f")), locked=False))
    return ""


@api("Image_Activate")
def activate(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    user = zvm.user(args.user())
    if user.on:
        raise refuse("already_on", user=user.name)
    guest.log_on(zvm, user, caller.member)
    return ""


@api("Image_Deactivate")
def deactivate(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    user = zvm.user(args.user())
    if not user.on:
        raise refuse("not_on", user=user.name)
    guest.log_off(zvm, user, "HCPGSP2629I The virtual machine is logged off")
    return ""


@api("Image_Pause")
def pause(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    user = zvm.user(args.user())
    if not user.on:
        raise refuse("not_on", user=user.name)
    zvm.put(user.changed(paused=args.key("PAUSE") == "YES"))
    return ""


@api("Name_List_Add")
def list_add(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    name = args.user()
    members = set(zvm.lists.get(name, ()))
    zvm.lists[name] = tuple(sorted(members | {args.flag("-n").upper()}))
    return ""


@api("Name_List_Remove")
def list_remove(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    name = args.user()
    members = set(zvm.lists.get(name, ())) - {args.flag("-n").upper()}
    zvm.lists.pop(name, None)
    if members:
        zvm.lists[name] = tuple(sorted(members))
    return ""


@api("Name_List_Query")
def list_query(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    return "\n".join(zvm.lists.get(args.user(), ())) + "\n"
