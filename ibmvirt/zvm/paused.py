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

"""Which guests are paused, kept over a restart of the service.

The Connector tells on from off only.
"""

from __future__ import annotations

import logging
import pathlib
import threading

from ibmvirt.common import exceptions, statefile

LOG = logging.getLogger(__name__)


class Paused:
    """Userids in a small file, written whole."""

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._names: set[str] | None = None

    def _read(self) -> set[str]:
        if self._names is None:
            try:
                self._names = set(statefile.read(self._path) or ())
            except (OSError, TypeError, ValueError):
                self._names = set()
        return self._names

    def is_paused(self, user: str) -> bool:
        with self._lock:
            return user in self._read()

    def check(self, user: str, attempted: str) -> None:
        """Refuse what needs the guest's Linux.

        The Connector sends a command into the guest without a time limit, under
        a lock that others wait for, and takes a failure for a guest that is off.

        :raises WrongState: it is paused.
        """
        if self.is_paused(user):
            raise exceptions.WrongState(
                attempted,
                f"the guest {user} is paused, and its Linux does nothing",
                "unpause the server, or stop it, first",
            )

    def keep(self, user: str) -> None:
        with self._lock:
            self._write(self._read() | {user})

    def clear(self, user: str) -> None:
        with self._lock:
            if user in self._read():
                self._write(self._read() - {user})

    def _write(self, names: set[str]) -> None:
        self._names = names
        try:
            statefile.write(self._path, sorted(names))
        except OSError as error:
            # What is done is done: it is known until this service ends.
            LOG.warning("%s cannot be written: %s", self._path, error.strerror)
