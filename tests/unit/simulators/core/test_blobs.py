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


"""Contents of disks: kept as long as anybody names them."""

from __future__ import annotations

import pathlib

import pytest

from ibmvirt.simulators.core import blobs, sparse, world


@pytest.fixture
def contents(tmp_path):
    return blobs.Blobs(tmp_path / "blobs")


def test_what_nobody_names_goes(contents):
    kept, gone = contents.put(b"kept"), contents.put(b"gone")
    contents.collect({kept}, grace=0)
    with contents.open(kept) as file:
        assert file.read() == b"kept"
    with pytest.raises(KeyError):
        contents.path(gone)


def test_what_was_just_written_stays_a_while(contents):
    fresh = contents.put(b"on its way")
    contents.collect(set())
    assert contents.size(fresh) == 10


def test_what_is_being_written_is_not_touched(contents):
    with contents.writer() as writer:
        writer.write(b"half")
        contents.collect(set(), grace=0)
        name = writer.commit()
    assert contents.size(name) == 4


def test_marks_name_contents_too():
    state = world.World()
    disks = state.collection("disks")
    disks["a"] = "first"
    state.mark()
    disks["a"] = "second"
    assert set(state.values()) == {"first", "second"}


def test_nothing_stays_of_one_for_which_there_was_no_room(tmp_path):
    contents = blobs.Blobs(tmp_path / "contents")
    with pytest.raises(OSError, match="No space left"), contents.writer() as writer:
        writer._file.close()
        full = pathlib.Path("/dev/full").open("wb")  # noqa: SIM115
        writer._file = sparse.SparseFile(full)
        writer.write(b"more")
    assert list((tmp_path / "contents").iterdir()) == []
