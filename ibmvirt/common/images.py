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
import hashlib
import io
import logging
import threading
import typing

import cryptography.exceptions
import cursive.exception
from nova import exception as nova_exception
from nova.image import glance

from ibmvirt.common import context, exceptions, image_format, plan, qcow2

LOG = logging.getLogger(__name__)

# Chunks between the transfer and its reader: 16 of Glance's 64 KiB.
_QUEUE = 16
# How long the reader waits before it looks whether to stop (s).
_LOOK = 1.0
# How Nova's client says that an image is not what was signed.
_WRONG_SIGNATURE = (
    cryptography.exceptions.InvalidSignature,
    cursive.exception.SignatureVerificationError,
    nova_exception.CertificateValidationFailed,
)
# Images whose format is remembered.
_REMEMBERED = 1000


class Images:
    """The images that a driver takes, each judged by its bytes before it is used.

    Glance never changes the bytes of an image, so each is judged once in the
    life of the process, and once more in each transfer: a backend of Glance
    may well change them.

    :param packed: whether the platform takes qcow2 besides raw.
    """

    def __init__(self, *, packed: bool) -> None:
        self._formats = ("raw", "qcow2") if packed else ("raw",)
        self._lock = threading.Lock()
        self._sizes: collections.OrderedDict[tuple[typing.Any, ...], int] = (
            collections.OrderedDict()
        )

    def source(
        self,
        request: typing.Any,
        image: plan.Image,
        trusted_certs: typing.Any = None,
    ) -> GlanceSource:
        """The raw disk in an image.

        :param trusted_certs: nova.objects.TrustedCerts for the signature.
        :raises InvalidRequest: its format is none that the platform takes, or
            not the one that it is registered with.
        :raises ImageTransferFailed: its first bytes could not be read.
        """
        self._check_registered(image)
        same = (image.id, image.disk_format, image.checksum, image.size)
        with self._lock:
            size = self._sizes.get(same)
        if size is None:
            with _stream(request, image, trusted_certs) as stream:
                size = image_format.disk_size(image, stream.read(image_format.HEAD))
            with self._lock:
                self._sizes[same] = size
                if len(self._sizes) > _REMEMBERED:
                    self._sizes.popitem(last=False)
        return GlanceSource(request, image, trusted_certs, size)

    def _check_registered(self, image: plan.Image) -> None:
        if image.disk_format not in self._formats or image.container_format != "bare":
            raise exceptions.InvalidRequest(
                f"use {image.described}",
                f"its format is {image.disk_format}/{image.container_format}",
                "convert it: qemu-img convert -O raw, and register it as raw/bare",
            )


class GlanceSource:
    """The raw disk in an image; see ``capability.ImageSource``.

    Glance's checksum is verified by its client, the signature by Nova when
    trusted certificates are given; the stream ends only when both are right.
    qcow2 is converted as it comes (see ``qcow2``): neither memory nor a disk of
    this host holds the image.

    :ivar opened: how many times a transfer was begun.
    """

    def __init__(
        self,
        request: typing.Any,
        image: plan.Image,
        trusted_certs: typing.Any,
        size: int,
    ) -> None:
        self._request = request
        self._image = image
        self._certs = trusted_certs
        self._size = size
        self.opened = 0

    def size(self) -> int:
        """Bytes of the raw disk."""
        return self._size

    def open(self) -> typing.BinaryIO:
        self.opened += 1
        stream = _stream(self._request, self._image, self._certs)
        if self._image.disk_format != "qcow2":
            return stream
        unpacked = qcow2.Reader(stream, self._image.described)
        return io.BufferedReader(unpacked, buffer_size=1 << 16)


