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


"""Reads a qcow2 image as the raw disk that it holds, while it streams in.

The format (QEMU, docs/interop/qcow2.txt) points from tables to clusters
anywhere in the file. Images that are made for the purpose, by ``qemu-img
convert`` or a server's snapshot, have each table before what it points to and
the clusters in the disk's order. They are read in one pass, and what comes
too early is kept, up to a limit. An image in another order is refused, as are
backing files, external data files, encryption and extended tables: nothing
outside the stream is ever opened.
"""

from __future__ import annotations

import collections
import collections.abc
import dataclasses
import io
import struct
import typing
import zlib

from ibmvirt.common import exceptions

# Bytes that may be kept for later.
LIMIT = 64 << 20

_MAGIC = b"QFI\xfb"
_DIRTY, _CORRUPT, _DATA_FILE, _COMPRESSION, _EXTENDED = 1, 2, 4, 8, 16
_HEADER = 112
# Bytes of the shortest header of version 3.
_LEAST_3 = 104
_OFFSET = (1 << 56) - (1 << 9)
_COMPRESSED = 1 << 62
_ZERO = 1
_L1_MOST = 32 << 20


@dataclasses.dataclass(frozen=True)
class Header:
    """What the first bytes say; sizes and offsets in bytes."""

    cluster_bits: int
    size: int
    l1_entries: int
    l1_offset: int

    @property
    def cluster(self) -> int:
        return 1 << self.cluster_bits


class _Wrong(Exception):
    """Why the image cannot be read."""


def header(data: bytes) -> Header:
    """The header of an image from its first 112 bytes.

    :raises ValueError: it is no qcow2 image, or one of a kind that is not
        read; the text says which.
    """
    if len(data) < 72 or data[:4] != _MAGIC:
        raise ValueError("it is not in the format qcow2")
    (version, backing, _length, bits, size, crypt, l1_entries, l1_offset) = (
        struct.unpack_from(">IQIIQIIQ", data, 4)
    )
    if version not in (2, 3):
        raise ValueError(f"its qcow2 version is {version}, not 2 or 3")
    if version == 3 and len(data) < _LEAST_3:
        raise ValueError("its header is cut short")
    features = struct.unpack_from(">Q", data, 72)[0] if version == 3 else 0
    if backing:
        raise ValueError("it has a backing file")
    if crypt:
        raise ValueError("it is encrypted")
    if features & _DATA_FILE:
        raise ValueError("it has an external data file")
    if features & _CORRUPT:
        raise ValueError("it is marked as corrupt")
    if features & ~(_DIRTY | _CORRUPT | _DATA_FILE):
        raise ValueError("it uses compression or tables of a newer kind")
    if not 9 <= bits <= 21:
        raise ValueError(f"its clusters have 2**{bits} bytes")
    found = Header(bits, size, l1_entries, l1_offset)
    needed = -(-size // (found.cluster * (found.cluster // 8)))
    if l1_entries < needed or l1_entries * 8 > _L1_MOST or l1_offset % found.cluster:
        raise ValueError("its tables do not fit its size")
    return found


class Reader(io.RawIOBase):
    """The raw disk of a qcow2 stream, in order.

    :param stream: read from its start to its very end, so that whoever checks
        its sum hears of all of it; closed with this.
    :param what: names the image in errors.
    """

    def __init__(
        self, stream: typing.BinaryIO, what: str, *, limit: int = LIMIT
    ) -> None:
        super().__init__()
        self._stream = stream
        self._what = what
        self._host = _Host(stream, limit)
        self._parts = self._walk()
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: typing.Any) -> int:
        try:
            while not self._rest:
                part = next(self._parts, None)
                if part is None:
                    return 0
                self._rest = memoryview(part)
        except (ValueError, _Wrong) as error:
            raise exceptions.InvalidRequest(
                f"convert {self._what} from qcow2 to raw",
                str(error),
                "write it anew: qemu-img convert -O qcow2, or -O raw",
            ) from error
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()

    # -- the walk over the disk ---------------------------------------------

    def _walk(self) -> collections.abc.Iterator[bytes]:
        head = header(self._host.peek(_HEADER))
        self._host.start(head.cluster_bits)
        table = self._host.take(head.l1_offset, head.l1_entries * 8)
        left = head.size
        zeros = bytes(head.cluster)
        for (entry,) in struct.iter_unpack(">Q", table):
            if left <= 0:
                break
            offset = entry & _OFFSET
            span = head.cluster // 8
            entries: collections.abc.Iterable[tuple[int]] = ((0,),) * span
            if offset:
                self._host.aligned(offset)
                entries = struct.iter_unpack(
                    ">Q", self._host.take(offset, head.cluster)
                )
            for (cluster,) in entries:
                if left <= 0:
                    break
                data = self._cluster(head, cluster) or zeros
                yield data[: min(left, head.cluster)]
                left -= head.cluster
        self._host.drain()

    def _cluster(self, head: Header, entry: int) -> bytes:
        """A cluster's bytes; empty for one of zeros."""
        if entry & _COMPRESSED:
            bits = 62 - (head.cluster_bits - 8)
            offset = entry & ((1 << bits) - 1)
            sectors = ((entry & (_COMPRESSED - 1)) >> bits) + 1
            length = sectors * 512 - offset % 512
            return self._inflate(head, self._host.packed(offset, length))
        offset = entry & _OFFSET
        if entry & _ZERO or not offset:
            return b""
        self._host.aligned(offset)
        return self._host.take(offset, head.cluster)

    def _inflate(self, head: Header, data: bytes) -> bytes:
        try:
            found = zlib.decompressobj(-15).decompress(data, head.cluster)
        except zlib.error as error:
            raise _Wrong(f"a compressed cluster is damaged: {error}") from error
        if len(found) != head.cluster:
            raise _Wrong("a compressed cluster is too short")
        return found


