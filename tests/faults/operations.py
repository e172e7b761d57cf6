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

"""The operations and effects that the sweeps go through."""

from __future__ import annotations

import json
import re

from ibmvirt.zvm import identity, snapshots
from tests.faults import engine, zvm_images


def _prepared(driven):
    """A plan for a server that is not there."""
    return driven.plan()


def _running(driven):
    spawn = driven.plan()
    driven.spawn(spawn)
    return spawn


def _stopped(driven):
    spawn = _running(driven)
    guest = driven.guest(spawn)
    driven.backend.guests.power_off(guest, timeout=0, retry_interval=0)
    return spawn


def _with_port(driven):
    spawn = _running(driven)
    driven.backend.networks.plug(driven.guest(spawn), (_port(driven),))
    return spawn


def _paused(driven):
    spawn = _running(driven)
    driven.backend.pause.pause(driven.guest(spawn))
    return spawn


def _port(driven):
    """A further port."""
    return driven.plan(vifs=6).guest.vifs[5]


def view_powervm(driven, spawn):
    """What there is of a server, without ids; None = no partition."""
    for guest in driven.simulator.admin("GET", "guests"):
        if guest["name"] == spawn.server.name:
            adapters = ((a["vlan"], a["switch"]) for a in guest["adapters"])
            # One VIOS that finds a volume is enough.
            storage = {
                (s["vios"] if s["kind"] != "PhysicalVolume" else "", s["kind"])
                for s in guest["storage"]
            }
            ports = ((f["vios"], f["port"]) for f in guest["fibre_channel"])
            return (
                guest["state"], sorted(adapters), sorted(storage), sorted(ports),
            )  # fmt: skip
    return None


def view_zvm(driven, spawn):
    """What there is of a server; None = no user."""
    name = driven.kept[spawn.server.uuid][identity.KEY]
    for guest in driven.simulator.admin("GET", "guests"):
        if guest["name"] == name:
            adapters = (
                (a["vdev"], a["mac"], a["vlan"], a["switch"], a["granted"])
                for a in guest["adapters"]
            )
            storage = ((d["vdev"], d["size"]) for d in guest["storage"])
            return (
                guest["state"], guest["hostname"], guest["config_drive"],
                sorted(adapters), sorted(storage),
            )  # fmt: skip
    return None


def _within(name, action):
    """Run an action on the server's guest as an operation of that name."""

    def run(driven, spawn):
        with driven.operation(name, spawn.server):
            action(driven, driven.guest(spawn))

    return run


def _guests(call):
    return lambda driven, guest: call(driven.backend.guests, guest)


def _destroy(driven, spawn):
    driven.destroy(spawn)


def _operation(view, name, prepare, action):
    return engine.Operation(name, prepare, _within(name, action), _destroy, view)


def _both(view):
    """What every hypervisor does."""

    def spawn(driven, subject):
        driven.spawn(subject)

    return [
        engine.Operation("spawn", _prepared, spawn, _destroy, view),
        engine.Operation("destroy", _running, _destroy, _destroy, view),
        _operation(
            view,
            "power_off",
            _running,
            _guests(lambda g, guest: g.power_off(guest, timeout=0, retry_interval=0)),
        ),
        _operation(
            view,
            "shutdown",
            _running,
            _guests(lambda g, guest: g.power_off(guest, timeout=20, retry_interval=5)),
        ),
        _operation(
            view, "power_on", _stopped, _guests(lambda g, guest: g.power_on(guest))
        ),
        _operation(
            view,
            "reboot",
            _running,
            _guests(lambda g, guest: g.reboot(guest, hard=False)),
        ),
        _operation(
            view,
            "reset",
            _running,
            _guests(lambda g, guest: g.reboot(guest, hard=True)),
        ),
        _operation(
            view,
            "attach_interface",
            _running,
            lambda driven, guest: driven.backend.networks.plug(guest, (_port(driven),)),
        ),
        _operation(
            view,
            "detach_interface",
            _with_port,
            lambda driven, guest: driven.backend.networks.unplug(
                guest, (_port(driven),)
            ),
        ),
    ]


