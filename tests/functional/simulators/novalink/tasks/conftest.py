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


"""What the tests of pypowervm's tasks share."""

from __future__ import annotations

import pytest
from pypowervm.wrappers import managed_system as pvm_ms
from pypowervm.wrappers import virtual_io_server as pvm_vios

from tests.functional.simulators.novalink.tasks import walk
from tests.unit.simulators.novalink import requests


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem):
    """The functions that a test names are called."""
    with walk.Calls() as calls:
        result = yield
    named = set(getattr(pyfuncitem.function, "walked", ()))
    assert named - calls.seen == set()
    return result


@pytest.fixture
def machine(adapter):
    return pvm_ms.System.get(adapter)[0]


@pytest.fixture
def lpar(adapter):
    return requests.new_lpar(adapter)


@pytest.fixture
def vioses(adapter):
    """By name, with all that storage tasks want."""
    found = pvm_vios.VIOS.get(
        adapter, xag=["ViosSCSIMapping", "ViosFCMapping", "ViosStorage"]
    )
    return {vios.name: vios for vios in found}
