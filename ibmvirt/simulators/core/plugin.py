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

"""Fixtures of the simulators for pytest; it finds them by entry point.

``novalink_simulator`` and ``zvm_simulator`` start a simulator at their first
use in a worker, and give it to each test as new. Nothing is imported before.
"""

from __future__ import annotations

import collections.abc
import typing

import pytest

if typing.TYPE_CHECKING:
    from ibmvirt.simulators.core import handle
    from ibmvirt.simulators.novalink.handle import NovaLinkSimulator
    from ibmvirt.simulators.zvm.handle import ZVMSimulator

_T = typing.TypeVar("_T", bound="handle.Simulator")
# The mark that a test may set is another one.
AS_NEW = "as new"


def as_new(simulator: _T) -> collections.abc.Iterator[_T]:
    """Give a simulator to one test: the world as it was marked ``as new``.

    No rules, an empty journal, no latency, rate 1, and a mark to compare with.
    """
    simulator.latency("none")
    simulator.clock(rate=1.0)
    simulator.reset(AS_NEW)
    simulator.mark()
    yield simulator
    # What a rule still holds must not keep the test's threads.
    simulator.delete_rule()


def running(simulator: _T) -> collections.abc.Iterator[_T]:
    """Start a simulator, mark its world ``as new``, and end it."""
    with simulator:
        simulator.mark(AS_NEW)
        yield simulator


@pytest.fixture(scope="session")
def novalink_simulator_process() -> collections.abc.Iterator[NovaLinkSimulator]:
    """One NovaLink simulator for all tests of this worker."""
    from ibmvirt.simulators.novalink.handle import NovaLinkSimulator

    yield from running(NovaLinkSimulator())


@pytest.fixture
def novalink_simulator(
    novalink_simulator_process: NovaLinkSimulator,
) -> collections.abc.Iterator[NovaLinkSimulator]:
    """A NovaLink simulator as new, with the default world."""
    yield from as_new(novalink_simulator_process)


@pytest.fixture(scope="session")
def zvm_simulator_process() -> collections.abc.Iterator[ZVMSimulator]:
    """One z/VM simulator for all tests of this worker."""
    from ibmvirt.simulators.zvm.handle import ZVMSimulator

    yield from running(ZVMSimulator())


@pytest.fixture
def zvm_simulator(
    zvm_simulator_process: ZVMSimulator,
) -> collections.abc.Iterator[ZVMSimulator]:
    """A z/VM simulator as new, with the default world."""
    yield from as_new(zvm_simulator_process)
