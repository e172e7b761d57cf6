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


"""The command: its output, its exit status, and what it leaves."""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import pty
import signal
import subprocess
import sys

import pytest

from ibmvirt import configdrive
from ibmvirt.configdrive import cli
from tests.support import configdrives

COMMAND = [sys.executable, "-m", "ibmvirt.configdrive.cli"]


@pytest.fixture
def tree(tmp_path) -> pathlib.Path:
    directory = tmp_path / "metadata"
    configdrives.write_tree(configdrives.typical(), directory)
    return directory


@pytest.fixture
def image(tmp_path) -> pathlib.Path:
    path = tmp_path / "drive.iso"
    configdrive.build(configdrives.typical(), path, time=0)
    return path


def command(*arguments, **options) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, timeout=60, **options
    )


def test_build_extract_gives_the_same_files(tree, tmp_path, capsys):
    image = tmp_path / "drive.iso"
    assert cli.main(["build", str(tree), "-o", str(image)]) == 0
    digest = hashlib.sha256(image.read_bytes()).hexdigest()
    assert f"51 files, {image.stat().st_size} bytes, SHA-256 {digest}" in (
        capsys.readouterr().out
    )
    assert cli.main(["extract", str(image), str(tmp_path / "out")]) == 0
    for path, content in configdrives.typical().items():
        assert (tmp_path / "out" / path).read_bytes() == content


def test_build_into_its_own_directory_leaves_the_last_image_out(tree, monkeypatch):
    monkeypatch.chdir(tree)
    for image in ("drive.iso", "drive.iso", "again.iso"):
        assert cli.main(["build", ".", "-o", image]) == 0
        with configdrive.Image(image) as opened:
            held = {e.path for e in opened.entries() if e.kind == "file"}
        assert held == configdrives.typical().keys() | {"drive.iso"} - {image}


def test_a_time_that_is_none_is_explained(tree, tmp_path, capsys):
    with pytest.raises(SystemExit):
        cli.main(["build", str(tree), "-o", str(tmp_path / "d"), "--time", "soon"])
    said = capsys.readouterr().err
    assert "'soon'" in said
    assert "2026-01-31T12:00:00Z" in said
    assert "_time" not in said


