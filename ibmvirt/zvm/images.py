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

"""Images: looked at before a build, imported once, removed when unused."""

from __future__ import annotations

import collections.abc
import contextlib
import dataclasses
import logging
import pathlib
import threading
import time
import typing

from ibmvirt.common import capability, context, exceptions, plan, statefile
from ibmvirt.zvm import files, imageformat, releases
from ibmvirt.zvm.client import connector, errors

LOG = logging.getLogger(__name__)

# Key of plan.Image.extra: the imageformat.Disk that the image holds.
DISK = "zvm_disk"
# How long to wait for another build's import before the look whether to stop.
_LOOK = 1.0
_CHUNK = 1 << 20
# Seconds after which an image that is not there is not being imported any more.
_ON_ITS_WAY = 86400.0


@dataclasses.dataclass
class _Entry:
    """What is known of one image; changed by who holds its lock.

    :ivar disk: what the Connector has; None: it does not have the image.
    :ivar stale: the Connector has other bytes under the image's name.
    """

    lock: threading.Lock = dataclasses.field(default_factory=threading.Lock)
    disk: imageformat.Disk | None = None
    stale: bool = False


class Images:
    """The Connector's images that are made of Glance's, by Glance's id."""

    def __init__(
        self,
        calls: connector.Connector,
        transport: files.Transport,
        ledger: Ledger,
        os_versions: releases.Mapping,
    ) -> None:
        self._calls = calls
        self._transport = transport
        self._ledger = ledger
        self._os_versions = os_versions
        self._lock = threading.Lock()
        self._entries: dict[str, _Entry] = {}

    @contextlib.contextmanager
    def _entry(self, image_id: str) -> collections.abc.Iterator[_Entry]:
        """The image's entry, nobody else's meanwhile.

        :raises Cancelled: the operation shall stop, and another import runs.
        """
        with self._lock:
            entry = self._entries.setdefault(image_id, _Entry())
        while not entry.lock.acquire(timeout=_LOOK):
            context.check()
        try:
            yield entry
        finally:
            entry.lock.release()

    def inspect(self, image: plan.Image, source: capability.ImageSource) -> plan.Image:
        """The image with the disk that is in it, before anything is changed.

        Where the Connector has the image this is one call of it; else the
        image's first bytes are read.

        :raises InvalidRequest: it is no image of a disk, for another machine,
            or of a release that the Connector does not accept.
        """
        check_properties(image)
        releases.os_version(image, self._os_versions)
        with self._entry(image.id) as entry:
            self._ledger.want(image.id)
            record = self._calls.image(image.id)
            entry.disk = None
            entry.stale = False
            try:
                if record is not None:
                    entry.disk = imageformat.of_record(str(record["disk_size_units"]))
                    entry.stale = _differs(record, image)
                disk = entry.disk
                if disk is None or entry.stale:
                    disk = imageformat.parse(_first(source))
            except ValueError as error:
                raise _refused(image, error) from error
        return dataclasses.replace(image, size=disk.least_mib << 20, extra={DISK: disk})

    def prepare(self, image: plan.Image, source: capability.ImageSource) -> bool:
        """Import an image unless the Connector has it; whether that was done.

        It has been inspected. However many builds want it, one imports it.
        """
        with self._entry(image.id) as entry:
            if entry.disk is not None and not entry.stale:
                return False
            self._ledger.want(image.id, imported=True)
            if entry.stale:
                LOG.warning("The image %s has changed: it is imported anew", image.id)
                self._calls.delete_image(image.id)
                entry.disk, entry.stale = None, False
            with (
                source.open() as stream,
                self._transport.sent(image.id, _whole(stream, image)) as sent,
            ):
                self._calls.import_image(
                    image.id,
                    sent.url,
                    releases.os_version(image, self._os_versions),
                    md5=sent.md5,
                    remote_host=self._transport.remote_host,
                )
            entry.disk = image.extra[DISK]
            return True

    def age(
        self,
        records: collections.abc.Sequence[collections.abc.Mapping[str, typing.Any]],
        in_use: frozenset[str],
        minimum: float,
    ) -> None:
        """Delete images of ours that no server uses, and none has for long.

        :param records: all of the Connector's images.
        :param in_use: ids of the images of this host's servers.
        :param minimum: seconds since its last use, by the Connector's record
            of access or by a build of ours.
        """
        names = {str(record["imagename"]) for record in records}
        # One that is wanted just now may be on its way.
        self._ledger.forget(
            {
                name
                for name in self._ledger.imported() - names
                if time.time() - self._ledger.wanted(name) > max(minimum, _ON_ITS_WAY)
            }
        )
        for record in records:
            name = str(record["imagename"])
            if name not in self._ledger.imported() or name in in_use:
                continue
            with self._entry(name) as entry:
                # A build that began meanwhile has said that it wants it.
                used = max(self._ledger.wanted(name), float(record["last_access_time"]))
                if time.time() - used < minimum:
                    continue
                LOG.info("Removing the image %s, unused since %s", name, _when(used))
                try:
                    self._calls.delete_image(name)
                except errors.ConnectorError as error:
                    LOG.warning("%s It is tried again later.", error)
                    continue
                entry.disk = None
                self._ledger.forget({name})


