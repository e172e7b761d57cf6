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

"""Which userid a server has.

A server whose name is a valid userid has that one, as nova.virt.zvm gave it.
Any other gets ``<prefix><base 36>``, made of its UUID and kept in its system
metadata before the guest is created.
"""

from __future__ import annotations

import re
import string

from ibmvirt.common import plan

KEY = "ibmvirt:zvm_userid"
OS_KEY = "ibmvirt:zvm_os_version"
_DIGITS = string.digits + string.ascii_uppercase
_VALID = re.compile(r"^[A-Z0-9@#$_]{1,8}$")
_LENGTH = 8


def known(server: plan.Server) -> str:
    """The userid of a server that has one."""
    kept = server.system_metadata.get(KEY)
    return str(kept) if kept else server.name.upper()


def is_valid(name: str) -> bool:
    return bool(_VALID.match(name.upper()))


def allocate(server: plan.Server, prefix: str, taken: frozenset[str]) -> str:
    """A userid for a new server that nobody else has."""
    kept = server.system_metadata.get(KEY)
    if kept:
        return str(kept)
    if is_valid(server.name):
        return server.name.upper()
    room = len(_DIGITS) ** (_LENGTH - len(prefix))
    number = int(server.uuid.replace("-", ""), 16) % room
    for step in range(room):
        name = prefix + _base36((number + step) % room, _LENGTH - len(prefix))
        if name not in taken:
            return name
    raise AssertionError("every userid of the prefix is taken")


def _base36(number: int, length: int) -> str:
    digits = ""
    for _ in range(length):
        number, digit = divmod(number, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return digits
