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

"""The Connector's image format: a header, and a packed disk.

The header is ``xCAT CKD Disk Image:`` (or ``FBA Disk``, ``FBA Part``), the size
right-aligned in 16 characters (``3338 CYL``), and ``HLen: 0055 GZIP: 6``, in a
block of 512 bytes; a first version ends after the size and has no block. With
GZIP above 0, gzip data follows (zthin's creatediskimage and unpackdiskimage,
zvmsdk/smtclient.py: _get_disk_size_units).
"""

from __future__ import annotations

import dataclasses
import re
import zlib

# How much of an image is needed to look at it.
FIRST_BYTES = 1024
# A cylinder of a 3390, as the Connector counts; a block of FBA.
UNIT_BYTES = {"ECKD": 737280, "FBA": 512}
_TYPES = {b"CYL": "ECKD", b"BLK": "FBA"}
_BLOCK = 512
# Where the size ends, in both versions.
_SIZE_END = 36
_HEADER = re.compile(
    rb"xCAT (?P<kind>CKD|FBA) (?:Disk|Part) Image: *(?P<size>\d+) (?P<unit>CYL|BLK)"
    rb"(?P<second> HLen: \d{4} GZIP: (?P<gzip>\d))?"
)
_GZIP = b"\x1f\x8b"
# For zlib: with gzip's own header and checksum.
_GZIP_FORMAT = 31
# Bytes that are unpacked at a time.
_UNPACKED = 1 << 20


_MIB = 1 << 20


@dataclasses.dataclass(frozen=True)
class Disk:
    """The disk in an image: ECKD or FBA, and its cylinders or blocks."""

    type: str
    units: int

    @property
    def size(self) -> int:
        """Bytes."""
        return self.units * UNIT_BYTES[self.type]

    @property
    def least_mib(self) -> int:
        """MiB of the smallest disk that it fits on.

        The Connector rounds a disk's size up to whole units. So a disk of 1 GiB
        has 1457 cylinders, a bit more, and so has an image of it.
        """
        return (self.units - 1) * UNIT_BYTES[self.type] // _MIB + 1

    def __str__(self) -> str:
        unit = "cylinders" if self.type == "ECKD" else "blocks"
        return f"{self.units} {unit} ({self.type}, {self.size / 2**30:.2f} GiB)"


def parse(first: bytes) -> Disk:
    """The disk that an image's first bytes (FIRST_BYTES) tell of.

    :raises ValueError: the image is in no format that can be deployed.
    """
    match = _match(first)
    if match["kind"] != (b"CKD" if match["unit"] == b"CYL" else b"FBA"):
        raise ValueError("its header gives a CKD disk in blocks, or FBA in cylinders")
    units = int(match["size"])
    if units <= 0:
        raise ValueError("its header gives no size")
    if match["gzip"] != b"0" and first[_start(match) :][:2] != _GZIP:
        raise ValueError("its header says that gzip data follows, and none does")
    return Disk(_TYPES[match["unit"]], units)


def _match(first: bytes) -> re.Match[bytes]:
    match = _HEADER.match(first)
    if match is None or match.end("unit") != _SIZE_END:
        raise ValueError("it does not begin with the header of a captured disk")
    return match


def _start(match: re.Match[bytes]) -> int:
    """Where the disk begins in the file."""
    return _BLOCK if match["second"] else _SIZE_END


class Whole:
    """Tells of an image's bytes, as they pass, whether the disk is whole.

    gzip's own checksum says so; what is unpacked is thrown away in small parts.
    A disk that is not packed has no such sign.
    """

    def __init__(self) -> None:
        self._first: bytes | None = b""
        self._packed: zlib._Decompress | None = None

    def feed(self, chunk: bytes) -> None:
        """:raises ValueError: the packed disk is broken."""
        if self._first is None:
            self._unpack(chunk)
        else:
            self._first += chunk
            if len(self._first) >= _BLOCK:
                self._begin(self._first)

    def _begin(self, first: bytes) -> None:
        self._first = None
        match = _match(first)
        if match["gzip"] != b"0":
            self._packed = zlib.decompressobj(wbits=_GZIP_FORMAT)
        self._unpack(first[_start(match) :])

    def _unpack(self, chunk: bytes) -> None:
        if self._packed is None:
            return
        try:
            while chunk and not self._packed.eof:
                self._packed.decompress(chunk, _UNPACKED)
                chunk = self._packed.unconsumed_tail
        except zlib.error as error:
            raise ValueError(f"its packed disk is broken ({error})") from error

    def finish(self) -> None:
        """:raises ValueError: the packed disk was cut off."""
        if self._first is not None:
            self._begin(self._first)
        if self._packed is not None and not self._packed.eof:
            raise ValueError("its packed disk was cut off")


def of_record(units: str) -> Disk:
    """The disk of a Connector's record: ``3338:CYL``.

    :raises ValueError: it says something else.
    """
    number, _, unit = units.partition(":")
    kind = _TYPES.get(unit.encode())
    if kind is None or not number.isdigit():
        raise ValueError(f"the Connector gives its size as {units!r}")
    return Disk(kind, int(number))
