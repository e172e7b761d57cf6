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

"""Snapshots: a guest captured by the Connector, and the image taken from it."""

from __future__ import annotations

import collections.abc
import contextlib
import dataclasses
import hashlib
import io
import logging
import threading
import typing

from nova.compute import power_state

from ibmvirt.common import capability, clock, context, exceptions, plan
from ibmvirt.zvm import files, guests, identity, releases
from ibmvirt.zvm.client import connector, errors

LOG = logging.getLogger(__name__)

# Images of this name are ours and last as long as a snapshot is taken.
PREFIX = "ibmvirt-capture-"
# How long a Connector that went away during a capture is waited for (s): the
# guest that it shut down is to be started again.
_PATIENCE = 600.0
_FIRST_PAUSE = 2.0
_LAST_PAUSE = 30.0


@dataclasses.dataclass(frozen=True)
class _Left:
    """An image to delete; os_version: of a capture that is not whole."""

    name: str
    os_version: str = ""


class Snapshots(capability.Snapshots):
    """Captures of root disks, in the Connector's format.

    :param power: finds out and restores whether a guest runs.
    """

    # The Connector shuts it down, and starts it again.
    quiesced = True

    def __init__(
        self,
        calls: connector.Connector,
        transport: files.Transport,
        power: guests.Guests,
        pauses: capability.Pause,
    ) -> None:
        self._calls = calls
        self._transport = transport
        self._power = power
        self._pauses = pauses
        self._lock = threading.Lock()
        self._under_way: set[str] = set()
        self._left: dict[str, _Left] = {}

    @contextlib.contextmanager
    def open(
        self, server: plan.Server, guest: plan.GuestRef
    ) -> collections.abc.Iterator[capability.Captured]:
        """The captured disk, downloaded; its file is there while the block runs.

        The Connector shuts a running guest down for the capture and starts it
        again; a guest that was paused is let go on before, so that its system
        can be shut down, and paused again.

        :raises ImageTransferFailed: (by the stream, at its end) the bytes are
            not those of the Connector's image.
        """
        name = f"{PREFIX}{server.uuid}"
        with self._working(name), self._transport.taken(name) as path:
            with self._captured(name, guest):
                found = self._calls.export_image(
                    name, f"file://{path}", self._transport.remote_host
                )
            with path.open("rb") as file:
                checked = _Checked(file, str(found["md5sum"]), name)
                yield capability.Captured(
                    stream=typing.cast(typing.BinaryIO, checked),
                    size=path.stat().st_size,
                    properties=_properties(str(found["os_version"])),
                )

    @contextlib.contextmanager
    def _working(self, name: str) -> collections.abc.Iterator[None]:
        with self._lock:
            self._under_way.add(name)
        try:
            yield
        finally:
            with self._lock:
                self._under_way.discard(name)

    @contextlib.contextmanager
    def _captured(
        self, name: str, guest: plan.GuestRef
    ) -> collections.abc.Iterator[None]:
        """The Connector has the image while the block runs."""
        # A killed service may have left it; the name can be given once only.
        self._calls.delete_image(name)
        whole = False
        try:
            with self._same_power(guest):
                self._calls.capture(guest.id, name)
            whole = True
            yield
        finally:
            with context.reverting():
                self._discard(_Left(name, "" if whole else _os_version(guest)), guest)

    def _discard(self, left: _Left, guest: plan.GuestRef) -> None:
        """Delete an image; where that fails, when the guest goes, or by a sweep.

        It is no error: the snapshot is whole, or has failed already.
        """
        try:
            _persist(lambda: self._delete(left))
        except errors.ConnectorError as error:
            LOG.error("%s It is removed later.", error)
            with self._lock:
                self._left[guest.id] = left

    def _delete(self, left: _Left) -> None:
        if left.os_version:
            self._calls.delete_half_captured(left.name, left.os_version)
        else:
            self._calls.delete_image(left.name)

    def gone(self, user: str) -> None:
        """A guest was deleted: so is what could not be deleted of its images."""
        with self._lock:
            left = self._left.pop(user, None)
        if left is None:
            return
        try:
            # Whoever waits for the guest to be gone does not wait for this.
            self._delete(left)
        except errors.ConnectorError as error:
            LOG.error("%s It is removed later.", error)

    @contextlib.contextmanager
    def _same_power(self, guest: plan.GuestRef) -> collections.abc.Iterator[None]:
        """Whatever the block does: the guest ends on, paused or off as before."""
        was = self._power.state(guest, use_cache=False).power_state
        try:
            if was == power_state.PAUSED:
                self._pauses.unpause(guest)
            yield
        except BaseException:
            with _last_resort():
                self._restore(guest, was)
            raise
        with context.reverting():
            self._restore(guest, was)

    def _restore(self, guest: plan.GuestRef, was: int) -> None:
        if was == power_state.SHUTDOWN:
            return
        # Defect: where a capture fails after the shutdown, the Connector
        # leaves the guest off. Starting one that is on does nothing.
        _persist(lambda: self._power.power_on(guest))
        if was == power_state.PAUSED:
            _persist(lambda: self._pauses.pause(guest))

    def sweep(self, names: collections.abc.Iterable[str]) -> None:
        """Delete captured images that a killed service has left.

        :param names: of all the Connector's images.
        """
        for name in names:
            with self._lock:
                busy = name in self._under_way
            if name.startswith(PREFIX) and not busy:
                LOG.info("Removing %s, left by a snapshot that was not ended", name)
                try:
                    self._calls.delete_image(name)
                except errors.ConnectorError as error:
                    LOG.warning("%s It is tried again later.", error)


