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

"""What a backend offers: a few objects with one duty each.

A backend is a frozen :class:`Backend` of them. One that the platform does not
have is None; the driver then reports it as unsupported, and Nova's
``capabilities`` are derived from what is there. Every method may raise an
:class:`exceptions.IBMVirtError` and nothing else on purpose. All are called
from many threads at once; Nova serialises the calls of one server only.
"""

from __future__ import annotations

import abc
import builtins
import collections.abc
import dataclasses
import typing

from ibmvirt.common import plan


class ImageSource(typing.Protocol):
    """An image's bytes, each use a new transfer."""

    def open(self) -> typing.BinaryIO:
        """A stream of the raw disk. Closing it early ends the transfer.

        Its ``read`` raises Cancelled when the operation shall stop and
        ImageTransferFailed when the bytes are not those of the image.
        """
        ...

    def size(self) -> int:
        """Bytes of the raw disk."""
        ...


class Guests(abc.ABC):
    """Partitions or virtual machines."""

    @abc.abstractmethod
    def platform(
        self, server: plan.Server, flavor: plan.Values, image: plan.Image | None
    ) -> typing.Any:
        """The backend's own part of a GuestSpec, or InvalidRequest.

        :param flavor: name, vcpus, memory_mb, extra_specs of the flavor.
        """

    def check(self, spec: plan.GuestSpec) -> None:
        """Refuse what cannot be built, before anything is changed."""

    def record(self, spec: plan.GuestSpec) -> plan.Values:
        """What Nova shall keep before the guest is made, to find it by."""
        return plan.NOTHING

    @abc.abstractmethod
    def define(self, spec: plan.GuestSpec) -> plan.GuestRef:
        """Make the guest, powered off.

        :raises NameTaken: what :meth:`record` gave is somebody else's; then it
            is forgotten.
        """

    def settles(self, spec: plan.GuestSpec) -> bool:
        """Whether :meth:`settle` has anything to do. No call."""
        return False

    def settle(
        self,
        guest: plan.GuestRef,
        spec: plan.GuestSpec,
        disks: tuple[plan.DiskRef, ...],
    ) -> None:
        """Set what depends on the connected storage, before the first start."""

    @abc.abstractmethod
    def undefine(self, guest: plan.GuestRef) -> None:
        """Remove it; silent if it is not there."""

    @abc.abstractmethod
    def find(self, server: plan.Server) -> plan.GuestRef | None:
        """The guest of a server."""

    def find_removable(self, server: plan.Server) -> plan.GuestRef | None:
        """The guest of a server that is to be removed, if half made too.

        :raises HypervisorError: it is there, and not to be removed from here.
        """
        return self.find(server)

    @abc.abstractmethod
    def list(self) -> list[plan.GuestRef]:
        """All guests of this host."""

    def uuids(self) -> builtins.list[str]:
        """UUIDs of those servers whose guests tell them."""
        return [guest.uuid for guest in self.list() if guest.uuid]

    @abc.abstractmethod
    def state(self, guest: plan.GuestRef, *, use_cache: bool) -> plan.GuestState:
        """:raises GuestNotFound: it is gone."""

    @abc.abstractmethod
    def power_on(self, guest: plan.GuestRef) -> None: ...

    @abc.abstractmethod
    def power_off(
        self, guest: plan.GuestRef, *, timeout: int, retry_interval: int
    ) -> None:
        """Stop it; ``timeout`` (s) 0 = at once, else the system is asked first."""

    @abc.abstractmethod
    def reboot(self, guest: plan.GuestRef, *, hard: bool) -> None: ...

    def diagnostics(self, guest: plan.GuestRef) -> plan.Values:
        """Keys of nova.objects.Diagnostics: num_cpus, uptime, memory..."""
        return plan.NOTHING


class Disks(abc.ABC):
    """Disks that Nova makes: root, ephemeral and swap."""

    # Whether what prepare_image brings stays, for all servers of the image.
    keeps_images: bool = True

    def check(self, disks: tuple[plan.DiskSpec, ...]) -> None:
        """Refuse disks that cannot be made, before anything is changed."""

    def inspect(self, image: plan.Image, source: ImageSource) -> plan.Image:
        """Look at an image before anything is changed; what was found in it.

        :raises InvalidRequest: the platform cannot boot it.
        """
        return image

    @abc.abstractmethod
    def prepare_image(self, image: plan.Image, source: ImageSource) -> str:
        """Bring an image onto the platform once, whoever asks; its key.

        The source is opened only where the image is not there yet. Nova's
        request to cache an image ends here too.
        """

    @abc.abstractmethod
    def create(
        self,
        server: plan.Server,
        disks: tuple[plan.DiskSpec, ...],
        image_key: str | None,
    ) -> tuple[plan.DiskRef, ...]:
        """Make the disks of a new server; all or none.

        :raises ImageGone: the image has been removed since it was prepared.
        """

    @abc.abstractmethod
    def delete(self, disks: tuple[plan.DiskRef, ...]) -> None:
        """Remove disks; silent about those that are gone."""

    @abc.abstractmethod
    def leftovers(self, server: plan.Server) -> tuple[plan.DiskRef, ...]:
        """Disks of the server by their names, connected or not."""

    def within_reach(self, server: plan.Server) -> bool:
        """Whether a server's disks are there, without its guest too."""
        return bool(self.leftovers(server))


