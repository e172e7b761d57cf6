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


"""Reading config drives: whatever an image holds, within its own bounds."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import BinaryIO, Self

from ibmvirt.configdrive import extraction, iso9660
from ibmvirt.configdrive.content import CHUNK, Progress
from ibmvirt.configdrive.errors import ConfigDriveInputError, ConfigDriveReadError
from ibmvirt.configdrive.views import ISO9660, JOLIET, ROCK_RIDGE, Entry, Tree

DEFAULT_LIMIT = 4 * 2**30


def _open_at_once(name: str, flags: int) -> int:
    # A pipe would wait for its writer; it cannot seek, and is refused for that.
    return os.open(name, flags | os.O_NONBLOCK)


class Image:
    """An ISO 9660 image, open for reading; safe to use from many threads.

    :ivar name: the file's name, for messages.
    :ivar size: bytes of the file.
    :ivar label: the volume's label, ``config-2`` for a config drive.
    :ivar joliet_label: the label that Joliet repeats, or None without Joliet.
    :ivar system: the system that made it, for example ``LINUX``.
    :ivar publisher: the publisher, for example Nova's version.
    :ivar application: the program that made it.
    :ivar declared_size: bytes that the image should have.
    :ivar modified: when it was made, in seconds since 1970-01-01 UTC, or None.
    :ivar rock_ridge: the identifier of its Rock Ridge extension, or None.
    """

    def __init__(self, source: str | os.PathLike[str] | BinaryIO) -> None:
        """Open an image and read its descriptors and its Rock Ridge tree.

        :param source: a path, or a readable and seekable binary file, which
            holds the image from its position to its end and stays open.
        :raises ConfigDriveReadError: it cannot be read or is damaged.
        :raises ConfigDriveUnsupportedFormat: it is not ISO 9660.
        """
        self._owned = contextlib.ExitStack()
        file, self.name = self._open(source)
        with contextlib.ExitStack() as on_error:
            on_error.callback(self._owned.close)
            self._source = iso9660.Source(file, self.name)
            primary, self._joliet = iso9660.volumes(self._source)
            tree = Tree(self._source, primary, ROCK_RIDGE)
            on_error.pop_all()
        self._primary = primary
        self._trees: dict[str, list[Entry]] = {}
        self.rock_ridge = tree.rock_ridge
        self._trees[ROCK_RIDGE if tree.rock_ridge else ISO9660] = tree.entries
        self.size = self._source.size
        self.label = primary.label
        self.joliet_label = self._joliet.label if self._joliet else None
        self.system = primary.system
        self.publisher = primary.publisher
        self.application = primary.application
        self.declared_size = primary.blocks * iso9660.BLOCK
        self.modified = primary.modified

    def _open(self, source: str | os.PathLike[str] | BinaryIO) -> tuple[BinaryIO, str]:
        if not isinstance(source, (str, os.PathLike)):
            return source, str(getattr(source, "name", type(source).__name__))
        name = os.fspath(source)
        try:
            file = open(name, "rb", opener=_open_at_once)  # noqa: SIM115
            return self._owned.enter_context(file), name
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise ConfigDriveReadError("read the image", name, reason) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file, if it was opened here. Closing twice is harmless."""
        self._owned.close()

    @property
    def views(self) -> tuple[str, ...]:
        """The trees that the image has, the best first."""
        return (
            *((ROCK_RIDGE,) if self.rock_ridge else ()),
            *((JOLIET,) if self._joliet else ()),
            ISO9660,
        )

    def entries(self, view: str | None = None) -> list[Entry]:
        """All files and directories, parents first.

        :param view: one of :attr:`views`; the first of them if None.
        :raises ConfigDriveInputError: the image has no such tree.
        :raises ConfigDriveReadError: the tree is damaged.
        """
        view = view or self.views[0]
        if view not in self.views:
            raise ConfigDriveInputError(
                "read the tree", repr(view), f"{self.name} has {', '.join(self.views)}"
            )
        if view not in self._trees:
            volume = self._primary
            if view == JOLIET and self._joliet is not None:
                volume = self._joliet
            self._trees[view] = Tree(self._source, volume, view).entries
        return list(self._trees[view])

    def find(self, path: str, view: str | None = None) -> Entry:
        """The entry of a path.

        :param path: with slashes; one at the start is ignored.
        :raises ConfigDriveInputError: there is none.
        """
        wanted = path.strip("/")
        for entry in self.entries(view):
            if entry.path == wanted and entry.safe:
                return entry
        raise ConfigDriveInputError("find", repr(path), f"it is not in {self.name}")

    def file(self, path: str, view: str | None = None) -> Entry:
        """The entry of a path that must be a file.

        :raises ConfigDriveInputError: there is none, or it is no file.
        """
        entry = self.find(path, view)
        if entry.kind != "file":
            raise ConfigDriveInputError("read", repr(path), f"it is a {entry.kind}")
        return entry

    def chunks(self, entry: Entry) -> Iterator[bytes]:
        """Yield a file's content in pieces of at most 128 KiB.

        :raises ConfigDriveReadError: it is not all there.
        """
        for start, length in entry.extents:
            for offset in range(start, start + length, CHUNK):
                size = min(CHUNK, start + length - offset)
                yield self._source.read(offset, size)

    def read(self, path: str, view: str | None = None) -> bytes:
        """The content of a file, whole.

        :raises ConfigDriveInputError: there is no such file.
        :raises ConfigDriveReadError: its content is not all there.
        """
        return b"".join(self.chunks(self.file(path, view)))

    def extract(
        self,
        directory: str | os.PathLike[str],
        paths: Iterable[str] | None = None,
        *,
        view: str | None = None,
        limit: int = DEFAULT_LIMIT,
        progress: Progress | None = None,
    ) -> list[str]:
        """Write files into a directory, and never outside of it.

        The directory is made if need be; files that exist are not replaced.
        What is written is for its owner alone (files 0600, directories 0700),
        since a config drive may hold passwords. Symbolic links and devices
        are left out. On any failure, what was written is removed again.

        :param paths: files and directories to extract; None = all.
        :param limit: bytes that may be written; equal contents are stored
            once, so that a small image can hold much.
        :param progress: called with the bytes written and the bytes in all;
            what it raises ends the extraction.
        :returns: the paths of the files that were written.
        :raises ConfigDriveUnsafeName: the image holds a name that is none, or
            one twice; nothing was written.
        :raises ConfigDriveInputError: a path is not there, or the limit is
            exceeded; nothing was written.
        :raises ConfigDriveReadError: a content is not all there.
        :raises ConfigDriveWriteError: a file exists or cannot be written.
        """
        entries = self.entries(view)
        if paths is not None:
            wanted = [self.find(path, view).names for path in paths]
            entries = [
                entry
                for entry in entries
                if any(entry.names[: len(names)] == names for names in wanted)
            ]
        return extraction.extract(
            entries, self.chunks, os.fspath(directory), self.name, limit, progress
        )