def _persist(action: collections.abc.Callable[[], None]) -> None:
    """Do what must be done: once more after an error, for long if it is away.

    :raises ConnectorError: in spite of that; the last one.
    """
    end, pause = clock.now() + _PATIENCE, _FIRST_PAUSE
    again = True
    while True:
        try:
            return action()
        except errors.ConnectorClosed:
            raise
        except (errors.ConnectorUnreachable, errors.ConnectorAnswerLost) as error:
            if clock.now() + pause > end:
                raise
            LOG.warning("%s It is tried again in %.0f s.", error, pause)
            clock.sleep(pause)
            pause = min(2 * pause, _LAST_PAUSE)
        except errors.ConnectorError as error:
            if not again:
                raise
            LOG.warning("%s It is tried once more.", error)
            again = False


@contextlib.contextmanager
def _last_resort() -> collections.abc.Iterator[None]:
    """Run to the end, and let the first error be the one that is told."""
    with context.reverting():
        try:
            yield
        except exceptions.IBMVirtError as error:
            LOG.warning("%s", error)


def _os_version(guest: plan.GuestRef) -> str:
    return str(guest.record.get(identity.OS_KEY) or "")


def _properties(os_version: str) -> plan.Values:
    """What a later boot of the image needs."""
    # Of a guest that is off, the Connector gives it in capitals.
    distro, version = releases.split(os_version.lower())
    return {
        "os_distro": distro,
        "os_version": version,
        "architecture": "s390x",
        "hypervisor_type": "zvm",
    }


class _Checked(io.RawIOBase):
    """A file whose last ``read`` fails where its bytes have another MD5."""

    def __init__(self, file: typing.BinaryIO, md5: str, name: str) -> None:
        super().__init__()
        self._file = file
        self._md5 = md5
        self._name = name
        self._digest = hashlib.md5(usedforsecurity=False)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: typing.Any) -> int:
        context.check()
        chunk = self._file.read(len(buffer))
        buffer[: len(chunk)] = chunk
        self._digest.update(chunk)
        if not chunk and self._digest.hexdigest() != self._md5:
            raise exceptions.ImageTransferFailed(
                f"take the image {self._name} from the Connector",
                f"its MD5 is {self._digest.hexdigest()}, not {self._md5}",
                "look for a full file system on either side",
            )
        return len(chunk)
