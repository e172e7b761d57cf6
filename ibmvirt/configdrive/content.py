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
        self._file: str = ""
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
            self._version = self._check_file()
            self.size = self._version.st_size
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

        :raises ConfigDriveInputError: the file cannot be read, or is no longer
            what it was when the build began.
        """
        if self._bytes is not None:
            view = memoryview(self._bytes)
            for offset in range(0, self.size, CHUNK):
                yield view[offset : offset + CHUNK]
            return
        left = self.size
        try:
            # What replaced the file may be a pipe: do not wait for its writer.
            descriptor = os.open(self._file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            with open(descriptor, "rb", buffering=0) as file:
                self._check_unchanged(os.fstat(descriptor))
                while left and (piece := file.read(min(CHUNK, left))):
                    left -= len(piece)
                    yield piece
                self._check_unchanged(os.fstat(descriptor))
        except OSError as error:
            raise _refused(self.path, f"reading {self._file!r}: {error}") from error

    def _check_file(self) -> os.stat_result:
        try:
            status = os.stat(self._file)
        except (OSError, ValueError) as error:
            reason = f"{self._file!r} cannot be read: {error}"
            raise _refused(self.path, reason) from error
        if not stat.S_ISREG(status.st_mode):
            raise _refused(self.path, f"{self._file!r} is not a regular file")
        return status

    def _check_unchanged(self, status: os.stat_result) -> None:
        """Refuse a file that is not, in place and content, what it was at first.

        Its blocks are laid out by its size, and shared by its content.
        """
        for field in ("st_dev", "st_ino", "st_size", "st_mtime_ns"):
            if getattr(status, field) != getattr(self._version, field):
                raise _refused(
                    self.path,
                    f"{self._file!r} changed while the drive was built",
                    "Build again when the file is complete.",
                )

    def digest(self) -> bytes:
        """The SHA-256 of the content."""
        digest = hashlib.sha256()
        for piece in self.chunks():
            digest.update(piece)
        return digest.digest()


def _refused(path: str, reason: str, hint: str = "") -> ConfigDriveInputError:
    return ConfigDriveInputError("put on the config drive", repr(path), reason, hint)
