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

# Found by its entry point where the project is installed; named for a checkout.
pytest_plugins = ["ibmvirt.simulators.core.plugin"]

ROOT = pathlib.Path(__file__).resolve().parents[1]
# Before any import of nova: native threads, as nova-compute 34 runs.
os.environ["OS_NOVA_DISABLE_EVENTLET_PATCHING"] = "1"
os.environ["PYTHONPATH"] = os.pathsep.join(
    [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
)
# All that these ask is on this machine: no proxy of the environment knows it.
_DIRECT = ["127.0.0.1", "localhost"]
os.environ["no_proxy"] = ",".join(
    [*filter(None, map(os.environ.get, ("no_proxy", "NO_PROXY"))), *_DIRECT]
)

from nova import monkey_patch  # noqa: E402

monkey_patch.patch()


@pytest.fixture(scope="session")
def novalink_process(novalink_simulator_process):
    """The NovaLink simulator of this worker; its mark ``clean`` is as new."""
    from ibmvirt.simulators.core import plugin

    novalink_simulator_process.reset(plugin.AS_NEW)
    novalink_simulator_process.mark("clean")
    return novalink_simulator_process


@pytest.fixture
def novalink(novalink_process, novalink_simulator):
    """The NovaLink simulator as new: world reset, no rules, empty journal."""
    return novalink_simulator


@pytest.fixture
def fast_clock():
    """Sleeps of the drivers take a hundredth of their time."""
    from ibmvirt.common import clock

    former = clock.use(clock.SystemClock(scale=0.01))
    yield
    clock.use(former)


@pytest.fixture(scope="session")
def zvm_process():
    """A z/VM with a real Cloud Connector for all tests of this worker."""
    from ibmvirt.simulators.zvm import ZVMSimulator

    # The Connector sleeps for many seconds at a time: they pass faster here.
    with ZVMSimulator("--rate", "100") as simulator:
        simulator.mark("clean")
        yield simulator


@pytest.fixture
def zvm(zvm_process):
    """The simulator as new: its world reset, no rules, an empty journal."""
    zvm_process.reset("clean")
    zvm_process.mark()
    yield zvm_process
    zvm_process.delete_rule()
