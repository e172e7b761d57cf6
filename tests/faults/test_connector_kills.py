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


"""The Cloud Connector killed at every command, and started again.

A command that is held when its Connector ends goes on by itself, as a process
that is nobody's child any more.
"""

from __future__ import annotations

import pytest

from tests.faults import engine, operations, zvm_operations
from tests.support import zvm

HOLD = (("kind", "hold"),)
# What a killed Connector leaves and has no call to remove: what it had written
# of an image (the next snapshot of the server removes it), and a file in its own
# reader that it had punched and not handed on.
_LEFT = {
    "creatediskimage": engine.Left(operations.half_captured),
    "vmcp change": engine.Left(operations.in_the_connectors_reader),
}
KILLED = {
    phase: engine.Effect(
        f"Connector killed {phase} a command",
        phase,
        HOLD,
        "command",
        beneath={**operations.BENEATH, **_LEFT},
    )
    for phase in ("before", "after")
}
ALL = [*operations.ZVM, *zvm_operations.ALL]
NAMES = (
    "spawn",
    "destroy",
    "spawn, all",
    "snapshot, running",
    "attach_interface",
    "detach_interface",
    "attach_volume",
    "attach_volume, second",
    "detach_volume",
    "detach_volume, one of two",
    "spawn, volumes",
    "destroy, volumes",
)


@pytest.mark.faults
@pytest.mark.parametrize("phase", KILLED)
@pytest.mark.parametrize("name", NAMES)
def test_the_connector_is_killed(swept_zvm, judge, name, phase):
    (operation,) = [o for o in ALL if o.name == name]
    sweep = engine.KillSweep(swept_zvm, zvm.running, swept_zvm.restart_connector)
    judge("z/VM, its Connector killed", sweep.run(operation, KILLED[phase]))
