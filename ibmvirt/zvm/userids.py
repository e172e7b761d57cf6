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

"""Choosing userids for new servers."""

from __future__ import annotations

import itertools
import threading

from ibmvirt.common import exceptions, plan
from ibmvirt.zvm import identity
from ibmvirt.zvm.client import connector, errors

_TRIES = 16


class Userids:
    """A userid is free if the directory, which a cluster shares, has no such
    user and no other server of this service was given it."""

    def __init__(self, calls: connector.Connector, prefix: str) -> None:
        self._calls = calls
        self._prefix = prefix
        self._lock = threading.Lock()
        # By the server's UUID, until its guest is made.
        self._chosen: dict[str, str] = {}

    def of(self, server: plan.Server) -> plan.Values:
        """The server's userid, chosen now if it has none.

        :raises HypervisorError: everything that was tried is taken.
        """
        with self._lock:
            user = self._chosen.get(server.uuid) or identity.known(server)
        if not user:
            user = self._choose(server)
        return {identity.KEY: user}

    def _choose(self, server: plan.Server) -> str:
        tried = itertools.islice(identity.candidates(server, self._prefix), _TRIES)
        for user in tried:
            with self._lock:
                if user in self._chosen.values():
                    continue
                self._chosen[server.uuid] = user
            try:
                free = self._calls.directory_entry(user) is None
            except errors.ConnectorError as error:
                self.withdraw(server)
                # The error knows the userid; the reader knows the server.
                what = f"choose a userid for {server.name} ({server.uuid})"
                raise error.during(what) from error
            except BaseException:
                self.withdraw(server)
                raise
            if free:
                return user
            self.withdraw(server)
        raise exceptions.HypervisorError(
            f"choose a userid for {server.name} ({server.uuid})",
            f"{_TRIES} in a row are taken",
            "set another [zvm]userid_prefix",
        )

    def withdraw(self, server: plan.Server) -> bool:
        """Forget a choice; whether there was one."""
        with self._lock:
            return self._chosen.pop(server.uuid, None) is not None
