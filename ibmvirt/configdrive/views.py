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


"""The directory trees of an image, as its readers would see them."""

from __future__ import annotations

import dataclasses
import stat

from ibmvirt.configdrive import rockridge
from ibmvirt.configdrive.iso9660 import BLOCK, Budget, Record, Source, Volume, records

ROCK_RIDGE = "rock_ridge"
JOLIET = "joliet"
ISO9660 = "iso9660"

_MAX_DEPTH = 64
_MAX_PATH = 4096

# A directory: its names from the root, its first block, its size.
_Place = tuple[tuple[str, ...], int, int]


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """A file or directory of an image.

    :ivar names: the names of the path, from the root; not to be trusted.
    :ivar kind: ``file``, ``directory``, ``symlink`` or ``other``.
    :ivar size: bytes of content; 0 for others than files.
    :ivar extents: where the content lies: offset and length, in bytes.
    :ivar modified: seconds since 1970-01-01 UTC, if the image says.
    :ivar mode: permission bits, if the image has them, as the next ones.
    :ivar serial: file serial number (Rock Ridge 1.12).
    """

    names: tuple[str, ...]
    kind: str
    size: int
    extents: tuple[tuple[int, int], ...]
    modified: float | None = None
    mode: int | None = None
    links: int | None = None
    uid: int | None = None
    gid: int | None = None
    serial: int | None = None

    @property
    def path(self) -> str:
        """The path, with slashes and without one at the start."""
        return "/".join(self.names)

    @property
    def safe(self) -> bool:
        """Whether each name can only be a name inside its own directory."""
        return not any(
            name in ("", ".", "..") or "/" in name or "\0" in name
            for name in self.names
        )


class Tree:
    """Reads one tree of an image.

    :ivar entries: all files and directories, without the root.
    :ivar rock_ridge: the extension's identifier, or None without Rock Ridge.
    """

    def __init__(self, source: Source, volume: Volume, view: str) -> None:
        """Read all directories.

        :raises ConfigDriveReadError: the tree is damaged, or larger or deeper
            than any honest one.
        """
        self.entries: list[Entry] = []
        self.rock_ridge: str | None = None
        self._source = source
        self._budget = Budget(source)
        self._view = view
        self._skip: int | None = None
        self._seen: set[int] = set()
        # Depth first, without recursion, in the order of the records.
        waiting: list[_Place] = [((), volume.root_block, volume.root_size)]
        while waiting:
            names, block, size = waiting.pop()
            waiting.extend(reversed(self._directory(names, block, size)))

    def _directory(self, names: tuple[str, ...], block: int, size: int) -> list[_Place]:
        """Read one directory; returns its subdirectories."""
        if block in self._seen:
            raise self._source.error(f"the directory at block {block} is there twice")
        if len(names) > _MAX_DEPTH:
            raise self._source.error(f"it is nested deeper than {_MAX_DEPTH} levels")
        self._seen.add(block)
        below: list[_Place] = []
        extents: list[tuple[int, int]] = []
        for number, record in enumerate(
            records(self._budget, self._source, block, size)
        ):
            if number < 2:  # the directory itself and its parent
                if not names and number == 0:
                    self._recognise(record)
                continue
            if record.associated:  # attributes of the next one, not a file
                continue
            if not record.directory:
                extents.append((record.block * BLOCK, record.size))
                if record.continued:
                    continue
            entry, start = self._entry(names, record, tuple(extents))
            extents = []
            if entry is None:
                continue
            self._budget.entry(len(entry.path))
            if sum(map(len, entry.names)) + len(entry.names) > _MAX_PATH:
                raise self._source.error(f"a path is longer than {_MAX_PATH}")
            self.entries.append(entry)
            if entry.kind == "directory":
                below.append((entry.names, *start))
        if extents:
            raise self._source.error("the last part of a file is missing")
        return below

    def _recognise(self, itself: Record) -> None:
        if self._view != ROCK_RIDGE:
            return
        self._skip = rockridge.skipped(itself.system_use)
        if self._skip is not None:
            found = rockridge.attributes(self._budget, self._source, itself.system_use)
            if found.present:
                self.rock_ridge = found.version or "unknown"

    def _entry(
        self,
        parents: tuple[str, ...],
        record: Record,
        extents: tuple[tuple[int, int], ...],
    ) -> tuple[Entry | None, tuple[int, int]]:
        """Make an entry; returns it and where its directory lies."""
        found = rockridge.Attributes()
        if self.rock_ridge is not None:
            area = record.system_use[self._skip :]
            found = rockridge.attributes(self._budget, self._source, area)
        start = (record.block, record.size)
        directory = record.directory
        if found.moved:
            return None, start
        if found.moved_to is not None:
            directory = True
            start = self._moved(found.moved_to)
        kind = _kind(directory, found)
        size = sum(length for _, length in extents) if kind == "file" else 0
        if size > self._source.size:
            raise self._source.error("a file is larger than the whole image")
        entry = Entry(
            names=(*parents, self._name(record, found)),
            kind=kind,
            size=size,
            extents=extents if size else (),
            modified=record.modified,
            mode=None if found.mode is None else stat.S_IMODE(found.mode),
            links=found.links,
            uid=found.uid,
            gid=found.gid,
            serial=found.serial,
        )
        return entry, start

    def _moved(self, block: int) -> tuple[int, int]:
        """Where a moved directory lies: its size is in its own first record."""
        for record in records(self._budget, self._source, block, BLOCK):
            return block, record.size
        raise self._source.error(f"no directory at block {block}")

    def _name(self, record: Record, found: rockridge.Attributes) -> str:
        if found.name is not None:
            return found.name.decode("utf-8", "surrogateescape")
        encoding = "utf-16-be" if self._view == JOLIET else "latin-1"
        name = record.name.decode(encoding, "replace")
        stem, semicolon, version = name.rpartition(";")
        if semicolon and version.isdigit():
            name = stem
        return name if self._view == JOLIET else name.removesuffix(".")


def _kind(directory: bool, found: rockridge.Attributes) -> str:
    if directory:
        return "directory"
    if found.symlink or (found.mode is not None and stat.S_ISLNK(found.mode)):
        return "symlink"
    if found.mode is None or stat.S_ISREG(found.mode):
        return "file"
    return "other"
