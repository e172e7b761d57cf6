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


"""Cinder volumes of partitions, by protocol."""

from __future__ import annotations

import typing

from ibmvirt.common import capability, exceptions, plan
from ibmvirt.powervm import mappings, removal, storage
from ibmvirt.powervm.volumes import base, wwpns


class Volumes(capability.Volumes):
    """Attaches and detaches; the writes of the VIOSes are Storage's.

    :param host: the name of this host in Nova, which Cinder's drivers use.
    :param ip: its address.
    :param multipath: whether the storage shall be asked for several paths.
    """

    def __init__(
        self,
        adapter: typing.Any,
        connected: storage.Storage,
        removals: removal.Removal,
        kinds: dict[str, base.VolumeKind],
        *,
        host: str,
        ip: str,
        multipath: bool,
    ) -> None:
        self._adapter = adapter
        self._storage = connected
        self._removal = removals
        self._kinds = kinds
        self._host = host
        self._ip = ip
        self._multipath = multipath

    def connector(
        self, server: plan.Server, guest: plan.GuestRef | None
    ) -> plan.Values:
        values: dict[str, typing.Any] = {
            "host": self._host,
            "ip": self._ip,
            "multipath": self._multipath,
            "os_type": "linux",
            "platform": "ppc64le",
        }
        for kind in self._kinds.values():
            values.update(kind.connector(server))
        return values

    def incomplete(self, server: plan.Server, guest: plan.GuestRef | None) -> bool:
        """A server that has volumes as they are is not given another way."""
        wanted = any(kind.incomplete(server) for kind in self._kinds.values())
        return wanted and (
            guest is None
            or bool(wwpns.kept(guest.record))
            or not mappings.has_volumes(self._adapter, guest)
        )

    def record(self, server: plan.Server) -> plan.Values:
        values: dict[str, typing.Any] = {}
        for kind in self._kinds.values():
            if kind.incomplete(server):
                values.update(kind.record(server))
        return values

    def check(self, volumes: tuple[plan.Volume, ...]) -> None:
        for volume in volumes:
            kind = self._kinds.get(volume.protocol)
            if kind is None:
                raise exceptions.InvalidRequest(
                    f"use the volume {volume.id}",
                    f"its protocol is {volume.protocol!r} and PowerVM knows "
                    f"{', '.join(sorted(self._kinds))}",
                    "use a volume type whose storage has such a connection",
                )
            kind.check(volume)

    def attach(self, guest: plan.GuestRef, volume: plan.Volume) -> None:
        self._storage.connect(guest, (), None, (volume,))

    def intent(self, guest: plan.GuestRef, volume: plan.Volume) -> plan.Values:
        return self._kinds[volume.protocol].intent(guest, volume)

    def kept(self, volume: plan.Volume) -> plan.Values:
        return self._kinds[volume.protocol].kept(volume)

    def detach(self, guest: plan.GuestRef, volume: plan.Volume) -> None:
        self._removal.disconnect_volume(guest, volume)

    def extend(self, guest: plan.GuestRef, volume: plan.Volume, size: int) -> None:
        self.check((volume,))
        self._kinds[volume.protocol].extend(guest, volume)
