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


"""What a build leaves when it fails, is interrupted or is killed: nothing."""

from __future__ import annotations

import errno
import io
import os
import pathlib
import signal
import subprocess
import sys

import pytest

from ibmvirt import configdrive

FILES = {"openstack/latest/user_data": b"x" * 1_000_000}


class Interrupted(BaseException):
    """Stands for KeyboardInterrupt, or for the cancellation of a build."""


def interrupt(done: int, total: int) -> None:
    if done > total // 2:
        raise Interrupted


def test_interrupted_build_leaves_no_file(tmp_path):
    with pytest.raises(Interrupted):
        configdrive.build(FILES, tmp_path / "drive.iso", progress=interrupt)
    assert os.listdir(tmp_path) == []


def test_interrupted_build_leaves_the_old_file(tmp_path):
    path = tmp_path / "drive.iso"
    path.write_bytes(b"old")
    with pytest.raises(Interrupted):
        configdrive.build(FILES, path, progress=interrupt)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["drive.iso"]


def test_interrupted_build_empties_a_file_object():
    output = io.BytesIO(b"before")
    output.seek(6)
    with pytest.raises(Interrupted):
        configdrive.build(FILES, output, progress=interrupt)
    assert output.getvalue() == b"before"
    assert output.tell() == 6


def test_no_name_is_visible_before_the_image_is_complete(tmp_path):
    seen = []
    configdrive.build(
        FILES,
        tmp_path / "drive.iso",
        progress=lambda done, total: seen.append(os.listdir(tmp_path)),
    )
    assert not any("drive.iso" in names for names in seen)
    assert os.listdir(tmp_path) == ["drive.iso"]


KILLED = """
import os, signal, sys
from ibmvirt import configdrive
def progress(done, total):
    if done > total // 2:
        os.kill(os.getpid(), signal.SIGKILL)
configdrive.build({"a": b"x" * 1_000_000}, sys.argv[1], progress=progress)
"""


def test_killed_build_leaves_nothing_under_the_name(tmp_path):
    path = tmp_path / "drive.iso"
    done = subprocess.run([sys.executable, "-c", KILLED, path], timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert not path.exists()
    # Where files can be nameless, not even a temporary one is left.
    try:
        os.close(os.open(tmp_path, os.O_TMPFILE | os.O_RDWR, 0o600))
    except OSError:
        return
    assert os.listdir(tmp_path) == []


def test_without_nameless_files_a_private_temporary_one_is_used(tmp_path, monkeypatch):
    opened = []
    real_open = os.open

    def no_tmpfile(path, flags, mode=0o777, *, dir_fd=None):
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errno.EOPNOTSUPP, "not here")
        descriptor = real_open(path, flags, mode, dir_fd=dir_fd)
        opened.append((path, flags, mode))
        return descriptor

    monkeypatch.setattr(os, "open", no_tmpfile)
    path = tmp_path / "drive.iso"
    configdrive.build(FILES, path)
    with pytest.raises(Interrupted):
        configdrive.build(FILES, path, progress=interrupt)
    assert os.listdir(tmp_path) == ["drive.iso"]
    assert path.stat().st_mode & 0o777 == 0o600
    created = [entry for entry in opened if entry[1] & os.O_CREAT]
    assert created
    assert all(flags & os.O_EXCL and mode == 0o600 for _, flags, mode in created)


@pytest.mark.parametrize("name", ["missing/drive.iso", ".", "pipe"])
def test_bad_target_is_refused(tmp_path, name):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(configdrive.ConfigDriveWriteError):
        configdrive.build(FILES, tmp_path / name)
    assert os.listdir(tmp_path) == ["pipe"]


def test_a_link_is_followed_not_replaced(tmp_path):
    (tmp_path / "real").mkdir()
    link = tmp_path / "drive.iso"
    link.symlink_to(tmp_path / "real" / "target.iso")
    result = configdrive.build(FILES, link)
    assert link.is_symlink()
    assert link.stat().st_size == result.size


class Full(io.BytesIO):
    """A file object of a full disk."""

    def write(self, data):
        if self.tell() > 100_000:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(data)


