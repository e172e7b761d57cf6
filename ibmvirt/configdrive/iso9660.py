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


"""ISO 9660 structures, read with every length and position checked.

An image may come from anywhere. So nothing here trusts it: what it claims is
held against its real size, directories that lead in a circle are refused, and
a budget bounds the work and memory that an image can ask for.

Source: ECMA-119 (ISO 9660), sections 6.8, 8.4, 8.5 and 9.1.
"""

from __future__ import annotations

import calendar
import dataclasses
import os
import threading
from collections.abc import Iterator
from typing import BinaryIO

from ibmvirt.configdrive.errors import (
    ConfigDriveReadError,
    ConfigDriveUnsupportedFormat,
)

BLOCK = 2048
_FIRST_DESCRIPTOR = 16
_MAX_DESCRIPTORS = 64
# Escape sequences of UCS-2 levels 1 to 3 (Joliet specification).
_JOLIET = (b"%/@", b"%/C", b"%/E")


class Source:
    """The bytes of an image, from a file's present position to its end."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        """Take a readable, seekable binary file; it stays the caller's.

        :raises ConfigDriveReadError: it cannot be read.
        """
        self.name = name
        self._file = file
        self._lock = threading.Lock()
        try:
            self._start = file.tell()
            self.size = file.seek(0, os.SEEK_END) - self._start
            file.seek(self._start)
            if not isinstance(file.read(0), bytes):
                raise ValueError("it is no binary file")
        except (OSError, ValueError, AttributeError) as error:
            raise self.error(f"it cannot be read: {error}") from error

    def read(self, offset: int, size: int) -> bytes:
        """Read exactly this part of the image.

        :raises ConfigDriveReadError: it is not all there.
        """
        if offset + size > self.size:
            raise self.error(
                f"bytes {offset} to {offset + size} are wanted, "
                f"but it ends at {self.size}",
                "It is truncated or damaged.",
            )
        try:
            with self._lock:
                self._file.seek(self._start + offset)
                data = self._file.read(size)
        except (OSError, ValueError) as error:
            raise self.error(f"reading at {offset}: {error}") from error
        if len(data) != size:
            raise self.error(f"it became shorter while it was read, at {offset}")
        return data

    def error(self, reason: str, hint: str = "") -> ConfigDriveReadError:
        """What to raise when the image is not as it should be."""
        return ConfigDriveReadError("read the image", self.name, reason, hint)


@dataclasses.dataclass(frozen=True, slots=True)
class Volume:
    """A volume descriptor, primary or Joliet's."""

    label: str
    system: str
    publisher: str
    application: str
    blocks: int
    modified: float | None
    root_block: int
    root_size: int


@dataclasses.dataclass(frozen=True, slots=True)
class Record:
    """A directory record."""

    name: bytes
    block: int
    size: int
    directory: bool
    associated: bool
    continued: bool
    modified: float | None
    system_use: bytes


