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
"""Nova is killed in the middle of an operation, starts again, and goes on.

`make test` kills at two calls of a build; `make faults` at every call of every
operation.
"""

from __future__ import annotations

import pytest

from tests.faults import nova_killing
from tests.support.smallnova import prepared

_SPAWN = nova_killing.OPERATIONS[0]


@pytest.fixture(scope="module")
def powervm_nova():
    with prepared.powervm(pace=0.1) as nova:
        yield nova


@pytest.fixture(scope="module")
def zvm_nova():
    with prepared.zvm("--rate", "100", pace=0.1) as nova:
        yield nova


@pytest.fixture(params=["powervm_nova", "zvm_nova"], ids=["PowerVM", "zVM"])
def nova(request):
    return request.getfixturevalue(request.param)


def _platform(nova):
    return "PowerVM, Nova" if "PowerVM" in nova.driver else "z/VM, Nova"


def test_a_build_is_killed_here_and_there(nova, judge):
    cells = nova_killing.Killing(nova).run(_SPAWN, "after", every=6, first=2)
    judge(_platform(nova), cells)
    assert any(not cell.text for cell in cells)


@pytest.mark.faults
@pytest.mark.parametrize("phase", nova_killing.PHASES)
@pytest.mark.parametrize(
    "operation", nova_killing.OPERATIONS, ids=[o.name for o in nova_killing.OPERATIONS]
)
def test_nova_is_killed_at_every_call(nova, judge, operation, phase):
    judge(_platform(nova), nova_killing.Killing(nova).run(operation, phase))
