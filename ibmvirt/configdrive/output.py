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


"""Where an image goes: whole to its place, or nowhere."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import secrets
import stat
from collections.abc import Iterator
from typing import BinaryIO

from ibmvirt.configdrive.errors import ConfigDriveWriteError


class Sink:
    """Writes all that is given, also to a raw file, which may take less.

    :ivar used: whether anything was written, or tried to be.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        self.used = False
        self._file = file
        self._name = name

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Write all of the data.

        :raises ConfigDriveWriteError: the file does not take it.
        """
        self.used = True
        view = memoryview(data)
        with wrap_errors(self._name):
            while view:
                written: int | None = self._file.write(view)
                if written is None and not isinstance(self._file, io.RawIOBase):
                    return  # of an object that is only like a file
                if not written:
                    raise OSError(errno.EAGAIN, "it takes no data now")
                view = view[written:]


@contextlib.contextmanager
def new_file(path: str) -> Iterator[Sink]:
    """Write a file that appears under its name only when it is complete.

    It is readable by its owner alone from the first byte, and an existing
    file is replaced. Where the file system allows, the file has no name
    until then, so that even a process that is killed leaves nothing.

    :raises ConfigDriveWriteError: the file cannot be written; what was there
        before is unchanged.
    """
    with contextlib.ExitStack() as stack:
        with wrap_errors(path):
            target = os.path.realpath(path)
            _check_target(target)
            folder, name = os.path.split(target)
            directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            stack.callback(os.close, directory)
            temporary = _Temporary(directory, name)
            stack.callback(temporary.discard)
        yield Sink(temporary.file, path)
        with wrap_errors(path):
            temporary.put_in_place()


class _Temporary:
    """A new file of a directory, unnamed if possible, on its way to a name."""

    def __init__(self, directory: int, name: str) -> None:
        self._directory = directory
        self._name = name
        self._temporary: str | None = None
        self.file = open(self._open(), "wb", buffering=0)  # noqa: SIM115

    def _open(self) -> int:
        flags = os.O_RDWR | os.O_CLOEXEC
        if os.path.isdir("/proc/self/fd"):
            try:
                return os.open(".", flags | os.O_TMPFILE, 0o600, dir_fd=self._directory)
            except OSError as error:  # not every file system has it
                if error.errno not in (errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT):
                    raise
        flags |= os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        temporary = self._new_name()
        descriptor = os.open(temporary, flags, 0o600, dir_fd=self._directory)
        self._temporary = temporary
        return descriptor

    def _new_name(self) -> str:
        # A name may have 255 bytes, and the target's own may be that long.
        return f".{self._name[:32]}.{secrets.token_hex(8)}"

    def put_in_place(self) -> None:
        if self._temporary is None:
            temporary = self._new_name()
            # Given a directory, Python calls linkat() and follows /proc's link.
            os.link(
                f"/proc/self/fd/{self.file.fileno()}",
                temporary,
                src_dir_fd=self._directory,
                dst_dir_fd=self._directory,
                follow_symlinks=True,
            )
            self._temporary = temporary
        self.file.close()
        os.replace(
            self._temporary,
            self._name,
            src_dir_fd=self._directory,
            dst_dir_fd=self._directory,
        )
        self._temporary = None

    def discard(self) -> None:
        with contextlib.suppress(OSError):
            self.file.close()
        if self._temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(self._temporary, dir_fd=self._directory)


def _check_target(target: str) -> None:
    try:
        mode = os.stat(target).st_mode
    except FileNotFoundError:
        return
    if stat.S_ISDIR(mode):
        raise OSError(errno.EISDIR, "it is a directory")
    if not stat.S_ISREG(mode):
        raise OSError(errno.EEXIST, "it is there and not a regular file")


@contextlib.contextmanager
def open_file(file: BinaryIO) -> Iterator[Sink]:
    """Write into a file object of the caller, from its present position on.

    Where it can seek, it ends behind the image and is positioned at the
    image's start; after a failure it ends where it was positioned.

    :raises ConfigDriveWriteError: the file object refuses.
    """
    name = f"the file object {getattr(file, 'name', type(file).__name__)!r}"
    with wrap_errors(name):
        if isinstance(file, io.TextIOBase):
            raise TypeError("it takes text; open it in binary mode")
        can_seek = hasattr(file, "seekable") and file.seekable()
        start = file.tell() if can_seek else None
    sink = Sink(file, name)
    try:
        yield sink
        with wrap_errors(name):
            if hasattr(file, "flush"):
                file.flush()
            if start is not None:
                with contextlib.suppress(OSError):  # a block device keeps its size
                    file.truncate()
                file.seek(start)
    except BaseException:
        if start is not None and sink.used:
            with contextlib.suppress(OSError, ValueError):
                file.seek(start)
                file.truncate()
        raise


@contextlib.contextmanager
def wrap_errors(target: str) -> Iterator[None]:
    """Turn what the system or a file object raises into our own error."""
    try:
        yield
    except (OSError, ValueError, TypeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigDriveWriteError("write", target, reason) from error
