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

"""The z/VM operations of the sweep on volumes and ports."""

from __future__ import annotations

import dataclasses

from ibmvirt.common import engine as flows
from ibmvirt.common.flows import attach
from ibmvirt.zvm import identity
from tests.faults import engine, operations
from tests.support import zvm

_ONE, _TWO = 1, 2


def _named(driven, *numbers):
    """Errors may name the volumes by their LUNs, and guests by their devices."""
    driven.named = {
        *(f"volume-{number}" for number in numbers),
        *(f"0x{number:04x}{0:012x}" for number in numbers),
        "fcp device",
    }


def _running(driven):
    spawn = driven.plan()
    driven.spawn(spawn)
    _named(driven, _ONE, _TWO)
    return spawn


def _stopped(driven):
    spawn = _running(driven)
    guests = driven.backend.guests
    guests.power_off(driven.guest(spawn), timeout=0, retry_interval=0)
    return spawn


def _with_one(driven):
    spawn = _running(driven)
    _attach(driven, spawn, _TWO)
    return spawn


def _with_two(driven):
    spawn = _with_one(driven)
    _attach(driven, spawn, _ONE)
    return spawn


def _stopped_with_one(driven):
    spawn = _stopped(driven)
    _attach(driven, spawn, _ONE)
    return spawn


def _attach(driven, spawn, number):
    """As the driver does it: a connector, and a flow that takes a failure back."""
    guest, volumes = driven.guest(spawn), driven.backend.volumes
    volumes.connector(driven.server(spawn), guest)
    flow = attach.volume(guest, zvm.volume(number), volumes, lambda: None)
    flows.run(flow)


def _attach_one(driven, spawn):
    _attach(driven, spawn, _ONE)


def _detach_one(driven, spawn):
    driven.backend.volumes.detach(driven.guest(spawn), zvm.volume(_ONE))


def _detach_two(driven, spawn):
    driven.backend.volumes.detach(driven.guest(spawn), zvm.volume(_TWO))


def _port(driven, spawn):
    port = driven.plan(vifs=6).guest.vifs[5]
    flows.run(
        attach.interface(
            driven.guest(spawn), port, driven.backend.networks, lambda: None
        )
    )


def _prepared(driven):
    """A plan with two volumes, whose connectors Nova has asked for."""
    spawn = driven.plan()
    _named(driven, _ONE, _TWO)
    driven.kept[spawn.server.uuid] = dict(driven.backend.volumes.record(spawn.server))
    server = driven.server(spawn)
    driven.backend.volumes.connector(server, None)
    guest = dataclasses.replace(
        spawn.guest, server=server, volumes=(zvm.volume(_ONE), zvm.volume(_TWO))
    )
    return dataclasses.replace(spawn, guest=guest)


def _built(driven):
    spawn = _prepared(driven)
    driven.spawn(spawn)
    return spawn


def _spawn(driven, spawn):
    driven.spawn(spawn)


def _destroy(driven, spawn):
    driven.destroy(spawn)


def view(driven, spawn):
    """The server, and its volumes with the number of their paths."""
    name = driven.kept[spawn.server.uuid][identity.KEY]
    seen = operations.view_zvm(driven, spawn)
    for guest in driven.simulator.admin("GET", "guests"):
        if guest["name"] == name:
            volumes = sorted((v["lun"], len(v["fcp"])) for v in guest["volumes"])
            dedicated = sum(line.startswith("DEDICATE") for line in guest["entry"])
            return seen, volumes, len(guest["devices"]), dedicated
    return seen


def _in(name, action):
    def run(driven, spawn):
        with driven.operation(name.split(",")[0], spawn.server):
            action(driven, spawn)

    return run


def _operation(name, prepare, action, *, quick=False, blind=()):
    run = _in(name, action)
    return engine.Operation(
        name, prepare, run, _destroy, view, quick=quick, blind=blind
    )


# The Connector takes any failure of IUCV for a guest that is off, and one of CP's
# query for a guest that is not there, and reports success.
_IUCV, _EXISTS = "iucvclnt", "vmcp q"


ALL = [
    _operation("attach_volume", _running, _attach_one, quick=True, blind=(_IUCV,)),
    _operation("attach_volume, off", _stopped, _attach_one),
    _operation("attach_volume, second", _with_one, _attach_one, blind=(_IUCV,)),
    _operation("detach_volume", _with_one, _detach_two, quick=True, blind=(_IUCV,)),
    _operation("detach_volume, off", _stopped_with_one, _detach_one),
    _operation(
        "detach_volume, one of two", _with_two, _detach_one, blind=(_IUCV, _EXISTS)
    ),
    _operation("attach_interface, off", _stopped, _port),
    engine.Operation("spawn, volumes", _prepared, _spawn, _destroy, view, quick=False),
    engine.Operation("destroy, volumes", _built, _destroy, _destroy, view, quick=False),
]
