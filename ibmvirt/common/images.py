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

"""The bytes of Glance images, streamed with bounded memory."""

from __future__ import annotations

import collections
import io
import logging
import threading
import typing

from nova import exception as nova_exception
from nova.image import glance
from oslo_utils.imageutils import format_inspector

from ibmvirt.common import context, exceptions, plan, qcow2

LOG = logging.getLogger(__name__)

# Chunks between the transfer and its reader: 16 of Glance's 64 KiB.
_QUEUE = 16
# What the format's inspector wants of the beginning.
_HEADER = 4096
# How long the reader waits before it looks whether to stop (s).
_LOOK = 1.0


class GlanceSource:
    """An image's bytes as a stream; see ``capability.ImageSource``.

    Glance's checksum is verified by its client, the signature by Nova when
    trusted certificates are given; the stream ends only when both are right.
    """

    def __init__(
        self,
        request: typing.Any,
        image: plan.Image,
        trusted_certs: typing.Any = None,
    ) -> None:
        self._request = request
        self._image = image
        self._certs = trusted_certs

    def size(self) -> int:
        return self._image.size

    def open(self) -> typing.BinaryIO:
        transfer = _Transfer(self._request, self._image, self._certs)
        transfer.start()
        return io.BufferedReader(transfer, buffer_size=1 << 16)


class Qcow2Source:
    """A qcow2 image's bytes as those of the raw disk in it.

    It is converted as it comes (see ``qcow2``): neither memory nor a disk of
    this host holds the image.
    """

    def __init__(self, packed: GlanceSource, image: plan.Image) -> None:
        self._packed = packed
        self._what = f"the image {image.name} ({image.id})"
        self._size: int | None = None

    def size(self) -> int:
        """Bytes of the raw disk, from the image's header (read once).

        :raises InvalidRequest: it is not what it is registered as, or refers
            to something outside of it.
        """
        if self._size is None:
            with self._packed.open() as stream:
                first = stream.read(_HEADER)
            try:
                inspector = format_inspector.QcowInspector()
                inspector.eat_chunk(first)
                inspector.safety_check()
                self._size = qcow2.header(first).size
            except (
                ValueError,
                format_inspector.ImageFormatError,
                format_inspector.SafetyCheckFailed,
            ) as error:
                raise exceptions.InvalidRequest(
                    f"use {self._what} as qcow2", str(error)
                ) from error
        return self._size

    def open(self) -> typing.BinaryIO:
        reader = qcow2.Reader(self._packed.open(), self._what)
        return io.BufferedReader(reader, buffer_size=1 << 16)


def source(
    request: typing.Any, image: plan.Image, trusted_certs: typing.Any = None
) -> GlanceSource | Qcow2Source:
    """The raw disk of an image of a format that was checked."""
    packed = GlanceSource(request, image, trusted_certs)
    return Qcow2Source(packed, image) if image.disk_format == "qcow2" else packed


def check_format(image: plan.Image, *, packed: bool) -> None:
    """Refuse an image of a format that the platform cannot take.

    :raises InvalidRequest: neither raw nor, with ``packed``, qcow2.
    """
    accepted = {"raw", "iso"} | ({"qcow2"} if packed else set())
    if image.disk_format not in accepted or image.container_format != "bare":
        raise exceptions.InvalidRequest(
            f"use the image {image.name} ({image.id})",
            f"its format is {image.disk_format}/{image.container_format}",
            "convert it: qemu-img convert -O raw, and register it as raw/bare",
        )


class _Transfer(io.RawIOBase):
    """A thread downloads into a bounded queue; ``read`` takes from it."""

    def __init__(
        self, request: typing.Any, image: plan.Image, certs: typing.Any
    ) -> None:
        super().__init__()
        self._request = request
        self._image = image
        self._certs = certs
        self._changed = threading.Condition()
        self._chunks: collections.deque[bytes] = collections.deque()
        self._complete = False
        self._stop = False
        self._error: BaseException | None = None
        self._rest = memoryview(b"")
        self._received = 0
        self._thread = threading.Thread(
            target=self._download, name=f"image-{image.id[:8]}", daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def _attempted(self) -> str:
        return f"download the image {self._image.name} ({self._image.id})"

    # -- the downloading thread ----------------------------------------

    def _download(self) -> None:
        try:
            glance.API().download(
                self._request,
                self._image.id,
                data=_Sink(self._put),
                trusted_certs=self._certs,
            )
        except BaseException as error:
            self._error = error
        finally:
            with self._changed:
                self._complete = True
                self._changed.notify_all()

    def _put(self, chunk: bytes) -> None:
        with self._changed:
            while len(self._chunks) >= _QUEUE and not self._stop:
                self._changed.wait()
            if self._stop:
                raise _Closed
            self._chunks.append(chunk)
            self._changed.notify_all()

    # -- the reader ------------------------------------------------------

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: typing.Any) -> int:
        while not self._rest:
            context.check()
            chunk = self._take()
            if chunk is None:
                self._verify_end()
                return 0
            self._received += len(chunk)
            self._rest = memoryview(chunk)
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def _take(self) -> bytes | None:
        """The next chunk; empty if none came for a while; None at the end."""
        with self._changed:
            if not self._chunks and not self._complete:
                self._changed.wait(_LOOK)
            if self._chunks:
                self._changed.notify_all()
                return self._chunks.popleft()
            return None if self._complete else b""

    def _verify_end(self) -> None:
        if isinstance(self._error, nova_exception.ImageNotFound):
            raise exceptions.InvalidRequest(
                self._attempted(), "the image does not exist"
            ) from self._error
        if self._error is not None:
            raise exceptions.ImageTransferFailed(
                self._attempted(), f"{type(self._error).__name__}: {self._error}"
            ) from self._error
        if self._image.size and self._received != self._image.size:
            raise exceptions.ImageTransferFailed(
                self._attempted(),
                f"{self._received} bytes came, of {self._image.size}",
            )

    def close(self) -> None:
        """End the transfer, wherever it is.

        Its thread ends at once, or, if it waits for Glance's connection just
        now, with the next chunk or that connection's own timeout; that is not
        waited for longer than a moment.
        """
        if not self.closed:
            with self._changed:
                self._stop = True
                self._chunks.clear()
                self._changed.notify_all()
            self._thread.join(timeout=_LOOK)
        super().close()


class _Closed(Exception):
    """The reader went away."""


class _Sink:
    """What nova's download writes to."""

    def __init__(self, put: typing.Callable[[bytes], None]) -> None:
        self._put = put

    def write(self, chunk: bytes) -> int:
        self._put(chunk)
        return len(chunk)

    def truncate(self, _size: int) -> None:
        """Nova empties a file whose signature is wrong; the error follows."""

    def flush(self) -> None:
        """Nothing is kept here."""


def upload(
    request: typing.Any,
    image_id: str,
    stream: typing.BinaryIO,
    metadata: typing.Mapping[str, typing.Any],
) -> None:
    """Upload a snapshot, streamed.

    :raises ImageTransferFailed: Glance refused it.
    """
    try:
        glance.API().update(
            request, image_id, dict(metadata), data=stream, purge_props=False
        )
    except nova_exception.NovaException as error:
        raise exceptions.ImageTransferFailed(
            f"upload the image {image_id}", str(error)
        ) from error
