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

"""The command as a user starts it, and how it ends."""

from __future__ import annotations

import base64
import json
import os
import pathlib
import shlex
import signal
import subprocess
import sys

import pytest
from pypowervm.wrappers import storage as pvm_stor

from ibmvirt.simulators import cli
from ibmvirt.simulators.core import handle
from ibmvirt.simulators.novalink import NovaLinkSimulator
from tests.functional.simulators.novalink import support
from tests.unit.simulators.novalink import requests

ROOT = pathlib.Path(__file__).resolve().parents[4]
COMMAND = [sys.executable, "-m", "ibmvirt.simulators.cli", "powervm"]


def exports(process):
    """What a shell gets from the lines that it prints."""
    found = {}
    while "NOVALINK_LOCAL_ROOT" not in found:
        line = process.stdout.readline()
        assert line, "it did not serve"
        _export, assignment = shlex.split(line)
        name, _, value = assignment.partition("=")
        found[name] = value
    return found


@pytest.fixture
def started(tmp_path):
    """A started command, its exports and its ready file."""
    processes = []

    def start(*arguments):
        ready = tmp_path / "ready.json"
        process = subprocess.Popen(
            [*COMMAND, "--ready-file", str(ready), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "TMPDIR": str(tmp_path)},
        )
        processes.append(process)
        return process, exports(process), ready

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def test_the_script_of_the_documentation(started):
    _process, found, _ready = started()
    script = ROOT / "docs/simulators/novalink_script.py"
    done = subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, **found},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout.split()[1:]) == (0, ["web", "running"]), done


def test_the_ready_file(started):
    process, found, ready = started("--systems", "2")
    support.until(ready.exists)
    told = json.loads(ready.read_text())
    assert told["pid"] == process.pid
    assert told["admin_url"] == found["IBMVIRT_SIM_ADMIN_URL"]
    assert [system["name"] for system in told["systems"]] == ["sys1", "sys2"]
    assert told["systems"][0]["url"] == found["NOVALINK_URL"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_cleanly(started, tmp_path, number):
    process, _found, ready = started()
    support.until(ready.exists)
    process.send_signal(number)
    _out, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    assert list(tmp_path.iterdir()) == [ready]


def test_killed_it_leaves_no_process(started, tmp_path):
    process, _found, _ready = started("--state-dir", str(tmp_path / "state"))
    process.send_signal(signal.SIGKILL)
    process.wait(60)
    # No child of its own holds its output open.
    assert process.stdout.read() == ""
    again, found, _ready = started("--state-dir", str(tmp_path / "state"))
    assert again.poll() is None
    assert found["NOVALINK_URL"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--latency", "some"], "--latency"),
        (["--nonsense"], "--nonsense"),
        (["--systems", "0"], "--systems: '0' is not 1 to 16"),
        (["--vioses", "17"], "--vioses: '17' is not 0 to 16"),
        (["--lpars", "-1"], "--lpars"),
        (["--lpars", "2000"], "--lpars: '2000' is not 0 to 1900"),
        (["--listen", "[::1]:0"], "--listen: '[::1]:0' is not HOST:PORT"),
        (["--ready-file", "/nowhere/ready"], "/nowhere/ready' is in no directory"),
    ],
)
def test_arguments_that_cannot_be(capsys, arguments, text):
    with pytest.raises(SystemExit):
        cli.main(["powervm", *arguments])
    assert text in capsys.readouterr().err


def test_a_world_file_that_is_not_there():
    done = subprocess.run(
        [*COMMAND, "--world", "/nowhere/world.yaml"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "/nowhere/world.yaml: No such file" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_an_output_it_serves(tmp_path):
    """As a service of a supervisor that closes what it does not read."""
    ready = tmp_path / "ready.json"
    process = subprocess.Popen(
        ["sh", "-c", 'exec "$@" >&-', "sh", *COMMAND, "--ready-file", str(ready)],
        stderr=subprocess.PIPE,
    )
    try:
        support.until(lambda: ready.exists() or process.poll() is not None)
        process.terminate()
        _out, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, errors) == (0, b"")


def test_two_systems_share_a_pool_and_nothing_else():
    with NovaLinkSimulator("--systems", "2") as simulator:
        sessions = [support.logon(system) for system in simulator.systems]
        try:
            first, second = map(support.adapter_of, sessions)
            unit = requests.new_unit(first, "shared")
            tier = pvm_stor.Tier.get(second)[0]
            units = pvm_stor.LUEnt.get(second, parent=tier)
            assert [(one.name, one.udid) for one in units] == [("shared", unit.udid)]
            lpar = requests.new_lpar(second, "there")
            requests.map_storage(second, lpar, units[0])
            assert unit.refresh().in_use
            assert requests.pvm_ms.System.get(first)[0].system_name == "sys1"
            raw = support.Raw(simulator.systems[0])
            assert raw.ask("GET", "uom/LogicalPartition")[0] == 204
            raw.close()
        finally:
            for session in sessions:
                session._logoff()


def test_a_world_goes_to_another_process_with_its_disks(novalink, tmp_path):
    content = bytes(range(256)) * 4096
    given = {"content": base64.b64encode(content).decode()}
    lun = novalink.admin("PUT", "luns/1", given)
    novalink.save(tmp_path)
    with NovaLinkSimulator() as other:
        with pytest.raises(handle.SimulatorError, match="luns/1: its content"):
            other.load(novalink.dump())
        other.restore(tmp_path)
        assert other.disk(lun["udid"]) == content
        assert other.dump() == novalink.dump()
