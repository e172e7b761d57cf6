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


"""Set every date of an image, in its bytes.

pycdlib takes all dates from the clock and the local time zone. Replacing its
clock would touch every thread of the process; here the dates are replaced in
the finished directory records instead, where the standards put them. That is
free of shared state, so that drives built at once do not disturb each other,
and all dates are UTC, whatever the time zone of the machine.

Sources: ECMA-119 8.4.26 and 9.1.5, IEEE P1282 (SUSP) 5.1, RRIP 4.1.6 (TF).
"""

from __future__ import annotations

import struct
import time

from ibmvirt.configdrive.errors import ConfigDriveInputError

_BLOCK = 2048
_DESCRIPTORS = 16
# The last second whose year fits the byte "years since 1900".
MAX_TIME = 5869583999


def check(moment: float) -> None:
    """Refuse a time that an image cannot hold.

    :param moment: seconds since 1970-01-01 UTC.
    :raises ConfigDriveInputError: not a number from 1970 to the end of 2155.
    """
    valid = isinstance(moment, (int, float)) and not isinstance(moment, bool)
    if not valid or not 0 <= moment < MAX_TIME + 1:
        raise ConfigDriveInputError(
            "date",
            "the config drive",
            f"{moment!r} is not a time it can hold",
            f"Give seconds since 1970, at most {MAX_TIME}.",
        )


def set_dates(image: bytearray, moment: float) -> None:
    """Set all dates of the descriptors and directory trees of an image.

    :param image: the image from its start to the end of the directories, as
        pycdlib wrote it.
    :param moment: seconds since 1970-01-01 UTC.
    """
    utc = time.gmtime(moment)
    record = struct.pack("7B", utc.tm_year - 1900, *utc[1:6], 0)
    hundredths = int(moment % 1 * 100)
    volume = (time.strftime("%Y%m%d%H%M%S", utc) + f"{hundredths:02}\0").encode()
    for start in range(_DESCRIPTORS * _BLOCK, len(image), _BLOCK):
        kind = image[start]
        if kind == 255:
            break
        for field in (813, 830, 864):  # created, modified, effective
            image[start + field : start + field + 17] = volume
        image[start + 174 : start + 181] = record  # of the root's record
        extent, size = _extent(image, start + 156)
        _set_tree(image, extent * _BLOCK, size, record)


def _extent(image: bytearray, start: int) -> tuple[int, int]:
    block: int = struct.unpack_from("<L", image, start + 2)[0]
    size: int = struct.unpack_from("<L", image, start + 10)[0]
    return block, size


def _set_tree(image: bytearray, start: int, size: int, date: bytes) -> None:
    directories = [(start, size)]
    for start, size in directories:
        position = start
        while position < start + size:
            length = image[position]
            if not length:  # the rest of the block is empty
                position += _BLOCK - position % _BLOCK
                continue
            image[position + 18 : position + 25] = date
            name_length = image[position + 32]
            system_use = position + 33 + name_length + (name_length + 1) % 2
            _set_entries(image, system_use, position + length, date)
            # The names 0 and 1 are the directory itself and its parent.
            itself = name_length == 1 and image[position + 33] < 2
            if image[position + 25] & 2 and not itself:
                block, length_of_directory = _extent(image, position)
                directories.append((block * _BLOCK, length_of_directory))
            position += length


def _set_entries(image: bytearray, position: int, end: int, date: bytes) -> None:
    continuation: tuple[int, int] | None = None
    while position + 4 <= end:
        signature = image[position : position + 2]
        length = image[position + 2]
        if length < 4:
            break
        if signature == b"TF":
            count = image[position + 4].bit_count()
            image[position + 5 : position + 5 + 7 * count] = date * count
        elif signature == b"CE":
            block, _, offset, _, size, _ = struct.unpack_from(
                "<L4sL4sL4s", image, position + 4
            )
            start = block * _BLOCK + offset
            continuation = (start, start + size)
        position += length
    if continuation is not None:
        _set_entries(image, *continuation, date)
