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
"""Which server a partition is: its UUID alone leaves two."""

from __future__ import annotations

import threading

from pypowervm.utils import uuid as uuid_utils


def uuid_of(server_uuid: str) -> str:
    """The UUID of a server's partition: PowerVM keeps bit 0 of byte 0 zero."""
    return str(uuid_utils.convert_uuid_to_pvm(server_uuid)).upper()


def servers_of(lpar_uuid: str) -> tuple[str, str]:
    """The two server UUIDs whose partition has this UUID."""
    lower = lpar_uuid.lower()
    return lower, f"{int(lower[0], 16) | 8:x}{lower[1:]}"


class Identities:
    """The servers that Nova has named since this service started.

    Nova names each server that it has when the service starts, so that both UUIDs
    remain only for partitions that are not Nova's.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, str] = {}

    def remember(self, server_uuid: str) -> None:
        """Its partition is there."""
        with self._lock:
            self._known[uuid_of(server_uuid)] = server_uuid.lower()

    def forget(self, lpar_uuid: str) -> None:
        """The partition is gone."""
        with self._lock:
            self._known.pop(lpar_uuid.upper(), None)

    def servers(self, lpar_uuid: str) -> tuple[str, ...]:
        """The server that a partition is, or the two that it may be."""
        with self._lock:
            known = self._known.get(lpar_uuid.upper())
        return (known,) if known else servers_of(lpar_uuid)
