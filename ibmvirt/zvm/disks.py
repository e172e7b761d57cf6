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

"""Images and disks: imported once, deployed with the config drive."""

from __future__ import annotations

import threading

from ibmvirt.common import capability, plan
from ibmvirt.zvm import files, releases
from ibmvirt.zvm import volumes as zvm_volumes
from ibmvirt.zvm.client import connector

KIND = "minidisk"
ROOT_VDEV = 0x100


class Disks(capability.Disks):
    """Minidisks come and go with their guest; images are the Connector's."""

    def __init__(
        self, calls: connector.Connector, shared: files.SharedDirectory
    ) -> None:
        self._calls = calls
        self._shared = shared
        self._lock = threading.Lock()
        self._imports: dict[str, threading.Lock] = {}

    def prepare_image(self, image: plan.Image, source: capability.ImageSource) -> str:
        """Import an image once, however many builds want it; its name."""
        with self._lock:
            mine = self._imports.setdefault(image.id, threading.Lock())
        with mine:
            if self._calls.image(image.id) is None:
                with (
                    source.open() as stream,
                    self._shared.image(image.id, stream) as path,
                ):
                    version = releases.os_version(image)
                    self._calls.import_image(image.id, f"file://{path}", version)
        return image.id

    def create(
        self,
        server: plan.Server,
        disks: tuple[plan.DiskSpec, ...],
        image_key: str | None,
    ) -> tuple[plan.DiskRef, ...]:
        """They were made with the guest: what is where."""
        ordered = sorted(disks, key=lambda d: (d.role != "root", d.index))
        return tuple(
            plan.DiskRef(
                KIND,
                f"{ROOT_VDEV + number:04x}",
                f"{ROOT_VDEV + number:04x}",
                disk.role,
                {
                    "image": image_key if disk.role == "root" else None,
                    "size_mib": disk.size_mib,
                    "format": disk.filesystem or "ext3",
                },
            )
            for number, disk in enumerate(ordered)
        )

    def delete(self, disks: tuple[plan.DiskRef, ...]) -> None:
        """Deleting the guest deletes them."""

    def leftovers(self, server: plan.Server) -> tuple[plan.DiskRef, ...]:
        return ()


class Storage(capability.Storage):
    """Deploying is how the image and the drive come to a guest."""

    def __init__(
        self,
        calls: connector.Connector,
        media: capability.Media,
        cinder: zvm_volumes.Volumes,
    ) -> None:
        self._calls = calls
        self._media = media
        self._volumes = cinder

    def connect(
        self,
        guest: plan.GuestRef,
        disks: tuple[plan.DiskRef, ...],
        media: plan.MediaRef | None,
        volumes: tuple[plan.Volume, ...],
    ) -> None:
        for disk in disks:
            if disk.role == "root":
                drive = media.id if media is not None else None
                self._calls.deploy(guest.id, disk.extra["image"], drive)
        further = [disk for disk in disks if disk.role == "ephemeral"]
        if further:
            entries = [
                {
                    "vdev": disk.id,
                    "format": disk.extra["format"],
                    "mntdir": f"/mnt/ephemeral{number}",
                }
                for number, disk in enumerate(further)
            ]
            self._calls.configure_disks(guest.id, entries)
        if media is not None:
            # The reader has it now; ours holds passwords.
            self._media.delete(media)
        # Deploying purges the reader, and with it a volume's script.
        for volume in volumes:
            self._volumes.attach(guest, volume)

    def disconnect(
        self, guest: plan.GuestRef, volumes: tuple[plan.Volume, ...]
    ) -> capability.Released:
        """Deleting the guest takes everything with it, FCP devices too."""
        if volumes:
            self._volumes.expect(guest.id)
        return capability.Released()

    def release(self, server: plan.Server) -> None:
        self._volumes.abandon(server)


class Media(capability.Media):
    """Config drives in the shared directory, until they are deployed."""

    def __init__(self, shared: files.SharedDirectory) -> None:
        self._shared = shared

    def upload(self, server: plan.Server, content: bytes) -> plan.MediaRef:
        path = self._shared.write_drive(server.uuid, content)
        return plan.MediaRef(str(path), server.uuid, len(content))

    def delete(self, media: plan.MediaRef) -> None:
        self._shared.remove_drive(media.name)

    def leftovers(self, server: plan.Server) -> tuple[plan.MediaRef, ...]:
        path = self._shared.drive_path(server.uuid)
        return (plan.MediaRef(str(path), server.uuid),)