class _Host:
    """The clusters of the file: what was read and not yet used."""

    def __init__(self, stream: typing.BinaryIO, limit: int) -> None:
        self._stream = stream
        self._limit = limit
        self._first = b""
        self._bits = 0
        self._next = 0
        self._kept: collections.OrderedDict[int, bytes] = collections.OrderedDict()
        # Of the last compressed cluster; the next one may begin in it.
        self._shared: int | None = None

    def peek(self, count: int) -> bytes:
        """The first bytes of the file; before :meth:`start`."""
        self._first = self._exactly(count)
        return self._first

    def start(self, cluster_bits: int) -> None:
        self._bits = cluster_bits
        rest = self._exactly((1 << cluster_bits) - len(self._first))
        self._kept[0] = self._first + rest
        self._next = 1

    def aligned(self, offset: int) -> None:
        if offset % (1 << self._bits):
            raise _Wrong(f"a table points to {offset}, inside a cluster")

    def take(self, offset: int, length: int) -> bytes:
        """Bytes that are used once: their clusters are given up."""
        return self._read(offset, length, keep_last=False)

    def packed(self, offset: int, length: int) -> bytes:
        """Bytes of compressed data, whose last cluster may hold more."""
        first, last = offset >> self._bits, (offset + length - 1) >> self._bits
        if self._shared is not None and self._shared < first:
            self._kept.pop(self._shared, None)
        found = self._read(offset, length, keep_last=True)
        self._shared = last
        return found

    def drain(self) -> None:
        self._kept.clear()
        while self._stream.read(1 << 20):
            pass

    def _read(self, offset: int, length: int, *, keep_last: bool) -> bytes:
        first, last = offset >> self._bits, (offset + length - 1) >> self._bits
        parts = []
        for index in range(first, last + 1):
            keep = keep_last and index == last
            parts.append(self._index(index, keep=keep))
        start = offset - (first << self._bits)
        # What is beyond the end of the file reads as zeros.
        return b"".join(parts)[start : start + length].ljust(length, b"\0")

    def _index(self, index: int, *, keep: bool) -> bytes:
        while index >= self._next:
            cluster = self._exactly(1 << self._bits)
            if not cluster:
                if keep:
                    # The sectors of the last compressed cluster are rounded up.
                    return b""
                raise _Wrong("it ends before its last cluster")
            if self._next == index and not keep:
                self._next += 1
                return cluster
            self._kept[self._next] = cluster
            self._next += 1
            if len(self._kept) << self._bits > self._limit:
                raise _Wrong("its clusters are in no order that can be streamed")
        if index not in self._kept:
            raise _Wrong("its clusters are in no order that can be streamed")
        return self._kept[index] if keep else self._kept.pop(index)

    def _exactly(self, count: int) -> bytes:
        """``count`` bytes, or less at the end of the file."""
        parts = []
        while count > 0 and (part := self._stream.read(count)):
            parts.append(part)
            count -= len(part)
        return b"".join(parts)
