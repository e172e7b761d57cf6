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

"""The other members of an SSI cluster, whose guests are not ours to delete.

The members share one directory. A guest may be logged on at one of them, or
registered with one's Connector, and be in our Connector's database as well.
"""

from __future__ import annotations

import collections.abc
import threading

from ibmvirt.common import exceptions
from ibmvirt.zvm.client import connector, errors

_NONE = "none"
_REMEDY = (
    "set [zvm]ssi_connectors to the other members' Connectors, or to "
    f"{_NONE!r} where they have none"
)


class Cluster:
    """What is asked before a guest is removed; nothing where there is no SSI.

    :param others: addresses of the other members' Connectors; ``none`` where
        they have none.
    :param reach: makes a client of a Connector by its address.
    """

    def __init__(
        self,
        calls: connector.Connector,
        others: collections.abc.Sequence[str],
        reach: collections.abc.Callable[[str], connector.Connector],
    ) -> None:
        self._calls = calls
        self._told = bool(others)
        self._others = [reach(url) for url in others if url != _NONE]
        self._lock = threading.Lock()
        self._members: tuple[str, ...] = ()

    def members(self) -> tuple[str, ...]:
        """Names of all members, ours too; empty outside of a cluster.

        Asked again until there are two: others may join while this runs.
        """
        with self._lock:
            if len(self._members) < 2:
                self._members = tuple(self._calls.ssi_members())
            return self._members

    @property
    def alone(self) -> bool:
        return len(self.members()) < 2

    def _alone(self, user: str) -> bool:
        """Whether there is no cluster; an error names the guest."""
        try:
            return self.alone
        except errors.ConnectorError as error:
            raise error.during(f"remove the guest {user}") from error

    def check_removable(self, user: str, *, launched: bool) -> None:
        """Refuse a guest that another member has.

        :param launched: it ran, and so it may have been moved.
        :raises WrongState: it is logged on there, or registered there.
        """
        if self._alone(user):
            return
        # The Connector finds a guest that is logged on elsewhere by the first
        # call, takes it off its list, and refuses the second.
        here = True
        try:
            for _call in range(2):
                self._calls.known_power_state(user)
        except errors.NotFound:
            here = False
        if not here:
            raise _refusal(
                user,
                "it is logged on at, or has moved to, another member of the cluster",
                "relocate it back and register it with this member's Connector, "
                "or remove it there",
            )
        self._check_registered(user, launched=launched)

    def check_unregistered(self, user: str, *, launched: bool) -> None:
        """Refuse a guest that our Connector does not have and another has.

        :raises WrongState: another member's Connector has it, or may.
        """
        if not self._alone(user):
            self._check_registered(user, launched=launched)

    def check_others(self) -> None:
        """That the other members' Connectors are known, and answer.

        :raises HypervisorError: they are not, or one does not.
        """
        if not self._told:
            raise exceptions.HypervisorError(
                f"use a member of the cluster {', '.join(self.members())}",
                "no guest that ever ran would be deleted",
                _REMEDY,
            )
        for other in self._others:
            other.probe()

    def _check_registered(self, user: str, *, launched: bool) -> None:
        """A guest that never ran was not moved; where another member has it, it
        is somebody else's, who took the userid that a build had noted."""
        if launched and not self._told:
            raise _refusal(
                user,
                "another member's Connector may have it",
                _REMEDY,
            )
        for other in self._others:
            if user in other.guests():
                raise _refusal(
                    user,
                    f"it is registered with the Connector at {other.url}",
                    "remove it there, or deregister it there",
                )

    def close(self) -> None:
        for other in self._others:
            other.close()


def _refusal(user: str, reason: str, remedy: str) -> exceptions.WrongState:
    return exceptions.WrongState(f"remove the guest {user}", reason, remedy)
