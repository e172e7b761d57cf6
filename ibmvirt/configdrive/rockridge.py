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


"""Rock Ridge: the POSIX names and attributes in a record's system use area.

Sources: IEEE P1281 (SUSP) 5.1 to 5.5, IEEE P1282 (RRIP) 4.1.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from ibmvirt.configdrive.iso9660 import BLOCK, Budget, Source

_MAX_NAME = 255
_MAX_AREAS = 32


@dataclasses.dataclass(slots=True)
class Attributes:
    """What Rock Ridge says of one record; None where it says nothing.

    :ivar version: the identifier of the extension, in the root only:
        ``RRIP_1991A`` for 1.09 and 1.10, ``IEEE_P1282`` or ``IEEE_1282`` for 1.12.
    :ivar serial: the file serial number, which only 1.12 has.
    :ivar moved_to: the block of a directory that was moved elsewhere (CL).
    :ivar moved: this is such a directory, where it was moved to (RE).
    """

    present: bool = False
    version: str | None = None
    name: bytes | None = None
    mode: int | None = None
    links: int | None = None
    uid: int | None = None
    gid: int | None = None
    serial: int | None = None
    symlink: bool = False
    moved_to: int | None = None
    moved: bool = False


def skipped(system_use: bytes) -> int | None:
    """How many bytes to skip in each system use area, from the root's first.

    :returns: None if the image does not use the protocol.
    """
    if system_use[:2] == b"SP" and system_use[4:6] == b"\xbe\xef":
        return system_use[6] if len(system_use) > 6 else 0
    return None


def attributes(budget: Budget, source: Source, area: bytes) -> Attributes:
    """Read a system use area and what continues it.

    :raises ConfigDriveReadError: it is damaged.
    """
    found = Attributes()
    for signature, data in _entries(budget, source, area):
        if signature == b"PX" and len(data) >= 32:
            numbers = [
                int.from_bytes(data[i : i + 4], "little") for i in (0, 8, 16, 24)
            ]
            found.mode, found.links, found.uid, found.gid = numbers
            if len(data) >= 40:
                found.serial = int.from_bytes(data[32:36], "little")
            found.present = True
        elif signature == b"NM" and data:
            if not data[0] & 6:  # others than "." and ".."
                found.name = (found.name or b"") + data[1:]
                if len(found.name) > _MAX_NAME:
                    raise source.error(f"a name is longer than {_MAX_NAME} bytes")
            found.present = True
        elif signature == b"SL":
            found.symlink = True
        elif signature == b"CL" and len(data) >= 4:
            found.moved_to = int.from_bytes(data[:4], "little")
        elif signature == b"RE":
            found.moved = True
        elif signature == b"ER" and len(data) >= 4:
            found.version = data[4 : 4 + data[0]].decode("ascii", "replace")
    return found


def _entries(
    budget: Budget, source: Source, area: bytes
) -> Iterator[tuple[bytes, bytes]]:
    for _ in range(_MAX_AREAS):
        position, following = 0, None
        while position + 4 <= len(area):
            signature, length = area[position : position + 2], area[position + 2]
            if length < 4 or signature == b"ST":
                break
            data = area[position + 4 : position + length]
            if len(data) < length - 4:
                raise source.error("an entry of Rock Ridge is cut short")
            if signature == b"CE" and length >= 28:
                block, offset, size = (
                    int.from_bytes(data[i : i + 4], "little") for i in (0, 8, 16)
                )
                following = (block * BLOCK + offset, size)
            else:
                yield signature, data
            position += length
        if following is None:
            return
        area = budget.read(*following)
    raise source.error(f"an entry of Rock Ridge continues more than {_MAX_AREAS} times")
