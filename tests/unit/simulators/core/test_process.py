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

"""A simulator's life: start, ready file, every kind of end."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import shlex
import signal
import ssl
import subprocess
import sys
import time

import pytest

from ibmvirt.simulators import cli
from ibmvirt.simulators.core import blobs, handle, process
from tests.support import toysim
from tests.unit.simulators.core import conftest

COMMAND = [sys.executable, "-m", "tests.support.toysim", "toy"]


def alive(pid):
    """Whether a process runs; one that nobody has reaped yet does not."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rsplit(")", 1)[1].split()[0] != "Z"


def family(pid):
    """A process and all that it and its children started."""
    path = pathlib.Path(f"/proc/{pid}/task")
    children = []
    for task in path.iterdir():
        with contextlib.suppress(OSError):
            children += (task / "children").read_text().split()
    return [pid, *(p for child in children for p in family(int(child)))]


def until(condition, timeout=60.0):
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def gone(pids):
    until(lambda: not any(alive(pid) for pid in pids))


@contextlib.contextmanager
def started(tmp_path, *arguments):
    """A simulator started as a user starts one."""
    ready = tmp_path / "ready.json"
    ready.unlink(missing_ok=True)
    # Files, as the simulator's children would keep pipes open.
    with (tmp_path / "out").open("w") as out, (tmp_path / "err").open("w") as err:
        child = subprocess.Popen(
            [*COMMAND, "--ready-file", str(ready), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
        )
    try:
        until(lambda: ready.exists() or child.poll() is not None)
        yield child, json.loads(ready.read_text()) if ready.exists() else None
    finally:
        child.kill()
        child.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly_with_all_it_started(tmp_path, number):
    with started(tmp_path, "--children", "2") as (child, ready):
        pids = []
        until(lambda: pids.extend(family(child.pid)) or len(set(pids)) >= 5)
        assert pathlib.Path(ready["state"]).is_dir()
        child.send_signal(number)
        assert child.wait(60) == 0
    gone(set(pids))
    assert not pathlib.Path(ready["state"]).exists()


def test_a_signal_right_after_ready_leaves_nothing(tmp_path):
    for _ in range(3):
        with started(tmp_path) as (child, ready):
            child.terminate()
            assert child.wait(60) == 0
        assert not pathlib.Path(ready["state"]).exists()


def test_its_children_end_with_it_when_it_is_killed(tmp_path):
    state = tmp_path / "state"
    with started(tmp_path, "--children", "2", "--state-dir", str(state)) as (
        child,
        ready,
    ):
        until(lambda: len(family(child.pid)) >= 5)
        pids = family(child.pid)
        child.kill()
        child.wait(60)
        gone(ready["children"])
        # What the children had started is ended by the next one in there.
        with started(tmp_path, "--state-dir", str(state)) as (_next, again):
            assert again["pid"] != ready["pid"]
            gone(pids)


def test_one_simulator_in_a_state_directory(tmp_path):
    state = str(tmp_path / "state")
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    with started(first, "--state-dir", state, "--children", "1") as (_child, ready):
        with started(second, "--state-dir", state) as (child, nothing):
            assert nothing is None
            assert child.wait(60) == 1
            assert "another simulator works there" in (second / "err").read_text()
        assert all(alive(pid) for pid in ready["children"])
    # A directory that the user named stays, for the next one.
    assert os.path.isdir(state)


def test_the_lines_printed_are_for_a_shell(tmp_path):
    with started(tmp_path) as (child, ready):
        child.terminate()
        child.wait(60)
    lines = (tmp_path / "out").read_text()
    script = f'{lines}\nprintf "%s|%s" "$TOY_URL" "$TOY_TEXT"'
    shown = subprocess.run(
        ["sh", "-c", script], capture_output=True, text=True, check=True
    )
    assert shown.stdout == f"{ready['url']}|it's $HOME; here"
    assert all(shlex.split(line)[0] == "export" for line in lines.splitlines())


def test_a_ready_file_of_an_earlier_run_is_not_taken_for_this_one(tmp_path):
    (tmp_path / "ready.json").write_text("{}")
    world = tmp_path / "world.yaml"
    world.write_text("capacity: 5\nboxes:\n- name: a\n  size: 6\n")
    child = subprocess.run(
        [*COMMAND, "--ready-file", tmp_path / "ready.json", "--world", world],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert child.returncode == 1
    assert f"{world}:1: capacity: the boxes take 6" in child.stderr
    assert "Traceback" not in child.stderr
    assert not (tmp_path / "ready.json").exists()


def test_a_taken_port_is_told(toy):
    address = toy.url.removeprefix("http://")
    with pytest.raises(handle.SimulatorError, match="Address already in use"):
        toysim.ToySimulator("--listen", address).start()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["toy", "--listen", "here"], "'here' is not HOST:PORT"),
        (["toy", "--listen", "127.0.0.1:99999"], "is not HOST:PORT"),
        (["toy", "--rate", "-1"], "'-1' is not a number of at least 0"),
        (["toy", "--rate", "nan"], "'nan' is not a number"),
        (["toy", "--latency", "some"], "invalid choice"),
        (["toy", "--colour"], "unrecognized arguments"),
        ([], "required: platform"),
    ],
)
def test_wrong_arguments(capsys, arguments, text):
    with pytest.raises(SystemExit) as found:
        cli.main(arguments, {"toy": ("tests.support.toysim", "boxes")})
    assert found.value.code == 2
    assert text in capsys.readouterr().err


