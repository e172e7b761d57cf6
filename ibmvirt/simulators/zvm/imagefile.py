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

Documented: the Connector's tools creatediskimage and unpackdiskimage
(zthin-parts), and the parser in zvmsdk/smtclient.py. The header has 55
characters in a block of 512 bytes; of the first version it had 36, and no
block. What is packed is the disk's bytes; zeros at its end may be left out.
"""

from __future__ import annotations

import collections.abc
import contextlib
import dataclasses
import gzip
import io
import os
import pathlib
import re
import tempfile
import threading
import typing
import zlib

from ibmvirt.simulators.core import blobs

# Bytes of a 3390 cylinder and of an FBA block (zvmsdk constants).
CYLINDER = 737_280
BLOCK = 512
_PIECE = 1 << 20
_OLD = 36
# What unpackdiskimage knows.
_TAGS = {
    b"xCAT CKD Disk Image:": "ECKD",
    b"xCAT FBA Disk Image:": "FBA",
    b"xCAT FBA Part Image:": "FBA",
}
_LENGTH = re.compile(rb" HLen: (\d{4}) GZIP: (\d)")
# What the Connector's database and the header have room for.
_MOST_UNITS = 10**11


class NoImage(Exception):
    """The file is not in the Connector's format."""


@dataclasses.dataclass(frozen=True)
class Head:
    """``size`` in cylinders (ECKD) or blocks (FBA)."""

    size: int
    kind: str

    def to_bytes(self, level: int = 6) -> bytes:
        tag, name = ("CYL", "CKD Disk") if self.kind == "ECKD" else ("BLK", "FBA Part")
        size = f"{self.size} {tag}"
        text = f"xCAT {name} Image:{size:>16} HLen: 0055 GZIP: {level}"
        return text.encode().ljust(BLOCK)


def units(length: int, kind: str) -> int:
    """Cylinders or blocks that so many bytes take."""
    return -(-length // (CYLINDER if kind == "ECKD" else BLOCK))


def _open(source: typing.BinaryIO) -> tuple[Head, bool]:
    """The head of an image, whose packed disk follows, and if it is gzip.

    :raises NoImage: another format.
    """
    start = source.read(BLOCK)
    kind = _TAGS.get(start[:20])
    if kind is None:
        raise NoImage("Disk image type not recognized")
    try:
        size = int(start[20:_OLD].split()[0])
    except (IndexError, ValueError):
        raise NoImage("the header has no size") from None
    if not size:
        raise NoImage("it does not contain cylinder/record information")
    length = _LENGTH.match(start[_OLD:])
    if length is None:
        source.seek(_OLD)
    return Head(size, kind), length is None or length[2] != b"0"


def write(raw: bytes, kind: str = "ECKD") -> bytes:
    """An image of raw bytes; its size is rounded up to whole units."""
    head = Head(units(len(raw), kind), kind)
    return head.to_bytes() + gzip.compress(raw, 6, mtime=0)


def read(content: bytes) -> tuple[bytes, int, str]:
    """Raw bytes, size in units, and ECKD or FBA.

    :raises NoImage: another format.
    """
    source = io.BytesIO(content)
    head, packed = _open(source)
    return b"".join(_pieces(source, packed)), head.size, head.kind


def _pieces(source: typing.BinaryIO, packed: bool) -> collections.abc.Iterator[bytes]:
    """The disk's bytes. :raises NoImage: they are no gzip."""
    with contextlib.ExitStack() as stack:
        file: typing.BinaryIO = source
        if packed:
            file = typing.cast(
                typing.BinaryIO, stack.enter_context(gzip.GzipFile(fileobj=source))
            )
        while True:
            try:
                piece = file.read(_PIECE)
            except (gzip.BadGzipFile, EOFError, zlib.error) as error:
                raise NoImage(f"what follows the header is no gzip: {error}") from None
            if not piece:
                return
            yield piece


def pack(
    source: pathlib.Path | None,
    target: pathlib.Path,
    kind: str,
    size: int,
    level: int = 6,
) -> None:
    """Write an image of a disk; the target appears whole or not at all.

    :param source: the disk's bytes; None: it was never written.
    :param size: of the disk, in units.
    :raises OSError: one of the files cannot be used.
    """
    with _whole(target) as output:
        output.write(Head(size, kind).to_bytes(level))
        with contextlib.ExitStack() as stack:
            sink: typing.Any = output
            if level:
                # Without a name and a time, equal disks give equal images.
                packed = gzip.GzipFile("", "wb", level, output, mtime=0)
                sink = stack.enter_context(packed)
            if source is not None:
                raw = stack.enter_context(source.open("rb"))
                while piece := raw.read(_PIECE):
                    sink.write(piece)


@contextlib.contextmanager
def _whole(
    target: pathlib.Path,
) -> collections.abc.Iterator[typing.BinaryIO]:
    descriptor, name = tempfile.mkstemp(prefix=".image-", dir=target.parent)
    try:
        with os.fdopen(descriptor, "wb") as output:
            yield output
        # mkstemp lets nobody else read it.
        os.chmod(name, 0o644)
        os.replace(name, target)
    except BaseException:
        pathlib.Path(name).unlink(missing_ok=True)
        raise


class _File(typing.NamedTuple):
    """A file as it is at a moment."""

    path: str
    inode: int
    modified: int
    size: int

    @classmethod
    def of(cls, path: pathlib.Path) -> _File:
        found = path.stat()
        return cls(str(path), found.st_ino, found.st_mtime_ns, found.st_size)

    def is_there(self) -> bool:
        try:
            return self == _File.of(pathlib.Path(self.path))
        except OSError:
            return False


class Unpacker:
    """Makes blobs of images, once for each file while it is unchanged."""

    def __init__(self, contents: blobs.Blobs) -> None:
        self._blobs = contents
        self._lock = threading.Lock()
        self._busy: dict[_File, threading.Lock] = {}
        self._known: dict[_File, tuple[Head, str]] = {}

    def unpack(self, path: pathlib.Path) -> tuple[Head, str]:
        """An image's head and the blob with its bytes.

        :raises NoImage: another format.
        :raises OSError: the file cannot be read.
        """
        key = _File.of(path)
        with self._lock:
            busy = self._busy.setdefault(key, threading.Lock())
        with busy:
            known = self._known.get(key)
            if known is None:
                known = self._known[key] = self._unpack(path)
            return known

    def used(self) -> set[str]:
        """The blobs of the files that are there as they were."""
        with self._lock:
            for key in [one for one in list(self._known) if not one.is_there()]:
                del self._known[key]
                self._busy.pop(key, None)
            return {blob for _head, blob in list(self._known.values())}

    def _unpack(self, path: pathlib.Path) -> tuple[Head, str]:
        with path.open("rb") as source, self._blobs.writer() as writer:
            head, packed = _open(source)
            for piece in _pieces(source, packed):
                writer.write(piece)
            return head, writer.commit()


def make(source: pathlib.Path, target: pathlib.Path, kind: str) -> None:
    """``ibmvirt-sim zvm make-image``.

    :raises NoImage: the source is empty, or far too long.
    :raises OSError: one of the files cannot be used.
    """
    length = source.stat().st_size
    if not source.is_file() or not length:
        raise NoImage(f"{source}: is no file with bytes of a disk")
    if not target.parent.is_dir():
        raise NoImage(f"{target}: there is no such directory")
    size = units(length, kind)
    if size > _MOST_UNITS:
        raise NoImage(f"{source}: is too long")
    pack(source, target, kind, size)
