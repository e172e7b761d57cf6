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


"""Fibre Channel volumes: over virtual SCSI, or by NPIV."""

from __future__ import annotations

from ibmvirt.common import plan
from ibmvirt.powervm.rest import topology
from ibmvirt.powervm.volumes import base, intents, npiv, vscsi, wwpns


class FibreChannel(base.VolumeKind):
    """Chooses the way of each server, which it then keeps.

    A server has adapters of its own when Nova keeps WWPNs for it. The option
    decides when the first connector is made; a server that has volumes the
    other way by then is not asked about.

    :param prefer_npiv: for servers that have no volume yet.
    """

    PROTOCOL = "fibre_channel"

    def __init__(
        self, over_vscsi: vscsi.Vscsi, over_npiv: npiv.Npiv, *, prefer_npiv: bool
    ) -> None:
        self._vscsi = over_vscsi
        self._npiv = over_npiv
        self._prefer_npiv = prefer_npiv

    def _way(self, metadata: plan.Values) -> base.VolumeKind:
        return self._npiv if wwpns.kept(metadata) else self._vscsi

    def check(self, volume: plan.Volume) -> None:
        self._vscsi.check(volume)

    def connector(self, server: plan.Server) -> plan.Values:
        return self._way(server.system_metadata).connector(server)

    def incomplete(self, server: plan.Server) -> bool:
        if not (self._prefer_npiv or wwpns.kept(server.system_metadata)):
            return False
        return self._npiv.incomplete(server)

    def record(self, server: plan.Server) -> plan.Values:
        return self._npiv.record(server)

    def reach(self, guest: plan.GuestRef, volume: plan.Volume) -> base.Elements:
        return self._way(guest.record).reach(guest, volume)

    def udid(self, guest: plan.GuestRef, volume: plan.Volume) -> str | None:
        return self._way(guest.record).udid(guest, volume)

    def intent(self, guest: plan.GuestRef, volume: plan.Volume) -> plan.Values:
        return self._way(guest.record).intent(guest, volume)

    def intended(self, metadata: plan.Values) -> tuple[plan.Volume, ...]:
        return intents.parse(metadata, self.PROTOCOL)

    def kept(self, volume: plan.Volume) -> plan.Values:
        return self._vscsi.kept(volume)

    def told(self, volume: plan.Volume) -> str | None:
        return self._vscsi.told(volume)

    def disks_of(self, vios: topology.Vios, udid: str) -> set[base.Disk]:
        return self._vscsi.disks_of(vios, udid)

    def forget(
        self, disks: base.Disks, udids: set[str], kept: dict[str, set[str]]
    ) -> base.Disks:
        return self._vscsi.forget(disks, udids, kept)

    def uncertain(self, volume: plan.Volume) -> bool:
        return self._vscsi.uncertain(volume)

    def known(self, volume: plan.Volume) -> base.Disks:
        return self._vscsi.known(volume)

    def slots(self, guest: plan.GuestRef) -> list[int]:
        return self._way(guest.record).slots(guest)

    def search(self, guest: plan.GuestRef, volume: plan.Volume) -> None:
        self._way(guest.record).search(guest, volume)

    def leave(self, guest: plan.GuestRef) -> None:
        self._npiv.leave(guest)

    def release(self, server: plan.Server) -> None:
        self._npiv.release(server)

    def extend(self, guest: plan.GuestRef, volume: plan.Volume) -> None:
        self._way(guest.record).extend(guest, volume)
