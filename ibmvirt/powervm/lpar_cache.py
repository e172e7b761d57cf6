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

"""The state of all partitions, kept current by events.

Small frozen values, one writer at a time, readers without a lock. The whole
is read in one request; then events name the partitions that changed, and only
those are read. Events that were lost make it read the whole again.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import json
import logging
import re
import threading
import typing

from pypowervm import exceptions as pypowervm

from ibmvirt.common import context
from ibmvirt.powervm.rest import errors

LOG = logging.getLogger(__name__)

_PARTITION = re.compile(r"LogicalPartition/([0-9A-Fa-f-]{36})(?:\?|$)")


# Reads of a partition that changes all the time.
_READS = 3
# Partitions of which is known when they changed; the others did so before.
_CHANGES = 10000


@dataclasses.dataclass(frozen=True, slots=True)
class Lpar:
    """What is known of a partition."""

    uuid: str
    name: str
    id: int
    type: str
    state: str
    rmc: str


Listener = collections.abc.Callable[[Lpar], None]


class LparCache:
    """All partitions of the system by UUID (upper case)."""

    def __init__(self, adapter: typing.Any) -> None:
        self._adapter = adapter
        self._system_uuid = ""
        self._lock = threading.Lock()
        self._lpars: dict[str, Lpar] = {}
        # When each partition was changed last, and when all were read, counted
        # in changes of any.
        self._serial = 0
        self._changed: dict[str, int] = {}
        self._whole = 0
        self._fresh = False
        self._following = False
        self._listeners: list[Listener] = []
        # The last that is told is the last that is known.
        self._telling = threading.Lock()

    def set_system(self, uuid: str) -> None:
        """The managed system whose partitions these are."""
        self._system_uuid = uuid

    def listen(self, listener: Listener) -> None:
        """Hear of every partition whose state has changed."""
        self._listeners.append(listener)

    # -- readers ----------------------------------------------------------

    def all(self) -> list[Lpar]:
        """Every partition; one request when it is not current, else none."""
        self._make_fresh()
        return list(self._lpars.values())

    def numbers(self) -> set[int]:
        """The numbers of all partitions, now. One request."""
        self.read_all()
        return {lpar.id for lpar in self._lpars.values()}

    def get(self, uuid: str, *, use_cache: bool = True) -> Lpar | None:
        """One partition, or None.

        :param use_cache: False = ask the platform.
        """
        if use_cache:
            self._make_fresh()
            return self._lpars.get(uuid.upper())
        return self._read_one(uuid)

    def _make_fresh(self) -> None:
        if not (self._fresh and self._following):
            self.read_all()

    # -- writers ----------------------------------------------------------

    def read_all(self) -> None:
        """Read the whole, in one request."""
        with self._lock, errors.attempting("read the states of the partitions"):
            # What changes from here on is told by events again.
            self._fresh = True
            try:
                response = self._adapter.read(
                    "ManagedSystem",
                    self._system_uuid,
                    "LogicalPartition",
                    suffix_type="quick",
                    suffix_parm="All",
                )
            except BaseException:
                self._fresh = False
                raise
            found = [_lpar(item) for item in json.loads(response.body or "[]")]
            before, self._lpars = self._lpars, {lpar.uuid: lpar for lpar in found}
            self._serial += 1
            self._whole = self._serial
        for lpar in found:
            old = before.get(lpar.uuid)
            if old is not None and old.state != lpar.state:
                self._tell(lpar)

    def _read_one(self, uuid: str) -> Lpar | None:
        """Ask the platform; again if the partition was changed meanwhile.

        An answer that was overtaken would bring back what is gone.
        """
        for _ in range(_READS):
            with self._lock:
                serial = self._serial
            found = self._ask(uuid)
            if found is None:
                self.remove(uuid)
                return None
            if self._keep(found, since=serial):
                break
        return found

    def _ask(self, uuid: str) -> Lpar | None:
        with errors.attempting(f"read the state of the partition {uuid}"):
            try:
                response = self._adapter.read(
                    "LogicalPartition", uuid, suffix_type="quick", suffix_parm="All"
                )
            except pypowervm.HttpNotFound:
                return None
        return _lpar(json.loads(response.body))

    def put(self, lpar: Lpar) -> None:
        """Keep what an answer of the platform said."""
        self._keep(lpar)

    def _keep(self, lpar: Lpar, *, since: int | None = None) -> bool:
        """:param since: only if the partition has not changed since then."""
        with self._lock:
            last = max(self._changed.get(lpar.uuid, 0), self._whole)
            if since is not None and last > since:
                return False
            old = self._lpars.get(lpar.uuid)
            self._lpars = {**self._lpars, lpar.uuid: lpar}
            self._touch(lpar.uuid)
        if old is not None and old.state != lpar.state:
            self._tell(lpar)
        return True

    def _touch(self, uuid: str) -> None:
        """A partition changes now (under the lock)."""
        self._serial += 1
        self._changed.pop(uuid, None)
        self._changed[uuid] = self._serial
        if len(self._changed) > _CHANGES:
            # Of long ago: no read is under way as long as that.
            del self._changed[next(iter(self._changed))]

    def set_state(self, uuid: str, state: str, rmc: str) -> None:
        """Keep what one of our own power operations did."""
        old = self._lpars.get(uuid.upper())
        if old is not None:
            self.put(dataclasses.replace(old, state=state, rmc=rmc))

    def remove(self, uuid: str) -> None:
        with self._lock:
            lpars = dict(self._lpars)
            lpars.pop(uuid.upper(), None)
            self._lpars = lpars
            self._touch(uuid.upper())

    def _tell(self, lpar: Lpar) -> None:
        """What it is now: another thread may have been faster since."""
        with self._telling:
            current = self._lpars.get(lpar.uuid, lpar)
            for listener in self._listeners:
                listener(current)

    # -- events ----------------------------------------------------------

    def follow(self, *, current: bool) -> None:
        """Events flow from here on, or (False) do not any more."""
        self._following = current
        self._fresh = False

    def lost(self) -> None:
        """Events were missed: read the whole when it is wanted."""
        self._fresh = False

    def event(self, kind: str, data: str, detail: str) -> None:
        """One event of the platform."""
        match = _PARTITION.search(data)
        if match is None:
            return
        uuid = match.group(1)
        if kind == "DELETE_URI":
            self.remove(uuid)
        elif kind == "ADD_URI" or "PartitionState" in detail or "RMCState" in detail:
            with context.background("events"):
                self._read_one(uuid)


def _lpar(item: dict[str, typing.Any]) -> Lpar:
    return Lpar(
        uuid=str(item.get("PartitionUUID") or item["UUID"]).upper(),
        name=str(item["PartitionName"]),
        id=int(item["PartitionID"]),
        type=str(item["PartitionType"]),
        state=str(item["PartitionState"]),
        rmc=str(item.get("ResourceMonitoringControlState") or "none"),
    )
