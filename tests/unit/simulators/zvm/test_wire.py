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

"""The program that the Connector executes, and the daemon behind it."""

from __future__ import annotations

import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

import pytest

from ibmvirt.simulators.zvm import daemon, frontend, wire
from ibmvirt.simulators.zvm.commands import base


@pytest.fixture
def room():
    """A directory with a short path, for a socket."""
    with tempfile.TemporaryDirectory(prefix="zvm-") as name:
        yield pathlib.Path(name)


@pytest.fixture
def served(system, room):
    """A daemon on the z/VM of this process."""
    found = daemon.Daemon(system.zvm, room / "s")
    found.start()
    yield found
    system.instruments.rules.delete(drop=True)
    found.stop()


def in_python(path, member):
    return frontend.python(path, member)


def in_perl(path, member):
    return frontend.perl(path, member, shutil.which("perl"))


# Both, where there is a Perl.
TEXTS = [in_python, *([in_perl] if shutil.which("perl") else [])]


@pytest.fixture(params=TEXTS, ids=lambda text: text.__name__)
def program(request, room, served):
    """``program(name)``: the path of a program that stands for that tool."""

    def write(name):
        path = room / name
        path.write_text(request.param(served.path, "ZVMSIM1"))
        path.chmod(0o755)
        return str(path)

    return write


def run(*words, stdin=""):
    return subprocess.run(
        words, input=stdin, capture_output=True, text=True, timeout=60, check=False
    )


def test_a_command_goes_through(program):
    ended = run(program("sudo"), "/sbin/vmcp", "query userid")
    assert (ended.returncode, ended.stdout) == (0, "ZCCUSER AT ZVMSIM1\n")
    ended = run(program("vmcp"), "q", "NONE")
    assert ended.returncode == 1
    assert "HCPCQV003E" in ended.stdout
    assert "non-zero CP response" in ended.stderr


def test_a_python_that_no_shebang_can_name(room, served):
    place = room / f"a place {'x' * 150}"
    place.mkdir()
    python = place / "python"
    python.symlink_to(sys.executable)
    vmcp = room / "vmcp"
    vmcp.write_text(frontend.python(served.path, "ZVMSIM1", str(python)))
    vmcp.chmod(0o755)
    ended = run(str(vmcp), "query", "userid")
    assert (ended.returncode, ended.stdout) == (0, "ZCCUSER AT ZVMSIM1\n")


def test_words_arrive_as_they_are(program, monkeypatch, served):
    """Quotes, signs of Perl and of shells, empty words, bytes that are no text."""
    seen = []
    monkeypatch.setattr(
        served, "_command", lambda command: seen.append(command) or base.Result(3)
    )
    words = [
        "a b",
        "",
        "$x @y %z \\",
        "'\"`",
        "ö",
        b"\xff".decode(errors="surrogateescape"),
    ]
    ended = run(program("vmcp"), *words)
    assert (ended.returncode, ended.stdout, ended.stderr) == (3, "", "")
    (command,) = seen
    assert command.words == ["vmcp", *words]
    assert (command.member, command.cwd) == ("ZVMSIM1", str(pathlib.Path.cwd()))


def test_a_user_s_settings_of_perl_do_not_reach_it(monkeypatch):
    former = {"PERL5OPT": "-MNoSuch", "PERL_UNICODE": "SDA", "PATH": "/bin"}
    assert frontend.environment(former) == {"PATH": "/bin", "PERL_BADLANG": "0"}


def test_without_a_perl_that_runs_it_is_python(monkeypatch, room, served):
    broken = room / "perl"
    broken.write_text("#!/bin/false\n")
    broken.chmod(0o755)
    first = f"#!{sys.executable}"
    for where in (room, room / "nowhere"):
        monkeypatch.setenv("PATH", str(where))
        assert frontend.text(served.path, "ZVMSIM1").startswith(first)
        broken.unlink(missing_ok=True)


def test_the_input_of_fdisk_comes_too(system, program):
    system.user()
    system.disk(pool="POOL2", kind="9336")
    system.run("linkdiskandbringonline T1 0100 MR")
    sudo = program("sudo")
    assert run(sudo, "/sbin/fdisk", "/dev/dasdb", stdin="g\nw\n").returncode == 0
    assert system.zvm.disk("T1", "0100").low_level == "gpt"


