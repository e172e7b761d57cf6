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

"""Disks and the config drive: made with the guest, written by deploying."""

from __future__ import annotations

from ibmvirt.common import capability, plan
from ibmvirt.zvm import files, identity, images, layout
from ibmvirt.zvm import volumes as zvm_volumes
from ibmvirt.zvm.client import connector

KIND = "minidisk"


class Disks(capability.Disks):
    """Minidisks come and go with their guest; images are the Connector's."""

    def __init__(self, calls: connector.Connector, kept: images.Images) -> None:
        self._calls = calls
        self._images = kept

    def inspect(self, image: plan.Image, source: capability.ImageSource) -> plan.Image:
        return self._images.inspect(image, source)

    def prepare_image(self, image: plan.Image, source: capability.ImageSource) -> str:
        """Import an image once, however many builds want it; its name."""
        if images.DISK not in image.extra:
            image = self._images.inspect(image, source)
        self._images.prepare(image, source)
        return image.id

    def create(
        self,
        server: plan.Server,
        disks: tuple[plan.DiskSpec, ...],
        image_key: str | None,
    ) -> tuple[plan.DiskRef, ...]:
        """They were made with the guest: what is where."""
        return tuple(
            plan.DiskRef(
                KIND,
                f"{server.name} {disk.role} {disk.index}",
                f"{disk.role} {disk.index}",
                disk.role,
                {
                    "image": image_key if disk.role == "root" else None,
                    "format": layout.format_of(server.name, disk),
                },
            )
            for disk in layout.ordered(disks)
        )

    def delete(self, disks: tuple[plan.DiskRef, ...]) -> None:
        """Deleting the guest deletes them."""

    def leftovers(self, server: plan.Server) -> tuple[plan.DiskRef, ...]:
        return ()

    def within_reach(self, server: plan.Server) -> bool:
        """The directory has them, which the members of a cluster share."""
        user = identity.known(server)
        entry = (self._calls.directory_entry(user) if user else None) or []
        return any(line.startswith("MDISK ") for line in entry)


class Storage(capability.Storage):
    """Deploying is how the image and the drive come to a guest."""

    def __init__(
        self,
        calls: connector.Connector,
        media: capability.Media,
        cinder: zvm_volumes.Volumes,
        remote_host: str | None,
    ) -> None:
        self._calls = calls
        self._media = media
        self._volumes = cinder
        self._remote_host = remote_host

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
                self._calls.deploy(
                    guest.id, disk.extra["image"], drive, self._remote_host
                )
        further = layout.configurations(disks)
        if further:
            self._calls.configure_disks(guest.id, further)
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

    def release(self, server: plan.Server, volumes: tuple[plan.Volume, ...]) -> None:
        self._volumes.abandon(server)


class Media(capability.Media):
    """Config drives on their way, until they are deployed."""

    def __init__(self, transport: files.Transport) -> None:
        self._transport = transport

    def upload(self, server: plan.Server, content: bytes) -> plan.MediaRef:
        path = self._transport.write_drive(server.uuid, content)
        return plan.MediaRef(str(path), server.uuid, len(content))

    def delete(self, media: plan.MediaRef) -> None:
        self._transport.remove_drive(media.name)

    def leftovers(self, server: plan.Server) -> tuple[plan.MediaRef, ...]:
        path = self._transport.drive_path(server.uuid)
        return (plan.MediaRef(str(path), server.uuid),)
