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
        self._lock = threading.Lock()
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
        return record

    def records(
        self,
        *,
        memento: str | None = None,
        key: str | None = None,
        layer: str | None = None,
        since: int = 0,
    ) -> list[Record]:
        """Copies, oldest first. ``memento`` may end in ``*``."""
        with self._lock:
            found = [dict(record) for record in self._records]
        return [
            record
            for record in found
            if record["seq"] > since
            and _matches(memento, record.get("memento"))
            and _matches(key, record["key"])
            and _matches(layer, record["layer"])
        ]

    def clear(self) -> None:
        with self._lock:
            self._records.clear()
            self._counts.clear()


def _matches(wanted: str | None, value: str | None) -> bool:
    if wanted is None:
        return True
    if value is None:
        return False
    if wanted.endswith("*"):
        return value.startswith(wanted[:-1])
    return value == wanted
