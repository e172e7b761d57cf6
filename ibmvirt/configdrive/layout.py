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


"""Descriptors and directories of an image, made by pycdlib.

They depend on the names of the files, the label and the publisher, and on
nothing else but a few numbers: where each content begins, how long it is, and
the dates. So pycdlib lays out the names once, with empty files, and the
numbers are filled in afterwards, at the places where the standards put them.

 - Drives of a cloud have the same names over and over: the last few layouts
   are kept, and building is then several times as fast. A layout holds names,
   never a content.
 - pycdlib takes its dates from the clock and the time zone of the process.
   Setting them in the bytes needs no replacement of its clock, which every
   thread would see: drives that are built at once do not disturb each other.
 - The contents are never copied: they go straight to the output.

Sources: ECMA-119 8.4 and 9.1, IEEE P1281 (SUSP) 5.1, RRIP 4.1.6 (TF).
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import gc
import importlib.metadata
import io
import struct
from typing import Any

import pycdlib

from ibmvirt.configdrive import dates, tree
from ibmvirt.configdrive.errors import ConfigDriveError

BLOCK = 2048

_FIRST_DESCRIPTOR = 16
_DIRECTORY_MODE = 0o040555
_FILE_MODE = 0o100444
# Layouts of more files are not kept; one of so many takes about 0.5 MiB.
_MAX_KEPT = 300

_BOTH = struct.Struct("<L")
_BOTH_BIG = struct.Struct(">L")


@dataclasses.dataclass(frozen=True, slots=True)
class Layout:
    """An image without contents and dates, and the places for them.

    :ivar head: the image up to the first content.
    :ivar descriptors: where the volume descriptors begin.
    :ivar files: where the directory records of each file begin, by its path.
    :ivar dates: where the dates of directory records are, and Rock Ridge's.
    """

    head: bytes
    descriptors: tuple[int, ...]
    files: dict[str, list[int]]
    dates: tuple[int, ...]

    def fill(
        self, extents: dict[str, tuple[int, int]], blocks: int, moment: float
    ) -> bytearray:
        """Fill in the numbers.

        :param extents: first block and size of each file that has a content.
        :param blocks: blocks of the whole image.
        :param moment: every date, in seconds since 1970-01-01 UTC.
        :returns: the image up to the first content.
        """
        image = bytearray(self.head)
        volume = dates.of_volume(moment)
        for start in self.descriptors:
            _set_number(image, start + 80, blocks)
            for field in (813, 830, 864):  # created, modified, effective
                image[start + field : start + field + 17] = volume
        record = dates.of_record(moment)
        for position in self.dates:
            image[position : position + 7] = record
        for path, (block, size) in extents.items():
            for position in self.files[path]:
                _set_number(image, position + 2, block)
                _set_number(image, position + 10, size)
        return image


def _set_number(image: bytearray, position: int, number: int) -> None:
    # In both byte orders, one behind the other (ECMA-119 7.3.3).
    _BOTH.pack_into(image, position, number)
    _BOTH_BIG.pack_into(image, position + 4, number)


def lay_out(root: tree.Directory, label: str, publisher: str) -> Layout:
    """Make, or find, the layout of a tree.

    :param root: the tree as :func:`ibmvirt.configdrive.tree.plan` makes it.
    :param label: volume label, checked.
    :param publisher: publisher as the descriptors can hold it.
    :raises ConfigDriveError: pycdlib refuses.
    """
    names = tuple((file.path, file.iso_path) for file in tree.files_of(root))
    if len(names) > _MAX_KEPT:
        return _lay_out(root, label, publisher)
    return _lay_out_once(_Named(names, root), label, publisher)


class _Named:
    """A tree that equals another if it has the same names."""

    def __init__(
        self, names: tuple[tuple[str, str], ...], root: tree.Directory
    ) -> None:
        self._names = names
        self._root: tree.Directory | None = root

    def __hash__(self) -> int:
        return hash(self._names)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Named) and self._names == other._names

    def take(self) -> tree.Directory:
        """The tree, once: it holds contents, which must not be kept."""
        root, self._root = self._root, None
        assert root is not None
        return root


@functools.lru_cache(maxsize=8)
def _lay_out_once(named: _Named, label: str, publisher: str) -> Layout:
    return _lay_out(named.take(), label, publisher)


def _lay_out(root: tree.Directory, label: str, publisher: str) -> Layout:
    head = _master(root, label, publisher)
    # pycdlib's objects refer to each other in circles, and several times the
    # size of the head would stay until Python looks for such. They are young.
    gc.collect(1)
    return _find_places(head, root)


def _master(root: tree.Directory, label: str, publisher: str) -> bytes:
    """The image that pycdlib makes of these names, with empty files."""
    output = io.BytesIO()
    iso = pycdlib.PyCdlib()
    try:
        iso.new(
            interchange_level=3,
            sys_ident="LINUX",
            vol_ident=label,
            vol_set_ident="",
            pub_ident_str=publisher,
            app_ident_str="ibmvirt",
            joliet=3,
            # 1.12 adds serial numbers, which pycdlib leaves 0; readers on
            # libarchive then take all files for links to one empty file.
            rock_ridge="1.09",
        )
        _add(iso, root)
        iso.write_fp(output)
    except pycdlib.pycdlibexception.PyCdlibException as error:
        raise ConfigDriveError("lay out", "the config drive", str(error)) from error
    finally:
        with contextlib.suppress(pycdlib.pycdlibexception.PyCdlibException):
            iso.close()
    return output.getvalue()


def _add(iso: Any, directory: tree.Directory) -> None:
    for child in directory.children.values():
        names = {
            "iso_path": child.iso_path,
            "rr_name": child.name,
            "joliet_path": "/" + child.path,
        }
        if isinstance(child, tree.Directory):
            iso.add_directory(file_mode=_DIRECTORY_MODE, **names)
            _add(iso, child)
        else:
            iso.add_fp(io.BytesIO(), 0, file_mode=_FILE_MODE, **names)


def _find_places(head: bytes, root: tree.Directory) -> Layout:
    descriptors: list[int] = []
    places: list[int] = []
    files: dict[str, list[int]] = {file.path: [] for file in tree.files_of(root)}
    by_iso_path = {file.iso_path: file.path for file in tree.files_of(root)}
    for start in range(_FIRST_DESCRIPTOR * BLOCK, len(head), BLOCK):
        kind = head[start]
        if kind == 255:
            break
        descriptors.append(start)
        places.append(start + 156 + 18)  # of the root's record
        joliet = kind == 2
        for name, position in _records(head, *_extent(head, start + 156), joliet):
            places.extend(_dates_of(head, position))
            if name is not None:
                path = name.removeprefix("/").removesuffix(";1")
                files[path if joliet else by_iso_path[name]].append(position)
    if any(len(positions) != len(descriptors) for positions in files.values()):
        raise ConfigDriveError(
            "lay out",
            "the config drive",
            "pycdlib did not give each file a place",
            f"This is a defect; pycdlib is {_version()}.",
        )
    return Layout(head, tuple(descriptors), files, tuple(places))


def _version() -> str:
    return importlib.metadata.version("pycdlib")


def _extent(head: bytes, record: int) -> tuple[int, int]:
    block: int = _BOTH.unpack_from(head, record + 2)[0]
    size: int = _BOTH.unpack_from(head, record + 10)[0]
    return block * BLOCK, size


def _records(
    head: bytes, start: int, size: int, joliet: bool
) -> list[tuple[str | None, int]]:
    """All records below a directory: the paths of files, and the positions."""
    found: list[tuple[str | None, int]] = []
    waiting = [("", start, size)]
    for folder, start, size in waiting:
        position = start
        while position < start + size:
            length = head[position]
            if not length:  # the rest of the block is empty
                position += BLOCK - position % BLOCK
                continue
            raw = head[position + 33 : position + 33 + head[position + 32]]
            path = None
            if raw not in (b"\0", b"\1"):  # the directory itself, its parent
                name = raw.decode("utf-16-be" if joliet else "ascii")
                path = f"{folder}/{name}"
                if head[position + 25] & 2:
                    waiting.append((path, *_extent(head, position)))
                    path = None
            found.append((path, position))
            position += length
    return found


def _dates_of(head: bytes, record: int) -> list[int]:
    """Where the dates of a record are, its own and those of Rock Ridge."""
    name_length = head[record + 32]
    position = record + 33 + name_length + (name_length + 1) % 2
    areas = [(position, record + head[record])]
    found = [record + 18]
    for position, end in areas:
        while position + 4 <= end and head[position + 2] >= 4:
            signature = head[position : position + 2]
            if signature == b"TF":
                count = head[position + 4].bit_count()
                found.extend(position + 5 + 7 * number for number in range(count))
            elif signature == b"CE":
                block, offset, size = struct.unpack_from("<L4xL4xL", head, position + 4)
                start = block * BLOCK + offset
                areas.append((start, start + size))
            position += head[position + 2]
    return found
