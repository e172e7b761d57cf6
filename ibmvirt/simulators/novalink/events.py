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

"""The event queue: one cursor a client, long poll."""

from __future__ import annotations

import collections
import dataclasses
import threading
import uuid as uuids

from ibmvirt.simulators.novalink import atom, store
from ibmvirt.simulators.novalink.schema import xml

# Seconds that a poll waits for an event (documented: about ten).
POLL = 10.0
_KEEP = 2000
# What clients tell each other.
CUSTOM = "CUSTOM_CLIENT_EVENT"


@dataclasses.dataclass(frozen=True)
class Event:
    number: int
    kind: str
    data: str
    detail: str = ""


class Queue:
    """Events of one system."""

    def __init__(self, system: store.System) -> None:
        self._system = system
        self._condition = threading.Condition()
        self._events: collections.deque[Event] = collections.deque(maxlen=_KEEP)
        self._cursors: dict[str, int] = {}
        self._number = 0
        # Counts restarts: polls of before end without an answer.
        self._starts = 0
        self._closed = False
        system.on_change = self.changed

    def changed(self, kind: str, item: store.SimObject, detail: str) -> None:
        """An object was added, modified or deleted."""
        data = self._system.url_of(item)
        if item.type in ("LogicalPartition", "VirtualIOServer"):
            # Partitions are named below their system (captured: event_feed).
            data = self._system.url(
                "ManagedSystem", self._system.uuid, item.type, item.uuid
            )
        self.add(kind, data, detail)

    def add(self, kind: str, data: str, detail: str = "") -> None:
        with self._condition:
            self._number += 1
            self._events.append(Event(self._number, kind, data, detail))
            self._condition.notify_all()

    def lose(self) -> None:
        """Lose what clients have not read, and tell them."""
        with self._condition:
            self._events.clear()
            self.add("MISSING_EVENTS", "")

    def poll(self, client: str, wait: float = POLL) -> list[Event]:
        """What a client has not seen, after at most ``wait`` seconds."""
        with self._condition:
            if client not in self._cursors:
                self._cursors[client] = self._number
                return [Event(self._number, "NEW_CLIENT", "")]
            cursor, start = self._cursors[client], self._starts
            self._condition.wait_for(
                lambda: self._number > cursor or self._closed or self._starts != start,
                wait,
            )
            if self._starts != start:
                return []
            found = [event for event in self._events if event.number > cursor]
            self._cursors[client] = self._number
            if found and found[0].number > cursor + 1:
                # The ring has moved on beyond what this client saw.
                return [Event(self._number, "MISSING_EVENTS", "")]
            return found

    def forget_clients(self) -> None:
        """As after a restart: every client is new again."""
        with self._condition:
            self._cursors.clear()
            self._events.clear()
            self._starts += 1
            self._condition.notify_all()

    def close(self) -> None:
        with self._condition:
            self._closed = True
            self._condition.notify_all()

    def render(self, event: Event) -> bytes:
        element = xml.node(
            "Event",
            xml.leaf("EventType", event.kind, "ROR"),
            xml.leaf("EventID", event.number, "ROR"),
            xml.leaf("EventData", event.data, "ROR"),
            xml.leaf("EventDetail", event.detail, "ROR"),
            kb=None,
        )
        uuid = str(uuids.uuid4())
        return atom.entry(
            "Event",
            uuid,
            self._system.url("Event", uuid),
            xml.wrap(element),
            etag="0",
            member=True,
        )
