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
"""``make demo``'s command, whole."""

from __future__ import annotations

import os
import pathlib
import random
import re
import shlex
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from tests.support import qcow2_images
from tests.support.smallnova import waits

ROOT = pathlib.Path(__file__).resolve().parents[3]


def processes(room):
    """Commands of all processes that were started with this room."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"TMPDIR={room}".encode() in path.read_bytes().split(b"\0"):
                found.append((path.parent / "cmdline").read_bytes())
        except OSError:
            continue
    return found


@pytest.fixture
def demo(tmp_path):
    """Starts the demo with options; afterwards nothing of it may be left."""
    room = tmp_path / "room"
    room.mkdir()
    started = []

    def start(**options):
        command = [sys.executable, "-W", "ignore", "-m", "demo"]
        child = subprocess.Popen(
            command, cwd=ROOT, text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={**os.environ, "TMPDIR": str(room), **options},
            # As a terminal starts it, also where the tests run under nohup.
            preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
        )  # fmt: skip
        started.append(child)
        return child

    yield start
    for child in started:
        if child.poll() is None:
            child.kill()
            child.wait()
        child.stdout.close()
    waits.until(lambda: not processes(room), "all processes are gone", 10)
    assert list(room.iterdir()) == []


@pytest.mark.slow
def test_it_ends_when_nobody_reads_it(demo):
    child = demo()
    assert child.stdout.readline() == "\n"
    child.stdout.close()
    assert child.wait(120) == 130


@pytest.mark.slow
def test_every_check_holds_with_an_image_of_ones_own(demo, tmp_path):
    image = tmp_path / "image"
    disk = random.Random(5).randbytes(500_000) + bytes(3 << 20)
    image.write_bytes(qcow2_images.build(disk, compress=True))
    child = demo(IMAGE=str(image))
    text, _none = child.communicate(timeout=240)
    assert child.returncode == 0, text
    assert "[NO]" not in text
    assert "\033" not in text
    assert text.count("hypervisor state as before: yes") == 2


def ask(command):
    """The status of the response to a command of curl."""
    asked, words = {"-H": [], "-d": []}, iter(shlex.split(command)[1:])
    for word in words:
        if word in asked:
            asked[word].append(next(words))
        else:
            url = word
    (data,) = asked["-d"] or (None,)
    headers = dict(header.split(": ") for header in asked["-H"])
    request = urllib.request.Request(url, data and data.encode(), headers)
    # A stop is under way when the start follows it.
    for _second in range(60):
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return response.status
        except urllib.error.HTTPError as error:
            if error.code != 409:
                return error.code
            time.sleep(1)
    return 409


@pytest.mark.slow
def test_it_is_kept_until_it_is_interrupted(demo):
    child = demo(KEEP="1")
    text = ""
    for line in child.stdout:
        text += line
        if "Interrupt it" in line:
            break
    commands = re.findall(r"^ +(curl .*)$", text, re.MULTILINE)
    assert len(commands) == 12
    for command in commands:
        assert ask(command) < 300, command
    child.send_signal(signal.SIGINT)
    rest, _none = child.communicate(timeout=120)
    assert child.returncode == 0, rest
    assert rest.count("hypervisor state as before: yes") == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    "numbers",
    [
        # Whoever is impatient does not leave what is being ended.
        [signal.SIGINT, signal.SIGINT, signal.SIGTERM],
        # A terminal that is closed.
        [signal.SIGHUP],
    ],
)
def test_an_interrupt_in_the_middle_leaves_nothing(demo, numbers):
    child = demo()
    for line in child.stdout:
        if line.startswith("Boot:"):
            break
    for number in numbers:
        child.send_signal(number)
    rest, _none = child.communicate(timeout=120)
    assert child.returncode == 130, rest
    assert rest.endswith("interrupted\n")


def test_an_image_that_is_none_is_refused(demo):
    child = demo(IMAGE="/nowhere")
    text, _none = child.communicate(timeout=60)
    assert child.returncode == 2
    assert "IMAGE=/nowhere" in text