def test_names_that_a_terminal_cannot_write_are_escaped(tmp_path):
    image = tmp_path / "drive.iso"
    configdrive.build({"content/\u65e5\u672c": "x"}, image)
    done = command(
        "show",
        image,
        env={**os.environ, "PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0"},
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.endswith(b" content/\\u65e5\\u672c\n")


def test_build_as_json_with_options(tree, tmp_path, capsys):
    image = tmp_path / "drive.iso"
    arguments = [
        "build", str(tree), "-o", str(image), "--json", "--label", "other",
        "--publisher", "somebody", "--no-deduplicate", "--time", "2001-09-09T01:46:40",
    ]  # fmt: skip
    assert cli.main(arguments) == 0
    values = json.loads(capsys.readouterr().out)
    assert values["files"] == 51
    assert values["size"] == image.stat().st_size
    assert values["sha256"] == hashlib.sha256(image.read_bytes()).hexdigest()
    with configdrive.Image(image) as opened:
        assert (opened.label, opened.publisher) == ("other", "somebody")
        assert opened.modified == 1_000_000_000


def test_build_equals_the_library(tree, tmp_path):
    for way, options in (
        (["--time", "5"], {}),
        ([], {"env": {**os.environ, "SOURCE_DATE_EPOCH": "5"}}),
    ):
        done = command("build", tree, "-o", "-", *way, **options)
        assert done.returncode == 0
        configdrive.build(configdrives.typical(), tmp_path / "drive.iso", time=5)
        assert done.stdout == (tmp_path / "drive.iso").read_bytes()


def test_build_to_standard_output_reports_on_standard_error(tree):
    done = command("build", tree, "-o", "-", "--json")
    assert json.loads(done.stderr)["size"] == len(done.stdout)


def test_build_appends_to_redirected_output_without_cutting_it(tree, tmp_path):
    target = tmp_path / "all"
    target.write_bytes(b"before")
    with open(target, "ab") as file:
        done = subprocess.run([*COMMAND, "build", tree, "-o", "-", "-q"], stdout=file)
    assert done.returncode == 0
    assert target.read_bytes().startswith(b"before")
    assert target.stat().st_size > 100_000


def test_build_does_not_write_to_a_terminal(tree):
    master, slave = pty.openpty()
    try:
        done = subprocess.run(
            [*COMMAND, "build", tree, "-o", "-"],
            stdout=slave, stderr=subprocess.PIPE, timeout=60,
        )  # fmt: skip
    finally:
        os.close(master)
        os.close(slave)
    assert done.returncode == 1
    assert b"terminal" in done.stderr


def test_progress_of_large_content_on_a_terminal(tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "large").write_bytes(bytes(9 * 2**20))
    for quiet in (False, True):
        master, slave = pty.openpty()
        try:
            done = subprocess.run(
                [*COMMAND, "build", tmp_path / "d", "-o", tmp_path / "drive.iso"]
                + ["-q"] * quiet,
                stdout=subprocess.PIPE, stderr=slave, timeout=60,
            )  # fmt: skip
            os.set_blocking(master, False)
            try:
                shown = os.read(master, 10_000)
            except BlockingIOError:
                shown = b""
        finally:
            os.close(master)
            os.close(slave)
        assert done.returncode == 0
        assert (b"MiB" in shown) is not quiet
        assert (done.stdout == b"") is quiet


@pytest.mark.parametrize(
    "kind", ["symlink", "fifo", "missing", "file", "empty", "name"]
)
def test_build_refuses(tmp_path, kind, capsys):
    directory = tmp_path / "d"
    if kind != "missing":
        directory.mkdir()
    if kind == "symlink":
        (directory / "link").symlink_to("/etc/passwd")
    elif kind == "fifo":
        os.mkfifo(directory / "pipe")
    elif kind == "file":
        directory.rmdir()
        directory.write_bytes(b"")
    elif kind == "name":
        (directory / "a:b").write_bytes(b"")
    assert cli.main(["build", str(directory), "-o", str(tmp_path / "x.iso")]) == 1
    assert "ibmvirt-configdrive: Cannot" in capsys.readouterr().err
    assert not (tmp_path / "x.iso").exists()


def test_build_with_a_bad_epoch(tree, monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "soon")
    assert cli.main(["build", str(tree), "-o", str(tmp_path / "x.iso")]) == 1
    assert "SOURCE_DATE_EPOCH" in capsys.readouterr().err


def test_show(image, capsys):
    assert cli.main(["show", str(image)]) == 0
    shown = capsys.readouterr().out
    assert "label:       config-2\n" in shown
    assert "dr-xr-xr-x   0:0          0 1970-01-01T00:00:00 openstack/\n" in shown
    assert "openstack/content/0001\n" in shown


def test_show_as_json_in_each_view(image, capsys):
    for view in ("rock_ridge", "joliet", "iso9660"):
        assert cli.main(["show", str(image), "--json", "--view", view]) == 0
        values = json.loads(capsys.readouterr().out)
        assert values["view"] == view
        files = [entry for entry in values["entries"] if entry["kind"] == "file"]
        assert len(files) == 51
        assert all(entry["safe"] for entry in files)


def test_show_writes_nothing_that_steers_a_terminal(tmp_path, capsys):
    path = tmp_path / "drive.iso"
    configdrive.build({"q" * 6: b""}, path)
    path.write_bytes(path.read_bytes().replace(b"q" * 6, b"\x1b[2Jok"))
    assert cli.main(["show", str(path)]) == 0
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "\\x1b[2Jok" in shown


def test_extract_one_file_to_standard_output(image):
    done = command("extract", image, "-", "openstack/content/0001")
    assert (done.returncode, done.stdout) == (0, b"nameserver 10.0.0.1\n")


def test_extract_some_as_json(image, tmp_path, capsys):
    target = str(tmp_path / "out")
    assert cli.main(["extract", str(image), target, "openstack/content", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "directory": target,
        "files": ["openstack/content/0000", "openstack/content/0001"],
    }


@pytest.mark.parametrize(
    "arguments",
    [
        ["extract", "IMAGE", "-"],
        ["extract", "IMAGE", "-", "a", "b"],
        ["extract", "IMAGE", "-", "openstack"],
        ["extract", "IMAGE", "out", "nothing"],
        ["extract", "IMAGE", "out", "--limit", "5"],
        ["extract", "/nonexistent", "out"],
        ["show", "/etc/passwd"],
        ["verify", "/nonexistent"],
    ],
)
def test_failures_have_a_reason_and_leave_nothing(
    image, tmp_path, monkeypatch, capsys, arguments
):
    monkeypatch.chdir(tmp_path)
    arguments = [str(image) if a == "IMAGE" else a for a in arguments]
    assert cli.main(arguments) == 1
    assert capsys.readouterr().err.startswith("ibmvirt-configdrive: Cannot ")
    assert os.listdir(tmp_path) == ["drive.iso"]


def test_verify(image, tmp_path, capsys):
    assert cli.main(["verify", str(image)]) == 0
    assert "linux (rock_ridge): finds all it needs" in capsys.readouterr().out
    configdrive.build({"openstack/latest/user_data": b""}, image)
    assert cli.main(["verify", str(image), "--guest", "linux", "--json"]) == 3
    (guest,) = json.loads(capsys.readouterr().out)["guests"]
    assert guest["missing"] == ["openstack/latest/meta_data.json is not there"]
    assert cli.main(["verify", str(image)]) == 3
    assert "missing  openstack/latest/meta_data.json" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [[], ["nothing"], ["build", "d"], ["build", "d", "-o", "x", "--time", "soon"],
     ["verify", "x", "--guest", "os2"], ["show", "x", "--view", "udf"]],
)  # fmt: skip
def test_wrong_usage(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 2
    assert "usage: ibmvirt-configdrive" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["", "build", "show", "extract", "verify"])
def test_help_names_the_exit_status(name, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main([*filter(None, [name]), "--help"])
    assert caught.value.code == 0
    assert "exit status:" in capsys.readouterr().out


def test_a_reader_that_leaves_is_no_traceback(image, tree):
    for arguments in (["show", image], ["build", tree, "-o", "-"]):
        read, write = os.pipe()
        os.close(read)
        try:
            done = subprocess.run(
                [*COMMAND, *arguments], stdout=write, stderr=subprocess.PIPE, timeout=60
            )
        finally:
            os.close(write)
        assert done.returncode == 1
        assert done.stderr == b""


ENDED = """
import os, signal, sys
from ibmvirt.configdrive import cli, extraction
real = os.open
def opened(path, flags, *rest, **options):
    result = real(path, flags, *rest, **options)
    if path == "0001":
        os.kill(os.getpid(), int(sys.argv[1]))
    return result
os.open = opened
# A shell without job control starts what runs in the background with it ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(cli.main(sys.argv[2:]))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ended_in_the_middle_leaves_nothing(image, tmp_path, number):
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            ENDED,
            str(int(number)),
            "extract",
            image,
            tmp_path / "o",
        ],
        timeout=60,
        capture_output=True,
    )
    assert done.returncode == 128 + number
    assert not (tmp_path / "o").exists()
    assert b"Traceback" not in done.stderr
