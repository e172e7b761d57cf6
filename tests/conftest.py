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

"""What all tests share: native threads, the checkout in subprocesses."""

from __future__ import annotations

import os
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
# Before any import of nova: native threads, as nova-compute 34 runs.
os.environ["OS_NOVA_DISABLE_EVENTLET_PATCHING"] = "1"
os.environ["PYTHONPATH"] = os.pathsep.join(
    [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
)

from nova import monkey_patch  # noqa: E402

monkey_patch.patch()


@pytest.fixture(scope="session")
def novalink_process():
    """A NovaLink simulator for all tests of this worker."""
    from ibmvirt.simulators.novalink import NovaLinkSimulator

    with NovaLinkSimulator() as simulator:
        simulator.mark("clean")
        yield simulator


@pytest.fixture
def novalink(novalink_process):
    """The simulator as new: its world reset, no rules, an empty journal."""
    novalink_process.latency("none")
    novalink_process.reset("clean")
    novalink_process.mark()
    yield novalink_process
    novalink_process.delete_rule()


@pytest.fixture
def fast_clock():
    """Sleeps of the drivers take a hundredth of their time."""
    from ibmvirt.common import clock

    former = clock.use(clock.SystemClock(scale=0.01))
    yield
    clock.use(former)
