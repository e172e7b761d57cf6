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
"""The image that the demo boots: made on the spot, or the file IMAGE names."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import pathlib
import shutil
import urllib.request

from ibmvirt.common import image_format, qcow2
from ibmvirt.simulators.core import sparse

_PIECE = 1 << 20
_GIB = 1 << 30
_MADE = 8 << 20
_SECTOR = 512
# Bytes that databases and logs take, and how often the image is there at most:
# with Glance, on both hypervisors, as a snapshot, and on its way.
_ROOM = 256 << 20
_COPIES = 8
_PACKED = {
    b"\x1f\x8b": "gzip",
    b"\xfd7zXZ": "xz",
    b"BZh": "bzip2",
    b"(\xb5/\xfd": "zstd",
    b"PK\x03\x04": "zip",
}


class UnusableImageError(Exception):
    """IMAGE names no file that could be booted, or there is no room for it."""


@dataclasses.dataclass(frozen=True)
class Picture:
    """An image and the raw disk that it holds.

    :ivar path: the file as it is registered with Glance.
    :ivar format: raw or qcow2.
    :ivar raw: a file with the raw disk.
    :ivar size: bytes of the raw disk.
    :ivar digest: its SHA-256.
    """

    path: pathlib.Path
    format: str
    raw: pathlib.Path
    size: int
    digest: str

    @property
    def disk_gib(self):
        """The root disk of a flavor that it fits in."""
        return max(1, -(-self.size // _GIB))


def take(room):
    """The image of this run.

    :raises UnusableImageError: the file that IMAGE names is not usable.
    """
    given = os.environ.get("IMAGE")
    _check_room(room, 0)
    if not given:
        made = room / "image"
        # A boot sector's signature and bytes that do not repeat.
        made.write_bytes(os.urandom(510) + b"\x55\xaa" + os.urandom(_MADE - 512))
        return _of(made, "raw", made)
    path = pathlib.Path(given)
    try:
        kind = _format(path)
        _check_room(room, path.stat().st_blocks * 512)
        if kind == "raw":
            return _of(path, "raw", path)
        raw = room / "image"
        with path.open("rb") as file, sparse.SparseFile(raw.open("wb")) as output:
            reader = qcow2.Reader(file, f"the image {path}")
            while piece := reader.read(_PIECE):
                output.write(piece)
        return _of(path, "qcow2", raw)
    except Exception as error:
        # The system's own errors name the file too.
        reason = getattr(error, "strerror", None) or error
        raise UnusableImageError(f"IMAGE={given}: {reason}") from error


def _check_room(room, size):
    free, need = shutil.disk_usage(room).free, _ROOM + _COPIES * size
    if free < need:
        raise UnusableImageError(
            f"{room.parent} has {free >> 20} MiB free and {need >> 20} are needed: "
            "set TMPDIR to another directory"
        )


def _format(path):
    """raw or qcow2.

    :raises UnusableImageError: neither; a raw disk has no mark of its own, but
        what is packed, of another format or a text is none.
    """
    with path.open("rb") as file:
        head = file.read(image_format.HEAD)
    for mark, name in _PACKED.items():
        if head.startswith(mark):
            raise UnusableImageError(f"it is packed with {name}: unpack it first")
    if head.startswith(b"QFI\xfb"):
        return "qcow2"
    found = image_format.detect(head) - {"gpt"} or {"raw"}
    if found != {"raw"}:
        raise UnusableImageError(
            f"it is of the format {' and '.join(sorted(found))}, not raw or qcow2: "
            "qemu-img convert -O raw"
        )
    if head and _is_text(head[:_SECTOR]):
        raise UnusableImageError("it is a text, not the image of a disk")
    return "raw"


def _is_text(data):
    return all(32 <= byte < 127 or byte in b"\t\n\r\f" for byte in data)


def _of(path, kind, raw):
    digest, size = hashlib.sha256(), 0
    with raw.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
            size += len(piece)
    if not size:
        raise UnusableImageError("it is empty")
    return Picture(path, kind, raw, size, digest.hexdigest())


def same(path, url):
    """Whether a file has the bytes of the disk behind an address, all of them.

    Where one ends, the other has only zeros.
    """
    with path.open("rb") as file, urllib.request.urlopen(url, timeout=60) as disk:
        while True:
            left, right = file.read(_PIECE), disk.read(_PIECE)
            if not left and not right:
                return True
            length = max(len(left), len(right))
            if left.ljust(length, b"\0") != right.ljust(length, b"\0"):
                return False


def digest_of(url, size):
    """SHA-256 of the first bytes of the disk behind an address.

    A simulator keeps what was written: the rest of a disk reads as zeros.
    """
    digest = hashlib.sha256()
    with urllib.request.urlopen(url, timeout=60) as response:
        while size > 0 and (piece := response.read(min(_PIECE, size))):
            digest.update(piece)
            size -= len(piece)
    while size > 0:
        digest.update(bytes(min(_PIECE, size)))
        size -= min(_PIECE, size)
    return digest.hexdigest()
