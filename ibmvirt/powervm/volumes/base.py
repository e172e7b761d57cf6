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

from ibmvirt.common import plan

# The disk elements that each VIOS shall map, by the VIOS's UUID.
Elements = dict[str, list[typing.Any]]


class VolumeKind(abc.ABC):
    """How volumes of one protocol come to a partition."""

    PROTOCOL = ""

    @abc.abstractmethod
    def check(self, volume: plan.Volume) -> None:
        """:raises InvalidRequest: the connection's data cannot be used."""

    @abc.abstractmethod
    def connector(self) -> plan.Values:
        """What the storage must know of this host; no call when it is known."""

    @abc.abstractmethod
    def discover(self, volume: plan.Volume) -> Elements:
        """Let the VIOSes find the volume; silent about a VIOS that cannot.

        :raises HypervisorError: no VIOS found it.
        """

    @abc.abstractmethod
    def udid(self, volume: plan.Volume) -> str | None:
        """The platform's id of the volume's disk; None = not to be found."""

    @abc.abstractmethod
    def forget(self, names: dict[str, list[str]]) -> None:
        """Let VIOSes (by UUID) forget disks (by name); errors are logged only."""

    def known(self, volume: plan.Volume) -> dict[str, list[str]]:
        """The disks that :meth:`discover` made of a volume, by VIOS."""
        return {}

    def extend(self, volume: plan.Volume) -> None:
        """Let clients of the volume see its new size."""
