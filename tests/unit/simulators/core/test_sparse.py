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

"""Files whose zeros take no room."""

from __future__ import annotations

import pytest

from ibmvirt.simulators.core import sparse

MIB = 1 << 20


@pytest.mark.parametrize(
    "pieces",
    [
        [],
        [b""],
        [b"a" * MIB, bytes(MIB), b"b"],
        [bytes(3 * MIB), b"end"],
        [b"begin", bytes(100), bytes(3 * MIB), bytes(7)],
        [bytes(MIB - 1) + b"x", bytes(MIB - 1) + b"y", bytes(4096)],
        [bytes(2 * MIB) + b"z"],
    ],
)
def test_it_holds_what_was_written(tmp_path, pieces):
    path = tmp_path / "disk"
    with sparse.SparseFile(path.open("wb")) as file:
        assert [file.write(piece) for piece in pieces] == [len(p) for p in pieces]
    file.close()
    assert path.read_bytes() == b"".join(pieces)


def test_it_ends_although_its_file_was_closed(tmp_path):
    inner = (tmp_path / "disk").open("wb")
    file = sparse.SparseFile(inner)
    file.write(b"a")
    inner.close()
    file.close()
    assert file.closed


def test_zeros_take_no_room(tmp_path):
    path = tmp_path / "disk"
    with sparse.SparseFile(path.open("wb")) as file:
        for _piece in range(64):
            file.write(bytes(MIB))
    found = path.stat()
    assert found.st_size == 64 * MIB
    assert found.st_blocks * 512 < MIB
