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

"""The simulators that are swept, and the table of all outcomes."""

from __future__ import annotations

import json
import pathlib

import pytest

from ibmvirt.common import clock
from tests.faults import engine, outcomes
from tests.support import powervm, zvm


def pytest_addoption(parser):
    parser.addoption(
        "--outcomes",
        type=pathlib.Path,
        help="a CSV file of the table, whose rows of the tests that run are renewed",
    )


class _Recorder:
    """Writes each test's outcomes as it ends, whichever worker ran it."""

    def __init__(self, path):
        self._outcomes = outcomes.Outcomes(path)

    def pytest_runtest_logreport(self, report):
        for platform, cells in _found(report):
            self._outcomes.add(platform, [engine.Cell(*cell) for cell in cells])


def pytest_configure(config):
    path = config.getoption("--outcomes", None)
    if path is not None and not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Recorder(path))


@pytest.fixture(autouse=True)
def _fast():
    """Waits of the drivers take a hundredth of their time."""
    former = clock.use(clock.SystemClock(scale=0.01))
    yield
    clock.use(former)


@pytest.fixture
def powervm_sweep(novalink_process):
    novalink_process.latency("none")
    return engine.Sweep(novalink_process, powervm.running)


@pytest.fixture(scope="session")
def swept_zvm():
    """A z/VM whose Connector sleeps a fraction of its time."""
    from ibmvirt.simulators.zvm import ZVMSimulator

    with ZVMSimulator("--rate", "500") as simulator:
        zvm.fcp_template(simulator)
        simulator.mark("clean")
        yield simulator


@pytest.fixture
def zvm_sweep(swept_zvm):
    return engine.Sweep(swept_zvm, zvm.running)


@pytest.fixture
def judge(record_property):
    """Checks a sweep's cells and keeps them for the table."""

    def check(platform, cells):
        record_property("cells", json.dumps([platform, _plain(cells)]))
        bad = [cell for cell in cells if cell.outcome in engine.BAD]
        assert cells
        assert bad == []

    return check


def _plain(cells):
    return [(c.operation, c.effect, c.call, c.outcome) for c in cells]


def _found(report):
    """(hypervisor, cells) of a test's report, if it swept."""
    for name, value in getattr(report, "user_properties", ()):
        if name == "cells" and report.when == "call":
            yield json.loads(value)


def pytest_terminal_summary(terminalreporter):
    """Print one table a hypervisor."""
    found = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            for platform, cells in _found(report):
                found.setdefault(platform, []).extend(cells)
    for platform, cells in sorted(found.items()):
        terminalreporter.section(f"faults: {platform}")
        known = sorted(cells, key=lambda cell: (cell[0], cell[1]))
        for line in engine.table([engine.Cell(*cell) for cell in known]):
            terminalreporter.write_line(line)
