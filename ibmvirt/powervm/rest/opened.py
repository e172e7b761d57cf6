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


"""What this service has open in NovaLink: transfers of files, and jobs.

NovaLink keeps both until a client deletes them, and of either a bounded number.
Each is noted in a small file as long as it is open. What is noted and nobody
works on was left open: by a service that was killed, or as an answer was lost.
It is closed when the service starts, and before the next is opened. What is
not noted is somebody else's, and stays.

A transfer is noted before it is asked for, since NovaLink lists transfers with
their names. It has no list of jobs: one whose number did not reach us stays.
"""

from __future__ import annotations

import collections.abc
import contextlib
import logging
import pathlib
import threading
import time
import typing
import uuid as uuids

from pypowervm import exceptions as pypowervm
from pypowervm.wrappers import vios_file

from ibmvirt.common import clock, context, statefile

LOG = logging.getLogger(__name__)

# Seconds after which a request that was not answered has been carried out, or
# never is.
_SETTLED = 600.0
# Seconds until it is tried again to close what could not be: a job that runs.
_AGAIN = 30.0

Values = dict[str, typing.Any]


class Note:
    """Something that is open, or about to be."""

    def __init__(self, write: collections.abc.Callable[[Values], None]) -> None:
        self._write = write
        self._values: Values = {}
        self.open = False

    def asked(self, **values: str) -> None:
        """It is about to be opened; what is known of it."""
        self._values = {**values, "since": time.time()}
        self._keep()

    def opened(self, number: str) -> None:
        """It is open under this id."""
        self._values = {**self._values, "id": number}
        self._keep()

    def closed(self) -> None:
        self.open = False

    def is_like(self, values: Values) -> bool:
        """Whether it is asked for in the same words as another."""
        return self.open and _words(self._values) == _words(values)

    def _keep(self) -> None:
        self.open = True
        self._write(self._values)


class Opened:
    """Safe for many threads.

    :param directory: for the notes, a folder for each system; None = nothing
        is noted.
    """

    def __init__(self, adapter: typing.Any, directory: pathlib.Path | None) -> None:
        self._adapter = adapter
        self._directory = directory
        self._files: statefile.Folder | None = None
        self._lock = threading.Lock()
        self._live: dict[str, Note] = {}
        self._closing = threading.Lock()
        # Whether something may be open that nobody works on; when to look.
        self._left = False
        self._next = float("-inf")

    def start(self, system: str) -> None:
        """Close what a service that was killed left open; best effort.

        :param system: the UUID of the managed system.
        """
        if self._directory is not None:
            self._files = statefile.Folder(self._directory / system)
            self._left, self._next = True, float("-inf")
            self.close_left()

    @contextlib.contextmanager
    def one(self, kind: str) -> collections.abc.Iterator[Note]:
        """The block opens one, and closes it if it can.

        :param kind: :data:`FILE` or :data:`JOB`.
        """
        self.close_left()
        name = f"{kind}-{uuids.uuid4().hex}"
        note = Note(lambda values: self._write(name, values))
        with self._lock:
            self._live[name] = note
        try:
            yield note
        finally:
            with self._lock:
                del self._live[name]
                if note.open:
                    self._left = True
            if not note.open:
                self._forget(name)

    # -- what was left ----------------------------------------------------------

    def close_left(self) -> None:
        """Close what is open for nothing. No call where nothing is."""
        if not self._left or clock.now() < self._next:
            return
        if not self._closing.acquire(blocking=False):
            return
        try:
            with context.background("scrub"):
                self._left = False
                for name in self._names():
                    if not self._close(name):
                        self._left = True
                        self._next = clock.now() + _AGAIN
        finally:
            self._closing.release()

    def _names(self) -> list[str]:
        """Of notes that nobody works on."""
        if self._files is None:
            return []
        try:
            names = self._files.names()
        except OSError as error:
            LOG.warning("what is open in NovaLink is not known: %s", error)
            return []
        with self._lock:
            return [name for name in names if name not in self._live]

    def _close(self, name: str) -> bool:
        """Whether it is closed."""
        assert self._files is not None
        try:
            values = self._files.read(name)
        except (OSError, ValueError) as error:
            LOG.error("%s cannot be read: %s", self._files.path(name), error)
            return True
        if values is None:
            return True
        try:
            done = KINDS[name.partition("-")[0]](self, values)
        except pypowervm.Error as error:
            LOG.warning("what is noted in %s was not closed: %s", name, error)
            return False
        except (KeyError, TypeError, AttributeError) as error:
            LOG.error("%s is damaged: %r", self._files.path(name), error)
            return True
        if done:
            self._forget(name)
        return done

    def _close_job(self, values: Values) -> bool:
        LOG.info("deleting the job %s, which nobody waits for", values["id"])
        with contextlib.suppress(pypowervm.HttpNotFound):
            self._adapter.delete("jobs", values["id"])
        return True

    def _close_file(self, values: Values) -> bool:
        found = [values["id"]] if "id" in values else self._like(values)
        for uuid in found:
            LOG.info("closing the transfer of %s, which has ended", values["name"])
            with contextlib.suppress(pypowervm.HttpNotFound):
                self._adapter.delete("File", uuid, service="web")
        return bool(found) or abs(time.time() - values["since"]) > _SETTLED

    def _like(self, values: Values) -> list[str]:
        """Transfers that were asked for in these words, unless one goes on."""
        response = self._adapter.read("File", service="web")
        with self._lock:
            if any(note.is_like(values) for note in self._live.values()):
                return []
        return [
            file.uuid
            for file in vios_file.File.wrap(response)
            if _words(values) == (file.file_name, file.vios_uuid, file.tdev_udid or "")
        ]

    # -- files ------------------------------------------------------------------

    def _write(self, name: str, values: Values) -> None:
        if self._files is None:
            return
        try:
            # A machine that fails is no case for it: NovaLink is on it, mostly.
            self._files.write(name, values, durable=False)
        except OSError as error:
            LOG.warning("%s was not written: %s", self._files.path(name), error)

    def _forget(self, name: str) -> None:
        if self._files is None:
            return
        try:
            self._files.remove(name)
        except OSError as error:
            LOG.warning("%s was not removed: %s", self._files.path(name), error)


def _words(values: Values) -> tuple[typing.Any, ...]:
    return values.get("name"), values.get("vios"), values.get("device")


FILE, JOB = "file", "job"
KINDS: dict[str, collections.abc.Callable[[Opened, Values], bool]] = {
    FILE: Opened._close_file,
    JOB: Opened._close_job,
}
