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


"""The content of a file: bytes in memory, or a file that is read as needed."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator

from ibmvirt.configdrive.errors import ConfigDriveInputError

CHUNK = 128 * 1024
"""Bytes that are read and written at a time."""

MAX_SIZE = 2**32 - 1
"""Bytes in one file; one extent of ISO 9660 holds no more."""

Progress = Callable[[int, int], None]
"""Called with the bytes done and the bytes in all."""

Data = bytes | str | os.PathLike[str]
"""Content: bytes, text (stored as UTF-8), or the path of a file to read."""


class Content:
    """What one file of the drive holds; its size does not change any more."""

    def __init__(self, path: str, data: Data) -> None:
        """Take the content of a file.

        :param path: the file's path on the drive, for messages.
        :param data: the content.
        :raises ConfigDriveInputError: the content has a wrong type, is no
            regular file, is too large or cannot be read.
        """
        self.path = path
        self._bytes: bytes | None = None
        self._file: str | None = None
        if isinstance(data, str):
            try:
                self._bytes = data.encode()
            except UnicodeEncodeError as error:
                raise _refused(
                    path, f"the text is not valid Unicode: {error}"
                ) from None
            self.size = len(self._bytes)
        elif isinstance(data, bytes):
            self._bytes = data
            self.size = len(data)
        elif isinstance(data, os.PathLike):
            self._file = os.fspath(data)
            self.size = _size_of(path, self._file)
        else:
            raise _refused(
                path,
                f"the content is of type {type(data).__name__}",
                "Give bytes, str, or a path object for a file to be read.",
            )
        if self.size > MAX_SIZE:
            raise _refused(
                path, f"{self.size} bytes are more than the {MAX_SIZE} a file can hold"
            )

    def chunks(self) -> Iterator[bytes | memoryview]:
        """Yield the content in pieces of at most :data:`CHUNK` bytes.

        :raises ConfigDriveInputError: the file cannot be read, or its size
            is no longer what it was when the build began.
        """
        if self._bytes is not None:
            view = memoryview(self._bytes)
            for offset in range(0, self.size, CHUNK):
                yield view[offset : offset + CHUNK]
            return
        assert self._file is not None
        left = self.size
        try:
            with open(self._file, "rb", buffering=0) as file:
                while left and (piece := file.read(min(CHUNK, left))):
                    left -= len(piece)
                    yield piece
                grown = bool(file.read(1))
        except OSError as error:
            raise _refused(self.path, f"reading {self._file!r}: {error}") from error
        if left or grown:
            raise _refused(
                self.path,
                f"the size of {self._file!r} changed while it was read",
                "Build again when the file is complete.",
            )

    def digest(self) -> bytes:
        """The SHA-256 of the content."""
        digest = hashlib.sha256()
        for piece in self.chunks():
            digest.update(piece)
        return digest.digest()


def _size_of(path: str, name: str) -> int:
    try:
        status = os.stat(name)
    except (OSError, ValueError) as error:
        raise _refused(path, f"{name!r} cannot be read: {error}") from error
    if not stat.S_ISREG(status.st_mode):
        raise _refused(path, f"{name!r} is not a regular file")
    return status.st_size


def _refused(path: str, reason: str, hint: str = "") -> ConfigDriveInputError:
    return ConfigDriveInputError("put on the config drive", repr(path), reason, hint)