def _stream(
    request: typing.Any, image: plan.Image, trusted_certs: typing.Any
) -> typing.BinaryIO:
    """The bytes of an image as Glance has them, begun to be transferred."""
    transfer = _Transfer(request, image, trusted_certs)
    transfer.start()
    return io.BufferedReader(transfer, buffer_size=1 << 16)


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
        self._head: bytearray | None = bytearray()
        self._received = 0
        self._begin = context.same_request()
        self._thread = threading.Thread(
            target=self._download, name=f"image-{image.id[:8]}", daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def _attempted(self) -> str:
        return f"download {self._image.described}"

    # -- the downloading thread ----------------------------------------

    def _download(self) -> None:
        self._begin()
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
                self._judge(at_end=True)
                if not self._rest:
                    return 0
            else:
                self._received += len(chunk)
                self._pass_on(chunk)
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def _pass_on(self, chunk: bytes) -> None:
        """Give nothing to the reader before the format is judged."""
        if self._head is None:
            self._rest = memoryview(chunk)
        else:
            self._head += chunk
            self._judge(at_end=False)

    def _judge(self, *, at_end: bool) -> None:
        if self._head is None or (len(self._head) < image_format.HEAD and not at_end):
            return
        head = bytes(self._head)
        image_format.check(self._image, head)
        self._rest, self._head = memoryview(head), None

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
        if isinstance(self._error, _WRONG_SIGNATURE):
            raise exceptions.InvalidRequest(
                self._attempted(),
                "its signature could not be verified: "
                + (str(self._error) or "it is not that of its content"),
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


class _Closed(BaseException):
    """The reader went away. No Exception: Nova's client would log it as an error."""

    def __str__(self) -> str:
        return "the reader of the image needs no more of it"


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


def show(request: typing.Any, image_id: str) -> dict[str, typing.Any]:
    """What Glance has registered of an image, as Nova's client gives it.

    :raises InvalidRequest: there is none.
    :raises ImageTransferFailed: Glance did not say.
    """
    attempted = f"look up the image {image_id}"
    try:
        found: dict[str, typing.Any] = glance.API().get(request, image_id)
    except nova_exception.ImageNotFound as error:
        raise exceptions.InvalidRequest(
            attempted, "the image does not exist"
        ) from error
    except nova_exception.NovaException as error:
        raise exceptions.ImageTransferFailed(attempted, str(error)) from error
    return found


def upload(
    request: typing.Any,
    image_id: str,
    stream: typing.BinaryIO,
    size: int,
    metadata: typing.Mapping[str, typing.Any],
) -> None:
    """Upload a snapshot, streamed.

    :param size: bytes that the stream has.
    :raises ImageTransferFailed: Glance refused it, or has other bytes than
        were sent; or the stream had more or less than it should.
    """
    attempted = f"upload the image {image_id}"
    sent = _Summed(stream, size, attempted)
    try:
        found = glance.API().update(
            request, image_id, dict(metadata), data=sent, purge_props=False
        )
    except exceptions.IBMVirtError:
        # Of the stream: the hypervisor's, or nobody wants it any more.
        raise
    except Exception as error:
        # Errors of Glance's client and of the connection come as they are.
        raise exceptions.ImageTransferFailed(
            attempted, f"{type(error).__name__}: {error}"
        ) from error
    # Glance may have been set up without it.
    checksum = found.get("checksum")
    if checksum not in (None, sent.md5()):
        raise exceptions.ImageTransferFailed(
            attempted, f"Glance has the checksum {checksum}, {sent.md5()} was sent"
        )


class _Summed(io.RawIOBase):
    """Passes a stream on and sums it; its end is an error if it is not where
    it should be, so that no half of an image becomes an image."""

    def __init__(self, stream: typing.BinaryIO, size: int, attempted: str) -> None:
        super().__init__()
        self._stream = stream
        self._left = size
        self._attempted = attempted
        self._md5 = hashlib.md5(usedforsecurity=False)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: typing.Any) -> int:
        context.check()
        data = self._stream.read(len(buffer))
        self._left -= len(data)
        if self._left < 0 or (self._left and not data):
            missing = "less" if self._left > 0 else "more"
            raise exceptions.ImageTransferFailed(
                self._attempted, f"the disk gave {missing} bytes than it has"
            )
        self._md5.update(data)
        buffer[: len(data)] = data
        return len(data)

    def md5(self) -> str:
        return self._md5.hexdigest()
