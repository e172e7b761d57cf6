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

"""A mapping that readers see whole: changed by its writer, then published."""

from __future__ import annotations

import collections.abc
import threading
import typing

Values = dict[str, typing.Any]


class Versions(collections.abc.MutableMapping[str, typing.Any]):
    """What it shows is one dictionary that nobody changes any more.

    A writer works on a copy that it alone sees; ``commit`` shows it to all. So
    a reader needs no lock, never meets half a change, and may iterate while
    others write. Outside of a transaction every write is its own.

    :param lock: the world's; writers hold it.
    """

    def __init__(self, lock: typing.ContextManager[typing.Any]) -> None:
        self._lock = lock
        self._public: Values = {}
        self._private: Values | None = None
        self._owner = 0
        # The private copy is also a savepoint: it must not be changed.
        self._saved = False

    def current(self) -> Values:
        """The dictionary that the calling thread sees; not to be changed."""
        private = self._private
        if private is not None and self._owner == threading.get_ident():
            return private
        return self._public

    # -- a transaction's steps; the world holds the lock --------------------

    def begin(self) -> None:
        self._owner = threading.get_ident()

    def save(self) -> Values | None:
        """A point inside of the transaction to go back to."""
        self._saved = True
        return self._private

    def back_to(self, saved: Values | None) -> None:
        self._private = saved
        self._saved = True

    def end(self, *, commit: bool) -> None:
        if commit and self._private is not None:
            self._public = self._private
        self._private = None
        self._owner = 0
        self._saved = False

    def _write(self, change: collections.abc.Callable[[Values], None]) -> None:
        with self._lock:
            if self._owner != threading.get_ident():
                changed = dict(self._public)
                change(changed)
                self._public = changed
                return
            if self._private is None or self._saved:
                self._private = dict(self.current())
                self._saved = False
            change(self._private)

    # -- the mapping ----------------------------------------------------------

    def __getitem__(self, key: str) -> typing.Any:
        return self.current()[key]

    def __setitem__(self, key: str, value: typing.Any) -> None:
        self._write(lambda values: values.__setitem__(key, value))

    def __delitem__(self, key: str) -> None:
        self._write(lambda values: values.__delitem__(key))

    def __iter__(self) -> collections.abc.Iterator[str]:
        return iter(self.current())

    def __len__(self) -> int:
        return len(self.current())

    def __contains__(self, key: object) -> bool:
        return key in self.current()

    def get(self, key: str, default: typing.Any = None) -> typing.Any:
        return self.current().get(key, default)

    def keys(self) -> collections.abc.KeysView[str]:
        return self.current().keys()

    def items(self) -> collections.abc.ItemsView[str, typing.Any]:
        return self.current().items()

    def values(self) -> collections.abc.ValuesView[typing.Any]:
        return self.current().values()

    def clear(self) -> None:
        self._write(lambda values: values.clear())

    def replace(self, values: Values) -> None:
        """Hold these values, and no others."""

        def change(mine: Values) -> None:
            mine.clear()
            mine.update(values)

        self._write(change)
