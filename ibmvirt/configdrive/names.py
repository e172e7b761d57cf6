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

"""Paths of the files on a drive, checked, and their names in each directory tree.

An image holds three trees of the same files: plain ISO 9660 (upper case,
A-Z 0-9 _), Rock Ridge (the real names, for Linux, AIX and IBM i) and Joliet
(the real names up to 64 bytes, for Windows).
"""

from __future__ import annotations

import collections.abc
import dataclasses
import re

from ibmvirt.configdrive import errors

# ISO 9660 level 3: name and extension together at most 30 characters.
ISO_NAME_MAX = 30
# pycdlib counts a Joliet name in UTF-8 bytes.
JOLIET_NAME_MAX = 64
# Linux cuts a Rock Ridge name at 255 bytes (NAME_MAX).
ROCK_RIDGE_NAME_MAX = 248
# Rock Ridge moves deeper directories away (RR_MOVED); readers differ there.
DEPTH_MAX = 8
FILES_MAX = 65_000

_NOT_ISO = re.compile(r"[^A-Z0-9_]")

Content = bytes | str
Files = (
    collections.abc.Mapping[str, Content]
    | collections.abc.Iterable[tuple[str, Content]]
)


@dataclasses.dataclass(frozen=True)
class Entry:
    """A file or directory and its path in each tree; ``data`` None = directory."""

    path: str
    iso_path: str
    joliet_path: str
    data: bytes | None

    @property
    def name(self) -> str:
        return self.path.rsplit("/", 1)[-1]


@dataclasses.dataclass
class _Directory:
    iso_path: str
    joliet_path: str
    iso_names: set[str] = dataclasses.field(default_factory=set)
    joliet_names: set[str] = dataclasses.field(default_factory=set)


def plan(files: Files) -> list[Entry]:
    """Every directory and file of a drive, parents first, in a fixed order.

    :raises ConfigDriveInputError: a path or content that cannot be used,
        the same path twice, or a path that is a file and a directory.
    """
    contents = _collect(files)
    directories: dict[str, _Directory] = {"": _Directory("", "")}
    entries: list[Entry] = []
    for path in sorted(contents):
        parts = path.split("/")
        for depth in range(1, len(parts)):
            parent = "/".join(parts[:depth])
            if parent in contents:
                raise errors.ConfigDriveInputError(
                    f"{parent!r} is a file and, for {path!r}, a directory: "
                    "rename one of them"
                )
            if parent not in directories:
                entry = _entry(directories, parent, None)
                directories[parent] = _Directory(entry.iso_path, entry.joliet_path)
                entries.append(entry)
        entries.append(_entry(directories, path, contents[path]))
    return entries


def _collect(files: Files) -> dict[str, bytes]:
    if isinstance(files, collections.abc.Mapping):
        pairs: collections.abc.Iterable[tuple[str, Content]] = files.items()
    else:
        pairs = files
    contents: dict[str, bytes] = {}
    for path, content in pairs:
        checked = check_path(path)
        if isinstance(content, str):
            content = content.encode()
        elif not isinstance(content, bytes | bytearray | memoryview):
            raise errors.ConfigDriveInputError(
                f"the content of {checked!r} is {type(content).__name__}: "
                "give bytes or str"
            )
        if checked in contents:
            raise errors.ConfigDriveInputError(f"{checked!r} is there twice")
        contents[checked] = bytes(content)
        if len(contents) > FILES_MAX:
            raise errors.ConfigDriveInputError(f"more than {FILES_MAX} files")
    return contents


def check_path(path: object) -> str:
    """A path without leading slash, or a ConfigDriveInputError."""
    if not isinstance(path, str):
        raise errors.ConfigDriveInputError(f"{path!r} is not a path: give a str")
    relative = path.lstrip("/")
    parts = relative.split("/")
    for part in parts:
        if part in ("", ".", ".."):
            raise errors.ConfigDriveInputError(
                f"{path!r} has an empty, '.' or '..' component"
            )
        if any(ord(char) < 32 or ord(char) == 127 for char in part):
            raise errors.ConfigDriveInputError(f"{path!r} has a control character")
        try:
            length = len(part.encode())
        except UnicodeEncodeError:
            raise errors.ConfigDriveInputError(f"{path!r} is not Unicode") from None
        if length > ROCK_RIDGE_NAME_MAX:
            raise errors.ConfigDriveInputError(
                f"{part!r} is longer than {ROCK_RIDGE_NAME_MAX} bytes"
            )
    if len(parts) > DEPTH_MAX:
        raise errors.ConfigDriveInputError(
            f"{path!r} is nested deeper than {DEPTH_MAX} levels"
        )
    return relative


def _entry(directories: dict[str, _Directory], path: str, data: bytes | None) -> Entry:
    parent, _, name = path.rpartition("/")
    home = directories[parent]
    iso = _unique_iso(name, home.iso_names, directory=data is None)
    joliet = _unique_joliet(name, home.joliet_names)
    return Entry(
        path=path,
        iso_path=f"{home.iso_path}/{iso}",
        joliet_path=f"{home.joliet_path}/{joliet}",
        data=data,
    )


def _unique_iso(name: str, taken: set[str], *, directory: bool) -> str:
    """The ISO 9660 name: mangled as genisoimage does, and unique."""
    stem, extension = name, ""
    if not directory and "." in name.strip("."):
        stem, _, extension = name.rpartition(".")
    stem = _NOT_ISO.sub("_", stem.upper())
    extension = _NOT_ISO.sub("_", extension.upper())[:8]
    room = ISO_NAME_MAX - (len(extension) + 1 if extension else 0)
    for number in range(FILES_MAX + 1):
        tail = f"_{number}" if number else ""
        short = stem[: room - len(tail)] + tail
        # A directory and a file of one name would clash as well.
        candidate = short if directory else f"{short}.{extension}"
        if candidate.rstrip(".") not in taken:
            taken.add(candidate.rstrip("."))
            return candidate if directory else f"{candidate};1"
    raise errors.ConfigDriveInputError(f"too many names like {name!r}")


def _unique_joliet(name: str, taken: set[str]) -> str:
    """The name itself, or cut to what Joliet holds; unique without case.

    Windows does not tell names by case: of two that differ only there, one
    gets a number.
    """
    for number in range(FILES_MAX + 1):
        tail = f"~{number}" if number else ""
        room = JOLIET_NAME_MAX - len(tail)
        candidate = _cut(_joliet_safe(name), room) + tail
        if candidate.casefold() not in taken:
            taken.add(candidate.casefold())
            return candidate
    raise errors.ConfigDriveInputError(f"too many names like {name!r}")


def _joliet_safe(name: str) -> str:
    # Joliet forbids * / : ; ? and backslash; UCS-2 has nothing above U+FFFF.
    return "".join(
        "_" if char in "*:;?\\" or ord(char) > 0xFFFF else char for char in name
    )


def _cut(name: str, room: int) -> str:
    return name.encode()[:room].decode(errors="ignore")
