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

"""Disks as files: what is zero takes no room."""

from __future__ import annotations

import io
import typing

# Less than a block of a file system is no hole.
_LEAST = 4096
_ZEROS = bytes(1 << 20)


class SparseFile(io.RawIOBase):
    """Writes a new file in order; pieces that are all zeros become holes.

    :param file: empty, opened for binary writing; closed with this.
    """

    def __init__(self, file: typing.BinaryIO) -> None:
        super().__init__()
        self._file = file

    def writable(self) -> bool:
        return True

    def write(self, data: typing.Any) -> int:
        if len(data) >= _LEAST and _is_zero(data):
            self._file.seek(len(data), 1)
        else:
            self._file.write(data)
        return len(data)

    def close(self) -> None:
        """End the file where the last piece ended, be it a hole."""
        try:
            if not self._file.closed:
                self._file.truncate()
        finally:
            self._file.close()
            super().close()


def _is_zero(data: typing.Any) -> bool:
    if len(data) <= len(_ZEROS):
        return _ZEROS.startswith(data)
    return not bytes(data).strip(b"\0")
