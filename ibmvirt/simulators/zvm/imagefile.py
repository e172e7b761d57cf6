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

"""The Connector's image format: a header of 55 bytes, then gzip.

Documented: zvm's unpackdiskimage and the parser in zvmsdk/smtclient.py.
"""

from __future__ import annotations

import gzip
import pathlib

from ibmvirt.simulators.zvm import model

HEADER = 55


class NoImage(Exception):
    """The file is not in the Connector's format."""


def write(raw: bytes, kind: str = "ECKD") -> bytes:
    """An image of raw bytes; its size is rounded up to whole units."""
    unit = model.CYLINDER if kind == "ECKD" else model.BLOCK
    size = -(-len(raw) // unit)
    tag, name = ("CYL", "CKD") if kind == "ECKD" else ("BLK", "FBA")
    head = f"xCAT {name} Disk Image:{size:>12} {tag} HLen: 0055 GZIP: 6"
    return head.encode().ljust(HEADER) + gzip.compress(raw, 6, mtime=0)


def read(content: bytes) -> tuple[bytes, int, str]:
    """Raw bytes, size in units, and ECKD or FBA.

    :raises NoImage: another format.
    """
    head = content[:HEADER]
    if b"Disk Image:" not in head:
        raise NoImage("the header is missing")
    try:
        size = int(head[20:32])
        raw = gzip.decompress(content[HEADER:])
    except (ValueError, OSError, EOFError) as error:
        raise NoImage(str(error)) from None
    return raw, size, "ECKD" if head[33:36] == b"CYL" else "FBA"


def make(source: pathlib.Path, target: pathlib.Path, kind: str) -> None:
    """``ibmvirt-sim zvm make-image``."""
    target.write_bytes(write(source.read_bytes(), kind))
