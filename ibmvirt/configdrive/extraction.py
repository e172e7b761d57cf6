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


"""Write an image's files into a directory, and nowhere else."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterable, Iterator

from ibmvirt.configdrive.content import Progress
from ibmvirt.configdrive.errors import (
    ConfigDriveInputError,
    ConfigDriveUnsafeName,
    ConfigDriveWriteError,
)
from ibmvirt.configdrive.views import Entry

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

Chunks = Callable[[Entry], Iterable[bytes]]


def extract(
    entries: list[Entry],
    chunks: Chunks,
    directory: str,
    image: str,
    limit: int,
    progress: Progress | None = None,
) -> list[str]:
    """See :meth:`ibmvirt.configdrive.Image.extract`."""
    total = _check(entries, image, limit)
    done = 0

    def counted(entry: Entry) -> Iterator[bytes]:
        nonlocal done
        for piece in chunks(entry):
            yield piece
            done += len(piece)
            if progress is not None:
                progress(done, total)

    with _Target(directory) as target:
        for entry in entries:
            if entry.kind == "directory":
                target.add_directory(entry.names)
            elif entry.kind == "file":
                target.add_file(entry.names, counted(entry))
        target.keep()
    return [entry.path for entry in entries if entry.kind == "file"]


def _check(entries: list[Entry], image: str, limit: int) -> int:
    seen: set[tuple[str, ...]] = set()
    for entry in entries:
        reason = ""
        if not entry.safe:
            reason = "it is no name of a file"
        elif entry.names in seen:
            reason = "the image has it twice"
        if reason:
            raise ConfigDriveUnsafeName(
                "extract", f"{entry.path!r} from {image}", reason,
                "Nothing was extracted.",
            )  # fmt: skip
        seen.add(entry.names)
    size = sum(entry.size for entry in entries)
    if size > limit:
        raise ConfigDriveInputError(
            "extract", image, f"its files have {size} bytes, more than {limit}",
            "Raise the limit if you trust it.",
        )  # fmt: skip
    return size


class _Target:
    """A directory that is filled through its descriptor.

    Each step down opens a real directory and follows no link, so that nothing
    that is, or appears, in the directory leads outside. What was made is
    removed again unless it is kept.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._made: list[tuple[tuple[str, ...], bool]] = []
        self._made_itself = False
        self._root = -1

    def __enter__(self) -> _Target:
        try:
            self._made_itself = not os.path.lexists(self._path)
            if self._made_itself:
                self._make_itself()
            self._root = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY)
        except BaseException as error:
            self._undo()
            if isinstance(error, (OSError, ValueError)):
                raise self._error((), error) from error
            raise
        return self

    def _make_itself(self) -> None:
        try:
            os.mkdir(self._path, 0o700)
        except FileExistsError:  # somebody else was faster
            self._made_itself = False

    def keep(self) -> None:
        self._made.clear()
        self._made_itself = False

    def __exit__(self, *exc: object) -> None:
        self._undo()
        os.close(self._root)

    def add_directory(self, names: tuple[str, ...]) -> None:
        try:
            os.close(self._open(names))
        except (OSError, ValueError) as error:
            raise self._error(names, error) from error

    def add_file(self, names: tuple[str, ...], content: Iterable[bytes]) -> None:
        try:
            descriptor = self._create(names)
        except (OSError, UnicodeEncodeError) as error:
            raise self._error(names, error) from error
        with open(descriptor, "wb", buffering=0) as file:
            for piece in content:
                view = memoryview(piece)
                while view:
                    try:
                        written = file.write(view)
                    except OSError as error:
                        raise self._error(names, error) from error
                    view = view[written:]

    def _create(self, names: tuple[str, ...]) -> int:
        parent = self._open(names[:-1])
        try:
            with self._making(names, parent, is_directory=False):
                return os.open(names[-1], _NEW_FILE, 0o600, dir_fd=parent)
        finally:
            os.close(parent)

    @contextlib.contextmanager
    def _making(
        self, names: tuple[str, ...], parent: int, *, is_directory: bool
    ) -> Iterator[None]:
        """Note that something is being made, unless it is there.

        It is noted before, since an interruption may come right after it was
        made; so it has to be known before that it was not there.

        :raises FileExistsError: it is there.
        """
        with contextlib.suppress(FileNotFoundError):
            os.stat(names[-1], dir_fd=parent, follow_symlinks=False)
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        self._made.append((names, is_directory))
        try:
            yield
        except OSError:
            self._made.pop()
            raise

    def _open(self, names: tuple[str, ...], make: bool = True) -> int:
        """Open a directory below the target, and make it if need be."""
        current = os.dup(self._root)
        try:
            for depth, name in enumerate(names, 1):
                if make:
                    with (
                        contextlib.suppress(FileExistsError),
                        self._making(names[:depth], current, is_directory=True),
                    ):
                        os.mkdir(name, 0o700, dir_fd=current)
                below = os.open(name, _DIRECTORY, dir_fd=current)
                os.close(current)
                current = below
        except BaseException:
            os.close(current)
            raise
        return current

    def _undo(self) -> None:
        for names, is_directory in reversed(self._made):
            with contextlib.suppress(OSError):
                parent = self._open(names[:-1], make=False)
                try:
                    remove = os.rmdir if is_directory else os.unlink
                    remove(names[-1], dir_fd=parent)
                finally:
                    os.close(parent)
        if self._made_itself:
            with contextlib.suppress(OSError, ValueError):
                os.rmdir(self._path)

    def _error(self, names: tuple[str, ...], error: Exception) -> ConfigDriveWriteError:
        path = "/".join((self._path, *names))
        reason = getattr(error, "strerror", None) or str(error)
        return ConfigDriveWriteError(
            "extract to", repr(path), reason, "What was extracted has been removed."
        )