class Storage(abc.ABC):
    """Connects all storage of a guest in one batch."""

    @abc.abstractmethod
    def connect(
        self,
        guest: plan.GuestRef,
        disks: tuple[plan.DiskRef, ...],
        media: plan.MediaRef | None,
        volumes: tuple[plan.Volume, ...],
    ) -> None: ...

    @abc.abstractmethod
    def disconnect(
        self, guest: plan.GuestRef, volumes: tuple[plan.Volume, ...]
    ) -> Released:
        """Take everything away from the guest; what was found there."""

    def release(self, server: plan.Server, volumes: tuple[plan.Volume, ...]) -> None:
        """Let go of a server's storage where its guest is gone already."""


@dataclasses.dataclass(frozen=True)
class Released:
    """Storage that no guest uses any more."""

    disks: tuple[plan.DiskRef, ...] = ()
    media: tuple[plan.MediaRef, ...] = ()


class Networks(abc.ABC):
    """Virtual network adapters."""

    def check(self, vifs: tuple[plan.Vif, ...]) -> None:
        """Refuse ports that cannot be plugged here, before anything is changed."""

    @abc.abstractmethod
    def plug(self, guest: plan.GuestRef, vifs: tuple[plan.Vif, ...]) -> None:
        """Plug new ports; one that is plugged already stays."""

    @abc.abstractmethod
    def unplug(
        self,
        guest: plan.GuestRef | None,
        vifs: tuple[plan.Vif, ...],
        *,
        removing: bool = False,
    ) -> None:
        """Remove ports; silent about those that are gone.

        ``removing``: the guest itself is removed next, and with it whatever
        of the ports belongs to it.

        ``guest`` None: it is gone, and its adapters with it; what is kept
        elsewhere (trunk adapters, grants) is removed all the same.
        """

    def ensure(self, guest: plan.GuestRef, vifs: tuple[plan.Vif, ...]) -> None:
        """At service start: plug what is missing, at no cost when nothing is."""
        self.plug(guest, vifs)

    def plug_management(self, guest: plan.GuestRef) -> plan.ManagementVif | None:
        """Plug the platform's own management network, if it has one."""
        return None


class Media(abc.ABC):
    """Config drives."""

    def check(self) -> None:
        """Refuse drives where there is no place for them, before anything."""

    @abc.abstractmethod
    def upload(self, server: plan.Server, content: bytes) -> plan.MediaRef: ...

    @abc.abstractmethod
    def delete(self, media: plan.MediaRef) -> None:
        """Remove it; silent if it is gone."""

    def leftovers(self, server: plan.Server) -> tuple[plan.MediaRef, ...]:
        """Drives of the server by their names, connected or not."""
        return ()

    def guest_uuid(self, server: plan.Server, guest: plan.GuestRef) -> str:
        """The instance id that the drive shall give: the server's UUID."""
        return server.uuid


class Host(abc.ABC):
    """The node."""

    def watch(self, told: Told) -> None:
        """Let ``told`` hear why the platform is away, or None, once in a while.

        Called before :meth:`start`. A platform that does not come back by
        itself has nothing to tell.
        """

    # Beginnings of the names of traits that nobody else gives a node.
    trait_prefixes: tuple[str, ...] = ("CUSTOM_IBMVIRT_",)

    @abc.abstractmethod
    def start(self, listener: StateListener) -> None:
        """Check the platform and start background work."""

    @abc.abstractmethod
    def stop(self) -> None:
        """Stop and join background work."""

    @abc.abstractmethod
    def node_name(self) -> str: ...

    @abc.abstractmethod
    def resources(self) -> plan.HostResources: ...

    @abc.abstractmethod
    def uptime(self) -> str: ...

    @abc.abstractmethod
    def ip_address(self) -> str: ...

    def cpu_stats(self) -> plan.Values | None:
        """kernel, idle, user, iowait in ns and frequency in MHz, or None."""
        return None


