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
import urllib.request

from ibmvirt.common import qcow2

_PIECE = 1 << 20
_GIB = 1 << 30
_MADE = 8 << 20


class UnusableImageError(Exception):
    """IMAGE names no file that could be booted."""


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
    if not given:
        made = room / "image"
        # A boot sector's signature and bytes that do not repeat.
        made.write_bytes(os.urandom(510) + b"\x55\xaa" + os.urandom(_MADE - 512))
        return _of(made, "raw", made)
    path = pathlib.Path(given)
    try:
        with path.open("rb") as file:
            packed = file.read(4) == b"QFI\xfb"
        if not packed:
            return _of(path, "raw", path)
        raw = room / "image"
        with path.open("rb") as file, raw.open("wb") as output:
            reader = qcow2.Reader(file, f"the image {path}")
            while piece := reader.read(_PIECE):
                output.write(piece)
        return _of(path, "qcow2", raw)
    except Exception as error:
        raise UnusableImageError(f"IMAGE={given}: {error}") from error


def _of(path, kind, raw):
    digest, size = hashlib.sha256(), 0
    with raw.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
            size += len(piece)
    if not size:
        raise UnusableImageError(f"{path} is empty")
    return Picture(path, kind, raw, size, digest.hexdigest())


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
