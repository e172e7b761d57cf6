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


"""Kinds of volumes: one class a way of reaching the storage."""

from __future__ import annotations

import abc
import typing

from ibmvirt.common import exceptions, plan
from ibmvirt.powervm.rest import topology

# The disk elements that each VIOS shall map, by the VIOS's UUID.
Elements = dict[str, list[typing.Any]]
# A disk of a VIOS: its name, which is given again, and its id.
Disk = tuple[str, str]
# By the VIOS's UUID.
Disks = dict[str, set[Disk]]


class Unknown(exceptions.HypervisorError):
    """It cannot be told which disk a volume is."""


class VolumeKind(abc.ABC):
    """How volumes of one protocol come to a partition."""

    PROTOCOL = ""

    @abc.abstractmethod
    def check(self, volume: plan.Volume) -> None:
        """:raises InvalidRequest: the connection's data cannot be used."""

    @abc.abstractmethod
    def connector(self, server: plan.Server) -> plan.Values:
        """What the storage must know; no call when it is known."""

    def incomplete(self, server: plan.Server) -> bool:
        """Whether :meth:`record` has something to keep before a connector."""
        return False

    def record(self, server: plan.Server) -> plan.Values:
        """What Nova shall keep of the server before its connector is made."""
        return plan.NOTHING

    @abc.abstractmethod
    def reach(self, guest: plan.GuestRef, volume: plan.Volume) -> Elements:
        """Make ready whatever leads to the volume; the disks to be mapped.

        :raises HypervisorError: no VIOS leads to it.
        """

    @abc.abstractmethod
    def udid(self, guest: plan.GuestRef, volume: plan.Volume) -> str | None:
        """The id of the disk that VIOSes map; None = no VIOS knows volumes.

        :raises Unknown: it cannot be told.
        """

    def intent(self, guest: plan.GuestRef, volume: plan.Volume) -> plan.Values:
        """What is kept of the server while the volume is attached."""
        return plan.NOTHING

    def intended(self, metadata: plan.Values) -> tuple[plan.Volume, ...]:
        """Volumes whose attachment a service did not end."""
        return ()

    def kept(self, volume: plan.Volume) -> plan.Values:
        """What of a connected volume is kept with its connection's data."""
        return plan.NOTHING

    def told(self, volume: plan.Volume) -> str | None:
        """The id of the volume's disk, where it is known without a call."""
        return None

    def disks_of(self, vios: topology.Vios, udid: str) -> set[Disk]:
        """A VIOS's disks of this id, mapped or not; for when they are not known."""
        return set()

    def forget(self, disks: Disks, udids: set[str], kept: dict[str, set[str]]) -> Disks:
        """Let VIOSes forget disks, as far as they can.

        What they cannot is logged, and tried again with the next call.

        :param udids: ids of further disks, whatever their names.
        :param kept: ids of disks that must stay, by the VIOS's UUID.
        :return: what they could not.
        """
        return {}

    def uncertain(self, volume: plan.Volume) -> bool:
        """Whether a VIOS may have made a disk that is not known; no call."""
        return False

    def known(self, volume: plan.Volume) -> Disks:
        """The disks that :meth:`reach` made of a volume, by VIOS; no call."""
        return {}

    def search(self, guest: plan.GuestRef, volume: plan.Volume) -> None:
        """Make known the disks that another service, or try, made of a volume."""

    def slots(self, guest: plan.GuestRef) -> list[int]:
        """Slots of the guest's adapters that lead to volumes without a disk."""
        return []

    def leave(self, guest: plan.GuestRef) -> None:
        """The guest is removed: take away what :meth:`reach` made for it."""

    def release(self, server: plan.Server) -> None:
        """The same where the guest is gone already."""

    def extend(self, guest: plan.GuestRef, volume: plan.Volume) -> None:
        """Let clients of the volume see its new size."""
