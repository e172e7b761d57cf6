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

"""Which server each guest is, for servers that Nova has deleted meanwhile.

A userid does not tell its server. While a server is there, its metadata tells the
userid; once Nova has deleted it, a guest of that name may be anybody's. So what
this service made, or was asked about by Nova, is kept until it is removed.
"""

from __future__ import annotations

import collections.abc
import logging
import pathlib
import threading

from ibmvirt.common import statefile

LOG = logging.getLogger(__name__)


class Residents:
    """{userid: server's UUID} in a small file, written whole."""

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._servers: dict[str, str] | None = None

    def _read(self) -> dict[str, str]:
        if self._servers is None:
            try:
                self._servers = dict(statefile.read(self._path) or {})
            except (OSError, TypeError, ValueError) as error:
                LOG.warning("%s cannot be read: %s", self._path, error)
                self._servers = {}
        return self._servers

    def keep(self, user: str, server: str) -> None:
        """The guest is this server's; known without a file where none can be."""
        with self._lock:
            if self._read().get(user) != server:
                self._write({**self._read(), user: server})

    def forget(self, users: collections.abc.Iterable[str]) -> None:
        """They are gone: who has such a userid next is somebody else."""
        with self._lock:
            gone = set(users) & set(self._read())
            if gone:
                left = {u: s for u, s in self._read().items() if u not in gone}
                self._write(left)

    def servers(self) -> dict[str, str]:
        with self._lock:
            return dict(self._read())

    def _write(self, servers: dict[str, str]) -> None:
        self._servers = servers
        try:
            statefile.write(self._path, servers)
        except OSError as error:
            # The guest is as it is: it is known until this service ends.
            LOG.warning("%s cannot be written: %s", self._path, error.strerror)
