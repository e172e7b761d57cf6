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


"""A service that is killed in the middle leaves nothing that a delete does not
remove. `make test` kills at some calls of a build; `make faults` at all calls.
"""

from __future__ import annotations

import functools

import pytest

from tests.faults import disk_operations, killing, operations, powervm_operations
from tests.support import powervm

_ALL = [*operations.POWERVM, *powervm_operations.ALL, *disk_operations.ALL]
_DISKS = [operation for operation in disk_operations.ALL if operation.quick]
_PHASES = ("before", "after")


@pytest.fixture
def kill(novalink_process, tmp_path):
    novalink_process.latency("none")
    running = functools.partial(powervm.running, state=tmp_path)
    return killing.Killing(novalink_process, running)


@pytest.mark.parametrize("phase", _PHASES)
def test_a_build_is_killed_here_and_there(kill, judge, phase):
    cells = kill.run(operations.POWERVM[0], phase, every=4)
    judge("PowerVM, killed", cells)
    assert any(not cell.text for cell in cells)


@pytest.mark.parametrize("operation", _DISKS, ids=[one.name for one in _DISKS])
def test_work_on_disks_is_killed_here_and_there(kill, judge, operation):
    judge("PowerVM, killed", kill.run(operation, "after", every=5))


@pytest.mark.faults
@pytest.mark.parametrize("phase", _PHASES)
@pytest.mark.parametrize("operation", _ALL, ids=[one.name for one in _ALL])
def test_any_operation_is_killed_at_every_call(kill, judge, operation, phase):
    judge("PowerVM, killed", kill.run(operation, phase))
