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

"""A small Nova on a simulator of its own for each hypervisor, one a worker.

Nobody resets these simulators: Nova and its driver know their world.
"""

from __future__ import annotations

import pytest

from tests.functional.nova import outside, servers
from tests.support.smallnova import prepared

# A tenth of the drivers' time: 15 seconds until a guest that is off counts as
# stopped, five until a build looks whether it is still wanted.
PACE = 0.1
IMAGE = prepared.IMAGE


@pytest.fixture(scope="session")
def powervm_process():
    """The small Nova on PowerVM; servers of former tests are gone."""
    with prepared.powervm(pace=PACE) as nova:
        nova.outside = outside.PowerVM(nova.simulator)
        yield nova


@pytest.fixture
def powervm(powervm_process):
    """The small Nova on PowerVM, and its simulator as ``.simulator``."""
    yield from servers.between(powervm_process)


@pytest.fixture(scope="session")
def zvm_nova_process():
    """The small Nova on z/VM."""
    with prepared.zvm("--rate", "100", pace=PACE) as nova:
        nova.outside = outside.ZVM(nova.simulator)
        yield nova


@pytest.fixture
def zvm_nova(zvm_nova_process):
    """The small Nova on z/VM, and its simulator as ``.simulator``."""
    yield from servers.between(zvm_nova_process)


@pytest.fixture(params=["powervm", "zvm_nova"], ids=["PowerVM", "zVM"])
def nova(request):
    """The small Nova on each hypervisor, one after the other."""
    return request.getfixturevalue(request.param)
