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

"""The state of a simulated platform.

A world is a set of collections of immutable values. A value is replaced,
never changed, under the world's lock; a reader takes a value and works on it
without the lock. So a mark is a copy of a few dictionaries, and a reset puts
them back.
"""

from __future__ import annotations

import collections.abc
import contextlib
import dataclasses
import threading
import typing

# What a collection is for when two states are compared.
KEPT = "kept"  # compared
CACHE = "cache"  # may grow, must be whole
COUNTER = "counters"  # not compared
LOG = "log"  # not compared
KINDS = (KEPT, CACHE, COUNTER, LOG)

Describe = collections.abc.Callable[[typing.Any], typing.Any]
IsCache = collections.abc.Callable[[typing.Any], bool]
Change = dict[str, typing.Any]


def _never(_value: typing.Any) -> bool:
    return False


class Collection(dict[str, typing.Any]):
    """Immutable values by key; ``describe`` gives what is compared, as JSON.

    ``describe`` may return None for a value that does not count. A value that
    ``is_cache`` holds for may be new: only its loss is a difference.
    """

    def __init__(
        self, name: str, kind: str, describe: Describe, is_cache: IsCache
    ) -> None:
        super().__init__()
        self.name = name
        self.kind = kind
        self.describe = describe
        self.is_cache = is_cache


@dataclasses.dataclass(frozen=True)
class Probe:
    """Kept state outside of the collections, such as rows of a database.

    ``read`` gives it as JSON, ``restore`` puts back what was read at a mark.
    """

    read: collections.abc.Callable[[], typing.Any]
    restore: collections.abc.Callable[[typing.Any], None]


class World:
    """All collections, one lock, marks."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._collections: dict[str, Collection] = {}
        self._marks: dict[str, dict[str, dict[str, typing.Any]]] = {}
        self._checks: list[collections.abc.Callable[[], list[str]]] = []
        self._after_reset: list[collections.abc.Callable[[], None]] = []
        self._probes: dict[str, Probe] = {}
        self._probed: dict[str, dict[str, typing.Any]] = {}

    def collection(
        self,
        name: str,
        kind: str = KEPT,
        describe: Describe = lambda value: value,
        is_cache: IsCache = _never,
    ) -> Collection:
        """Declare a collection, once."""
        if name in self._collections:
            raise ValueError(f"collection {name} exists")
        found = self._collections[name] = Collection(name, kind, describe, is_cache)
        return found

    def on_reset(self, action: collections.abc.Callable[[], None]) -> None:
        """Run under the lock after a reset: rebuild what is derived."""
        self._after_reset.append(action)

    def check(self, action: collections.abc.Callable[[], list[str]]) -> None:
        """Add to :meth:`verify` a check that returns complaints."""
        self._checks.append(action)

    @contextlib.contextmanager
    def transaction(self) -> collections.abc.Iterator[None]:
        """Hold the lock; on an exception every collection is as before."""
        with self.lock:
            before = {name: dict(c) for name, c in self._collections.items()}
            try:
                yield
            except BaseException:
                self._restore(before)
                raise

    def _restore(self, state: dict[str, dict[str, typing.Any]]) -> None:
        for name, values in state.items():
            found = self._collections[name]
            found.clear()
            found.update(values)

    def probe(self, name: str, probe: Probe) -> None:
        """Let marks, comparisons and resets include what a probe reads."""
        self._probes[name] = probe

    def mark(self, name: str = "mark") -> None:
        with self.lock:
            self._marks[name] = {n: dict(c) for n, c in self._collections.items()}
            self._probed[name] = {n: p.read() for n, p in self._probes.items()}

    def reset(self, name: str = "mark") -> None:
        """:raises KeyError: no such mark."""
        with self.lock:
            marked = self._marks[name]
            for collection_name, values in marked.items():
                # Ids and ETags never come back: a client may remember them.
                if self._collections[collection_name].kind != COUNTER:
                    self._restore({collection_name: values})
            for probe_name, value in self._probed[name].items():
                self._probes[probe_name].restore(value)
            for action in self._after_reset:
                action()

    def state(self) -> dict[str, dict[str, typing.Any]]:
        with self.lock:
            return {
                kind: {
                    c.name: _described(c)
                    for c in self._collections.values()
                    if c.kind == kind
                }
                for kind in KINDS
            }

    def compare(self, name: str = "mark") -> list[Change]:
        """What of the kept state differs from the mark: path, was, is."""
        with self.lock:
            changes: list[Change] = []
            for found in self._collections.values():
                if found.kind not in (KEPT, CACHE):
                    continue
                marked = self._marks[name][found.name]
                for key in sorted(marked.keys() | found.keys()):
                    was, now = marked.get(key), found.get(key)
                    if was is now:
                        continue
                    if was is None and (found.kind == CACHE or found.is_cache(now)):
                        continue
                    _differ(
                        f"{found.name}/{key}",
                        None if was is None else found.describe(was),
                        None if now is None else found.describe(now),
                        changes,
                    )
            for probe_name, was in self._probed[name].items():
                _differ(probe_name, was, self._probes[probe_name].read(), changes)
            return changes

    def verify(self) -> list[str]:
        with self.lock:
            return [text for check in self._checks for text in check()]


def _described(found: Collection) -> dict[str, typing.Any]:
    pairs = ((key, found.describe(value)) for key, value in found.items())
    return {key: value for key, value in pairs if value is not None}


def _differ(path: str, was: typing.Any, now: typing.Any, changes: list[Change]) -> None:
    if was == now:
        return
    if isinstance(was, dict) and isinstance(now, dict):
        for key in sorted(was.keys() | now.keys(), key=str):
            _differ(f"{path}/{key}", was.get(key), now.get(key), changes)
        return
    changes.append({"path": path, "was": was, "is": now})
