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

"""The pytest plugin: light, lazy, and a simulator as new for each test."""

from __future__ import annotations

import configparser
import contextlib
import pathlib
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from tests import conftest as top

ROOT = pathlib.Path(top.__file__).parents[1]
PLUGIN = "ibmvirt.simulators.core.plugin"


def test_it_is_an_entry_point():
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    # As the name is the module's, naming it in a conftest.py too is harmless.
    assert parser["options.entry_points"]["pytest11"].strip() == f"{PLUGIN} = {PLUGIN}"


def test_it_imports_nothing_heavy():
    script = (
        "import sys, pytest\n"
        "before = set(sys.modules)\n"
        f"import {PLUGIN}\n"
        "print(sorted(n for n in set(sys.modules) - before if '.' not in n))\n"
    )
    shown = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert shown.stdout.strip() == "['ibmvirt']"


def test_each_test_gets_the_simulator_as_new(tmp_path):
    """A user's own suite with the plugin, in a process of its own."""
    (tmp_path / "test_user.py").write_text(
        "import pytest\n"
        "@pytest.mark.parametrize('turn', [1, 2])\n"
        "def test_new(novalink_simulator, turn):\n"
        "    assert novalink_simulator.compare() == []\n"
        "    assert novalink_simulator.rules() == []\n"
        "    assert novalink_simulator.journal() == []\n"
        "    assert novalink_simulator.clock()['rate'] == 1.0\n"
        "    novalink_simulator.rule(effect={'kind': 'drop'})\n"
        "    novalink_simulator.clock(rate=5.0)\n"
        "def test_same_process(novalink_simulator, novalink_simulator_process):\n"
        "    assert novalink_simulator.pid == novalink_simulator_process.pid\n"
    )
    shown = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", PLUGIN, str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=60,
    )
    assert "3 passed" in shown.stdout, shown.stdout + shown.stderr


@pytest.mark.parametrize("turn", [1, 2])
def test_a_dropped_command_of_the_connector_is_recorded(zvm_simulator, turn):
    assert zvm_simulator.compare() == []
    zvm_simulator.rule(match={"layer": "command"}, count=None, effect={"kind": "drop"})
    # Its answer is an error; which one is the Connector's affair.
    with contextlib.suppress(urllib.error.HTTPError):
        urllib.request.urlopen(
            f"{zvm_simulator.connector_url}/host", timeout=60
        ).close()
    records = zvm_simulator.journal(layer="command")
    assert records
    assert {record["outcome"] for record in records} == {"dropped"}
    assert not any(record["committed"] for record in records)