POWERVM = [
    *_both(view_powervm),
    _operation(
        view_powervm,
        "crash_dump",
        _running,
        lambda driven, guest: driven.backend.crash_dump.trigger(guest),
    ),
]
ZVM = [
    *_both(view_zvm),
    *zvm_images.operations(view_zvm, _destroy),
    _operation(
        view_zvm,
        "pause",
        _running,
        lambda driven, guest: driven.backend.pause.pause(guest),
    ),
    _operation(
        view_zvm,
        "unpause",
        _paused,
        lambda driven, guest: driven.backend.pause.unpause(guest),
    ),
]

_REFUSE = (("kind", "refuse"), ("status", 500), ("message", "a fault of the sweep"))
_LOST = (("kind", "drop"),)

# In `make test`: refused before anything, and lost after it was done.
REDUCED = [
    engine.Effect("refused before", "before", _REFUSE),
    engine.Effect("lost after", "after", _LOST),
]
_MORE = [
    engine.Effect("reset before", "before", (("kind", "reset"),)),
    engine.Effect("refused after", "after", _REFUSE),
    engine.Effect("refused before, lasting", "before", _REFUSE, lasting=True),
    engine.Effect("lost after, lasting", "after", _LOST, lasting=True),
]


def on_a_name_list(item, names):
    """The server's userid, and no other, is more on a name list than was."""
    was, there = set(item["was"] or ()), set(item["is"] or ())
    more = there - was
    return item["path"].startswith("name_lists/") and was <= there and more <= names


# What the Connector punches: of a NIC that is removed, by its device number.
_PUNCHED = re.compile(
    r"(cfgdrive\.iso|(iucvauth|atvol|devol|DEL[0-9A-F]{4})\.sh"
    r"|(network|aemod)\.doscript)"
)


def in_the_connectors_reader(item, names):
    """One more spool file, that it punched and that is not handed on."""
    there = item["is"] or {}
    return (
        item["path"].startswith("spool/")
        and item["was"] is None
        and there["queue"] == there["origin"]
        and _PUNCHED.fullmatch(f"{there['name']}.{there['type']}") is not None
    )


_CAPTURE = re.compile(rf"staging/[^/]+/{snapshots.PREFIX}([^/]+)/[^/]+")


def half_captured(item, names):
    """One more file, that of the server's root disk as far as it was written."""
    was, there = set(item["was"] or ()), set(item["is"] or ())
    found = [_CAPTURE.fullmatch(name) for name in there - was]
    return (
        item["path"].startswith("incomplete images/")
        and was <= there
        and len(found) == 1
        and all(match and match.group(1) in names for match in found)
    )


def of_the_guest(item, names):
    """Something of the guest itself, which stays."""
    return any(name in json.dumps(item) for name in names)


# Commands that the Connector executes, and what it leaves when they fail and
# has no call to remove. It ignores a failed removal from the name list, does not
# purge its own reader after a punch that failed, and does not unlock a directory
# entry whose lock was reported as failed.
_REFUSED = {"smcli Name_List_Remove": engine.Left(on_a_name_list)}
BENEATH = {
    **_REFUSED,
    "vmur punch": engine.Left(in_the_connectors_reader),
    "smcli Image_Lock_DM": engine.Left(of_the_guest, "is locked", most=None),
}
_COMMANDS = [
    engine.Effect(
        "command refused before", "before", _REFUSE, "command", beneath=_REFUSED
    ),
    engine.Effect("command failed after", "after", _REFUSE, "command", beneath=BENEATH),
]
_POWERVM_ONLY = [
    engine.Effect("token expired", "before", (("kind", "expire_token"),)),
    engine.Effect("ETag changed", "before", (("kind", "etag"),)),
    engine.Effect("busy", "before", (("kind", "busy"),)),
    engine.Effect("answer cut", "after", (("kind", "truncate"),)),
]
FULL_POWERVM = [*REDUCED, *_MORE, *_POWERVM_ONLY]
FULL_ZVM = [*REDUCED, *_MORE, *_COMMANDS]
