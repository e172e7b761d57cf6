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


"""Small state files: written whole, and one for each name."""

from __future__ import annotations

import errno
import os
import stat

import pytest

from ibmvirt.common import statefile


def test_a_value_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "new" / "state.json"
    assert statefile.read(path) is None
    statefile.write(path, {"a": [1, "zwei"]})
    statefile.write(path, {"a": [2]}, durable=False)
    assert statefile.read(path) == {"a": [2]}
    assert [found.name for found in path.parent.iterdir()] == ["state.json"]


def test_a_value_that_cannot_be_written_leaves_the_old_one(tmp_path):
    path = tmp_path / "state.json"
    statefile.write(path, [1])
    with pytest.raises(TypeError):
        statefile.write(path, [object()])
    assert statefile.read(path) == [1]


@pytest.mark.parametrize("durable", [True, False])
def test_a_durable_value_is_written_before_its_name_and_that_before_the_end(
    tmp_path, monkeypatch, durable
):
    path, synced = tmp_path / "state.json", []

    def sync(number):
        is_directory = stat.S_ISDIR(os.fstat(number).st_mode)
        synced.append((is_directory, path.exists()))
        if is_directory:
            raise OSError(errno.EINVAL, "not on this file system")

    monkeypatch.setattr(os, "fsync", sync)
    statefile.write(path, [1], durable=durable)
    assert synced == ([(False, False), (True, True)] if durable else [])
    assert statefile.read(path) == [1]


def test_a_damaged_file_is_told(tmp_path):
    (tmp_path / "state.json").write_text('{"a": ')
    with pytest.raises(ValueError, match="Expecting value"):
        statefile.read(tmp_path / "state.json")


def test_a_folder_has_a_file_for_each_name_whatever_is_in_it(tmp_path):
    folder = statefile.Folder(tmp_path / "folder")
    assert folder.names() == []
    names = ["../up", "a b", "plain", "ümlaut%2F"]
    for name in names:
        folder.write(name, name)
    (tmp_path / "folder" / "half.part").write_text("")
    assert folder.names() == sorted(names)
    assert [folder.read(name) for name in names] == names
    assert {path.parent for path in map(folder.path, names)} == {tmp_path / "folder"}
    for name in names:
        folder.remove(name)
        folder.remove(name)
    assert folder.names() == []
    assert folder.read("plain") is None
