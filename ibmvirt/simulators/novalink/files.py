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

"""web/File: descriptors of uploads, and their contents."""

from __future__ import annotations

import collections.abc
import dataclasses
import re
import threading
import uuid as uuids

from ibmvirt.simulators.novalink import store
from ibmvirt.simulators.novalink.objects import base, storage_pool, volume_group
from ibmvirt.simulators.novalink.refusals import refuse
from ibmvirt.simulators.novalink.schema import xml

# Documented: the platform keeps no more files than this.
LIMIT = 100
MEDIA, DISK = "BROKERED_MEDIA_ISO", "BROKERED_DISK_IMAGE"


@dataclasses.dataclass
class File:
    uuid: str
    element: xml.Element
    kind: str
    blob: str = ""

    def value(self, path: str) -> str:
        return xml.value(self.element, path)


class Files:
    """Open files of one system."""

    def __init__(self, system: store.System) -> None:
        self._system = system
        self._lock = threading.Lock()
        self._files: dict[str, File] = {}

    def create(self, body: bytes) -> File:
        """:raises Refusal: too many files, or the request lacks a value."""
        element = xml.parse(body, "File")
        kind = base.required(element, "FileEnumType")
        if kind not in (MEDIA, DISK):
            raise refuse("not_supported", operation=f"File of type {kind}")
        base.required(element, "Filename")
        announced = xml.value(element, "ExpectedFileSizeInBytes")
        if announced and not re.fullmatch("[0-9]{1,18}", announced):
            detail = f"ExpectedFileSizeInBytes {announced!r} is no number"
            raise refuse("malformed", detail=detail)
        vios = self._vios(element)
        if kind == MEDIA:
            volume_group.find_with_repository(self._system, vios)
        else:
            self._disk(base.required(element, "TargetDeviceUniqueDeviceID"))
        uuid = str(uuids.uuid4())
        with self._lock:
            if len(self._files) >= LIMIT:
                raise refuse("file_limit", limit=LIMIT)
            xml.stamp(element, uuid, 0)
            position = 1
            element.insert(position, xml.leaf("FileUUID", uuid, "ROR", ns=xml.WEB))
            found = self._files[uuid] = File(uuid, element, kind)
        return found

    def _vios(self, element: xml.Element) -> store.SimObject:
        uuid = base.required(element, "TargetVirtualIOServerUUID")
        return self._system.get("VirtualIOServer", uuid)

    def get(self, uuid: str) -> File:
        with self._lock:
            found = self._files.get(uuid)
        if found is None:
            raise refuse("not_found", type="File", uuid=uuid)
        return found

    def all(self) -> list[File]:
        with self._lock:
            return list(self._files.values())

    def delete(self, uuid: str) -> None:
        self.get(uuid)
        with self._lock:
            self._files.pop(uuid, None)

    def blobs(self) -> set[str]:
        """Contents that open files hold."""
        with self._lock:
            return {file.blob for file in self._files.values()}

    def left(self) -> list[str]:
        with self._lock:
            return [file.value("Filename") for file in self._files.values()]

    def clear(self) -> None:
        with self._lock:
            self._files.clear()

    def receive(
        self, uuid: str, pieces: collections.abc.Iterator[bytes]
    ) -> tuple[File, str, int]:
        """Take the contents in; blob name and size. Nothing is stored yet.

        :raises Refusal: the announced size or SHA-256 is another.
        """
        file = self.get(uuid)
        size, most = 0, self._room(file)
        with self._system.fabric.blobs.writer() as writer:
            for piece in pieces:
                size += len(piece)
                # What will be refused is read, so that the client is answered,
                # and takes no room here.
                if size <= most:
                    writer.write(piece)
            expected = file.value("ExpectedFileSizeInBytes")
            if expected and int(expected) != size:
                raise refuse("length", found=size, expected=expected)
            if size > most:
                raise refuse("length", found=size, expected=most)
            announced = file.value("SHA256").lower()
            if announced and announced != writer.sha256:
                raise refuse("checksum", found=writer.sha256)
            return file, writer.commit(), writer.size

    def _room(self, file: File) -> int:
        """Bytes that the target of a file can hold."""
        if file.kind == DISK:
            udid = file.value("TargetDeviceUniqueDeviceID")
            return _capacity(self._disk(udid), udid)
        group = volume_group.find_with_repository(
            self._system, self._vios(file.element)
        )
        repository = volume_group.repository_of(group)
        assert repository is not None
        return int(base.number(repository, "RepositorySize") * (1 << 30))

    def keep(self, file: File, blob: str, size: int) -> None:
        """Let the target hold the contents (under the world's lock).

        :raises Refusal: the file was deleted meanwhile, or the target is full
            or gone.
        """
        system = self._system
        self.get(file.uuid)
        if file.kind == MEDIA:
            group = volume_group.find_with_repository(system, self._vios(file.element))
            name = file.value("Filename")
            volume_group.add_media(system, group, name, size, blob)
        else:
            udid = file.value("TargetDeviceUniqueDeviceID")
            target = self._disk(udid)
            capacity = _capacity(target, udid)
            if size > capacity:
                raise refuse("length", found=size, expected=capacity)
            if target.type == "LogicalUnit":
                system.replace(storage_pool.with_content(target, blob))
            else:
                disk = _virtual_disk(target, udid)
                name = xml.value(disk, "DiskName") if disk is not None else ""
                system.replace(volume_group.set_blob(target, "disk", name, blob))
        file.blob = blob

    def _disk(self, udid: str) -> store.SimObject:
        """The LU, or the volume group of the virtual disk, of that id."""
        for unit in self._system.all("LogicalUnit"):
            if unit.value("UniqueDeviceID") == udid:
                return unit
        for group in self._system.all("VolumeGroup"):
            if _virtual_disk(group, udid) is not None:
                return group
        raise refuse("no_storage", name=udid)


def _virtual_disk(group: store.SimObject, udid: str) -> xml.Element | None:
    for disk in volume_group.disks_of(group):
        if xml.value(disk, "UniqueDeviceID") == udid:
            return disk
    return None


def _capacity(target: store.SimObject, udid: str) -> int:
    """Bytes that a disk holds."""
    if target.type == "LogicalUnit":
        return int(float(target.value("UnitCapacity")) * (1 << 30))
    disk = _virtual_disk(target, udid)
    return 0 if disk is None else int(base.number(disk, "DiskCapacity") * (1 << 30))
