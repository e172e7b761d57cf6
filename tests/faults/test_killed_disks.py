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


"""A service killed at any call: destroy removes what it left, by kind of disks."""

from __future__ import annotations

import dataclasses

import pytest

from ibmvirt.common import exceptions, plan
from tests.faults import disk_operations
from tests.functional.powervm import test_snapshot
from tests.support import powervm

_KINDS = {kind.name: kind for kind in disk_operations.KINDS}


def _plan(driven):
    """A server with every sort of disk."""
    spawn = driven.plan()
    more = (plan.DiskSpec("ephemeral", 0, 1024), plan.DiskSpec("swap", 0, 512))
    guest = dataclasses.replace(spawn.guest, disks=(*spawn.guest.disks, *more))
    return dataclasses.replace(spawn, guest=guest)


def _run(operation, driven, spawn):
    if operation == "spawn":
        driven.spawn(spawn)
    else:
        test_snapshot.capture(driven, spawn)


def _killed_at(simulator, kind, operation, number):
    """The operation with its call of that number, and all after it, not made.

    Whether there was such a call.
    """
    simulator.reset("clean")
    with powervm.running(simulator, **kind.options) as driven:
        spawn = _plan(driven)
        if operation != "spawn":
            driven.spawn(spawn)
        rule = simulator.rule(
            match={"memento": f"{operation}:{spawn.server.uuid}"},
            skip=number,
            count=None,
            effect={"kind": "reset"},
        )
        try:
            _run(operation, driven, spawn)
            struck = any(r["id"] == rule and r["hits"] for r in simulator.rules())
        except exceptions.IBMVirtError:
            struck = True
        simulator.delete_rule()
    # Another process: it knows nothing of the first one's.
    with powervm.running(simulator, **kind.options) as driven:
        driven.destroy(spawn)
        powervm.forget_images(driven)
        left = simulator.compare("clean")
    assert left == [], (operation, number)
    return struck


def _all(simulator, kind, operation, step):
    number, struck = 0, True
    while struck:
        struck = _killed_at(simulator, _KINDS[kind], operation, number)
        number += step
    assert number > step, "no call was struck"


@pytest.mark.parametrize("kind", sorted(_KINDS))
@pytest.mark.parametrize("operation", ["spawn", "snapshot"])
def test_killed_at_some_calls(novalink_process, kind, operation):
    _all(novalink_process, kind, operation, 5 if operation == "spawn" else 3)


@pytest.mark.faults
@pytest.mark.parametrize("kind", sorted(_KINDS))
@pytest.mark.parametrize("operation", ["spawn", "snapshot"])
def test_killed_at_every_call(novalink_process, kind, operation):
    _all(novalink_process, kind, operation, 1)