def test_a_full_disk_is_a_write_error_and_leaves_nothing():
    output = Full()
    with pytest.raises(configdrive.ConfigDriveWriteError, match="No space") as caught:
        configdrive.build(FILES, output)
    assert isinstance(caught.value.__cause__, OSError)
    assert output.getvalue() == b""


class Raw(io.RawIOBase):
    """A raw file that takes only a little at a time and cannot seek."""

    def __init__(self):
        self.taken = bytearray()

    def writable(self):
        return True

    def write(self, data):
        part = bytes(data[:1000])
        self.taken += part
        return len(part)


def test_short_writes_and_outputs_that_cannot_seek():
    output = Raw()
    configdrive.build(FILES, output, time=0)
    expected = io.BytesIO()
    configdrive.build(FILES, expected, time=0)
    assert bytes(output.taken) == expected.getvalue()


@pytest.mark.parametrize("output", [io.StringIO(), io.BytesIO().getbuffer(), 5, None])
def test_an_output_of_another_kind_is_refused(output):
    with pytest.raises(configdrive.ConfigDriveError):
        configdrive.build(FILES, output)


@pytest.mark.parametrize("change", [b"x" * 99, b"x" * 101, b"y" * 100, None])
def test_a_file_that_changes_while_it_is_read_fails_the_build(tmp_path, change):
    source = tmp_path / "source"
    source.write_bytes(b"x" * 100)
    path = tmp_path / "drive.iso"

    def alter(done: int, total: int) -> None:
        source.unlink(missing_ok=True)
        if change is not None:
            source.write_bytes(change)

    with pytest.raises(configdrive.ConfigDriveInputError, match="source"):
        configdrive.build({"a": source}, path, progress=alter)
    assert not path.exists()


def test_a_file_that_becomes_a_pipe_does_not_stop_the_build(tmp_path):
    source = tmp_path / "source"
    source.write_bytes(b"x" * 100)

    def alter(done: int, total: int) -> None:
        source.unlink(missing_ok=True)
        os.mkfifo(source)

    with pytest.raises(configdrive.ConfigDriveInputError, match="changed"):
        configdrive.build({"a": source}, io.BytesIO(), progress=alter)


def test_a_text_file_keeps_its_text(tmp_path):
    path = tmp_path / "text"
    path.write_text("text")
    with (
        open(path, "r+") as file,
        pytest.raises(configdrive.ConfigDriveWriteError, match="binary mode"),
    ):
        configdrive.build(FILES, file)
    assert path.read_text() == "text"


def test_a_file_opened_for_reading_keeps_its_content(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"content")
    with (
        open(path, "rb") as file,
        pytest.raises(configdrive.ConfigDriveWriteError),
    ):
        configdrive.build(FILES, file)
    assert path.read_bytes() == b"content"


def test_an_object_that_can_only_write():
    class Writer:
        def __init__(self):
            self.taken = []

        def write(self, data):
            self.taken.append(bytes(data))

    writer, expected = Writer(), io.BytesIO()
    configdrive.build(FILES, writer, time=0)
    configdrive.build(FILES, expected, time=0)
    assert b"".join(writer.taken) == expected.getvalue()


def test_more_blocks_than_an_image_can_have_are_refused(tmp_path):
    source = tmp_path / "sparse"
    with open(source, "wb") as file:
        file.truncate(2**32 - 1)
    files = {f"{number}": source for number in range(2**11)}
    output = io.BytesIO()
    with pytest.raises(configdrive.ConfigDriveInputError, match="blocks"):
        configdrive.build(files, output, deduplicate=False)
    assert output.getvalue() == b""


def test_a_file_too_large_is_refused_before_it_is_read(tmp_path):
    source = tmp_path / "sparse"
    with open(source, "wb") as file:
        file.truncate(2**32)
    with pytest.raises(configdrive.ConfigDriveInputError, match="4294967296 bytes"):
        configdrive.build({"a": pathlib.Path(source)}, tmp_path / "drive.iso")


def test_two_builds_to_one_path_leave_one_whole_image(tmp_path):
    path = tmp_path / "drive.iso"
    inner = []

    def build_again(done: int, total: int) -> None:
        if not inner:
            inner.append(configdrive.build({"b": b"b"}, path))

    outer = configdrive.build(FILES, path, progress=build_again)
    assert path.stat().st_size == outer.size
    assert os.listdir(tmp_path) == ["drive.iso"]
