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

"""Volumes that were detached while a VIOS was away, which maps them still.

Kept until the VIOS is back, or the volume is attached again; not beyond the
end of the service.
"""

from __future__ import annotations

import dataclasses
import logging
import threading

from ibmvirt.common import plan
from ibmvirt.powervm.rest import topology

LOG = logging.getLogger(__name__)

Key = tuple[str, str]


@dataclasses.dataclass(frozen=True)
class Detached:
    """A volume, whom it was taken from, the id of its disk, and who missed it."""

    guest: plan.GuestRef
    volume: plan.Volume
    udid: str
    vioses: frozenset[str]

    @property
    def key(self) -> Key:
        return self.guest.id, self.volume.id


class Missed:
    """Safe for many threads; who changes a volume's entry holds its lock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: dict[Key, Detached] = {}

    def note(
        self,
        guest: plan.GuestRef,
        volume: plan.Volume,
        udid: str,
        vioses: tuple[topology.Vios, ...],
    ) -> None:
        """The volume was detached; those of the VIOSes that are away missed it."""
        away = [vios for vios in vioses if not vios.active]
        if not away:
            return
        names = ", ".join(vios.name for vios in away)
        LOG.warning(
            "the volume %s was detached from the partition %s while %s had no RMC "
            "connection: it is unmapped there when that is back",
            volume.id, guest.name, names,
        )  # fmt: skip
        gone = frozenset(vios.uuid for vios in away)
        self.keep(Detached(guest, volume, udid, gone))

    def keep(self, entry: Detached) -> None:
        with self._lock:
            self._found[entry.key] = entry

    def due(self, vioses: tuple[topology.Vios, ...]) -> list[Detached]:
        """What one of these active VIOSes has missed."""
        back = {vios.uuid for vios in vioses}
        with self._lock:
            return [entry for entry in self._found.values() if entry.vioses & back]

    def take(self, entry: Detached) -> bool:
        """Whether it is still so; it is forgotten then."""
        with self._lock:
            mine = self._found.get(entry.key) is entry
            if mine:
                del self._found[entry.key]
            return mine

    def attached(self, guest: plan.GuestRef, volume: plan.Volume) -> None:
        """It is attached again."""
        with self._lock:
            self._found.pop((guest.id, volume.id), None)
