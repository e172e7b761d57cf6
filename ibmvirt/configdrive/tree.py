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


"""The tree of a drive, checked against every limit before anything is written.

A drive shows its files under three sets of names: Rock Ridge (Linux, AIX),
Joliet (Windows) and plain ISO 9660 (IBM i without extended formats). Names
that a set cannot hold are refused, so that every guest finds the same files;
only the ISO 9660 names are derived, since these have to be upper case.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping

from ibmvirt.configdrive.content import Content, Data
from ibmvirt.configdrive.errors import ConfigDriveInputError

MAX_NAME = 64
"""Bytes of UTF-8 in a name; Joliet's limit as pycdlib counts it."""

MAX_DEPTH = 8
"""Levels including the root (ECMA-119 6.8.2.1): 7 directories, then a file."""

MAX_DIRECTORIES = 65534
"""Directories beside the root; path tables number them with 16 bits."""

_MAX_ISO_NAME = 30
# Joliet forbids these (Joliet specification, "Allowed character set").
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f*/:;?\\]")
_NOT_ISO = re.compile(r"[^A-Z0-9_]")
# Readers hide this directory of the root: the extensions reserve it for
# directories moved up from greater depth.
_RESERVED = {"rr_moved", ".rr_moved"}

Files = Mapping[str, Data] | Iterable[tuple[str, Data]]
"""What a drive is made of: pairs of path and content, or a mapping."""


@dataclasses.dataclass(slots=True)
class File:
    """A file of the drive to be."""

    name: str
    path: str
    content: Content
    iso_path: str = ""


@dataclasses.dataclass(slots=True)
class Directory:
    """A directory of the drive to be."""

    name: str
    path: str
    iso_path: str = ""
    children: dict[str, File | Directory] = dataclasses.field(default_factory=dict)


def plan(files: Files) -> Directory:
    """Make the tree of a drive.

    :param files: what the drive shall hold. The order does not matter.
    :returns: the root; children are in the order of their names.
    :raises ConfigDriveInputError: a path, a name or a content cannot be held
        by the drive, or two of them clash.
    """
    root = Directory("", "")
    directories = 0
    try:
        pairs = iter(files.items() if isinstance(files, Mapping) else files)
    except TypeError as error:
        raise ConfigDriveInputError(
            "build", "the config drive", f"the files are no pairs: {error}"
        ) from error
    for pair in pairs:
        path, data = _pair(pair)
        directories += _add(root, path, data)
        if directories > MAX_DIRECTORIES:
            raise _refused(path, f"more than {MAX_DIRECTORIES} directories")
    if not root.children:
        raise ConfigDriveInputError(
            "build", "the config drive", "it would hold no file"
        )
    _finish(root)
    return root


def files_of(root: Directory) -> Iterator[File]:
    """Yield the files below a directory, in the order of their paths."""
    for child in root.children.values():
        if isinstance(child, Directory):
            yield from files_of(child)
        else:
            yield child


def _pair(pair: object) -> tuple[str, Data]:
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise ConfigDriveInputError(
            "build",
            "the config drive",
            f"an item of type {type(pair).__name__} is not a pair of path and content",
        )
    path, data = pair
    if not isinstance(path, str):
        raise _refused(repr(path), f"the path is of type {type(path).__name__}")
    return path, data


def _add(root: Directory, path: str, data: Data) -> int:
    """Put one file into the tree; returns how many directories that made."""
    names = path.split("/")
    if len(names) > MAX_DEPTH:
        raise _refused(
            path, f"it is {len(names) - 1} directories deep; at most 7 are possible"
        )
    for name in names:
        _check_name(path, name)
    if names[0].lower() in _RESERVED and len(names) > 1:
        raise _refused(path, f"{names[0]!r} is reserved in the root of an image")
    node, made = root, 0
    for depth, name in enumerate(names[:-1], 1):
        child = node.children.get(name)
        if child is None:
            child = Directory(name, "/".join(names[:depth]))
            node.children[name] = child
            made += 1
        elif isinstance(child, File):
            raise _refused(path, f"{child.path!r} is both a file and a directory")
        node = child
    name = names[-1]
    existing = node.children.get(name)
    if existing is not None:
        twice = isinstance(existing, File)
        reason = "given twice" if twice else "both a file and a directory"
        raise _refused(path, f"{path!r} is {reason}")
    node.children[name] = File(name, path, Content(path, data))
    return made


def _check_name(path: str, name: str) -> None:
    if name in ("", ".", ".."):
        raise _refused(
            path,
            f"{name!r} is not a name" if name else "it has an empty component",
            "Paths are relative, with single slashes.",
        )
    if found := _FORBIDDEN.search(name):
        raise _refused(
            path, f"Windows guests could not read a name with {found[0]!r} in it"
        )
    try:
        length = len(name.encode())
    except UnicodeEncodeError:
        raise _refused(path, f"{name!r} is not valid Unicode") from None
    if max(name) > "\uffff":
        raise _refused(
            path, f"{name!r} has characters outside UCS-2, which Joliet cannot hold"
        )
    if length > MAX_NAME:
        raise _refused(
            path,
            f"{name!r} has {length} bytes in UTF-8; at most {MAX_NAME} are possible",
        )


def _finish(node: Directory) -> None:
    """Sort the children, refuse names that differ in case only, name for ISO."""
    node.children = dict(sorted(node.children.items()))
    folded: dict[str, File | Directory] = {}
    used: dict[str, int] = {}
    for child in node.children.values():
        other = folded.setdefault(_fold(child.name), child)
        if other is not child:
            raise _refused(
                child.path,
                f"it differs from {other.path!r} only in case",
                "Windows guests could read just one of the two.",
            )
        child.iso_path = f"{node.iso_path}/{_iso_name(child, used)}"
        if isinstance(child, Directory):
            _finish(child)


def _fold(name: str) -> str:
    # As Windows compares: character by character, lengths never change.
    return "".join(u if len(u := c.upper()) == 1 else c for c in name)


def _iso_name(node: File | Directory, used: dict[str, int]) -> str:
    """The ISO 9660 name (level 3), unique among those used in its directory.

    :param used: the names so far, as readers show them: without version and
        without a dot at the end; and how many others would be the same.
    """
    stem, extension = node.name, ""
    if isinstance(node, File):
        before, _, after = node.name.rpartition(".")
        if before:
            stem, extension = before, _upper(after)[: _MAX_ISO_NAME - 8]
    stem = _upper(stem)
    room = _MAX_ISO_NAME - 1 - len(extension)
    tail = f".{extension}" if extension else ""
    shown = wanted = f"{stem[:room]}{tail}"
    while shown in used:
        used[wanted] += 1
        number = used[wanted]
        shown = f"{stem[: room - 1 - len(str(number))]}_{number}{tail}"
    used[shown] = 0
    if isinstance(node, Directory):
        return shown
    return f"{shown};1" if extension else f"{shown}.;1"


def _upper(name: str) -> str:
    return _NOT_ISO.sub("_", name.upper())


def _refused(path: str, reason: str, hint: str = "") -> ConfigDriveInputError:
    return ConfigDriveInputError("put on the config drive", repr(path), reason, hint)
