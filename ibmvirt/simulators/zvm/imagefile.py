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
block.
"""

from __future__ import annotations

import gzip
import pathlib
import re

from ibmvirt.simulators.zvm import model

BLOCK = 512
_OLD = 36
# What unpackdiskimage knows, and where the packed disk goes.
_TAGS = {
    b"xCAT CKD Disk Image:": "ECKD",
    b"xCAT FBA Disk Image:": "FBA",
    b"xCAT FBA Part Image:": "FBA",
}
_LENGTH = re.compile(rb" HLen: (\d{4}) GZIP: (\d)")


class NoImage(Exception):
    """The file is not in the Connector's format."""


def write(raw: bytes, kind: str = "ECKD") -> bytes:
    """An image of raw bytes; its size is rounded up to whole units."""
    unit = model.CYLINDER if kind == "ECKD" else model.BLOCK
    size = -(-len(raw) // unit)
    tag, name = ("CYL", "CKD Disk") if kind == "ECKD" else ("BLK", "FBA Part")
    head = f"xCAT {name} Image:{f'{size} {tag}':>16} HLen: 0055 GZIP: 6"
    return head.encode().ljust(BLOCK) + gzip.compress(raw, 6, mtime=0)


def read(content: bytes) -> tuple[bytes, int, str]:
    """Raw bytes, size in units, and ECKD or FBA.

    :raises NoImage: another format.
    """
    kind = _TAGS.get(content[:20])
    if kind is None:
        raise NoImage("Disk image type not recognized")
    length = _LENGTH.match(content[36:BLOCK])
    start, packed = (BLOCK, length[2] != b"0") if length else (_OLD, True)
    try:
        size = int(content[20:_OLD].split()[0])
        raw = gzip.decompress(content[start:]) if packed else content[start:]
    except (IndexError, ValueError, OSError, EOFError) as error:
        raise NoImage(str(error)) from None
    if not size:
        raise NoImage("it does not contain cylinder/record information")
    return raw, size, kind


def make(source: pathlib.Path, target: pathlib.Path, kind: str) -> None:
    """``ibmvirt-sim zvm make-image``."""
    target.write_bytes(write(source.read_bytes(), kind))
