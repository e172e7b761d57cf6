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

"""Contents of disks as files that never change.

A disk's content is a blob, named by its SHA-256; a clone names the same blob.
So clones cost nothing, and a mark of the world is a mark of the contents.
"""

from __future__ import annotations

import collections.abc
import contextlib
import hashlib
import os
import pathlib
import re
import tempfile
import threading
import time
import typing

from ibmvirt.simulators.core import sparse

_GRACE = 60.0
# Real seconds between looks for contents that nobody names any more.
_COLLECT = 30.0


_NAME = re.compile("[0-9a-f]{64}")


def named(text: str) -> list[str]:
    """The blobs that a text names, such as an object's list of contents."""
    return _NAME.findall(text)


class Blobs:
    """Blobs in a directory of the simulator's state."""

    def __init__(self, directory: pathlib.Path) -> None:
        self._directory = directory
        # A blob that is written again must not be deleted as the old one.
        self._lock = threading.Lock()
        directory.mkdir(parents=True, exist_ok=True)

    def writer(self) -> Writer:
        return Writer(self._directory, self._lock)

    def put(self, content: bytes) -> str:
        with self.writer() as writer:
            writer.write(content)
            return writer.commit()

    def has(self, name: str) -> bool:
        try:
            self.path(name)
        except KeyError:
            return False
        return True

    def path(self, name: str) -> pathlib.Path:
        """:raises KeyError: no such blob."""
        path = self._directory / name
        if not name.isalnum() or not path.is_file():
            raise KeyError(name)
        return path

    def collect(self, used: collections.abc.Set[str], grace: float = _GRACE) -> None:
        """Delete the blobs that nobody names any more.

        :param grace: real seconds that a new one is kept: who wrote it may not
            have said yet what for.
        """
        now = time.time()
        for path in self._directory.iterdir():
            if path.name in used or path.name.startswith("."):
                continue
            # Another thread may have deleted it.
            with self._lock, contextlib.suppress(FileNotFoundError):
                if now - path.stat().st_mtime >= grace:
                    path.unlink()

    def open(self, name: str) -> typing.BinaryIO:
        return self.path(name).open("rb")

    def size(self, name: str) -> int:
        return self.path(name).stat().st_size


class Collector:
    """Deletes, now and then, the contents that nobody names any more.

    :param used: names those that somebody does.
    """

    def __init__(
        self, contents: Blobs, used: collections.abc.Callable[[], set[str]]
    ) -> None:
        self._blobs = contents
        self._used = used
        self._ended = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._run, daemon=True).start()

    def stop(self) -> None:
        self._ended.set()

    def collect(self, grace: float = _GRACE) -> None:
        """Once, now; ``grace`` as in :meth:`Blobs.collect`."""
        self._blobs.collect(self._used(), grace)

    def _run(self) -> None:
        while not self._ended.wait(_COLLECT):
            # The simulator may be ending, and its directory with it.
            with contextlib.suppress(OSError):
                self.collect()


class Writer:
    """A blob being written; nothing is left if it is not committed."""

    def __init__(
        self, directory: pathlib.Path, lock: typing.ContextManager[typing.Any]
    ) -> None:
        self._lock = lock
        descriptor, name = tempfile.mkstemp(prefix=".", dir=directory)
        self._file = sparse.SparseFile(os.fdopen(descriptor, "wb"))
        self._path = pathlib.Path(name)
        self._digest = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> None:
        self._digest.update(data)
        self._file.write(data)
        self.size += len(data)

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def commit(self) -> str:
        self._file.close()
        name = self.sha256
        with self._lock:
            os.replace(self._path, self._path.with_name(name))
        return name

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_error: object) -> None:
        try:
            self._file.close()
        finally:
            self._path.unlink(missing_ok=True)
