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

"""Plain, frozen values that describe an operation.

Flows and capabilities work on these alone: no Nova object and no live
library object is passed from step to step. ``planning`` makes them from
Nova's objects.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import types
import typing

Values = collections.abc.Mapping[str, typing.Any]
NOTHING: Values = types.MappingProxyType({})


def _nothing() -> Values:
    return NOTHING


@dataclasses.dataclass(frozen=True)
class Server:
    """A Nova instance as a backend needs it to find its guest.

    ``system_metadata`` is a copy; what a backend wants to be kept there it
    puts into :attr:`GuestRef.record`.
    """

    uuid: str
    name: str
    system_metadata: Values = dataclasses.field(default_factory=_nothing)
    # It has run: its guest was once built to the end.
    launched: bool = False


@dataclasses.dataclass(frozen=True)
class Image:
    """A Glance image; ``size``: bytes of the raw disk that it holds."""

    id: str
    name: str
    disk_format: str
    container_format: str
    size: int
    min_disk_gb: int = 0
    checksum: str = ""
    properties: Values = dataclasses.field(default_factory=_nothing)
    # What the backend has found in it.
    extra: Values = dataclasses.field(default_factory=_nothing)

    @property
    def described(self) -> str:
        """How messages name it."""
        return f"the image {self.name} ({self.id})"


@dataclasses.dataclass(frozen=True)
class DiskSpec:
    """A disk to make. ``role``: root, ephemeral or swap; size in MiB."""

    role: str
    index: int
    size_mib: int
    image: Image | None = None
    filesystem: str | None = None


@dataclasses.dataclass(frozen=True)
class DiskRef:
    """A disk that exists: its kind, and the platform's id and name of it."""

    kind: str
    id: str
    name: str
    role: str = "root"
    extra: Values = dataclasses.field(default_factory=_nothing)


@dataclasses.dataclass(frozen=True)
class Address:
    """A fixed address of a port and what its subnet says."""

    address: str
    version: int
    cidr: str
    gateway: str | None = None
    dns: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Vif:
    """A Neutron port. ``type`` is its binding's VIF type; MTU in bytes."""

    id: str
    mac: str
    type: str
    vlan: int | None = None
    mtu: int | None = None
    physical_network: str | None = None
    bridge: str | None = None
    device_name: str | None = None
    active: bool = True
    details: Values = dataclasses.field(default_factory=_nothing)
    profile: Values = dataclasses.field(default_factory=_nothing)
    addresses: tuple[Address, ...] = ()


@dataclasses.dataclass(frozen=True)
class Volume:
    """A Cinder volume and how to reach it.

    ``protocol`` is the connection's ``driver_volume_type``; ``data`` its data.
    """

    id: str
    protocol: str
    data: Values
    device: str | None = None
    boot: bool = False
    multiattach: bool = False


@dataclasses.dataclass(frozen=True)
class MediaRef:
    """A config drive that the platform holds."""

    id: str
    name: str
    size: int = 0


@dataclasses.dataclass(frozen=True)
class GuestSpec:
    """A guest to define. ``platform`` is the backend's own frozen part."""

    server: Server
    vcpus: int
    memory_mib: int
    disks: tuple[DiskSpec, ...] = ()
    vifs: tuple[Vif, ...] = ()
    volumes: tuple[Volume, ...] = ()
    platform: typing.Any = None


@dataclasses.dataclass(frozen=True)
class GuestRef:
    """A guest that the platform has.

    :param id: the platform's id (LPAR UUID, z/VM userid).
    :param name: the platform's name.
    :param uuid: the server's UUID if the platform knows it, else empty.
    :param record: values that are kept, or are to be, in the server's system
        metadata.
    """

    id: str
    name: str
    uuid: str = ""
    record: Values = dataclasses.field(default_factory=_nothing)


@dataclasses.dataclass(frozen=True)
class GuestState:
    """``power_state`` is one of nova.compute.power_state; id for operators."""

    power_state: int
    internal_id: str = ""


@dataclasses.dataclass(frozen=True)
class ManagementVif:
    """An adapter of the platform's own management network.

    The config drive names it with a link-local address, for RMC.
    """

    mac: str
    mtu: int = 1500


@dataclasses.dataclass(frozen=True)
class Spawn:
    """Everything that spawn needs, in plain values."""

    guest: GuestSpec
    image: Image | None
    config_drive: bool
    power_on: bool = True
    # Something of the guest depends on its connected storage.
    settles: bool = False

    @property
    def server(self) -> Server:
        return self.guest.server


@dataclasses.dataclass(frozen=True)
class Destroy:
    """Everything that destroy needs, in plain values."""

    server: Server
    vifs: tuple[Vif, ...] = ()
    volumes: tuple[Volume, ...] = ()
    destroy_disks: bool = True
    destroy_vifs: bool = True


@dataclasses.dataclass(frozen=True)
class HostResources:
    """What the node has, in whole units (MiB, GB = 2**30 bytes)."""

    hypervisor_type: str
    hypervisor_version: int
    vcpus: int
    vcpus_used: int
    memory_mib: int
    memory_mib_used: int
    memory_mib_reserved: int
    disk_gb: int
    disk_gb_used: int
    architecture: str
    cpu_info: Values = dataclasses.field(default_factory=_nothing)
    supported: tuple[tuple[str, str, str], ...] = ()
    traits: frozenset[str] = frozenset()
    stats: Values = dataclasses.field(default_factory=_nothing)