# -- the handle -----------------------------------------------------------------


def test_the_handle_ends_what_it_started():
    with toysim.ToySimulator("--children", "1") as simulator:
        pids = family(simulator.pid)
        home = pathlib.Path(simulator.ready["state"]).parent
        assert len(pids) >= 2
    gone(pids)
    assert not home.exists()


def test_nothing_is_left_when_the_handle_is_killed():
    """As when a test run is killed: the simulator sees its input end."""
    script = (
        "import time\n"
        "from tests.support.toysim import ToySimulator\n"
        "with ToySimulator('--children', '1') as simulator:\n"
        "    ready = simulator.ready\n"
        "    print(ready['state'], ready['pid'], ready['children'][0], flush=True)\n"
        "    time.sleep(600)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True
    ) as owner:
        state, *words = owner.stdout.readline().split()
        pids = [int(word) for word in words]
        assert all(alive(pid) for pid in pids)
        owner.kill()
    gone(pids)
    assert not pathlib.Path(state).parent.exists()


def test_a_simulator_that_was_killed_is_told_and_cleaned_up():
    with toysim.ToySimulator() as simulator:
        home = pathlib.Path(simulator.ready["state"]).parent
        os.kill(simulator.pid, signal.SIGKILL)
        gone([simulator.pid])
        with pytest.raises(handle.SimulatorError, match="GET state: the simulator has"):
            simulator.state()
    assert not home.exists()


def test_a_failed_start_shows_what_was_written(tmp_path):
    simulator = toysim.ToySimulator("--world", str(tmp_path / "none.yaml"))
    with pytest.raises(handle.SimulatorError, match=r"none\.yaml: No such file"):
        simulator.start()


def test_tls_with_the_simulators_own_certificate():
    with toysim.ToySimulator("--tls") as simulator:
        context = ssl.create_default_context(cafile=simulator.ready["certificate"])
        client = conftest.Client(simulator.url, context)
        assert client("PUT", "/boxes/a", b"x")[0] == 201
        client.connection.close()


def test_a_world_file(tmp_path):
    world = tmp_path / "world.yaml"
    world.write_text("capacity: 20\nboxes:\n- name: a\n  size: 6\n")
    with toysim.ToySimulator("--world", str(world)) as simulator:
        assert simulator.state()["kept"]["boxes"]["a"]["size"] == 6


# -- contents ---------------------------------------------------------------------


def test_contents_are_named_by_what_they_are(tmp_path):
    made = blobs.Blobs(tmp_path)
    name = made.put(b"bytes")
    with made.writer() as writer:
        writer.write(b"by")
        writer.write(b"tes")
        assert writer.commit() == name
    assert made.size(name) == 5
    with made.open(name) as file:
        assert file.read() == b"bytes"
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_contents_that_are_not_committed_leave_nothing(tmp_path):
    made = blobs.Blobs(tmp_path)
    with pytest.raises(ZeroDivisionError), made.writer() as writer:
        writer.write(b"half")
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["", "..", "../x", "0" * 64])
def test_there_are_no_contents_of_another_name(tmp_path, name):
    with pytest.raises(KeyError):
        blobs.Blobs(tmp_path / "blobs").path(name)


def test_a_child_that_does_not_go_is_killed(tmp_path):
    state = process.StateDirectory(str(tmp_path))
    deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
    child = process.spawn_child(
        state, [sys.executable, "-c", deaf], stdout=subprocess.PIPE
    )
    assert child.stdout.readline() == b"deaf\n"
    process.end_child(child, timeout=0.1)
    child.stdout.close()
    assert child.returncode == -signal.SIGKILL
    state.close()


# While one signal is handled, and while the end is waited for, the next one comes.
SIGNALS_IN_SIGNALS = """
import signal, sys
from ibmvirt.simulators.core import process

left = [signal.SIGINT, signal.SIGTERM] * 5

def trace(frame, event, argument):
    if event == "line" and started and left:
        signal.raise_signal(left.pop())
    return trace

started = False
process.catch_signals()
sys.settrace(trace)
started = True
signal.raise_signal(signal.SIGTERM)
process.wait_for_end()
sys.settrace(None)
print("ended")
"""


def test_signals_that_come_during_a_signal_end_it_too():
    ended = subprocess.run(
        [sys.executable, "-c", SIGNALS_IN_SIGNALS],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.stdout == "ended\n", ended.stderr