def test_a_long_answer_arrives_whole(system, program):
    system.zvm.lists["NLALL"] = tuple(f"U{number:07}" for number in range(30_000))
    ended = run(
        program("sudo"), "/opt/zthin/bin/smcli", "Name_List_Query",
        "--addRCheader", "-T", "NLALL",
    )  # fmt: skip
    assert len(ended.stdout.splitlines()) == 30_001


def test_a_rule_is_told_as_each_program_tells_it(system, program):
    sudo = program("sudo")
    for words, effect, shown in (
        (["smcli", "Image_Query_DM"], {"rc": 400, "rs": 4}, "8 400 4 (details) oh"),
        (["iucvclnt", "T1", "pwd"], {"rc": 16, "rs": 2}, "Return code 16, Reason code 2."),
        (["unpackdiskimage", "T1", "0100", "f"], {}, "ERROR: oh"),
        (["vmur", "punch", "-r", "f"], {}, "oh"),
    ):  # fmt: skip
        system.instruments.rules.add(
            {
                "match": {"layer": "command"},
                "effect": {"kind": "refuse", "message": "oh", **effect},
            }
        )
        ended = run(sudo, *words)
        assert ended.returncode != 0
        assert shown in ended.stdout
    ended = run(sudo, "iucvclnt", "T1", "pwd")
    assert "Return code 4" in ended.stdout


def test_a_dropped_command_and_a_daemon_that_is_gone_end_the_program(
    system, served, program
):
    vmcp = program("vmcp")
    system.instruments.rules.add(
        {"match": {"layer": "command"}, "effect": {"kind": "drop"}}
    )
    assert run(vmcp, "q", "T1").returncode == 125
    pathlib.Path(served.path).unlink()
    assert run(vmcp, "q", "T1").returncode != 0


def test_a_defect_of_the_simulator_is_told_and_it_goes_on(
    system, program, monkeypatch, caplog
):
    broken = base.Tool("lschp", lambda *_a: 1 / 0, True, "assumed", "assumed")
    monkeypatch.setitem(base.TOOLS, "lschp", broken)
    ended = run(program("sudo"), "lschp")
    assert ended.returncode == 125
    assert "the simulator failed: ZeroDivisionError" in ended.stderr
    assert "ZeroDivisionError" in caplog.text
    monkeypatch.undo()
    assert run(program("sudo"), "lschp").returncode == 0


def test_journal_records_of_commands(system, program):
    system.user()
    sudo = program("sudo")
    run(sudo, "/opt/zthin/bin/smcli", "Image_Query_DM", "--addRCheader", "-T", "T1")
    run(sudo, "/opt/zthin/bin/smcli", "No_Such", "-T", "T1")
    run(sudo, "vmcp", "transfer", "*", "rdr", "7", "to", "T1", "rdr")
    first, second, third = system.instruments.journal.records(layer="command")
    assert (first["key"], first["user"]) == ("smcli Image_Query_DM", "T1")
    assert (first["rc"], first["committed"]) == (0, True)
    assert second["unknown"] == "No_Such No_Such"
    assert (second["committed"], third["user"]) == (False, "T1")


def test_a_sleeper_that_was_killed_is_not_waited_for(system, served):
    """The clock stands still: only its end lets the daemon's thread go on."""
    before = threading.active_count()
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(served.path)
    connection.sendall(b'J{"kind": "sleep", "seconds": 15}')
    connection.shutdown(socket.SHUT_WR)
    until(lambda: threading.active_count() > before)
    connection.close()
    until(lambda: threading.active_count() <= before)


def until(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_calls_of_a_connector_that_is_gone_are_over(system, served):
    begun = wire.ask(
        served.path,
        {
            "kind": "begin", "member": "ZVMSIM1", "verb": "GET", "key": "GET /host",
            "user": None, "memento": "spawn:1", "received": 0,
        },
    )  # fmt: skip
    served.forget("ZVMSIM1")
    (record,) = system.instruments.journal.records(layer="rest")
    assert (record["outcome"], record["committed"]) == ("dropped", False)
    end = {"kind": "end", "number": begun["number"], "status": 200, "sent": 0}
    assert wire.ask(served.path, end) == {}
