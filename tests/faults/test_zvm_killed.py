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

"""A z/VM driver killed at its calls, and another one that cleans up.

It is started on the same state path: the notes of volumes are there.
"""

from __future__ import annotations

import functools
import multiprocessing

import pytest

from tests.faults import killing, operations, zvm_operations
from tests.support import zvm

_PHASES = ("before", "after")
NAMES = (
    "spawn",
    "destroy",
    "attach_interface",
    "detach_interface",
    "attach_volume",
    "attach_volume, second",
    "detach_volume",
    "detach_volume, one of two",
    "spawn, volumes",
    "destroy, volumes",
)
_ALL = {o.name: o for o in [*operations.ZVM, *zvm_operations.ALL]}


@pytest.fixture
def kill(swept_zvm, tmp_path):
    running = functools.partial(zvm.running, state=str(tmp_path))
    with multiprocessing.get_context("fork").Manager() as manager:
        yield killing.Killing(swept_zvm, running, manager)


@pytest.mark.parametrize("phase", _PHASES)
def test_an_attach_is_killed(kill, judge, phase):
    judge("z/VM, killed", kill.run(_ALL["attach_volume"], phase, every=2))


@pytest.mark.faults
@pytest.mark.parametrize("phase", _PHASES)
@pytest.mark.parametrize("name", NAMES)
def test_any_operation_is_killed_at_every_call(kill, judge, name, phase):
    judge("z/VM, killed", kill.run(_ALL[name], phase))