class Budget:
    """What one directory tree may cost; an honest drive needs a thousandth."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._bytes = 32 * 2**20
        self._entries = 100_000
        self._names = 16 * 2**20

    def read(self, offset: int, size: int) -> bytes:
        """Read a part of the image on account of the budget."""
        self._bytes -= size
        if self._bytes < 0:
            raise self._source.error("its directories are larger than 32 MiB")
        return self._source.read(offset, size)

    def entry(self, path_length: int) -> None:
        """Account for an entry and its path."""
        self._entries -= 1
        self._names -= path_length
        if self._entries < 0 or self._names < 0:
            raise self._source.error("it has more than 100000 files or 16 MiB of names")


def volumes(source: Source) -> tuple[Volume, Volume | None]:
    """The primary volume and, if there is one, that of Joliet.

    :raises ConfigDriveUnsupportedFormat: the image is of another format.
    :raises ConfigDriveReadError: it is no image, or damaged.
    """
    primary = joliet = None
    for number in range(_MAX_DESCRIPTORS):
        offset = (_FIRST_DESCRIPTOR + number) * BLOCK
        if offset + BLOCK > source.size:
            break
        data = source.read(offset, BLOCK)
        if data[1:6] != b"CD001" or data[0] == 255:
            break
        if data[0] == 1 and primary is None:
            primary = _volume(source, data, "ascii")
        elif data[0] == 2 and data[88:91] in _JOLIET and joliet is None:
            joliet = _volume(source, data, "utf-16-be")
    if primary is None:
        raise _no_image(source)
    return primary, joliet


def _no_image(source: Source) -> Exception:
    start = source.read(0, min(source.size, 20 * BLOCK))
    kind = ""
    if start[510:512] == b"\x55\xaa" and b"FAT" in start[54:90]:
        kind = "a FAT file system"
    elif start[:2] == b"\x1f\x8b":
        kind = "compressed with gzip"
    elif b"BEA01" in start[_FIRST_DESCRIPTOR * BLOCK :]:
        kind = "a UDF file system"
    if kind:
        return ConfigDriveUnsupportedFormat(
            "read the image", source.name, f"it is {kind}", "Only ISO 9660 is read."
        )
    return source.error(
        "it has no ISO 9660 volume descriptor", "It is no config drive."
    )


def _volume(source: Source, data: bytes, encoding: str) -> Volume:
    def text(start: int, end: int) -> str:
        return data[start:end].decode(encoding, "replace").rstrip(" \0")

    block_size = int.from_bytes(data[128:130], "little")
    if block_size != BLOCK:
        raise ConfigDriveUnsupportedFormat(
            "read the image", source.name, f"its blocks have {block_size} bytes",
            "Only blocks of 2048 bytes are read.",
        )  # fmt: skip
    return Volume(
        label=text(40, 72),
        system=text(8, 40),
        publisher=text(318, 446),
        application=text(574, 702),
        blocks=int.from_bytes(data[80:84], "little"),
        modified=_volume_date(data[830:847]),
        root_block=int.from_bytes(data[158:162], "little"),
        root_size=int.from_bytes(data[166:170], "little"),
    )


def _volume_date(data: bytes) -> float | None:
    digits = data[:16]
    if not digits.isdigit() or not digits.strip(b"0"):
        return None
    fields = [int(digits[i : i + 2]) for i in range(4, 16, 2)]
    year = int(digits[:4])
    seconds = _seconds(year, *fields[:5], offset=data[16])
    return None if seconds is None else seconds + fields[5] / 100


def _record_date(data: bytes) -> float | None:
    return _seconds(1900 + data[0], *data[1:6], offset=data[6])


def _seconds(
    year: int, month: int, day: int, hour: int, minute: int, second: int, *, offset: int
) -> float | None:
    # The offset is a signed byte, in quarters of an hour east of UTC.
    valid = year > 0 and 1 <= month <= 12 and 1 <= day <= 31
    if not valid or hour > 23 or minute > 59 or second > 59:
        return None
    east = (offset - 256 if offset > 127 else offset) * 900
    moment = (year, month, day, hour, minute, second)
    return float(calendar.timegm(moment) - east)


def records(budget: Budget, source: Source, block: int, size: int) -> Iterator[Record]:
    """Yield the records of a directory, its first two (itself, parent) as well.

    :raises ConfigDriveReadError: a record is not as it should be.
    """
    for start in range(0, size, BLOCK):
        data = budget.read(block * BLOCK + start, min(BLOCK, size - start))
        position = 0
        while position < len(data) and (length := data[position]):
            record = data[position : position + length]
            if len(record) < length or length < 34 or 33 + record[32] > length:
                raise source.error(
                    f"a directory record at {block * BLOCK + start + position} is "
                    "cut short"
                )
            yield _record(record)
            position += length


def _record(data: bytes) -> Record:
    name_end = 33 + data[32]
    return Record(
        name=data[33:name_end],
        # An extended attribute record, if any, comes before the content.
        block=int.from_bytes(data[2:6], "little") + data[1],
        size=int.from_bytes(data[10:14], "little"),
        directory=bool(data[25] & 2),
        associated=bool(data[25] & 4),
        continued=bool(data[25] & 128),
        modified=_record_date(data[18:25]),
        system_use=data[name_end + (data[32] + 1) % 2 :],
    )
