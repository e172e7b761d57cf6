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


"""The dates of an image, encoded.

All dates are UTC, whatever the time zone of the machine. Sources: ECMA-119
8.4.26 (volume descriptors) and 9.1.5 (directory records).
"""

from __future__ import annotations

import struct
import time

from ibmvirt.configdrive.errors import ConfigDriveInputError

MAX_TIME = 5869583999
"""The last second whose year fits the byte "years since 1900"."""


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


def of_record(moment: float) -> bytes:
    """The 7 bytes of a date in a directory record or in Rock Ridge."""
    utc = time.gmtime(moment)
    return struct.pack("7B", utc.tm_year - 1900, *utc[1:6], 0)


def of_volume(moment: float) -> bytes:
    """The 17 bytes of a date in a volume descriptor, to the hundredth."""
    digits = time.strftime("%Y%m%d%H%M%S", time.gmtime(moment))
    return f"{digits}{int(moment % 1 * 100):02}\0".encode()
