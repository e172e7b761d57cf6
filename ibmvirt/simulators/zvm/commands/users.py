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

"""Users: the directory, log-on and log-off, name lists."""

from __future__ import annotations

import pathlib
import re

from ibmvirt.simulators.zvm import guest, model
from ibmvirt.simulators.zvm.codes import refuse
from ibmvirt.simulators.zvm.commands.base import ASSUMED, Arguments, Caller, api

_HEAD = re.compile(r"(USER|IDENTITY|PROFILE) (\S{1,8})( |$)", re.IGNORECASE)


def _entry(path: str, name: str) -> tuple[str, ...]:
    """A directory entry from a file.

    :raises Refusal: it cannot be read, or is not the user's.
    """
    try:
        lines = pathlib.Path(path).read_text(errors="replace").splitlines()
    except OSError as error:
        raise refuse("bad_argument", name=f"-f {path}: {error.strerror}") from None
    entry = tuple(line.rstrip() for line in lines if line.strip())
    head = _HEAD.match(entry[0]) if entry else None
    if head is None or head.group(2).upper() != name:
        raise refuse("bad_entry", why=f"it is not that of {name}")
    return entry


def _check_profiles(zvm: model.Zvm, user: model.User) -> None:
    for words in user.statements("INCLUDE"):
        profile = words[1].upper() if len(words) > 1 else ""
        if profile not in zvm.users:
            raise refuse("no_profile", profile=profile)


@api("Image_Create_DM", "-T -f")
def create(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    name = args.user()
    if name in zvm.users:
        raise refuse("exists", user=name)
    user = model.User(name, _entry(args.flag("-f"), name))
    _check_profiles(zvm, user)
    zvm.put(user)
    return ""


@api("Image_Delete_DM", "-T -e")
def delete(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    """The user goes with its minidisks, its spool files and its console."""
    user = zvm.unlocked(args.user())
    if user.on:
        raise refuse("already_on", user=user.name)
    for disk in [d for d in zvm.disks.values() if d.owner == user.name]:
        del zvm.disks[disk.key]
    for key in [k for k, link in zvm.links.items() if link.owner == user.name]:
        del zvm.links[key]
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


@api("Image_Name_Query_DM", "")
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


@api("Image_Replace_DM", "-T -f")
def replace(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    user = zvm.user(args.user())
    if not user.locked:
        raise refuse("not_locked", user=user.name)
    entry = _entry(args.flag("-f"), user.name)
    # Replacing an entry gives its lock back (documented).
    changed = user.changed(entry=entry, locked=False)
    _check_profiles(zvm, changed)
    zvm.put(changed)
    return ""


@api("Image_Activate")
def activate(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    user = zvm.user(args.user())
    if user.on:
        # Also at another member: a user is logged on once in a cluster.
        raise refuse("already_on", user=user.name)
    guest.log_on(zvm, user, caller.member)
    return ""


@api("Image_Deactivate", "-T -f")
def deactivate(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    user = zvm.running(args.user(), caller.member)
    guest.log_off(zvm, user, "HCPGSP2629I The virtual machine is logged off")
    return ""


@api("Image_Pause", "-T", "PAUSE", refusals=ASSUMED)
def pause(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    user = zvm.running(args.user(), caller.member)
    wanted = args.key("PAUSE").upper()
    if wanted not in ("YES", "NO"):
        raise refuse("bad_argument", name=f"PAUSE={wanted}")
    zvm.put(user.changed(paused=wanted == "YES"))
    return ""


@api("Name_List_Add", "-T -n", refusals=ASSUMED)
def list_add(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    name = args.user()
    members = set(zvm.lists.get(name, ()))
    zvm.lists[name] = tuple(sorted(members | {args.flag("-n").upper()}))
    return ""


@api("Name_List_Remove", "-T -n", refusals=ASSUMED)
def list_remove(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    name = args.user()
    members = set(zvm.lists.get(name, ())) - {args.flag("-n").upper()}
    zvm.lists.pop(name, None)
    if members:
        zvm.lists[name] = tuple(sorted(members))
    return ""


@api("Name_List_Query", refusals=ASSUMED)
def list_query(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    return "\n".join(zvm.lists.get(args.user(), ())) + "\n"


@api("Name_List_Destroy", refusals=ASSUMED)
def list_destroy(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    zvm.lists.pop(args.user(), None)
    return ""
