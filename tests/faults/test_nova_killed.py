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

Here it is at every call of every operation; ``make test`` kills at a few calls
of a build, in ``tests/functional/nova/test_scenarios.py``.
"""

from __future__ import annotations

import pytest

from tests.faults import nova_killing
from tests.support.smallnova import prepared


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


@pytest.mark.faults
@pytest.mark.parametrize("phase", nova_killing.PHASES)
@pytest.mark.parametrize(
    "operation", nova_killing.OPERATIONS, ids=[o.name for o in nova_killing.OPERATIONS]
)
def test_nova_is_killed_at_every_call(nova, judge, operation, phase):
    judge(_platform(nova), nova_killing.Killing(nova).run(operation, phase))
