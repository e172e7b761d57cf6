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


"""Markers of uploads into a pool that several hosts share.

Whoever uploads an image has a marker beside it, ``part<8 hex digits><image
name>``, the name that nova-powervm gave its markers, at random there. Ours
tell by their first six digits which host made them: it knows its own dead
ones at once. The other two count down while an upload goes on, so that other
hosts see that it lives; the marker whose name sorts first is the one that
uploads, before and after.
"""

from __future__ import annotations

import collections.abc
import contextlib
import hashlib
import re
import threading
import typing

from pypowervm import const

from ibmvirt.common import clock

_PREFIX = "part"
_IMAGE = "image_"
_HOST, _COUNT = 6, 2
_DIGITS = _HOST + _COUNT
_MARKER = re.compile(f"{_PREFIX}[0-9a-fA-F]{{{_DIGITS}}}{_IMAGE}")
# A longer name of an image has no room for its marker's.
IMAGE_MAX = const.MaxLen.FILENAME_DEFAULT - len(_PREFIX) - _DIGITS


def is_marker(name: str) -> bool:
    """Whether a unit of this name is a marker of an upload, by whomever."""
    return _MARKER.match(name) is not None


def marks(name: str, image: str) -> bool:
    """Whether a unit of this name is a marker for the image."""
    return is_marker(name) and marked(name) == image


def marked(name: str) -> str:
    """The image that a marker is for."""
    return name[len(_PREFIX) + _DIGITS :]


class Own:
    """This host's markers, and the images that it uploads just now.

    :param host: what tells the host from others of the pool.
    """

    def __init__(self, host: collections.abc.Callable[[], str]) -> None:
        self._host = host
        self._lock = threading.Lock()
        self._uploading: set[str] = set()

    def _digits(self) -> str:
        return hashlib.sha256(self._host().encode()).hexdigest()[:_HOST]

    def name(self, image: str, beat: int = 0) -> str:
        """The marker's name after a number of signs of life."""
        count = max(0, (1 << 4 * _COUNT) - 1 - beat)
        return f"{_PREFIX}{self._digits()}{count:0{_COUNT}x}{image}"

    @contextlib.contextmanager
    def uploading(self, image: str) -> collections.abc.Iterator[None]:
        """Within the block this host's markers for the image are alive."""
        with self._lock:
            self._uploading.add(image)
        try:
            yield
        finally:
            with self._lock:
                self._uploading.discard(image)

    def is_uploading(self, image: str) -> bool:
        with self._lock:
            return image in self._uploading

    def is_dead(self, name: str) -> bool:
        """One of this host that no thread works under: its service was killed."""
        if not name.startswith(_PREFIX + self._digits()):
            return False
        with self._lock:
            return not any(marks(name, image) for image in self._uploading)


class Watch:
    """Notices that what it looks at has not changed for long.

    :param patience: seconds.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._seen: dict[str, tuple[frozenset[str], float]] = {}

    def still(self, image: str, what: typing.Iterable[str]) -> bool:
        """Whether an image's units have been these ones all the time."""
        now, units = clock.now(), frozenset(what)
        before, since = self._seen.get(image, (frozenset(), now))
        if before != units:
            since = now
        self._seen[image] = (units, since)
        return now - since > self._patience
