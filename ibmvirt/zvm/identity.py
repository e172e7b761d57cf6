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

A server whose name is a valid userid that nobody has gets that one, as
nova.virt.zvm gave it. Any other gets ``<prefix><base 36>``, made of its UUID.
It is kept in the server's system metadata before the guest is created.

A comment of the directory entry could name the server too. The REST API of the
Connector 1.6.3 drops it: its schema has the field ``comments``, its handler
reads ``comment_list``, which the schema refuses. So a guest is found by the
metadata, then by the name.
"""

from __future__ import annotations

import collections.abc
import itertools
import re
import string

from ibmvirt.common import plan

KEY = "ibmvirt:zvm_userid"
OS_KEY = "ibmvirt:zvm_os_version"
_DIGITS = string.digits + string.ascii_uppercase
# What the Connector's schema takes; z/VM itself knows @, # and $ as well.
_VALID = re.compile(r"[A-Z0-9_]{1,8}")
_LENGTH = 8


def known(server: plan.Server) -> str:
    """The userid of a server that has one, or nothing.

    A server without metadata of ours that ran once is one of nova.virt.zvm's.
    One that never ran has no guest: a guest of its name is somebody else's.
    """
    if KEY in server.system_metadata:
        # Empty: somebody else has the one that it had.
        return str(server.system_metadata[KEY] or "")
    return server.name.upper() if server.launched and is_valid(server.name) else ""


def is_valid(name: str) -> bool:
    return bool(_VALID.fullmatch(name.upper()))


def candidates(server: plan.Server, prefix: str) -> collections.abc.Iterator[str]:
    """Userids for a new server, best first; each once."""
    if is_valid(server.name):
        yield server.name.upper()
    width = _LENGTH - len(prefix)
    room = len(_DIGITS) ** width
    number = int(server.uuid.replace("-", ""), 16)
    for step in itertools.islice(itertools.count(number), room):
        yield prefix + _base36(step % room, width)


def _base36(number: int, length: int) -> str:
    digits = ""
    for _ in range(length):
        number, digit = divmod(number, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return digits