# Called with the server's UUID and its new nova power state.
StateListener = collections.abc.Callable[[str, int], None]


Told = collections.abc.Callable[[str | None], None]


class Volumes(abc.ABC):
    """Cinder volumes on an existing guest."""

    @abc.abstractmethod
    def connector(
        self, server: plan.Server, guest: plan.GuestRef | None
    ) -> plan.Values: ...

    def incomplete(self, server: plan.Server, guest: plan.GuestRef | None) -> bool:
        """Whether :meth:`record` has something to keep before a connector."""
        return False

    def record(self, server: plan.Server) -> plan.Values:
        """What Nova shall keep of the server before its connector is made."""
        return plan.NOTHING

    def abandon(self, server: plan.Server) -> None:
        """Give back what :meth:`connector` took for a build that ended."""

    def check(self, volumes: tuple[plan.Volume, ...]) -> None:
        """Refuse connections that cannot be used, before anything is changed."""

    def decline(self, guest: plan.GuestRef) -> None:
        """Give back what :meth:`connector` took for a volume that was refused,
        unless the guest has others."""

    @abc.abstractmethod
    def attach(self, guest: plan.GuestRef, volume: plan.Volume) -> None: ...

    def intent(self, guest: plan.GuestRef, volume: plan.Volume) -> plan.Values:
        """What Nova shall keep of the server while a volume is attached, for the
        case that the service is killed meanwhile. No call."""
        return plan.NOTHING

    def kept(self, volume: plan.Volume) -> plan.Values:
        """What Nova shall add to the data of a volume's connection once it is
        attached, to be found there when it is detached. No call."""
        return plan.NOTHING

    @abc.abstractmethod
    def detach(self, guest: plan.GuestRef, volume: plan.Volume) -> None:
        """Silent if it is not attached."""

    @abc.abstractmethod
    def extend(self, guest: plan.GuestRef, volume: plan.Volume, size: int) -> None:
        """Let the guest see the new size (bytes)."""


class Pause(abc.ABC):
    """Stopping the processors of a guest."""

    @abc.abstractmethod
    def pause(self, guest: plan.GuestRef) -> None: ...

    @abc.abstractmethod
    def unpause(self, guest: plan.GuestRef) -> None: ...


class CrashDump(abc.ABC):
    """Letting a guest dump its memory."""

    @abc.abstractmethod
    def trigger(self, guest: plan.GuestRef) -> None: ...


class Consoles(abc.ABC):
    """Console output."""

    @abc.abstractmethod
    def log(self, guest: plan.GuestRef) -> str: ...


class Snapshots(abc.ABC):
    """The bytes of a root disk."""

    # Whether a guest that runs stands still while its disk is read.
    quiesced: bool = False

    @abc.abstractmethod
    def open(
        self, server: plan.Server, guest: plan.GuestRef
    ) -> typing.ContextManager[Captured]: ...


@dataclasses.dataclass(frozen=True)
class Captured:
    """A root disk to be read; size in bytes; properties for the new image."""

    stream: typing.BinaryIO
    size: int
    disk_format: str = "raw"
    container_format: str = "bare"
    properties: plan.Values = dataclasses.field(default_factory=lambda: plan.NOTHING)


class ImageCache(abc.ABC):
    """Images kept on the platform."""

    @abc.abstractmethod
    def age(self, in_use: frozenset[str]) -> None:
        """Remove images that no server used for long enough.

        Called now and then ([image_cache] manager_interval).

        :param in_use: Glance ids of the images of this host's servers. How
            long is long enough, and whether to remove at all, say Nova's
            options remove_unused_original_minimum_age_seconds (s) and
            remove_unused_base_images of [image_cache].
        """


@dataclasses.dataclass(frozen=True)
class Backend:
    """All that one platform offers."""

    name: str
    guests: Guests
    disks: Disks
    storage: Storage
    networks: Networks
    media: Media
    host: Host
    volumes: Volumes | None = None
    pause: Pause | None = None
    crash_dump: CrashDump | None = None
    consoles: Consoles | None = None
    snapshots: Snapshots | None = None
    image_cache: ImageCache | None = None
    hot_plug_networks: bool = False
    multiattach: bool = False
    extend_volumes: bool = False
    raw_images: bool = True
    qcow2_images: bool = False
    config_drive_required: bool = False
    # What guests' names of disks begin with: those that Nova makes, volumes.
    disk_names: str = "/dev/sd"
    volume_names: str = "/dev/sd"
    # The platform forgets what was plugged before the disks were written.
    plug_after_storage: bool = False
