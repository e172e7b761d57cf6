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
never changed, in a transaction; others see the change when the transaction
ends. A reader takes a value and works on it without the lock. So a mark is a
copy of a few dictionaries, and a reset puts them back.
"""

from __future__ import annotations

import collections.abc
import contextlib
import dataclasses
import threading
import typing

from ibmvirt.simulators.core import blobs, versions

# What a collection is for when two states are compared.
KEPT = "kept"  # compared
CACHE = "cache"  # may grow, must be whole
COUNTER = "counters"  # not compared
LOG = "log"  # not compared
KINDS = (KEPT, CACHE, COUNTER, LOG)

Describe = collections.abc.Callable[[typing.Any], typing.Any]
IsCache = collections.abc.Callable[[typing.Any], bool]
Change = dict[str, typing.Any]
Around = collections.abc.Callable[[], contextlib.AbstractContextManager[None]]
Action = collections.abc.Callable[[dict[str, typing.Any]], None]


def _contents(value: typing.Any) -> list[str]:
    return blobs.named(getattr(value, "blob", ""))


def _never(_value: typing.Any) -> bool:
    return False


@dataclasses.dataclass(frozen=True)
class Codec:
    """How a value is written as JSON in a dump, and made again from it.

    ``load`` raises ValueError for what cannot be a value; ``key`` tells under
    which key a value belongs, ``contents`` which blobs it names.
    """

    dump: collections.abc.Callable[[typing.Any], typing.Any]
    load: collections.abc.Callable[[typing.Any], typing.Any]
    key: collections.abc.Callable[[typing.Any], str] | None = None
    contents: collections.abc.Callable[[typing.Any], list[str]] = _contents


class Collection(versions.Versions):
    """Immutable values by key; ``describe`` gives what is compared, as JSON.

    ``describe`` may return None for a value that does not count. A value that
    ``is_cache`` holds for may be new: only its loss is a difference.
    """

    def __init__(
        self,
        name: str,
        kind: str,
        describe: Describe,
        is_cache: IsCache,
        *,
        codec: Codec | None = None,
        lock: typing.Any = None,
    ) -> None:
        super().__init__(lock or threading.RLock())
        self.codec = codec
        self.name = name
        self.kind = kind
        self.describe = describe
        self.is_cache = is_cache


class Replaced(Exception):
    """The world was reset since a call began: it must not change the new one."""


@dataclasses.dataclass(frozen=True)
class Probe:
    """Kept state outside of the collections, such as rows of a database.

    ``read`` gives it as JSON, ``restore`` puts back what was read at a mark.
    ``kept`` gives that part of what was read which is compared.
    """

    read: collections.abc.Callable[[], typing.Any]
    restore: collections.abc.Callable[[typing.Any], None]
    kept: collections.abc.Callable[[typing.Any], typing.Any] = lambda read: read


class World:
    """All collections, one lock, marks."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._collections: dict[str, Collection] = {}
        self._marks: dict[str, dict[str, dict[str, typing.Any]]] = {}
        # Counts resets and loads: what began before one must not go on after it.
        self.epoch = 0
        self._mine = threading.local()
        self._depth = 0
        self._to_do: list[collections.abc.Callable[[], None]] = []
        self._actions: dict[str, Action] = {}
        self._checks: list[collections.abc.Callable[[], list[str]]] = []
        self._after_reset: list[collections.abc.Callable[[], None]] = []
        self._around_reset: list[Around] = []
        self._probes: dict[str, Probe] = {}
        self._probed: dict[str, dict[str, typing.Any]] = {}

    def collection(
        self,
        name: str,
        kind: str = KEPT,
        describe: Describe = lambda value: value,
        is_cache: IsCache = _never,
        codec: Codec | None = None,
    ) -> Collection:
        """Declare a collection, once, before the first transaction.

        :param codec: lets it be dumped and loaded.
        """
        if name in self._collections:
            raise ValueError(f"collection {name} exists")
        if kind not in KINDS:
            raise ValueError(f"collection {name}: kind must be one of {KINDS}")
        found = self._collections[name] = Collection(
            name, kind, describe, is_cache, codec=codec, lock=self.lock
        )
        return found

    def on_reset(self, action: collections.abc.Callable[[], None]) -> None:
        """Run under the lock after a reset: rebuild what is derived."""
        self._after_reset.append(action)

    def around_reset(self, around: Around) -> None:
        """Enter ``around()`` for a reset, without the lock: to let end what is
        under way, and to let nothing begin meanwhile."""
        self._around_reset.append(around)

    def check(self, action: collections.abc.Callable[[], list[str]]) -> None:
        """Add to :meth:`verify` a check that returns complaints."""
        self._checks.append(action)

    @contextlib.contextmanager
    def transaction(self) -> collections.abc.Iterator[None]:
        """Hold the lock; others see the changes when it ends, and on an
        exception there are none. One may be inside of another.

        :raises Replaced: see :meth:`as_it_is`.
        """
        with self.lock:
            if getattr(self._mine, "epoch", self.epoch) != self.epoch:
                raise Replaced
            if self._depth:
                with self._savepoint():
                    yield
                return
            for found in self._collections.values():
                found.begin()
            self._depth = 1
            done = False
            try:
                yield
                done = True
            finally:
                self._depth = 0
                for found in self._collections.values():
                    found.end(commit=done)
                actions, self._to_do = self._to_do, []
            # Still locked: they are told of in the order of the changes.
            for action in actions:
                action()

    @contextlib.contextmanager
    def as_it_is(self) -> collections.abc.Iterator[None]:
        """While inside, this thread's transactions are refused once the world
        was reset or loaded: what came before is not for the new world."""
        self._mine.epoch = self.epoch
        try:
            yield
        finally:
            del self._mine.epoch

    def on_commit(self, action: collections.abc.Callable[[], None]) -> None:
        """Run when the transaction has ended well and all can see it; outside
        of one, at once. To tell others of what they can read now; under the
        lock, so it must not wait for one who may want that."""
        with self.lock:
            if self._depth:
                self._to_do.append(action)
                return
            action()

    @contextlib.contextmanager
    def _savepoint(self) -> collections.abc.Iterator[None]:
        saved = [(c, c.save()) for c in self._collections.values()]
        to_do = len(self._to_do)
        self._depth += 1
        try:
            yield
        except BaseException:
            for found, values in saved:
                found.back_to(values)
            del self._to_do[to_do:]
            raise
        finally:
            self._depth -= 1

    def probe(self, name: str, probe: Probe) -> None:
        """Let marks, comparisons and resets include what a probe reads."""
        self._probes[name] = probe

    def action(self, name: str, run: Action) -> None:
        """Offer a change from outside: RMC lost, a path failed, a full pool.

        It is run by ``POST /sim/world`` and the effect ``world`` of a rule, in
        a transaction; it gets the other fields and raises ValueError, naming
        the field, or KeyError for an object that is not there.
        """
        self._actions[name] = run

    def actions(self) -> list[str]:
        return sorted(self._actions)

    def act(self, fields: dict[str, typing.Any]) -> None:
        """Run the action that ``fields`` name.

        :raises ValueError: no such action, or what the action refuses.
        """
        run = self._actions.get(str(fields.get("action")))
        if run is None:
            raise ValueError(f"action: must be one of {self.actions()}")
        with self.transaction():
            run({k: v for k, v in fields.items() if k not in ("action", "kind")})

    def mark(self, name: str = "mark") -> None:
        with self.lock:
            self._marks[name] = {n: c.current() for n, c in self._collections.items()}
            self._probed[name] = {n: p.read() for n, p in self._probes.items()}

    def marked(self, name: str) -> dict[str, dict[str, typing.Any]]:
        """The values at a mark. :raises KeyError: no such mark."""
        if name not in self._marks:
            raise KeyError(f"mark {name}")
        return self._marks[name]

    def reset(self, name: str = "mark") -> None:
        """:raises KeyError: no such mark."""
        marked = self.marked(name)
        with contextlib.ExitStack() as stack:
            for around in self._around_reset:
                stack.enter_context(around())
            stack.enter_context(self.lock)
            self.epoch += 1
            with self.transaction():
                for collection_name, values in marked.items():
                    # Ids and ETags never come back: a client may remember them.
                    if self._collections[collection_name].kind != COUNTER:
                        self._collections[collection_name].replace(values)
            for probe_name, value in self._probed[name].items():
                self._probes[probe_name].restore(value)
            for action in self._after_reset:
                action()

    def dump(self) -> dict[str, dict[str, typing.Any]]:
        """All values of the collections with a codec, as JSON.

        :raises ValueError: this world has none.
        """
        if not any(c.codec for c in self._collections.values()):
            raise ValueError("form: this simulator's world cannot be dumped")
        current = self._current()
        return {
            c.name: {key: c.codec.dump(v) for key, v in current[c.name].items()}
            for c in self._collections.values()
            if c.codec is not None
        }

    def contents(self) -> set[str]:
        """The blobs that the values of a dump name."""
        current = self._current()
        return {
            blob
            for c in self._collections.values()
            if c.codec is not None
            for value in current[c.name].values()
            for blob in c.codec.contents(value)
        }

    def load(
        self,
        given: typing.Any,
        has: collections.abc.Callable[[str], bool] = lambda _blob: True,
    ) -> None:
        """Replace the collections that a dump names; all of it or nothing.

        :param has: whether a blob is here.
        :raises ValueError: not a dump of this kind of world, or a blob is not
            here; names the place.
        """
        if not isinstance(given, dict) or not given:
            raise ValueError("state: must be an object of collections, as a dump is")
        loaded = {name: self._load(name, values) for name, values in given.items()}
        for found, values in loaded.values():
            _need_contents(found, values, has)
        with self.lock:
            self.epoch += 1
            with self.transaction():
                for found, values in loaded.values():
                    found.replace(values)
            for action in self._after_reset:
                action()

    def _load(
        self, name: str, values: typing.Any
    ) -> tuple[Collection, dict[str, typing.Any]]:
        found = self._collections.get(name)
        if found is None or found.codec is None:
            known = [c.name for c in self._collections.values() if c.codec]
            raise ValueError(f"{name}: cannot be loaded; what can is {known}")
        if not isinstance(values, dict):
            raise ValueError(f"{name}: must be an object")
        result = {}
        for key, value in values.items():
            try:
                result[key] = found.codec.load(value)
                if found.codec.key and (mine := found.codec.key(result[key])) != key:
                    raise ValueError(f"this is the value of {mine}")
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                raise ValueError(f"{name}/{key}: {error}") from error
        return found, result

    def values(self) -> collections.abc.Iterator[typing.Any]:
        """Every value, as it is now and as marks have it."""
        with self.lock:
            states = [self._current(), *self._marks.values()]
        for state in states:
            for values in state.values():
                yield from values.values()

    def _current(self) -> dict[str, versions.Values]:
        """All collections at one moment; rendering then needs no lock."""
        with self.lock:
            return {n: c.current() for n, c in self._collections.items()}

    def state(self) -> dict[str, dict[str, typing.Any]]:
        current = self._current()
        return {
            kind: {
                c.name: _described(c, current[c.name])
                for c in self._collections.values()
                if c.kind == kind
            }
            for kind in KINDS
        }

    def compare(self, name: str = "mark") -> list[Change]:
        """What of the kept state differs from the mark: path, was, is.

        :raises KeyError: no such mark.
        """
        with self.lock:
            states, probed = self.marked(name), self._probed[name]
            current = self._current()
            read = {n: self._probes[n].read() for n in probed}
        changes: list[Change] = []
        for found in self._collections.values():
            if found.kind in (KEPT, CACHE):
                marked = states.get(found.name, {})
                _compare(found, marked, current[found.name], changes)
        for probe_name, was in probed.items():
            kept = self._probes[probe_name].kept
            _differ(probe_name, kept(was), kept(read[probe_name]), changes)
        return changes

    def verify(self) -> list[str]:
        with self.lock:
            return [text for check in self._checks for text in check()]


def _need_contents(
    found: Collection,
    values: dict[str, typing.Any],
    has: collections.abc.Callable[[str], bool],
) -> None:
    """:raises ValueError: a value names a blob that is not here."""
    for key, value in values.items():
        for blob in found.codec.contents(value) if found.codec else ():
            if not has(blob):
                raise ValueError(
                    f"{found.name}/{key}: its content {blob} is not here: PUT the "
                    "bytes to /sim/contents first"
                )


def _compare(
    found: Collection,
    marked: versions.Values,
    current: versions.Values,
    changes: list[Change],
) -> None:
    for key in sorted(marked.keys() | current.keys()):
        was, now = marked.get(key), current.get(key)
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


def _described(found: Collection, values: versions.Values) -> dict[str, typing.Any]:
    pairs = ((key, found.describe(value)) for key, value in values.items())
    return {key: value for key, value in pairs if value is not None}


def _differ(path: str, was: typing.Any, now: typing.Any, changes: list[Change]) -> None:
    if was == now:
        return
    if isinstance(was, dict) and isinstance(now, dict):
        for key in sorted(was.keys() | now.keys(), key=str):
            _differ(f"{path}/{key}", was.get(key), now.get(key), changes)
        return
    changes.append({"path": path, "was": was, "is": now})