def check_properties(image: plan.Image) -> None:
    """:raises InvalidRequest: the image says that it is for another machine."""
    expected = {
        "hw_architecture": "s390x",
        "architecture": "s390x",
        "img_hv_type": "zvm",
        "hypervisor_type": "zvm",
        "vm_mode": "hvm",
        "hw_vm_mode": "hvm",
    }
    for name, value in expected.items():
        found = image.properties.get(name)
        if found and str(found).lower() != value:
            raise exceptions.InvalidRequest(
                f"use {image.described}",
                f"its property {name} is {found!r}, not {value!r}",
            )


def _differs(
    record: collections.abc.Mapping[str, typing.Any], image: plan.Image
) -> bool:
    """Whether the Connector's bytes are not Glance's; both tell the MD5."""
    theirs = str(record.get("md5sum") or "")
    return bool(theirs and image.checksum and theirs != image.checksum)


def _refused(image: plan.Image, error: ValueError) -> exceptions.InvalidRequest:
    return exceptions.InvalidRequest(
        f"use {image.described}",
        str(error),
        "make it as the docs say under z/VM, Making an image: by a snapshot, or "
        "from a guest that the Cloud Connector captured",
    )


def _whole(
    stream: typing.BinaryIO, image: plan.Image
) -> collections.abc.Iterator[bytes]:
    """The bytes of an image.

    :raises InvalidRequest: at their end at the latest: the disk is not whole.
    """
    check = imageformat.Whole()
    try:
        while chunk := stream.read(_CHUNK):
            check.feed(chunk)
            yield chunk
        check.finish()
    except ValueError as error:
        raise _refused(image, error) from error


def _first(source: capability.ImageSource) -> bytes:
    with source.open() as stream:
        return stream.read(imageformat.FIRST_BYTES)


def _when(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.gmtime(seconds)) + " UTC"


class Ledger:
    """Which images we imported, and when one was wanted last; kept in a file.

    An image that somebody else imported is used and never removed.
    """

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._wanted: dict[str, float] = {}
        self._imported: dict[str, float] | None = None

    def _read(self) -> dict[str, float]:
        if self._imported is None:
            try:
                self._imported = dict(statefile.read(self._path) or {})
            except (OSError, TypeError, ValueError):
                self._imported = {}
        return self._imported

    def imported(self) -> frozenset[str]:
        with self._lock:
            return frozenset(self._read())

    def wanted(self, image_id: str) -> float:
        """Seconds since the epoch; 0: never."""
        with self._lock:
            return max(self._wanted.get(image_id, 0.0), self._read().get(image_id, 0.0))

    def want(self, image_id: str, *, imported: bool = False) -> None:
        """Note that an image is wanted now; and, before it is, imported."""
        with self._lock:
            self._wanted[image_id] = time.time()
            if imported or image_id in self._read():
                self._write({**self._read(), image_id: time.time()})

    def forget(self, names: collections.abc.Set[str]) -> None:
        with self._lock:
            if names & set(self._read()):
                left = {n: t for n, t in self._read().items() if n not in names}
                self._write(left)

    def _write(self, imported: dict[str, float]) -> None:
        self._imported = imported
        try:
            statefile.write(self._path, imported)
        except OSError as error:
            # No build fails for it: an image may stay longer than it should.
            LOG.warning("%s cannot be written: %s", self._path, error.strerror)


class ImageCache(capability.ImageCache):
    """The Connector's images as a cache of Glance's.

    :param minimum_age: seconds; None: no image is removed.
    :param sweep: removes captured images that nobody takes any more; it gets
        the names of all images.
    """

    def __init__(
        self,
        calls: connector.Connector,
        images: Images,
        minimum_age: float | None,
        sweep: collections.abc.Callable[[collections.abc.Iterable[str]], None],
    ) -> None:
        self._calls = calls
        self._images = images
        self._minimum_age = minimum_age
        self._sweep = sweep

    def age(self, in_use: frozenset[str]) -> None:
        records = self._calls.images()
        self._sweep([str(record["imagename"]) for record in records])
        if self._minimum_age is not None:
            self._images.age(records, in_use, self._minimum_age)

    def start(self) -> None:
        """Remove what a killed service has left at the Connector."""
        self._sweep([str(record["imagename"]) for record in self._calls.images()])
