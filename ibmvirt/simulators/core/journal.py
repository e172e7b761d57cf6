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

"""One record a call, in a ring that does not grow without bound."""

from __future__ import annotations

import collections
import threading
import typing

Record = dict[str, typing.Any]
KEEP = 100_000


class Journal:
    """Thread-safe; ``occurrence`` counts a key within a memento."""

    def __init__(self, keep: int = KEEP) -> None:
        self._lock = threading.Condition()
        self._records: collections.deque[Record] = collections.deque(maxlen=keep)
        self._counts: collections.Counter[tuple[str | None, str]] = (
            collections.Counter()
        )
        self._seq = 0

    def open(self, record: Record) -> Record:
        """Number a call and keep its record, which the caller completes."""
        with self._lock:
            self._seq += 1
            counted = (record.get("memento"), record["key"])
            self._counts[counted] += 1
            record["seq"] = self._seq
            record["occurrence"] = self._counts[counted]
            self._records.append(record)
            self._lock.notify_all()
        return record

    def close(self, record: Record, **fields: typing.Any) -> None:
        """Complete a record and wake who waits for it."""
        with self._lock:
            record.update(fields)
            self._lock.notify_all()

    def records(
        self,
        *,
        memento: str | None = None,
        key: str | None = None,
        layer: str | None = None,
        system: str | None = None,
        since: int = 0,
    ) -> list[Record]:
        """Copies, oldest first. A text may end in ``*``."""
        wanted = {
            name: value
            for name, value in (
                ("memento", memento),
                ("key", key),
                ("layer", layer),
                ("system", system),
            )
            if value is not None
        }
        with self._lock:
            return [dict(r) for r in self._records if _fits(r, wanted, since)]

    def wait(
        self, timeout: float, *, count: int = 1, done: bool = False, **query: typing.Any
    ) -> list[Record]:
        """Wait until ``count`` records fit; what fits then, perhaps fewer.

        :param timeout: real seconds.
        :param done: count only calls that are over.
        """
        found: list[Record] = []

        def enough() -> bool:
            nonlocal found
            found = [
                record
                for record in self.records(**query)
                if not done or record["dt"] is not None
            ]
            return len(found) >= count

        with self._lock:
            self._lock.wait_for(enough, timeout)
        return found

    def clear(self) -> None:
        with self._lock:
            self._records.clear()
            self._counts.clear()


def _fits(record: Record, wanted: dict[str, str], since: int) -> bool:
    if record["seq"] <= since:
        return False
    return all(_matches(text, record.get(name)) for name, text in wanted.items())


def _matches(wanted: str, value: str | None) -> bool:
    if value is None:
        return False
    if wanted.endswith("*"):
        return value.startswith(wanted[:-1])
    return value == wanted
