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


"""What the kinds of disks have in common."""

from __future__ import annotations

import abc
import contextlib
import typing

from ibmvirt.common import capability, exceptions, plan
from ibmvirt.powervm.rest import topology

EPHEMERALS = 8


class DiskKind(capability.Disks):
    """One kind of disks: how they are made, named and mapped."""

    # The type of the backing device in a mapping.
    KIND: typing.ClassVar[str]

    def check(self, disks: tuple[plan.DiskSpec, ...]) -> None:
        """Disks have no file system, and their names have room for eight.

        :raises InvalidRequest: the flavor or the request wants something else.
        """
        for disk in disks:
            what = f"make the {disk.role} disk {disk.index}"
            if disk.filesystem is not None:
                raise exceptions.Unsupported(
                    what,
                    f"the platform makes no file system {disk.filesystem}",
                    "leave guest_format out; the guest formats its disks",
                )
            if disk.index >= EPHEMERALS:
                raise exceptions.InvalidRequest(
                    what, f"a server has at most {EPHEMERALS} ephemeral disks"
                )

    def manages(self, name: str) -> bool:
        """Whether a backing device of this type and name can be such a disk."""
        return True

    @abc.abstractmethod
    def owns(self, server: plan.Server, name: str) -> bool:
        """Whether a disk of this name was made for this server."""

    @abc.abstractmethod
    def is_root(self, name: str) -> bool:
        """Whether a disk of this name is some server's root disk."""

    def is_copy(self, name: str) -> bool:
        """Whether a disk of this name is the copy that a snapshot is read from."""
        return False

    def readable(
        self, server: plan.Server, disk: plan.DiskRef
    ) -> contextlib.AbstractContextManager[plan.DiskRef]:
        """A disk with the same bytes that can be mapped beside its own server."""
        return contextlib.nullcontext(disk)

    @abc.abstractmethod
    def element(self, disk: plan.DiskRef) -> typing.Any:
        """The wrapper that a new mapping of the disk refers to."""

    @abc.abstractmethod
    def vioses(
        self, disk: plan.DiskRef, active: tuple[topology.Vios, ...]
    ) -> tuple[topology.Vios, ...]:
        """Those of the VIOSes that can map the disk."""

    def paths(self, active: tuple[topology.Vios, ...]) -> int:
        """How many of the VIOSes will map a disk that is made now."""
        return 1

    @abc.abstractmethod
    def capacity(self) -> tuple[float, float]:
        """GB where the disks are made: all of them, and what is free."""

    @abc.abstractmethod
    def age(self, in_use: frozenset[str], minimum: float | None) -> None:
        """Remove images without use for ``minimum`` seconds; None: no image.

        What dead uploads left goes in any case.

        :param in_use: ids of the images of this host's servers.
        """

    @abc.abstractmethod
    def where(self) -> str:
        """Where disks are made, for an operator.

        :raises HypervisorError: nowhere.
        """
