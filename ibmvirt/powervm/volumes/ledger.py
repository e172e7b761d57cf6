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


"""Which disks of the VIOSes the volumes are, as far as this service knows.

It is lost with the process; then the VIOSes are asked again.
"""

from __future__ import annotations

import threading

from ibmvirt.common import plan
from ibmvirt.powervm.volumes import base, luarecovery

# How often a VIOS is asked whether it made a disk before its answer was lost.
_TRIES = 3

Disks = dict[str, luarecovery.Found]


class Ledger:
    """Safe for many threads; VIOSes are known by their UUIDs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: dict[str, Disks] = {}
        self._left: base.Disks = {}
        self._doubts: dict[str, tuple[plan.Volume, set[str], int]] = {}

    def found(self, volume_id: str) -> Disks:
        """The disks of a volume, by VIOS."""
        with self._lock:
            return dict(self._found.get(volume_id) or {})

    def disks(self, udids: set[str]) -> base.Disks:
        """The disks with these ids, by VIOS."""
        with self._lock:
            known: base.Disks = {}
            for disks in self._found.values():
                for vios, disk in disks.items():
                    if disk.udid in udids:
                        known.setdefault(vios, set()).add((disk.name, disk.udid))
            return known

    def learn(
        self, volume: plan.Volume, asked: set[str], disks: Disks, unknown: set[str]
    ) -> None:
        """What the VIOSes that were asked said of a volume.

        :param unknown: those whose answers were lost: they may have a disk.
        """
        with self._lock:
            for vios, disk in disks.items():
                # The names of disks are given again: nothing else has this one.
                self._drop(vios, disk.name)
                left = self._left.get(vios, set())
                left -= {known for known in left if known[0] == disk.name}
            before = self._found.pop(volume.id, {})
            silent = (before.keys() - asked) | unknown
            found = {v: disk for v, disk in before.items() if v in silent} | disks
            if found:
                self._found[volume.id] = found
            _v, doubts, tries = self._doubts.pop(volume.id, (volume, set(), 0))
            doubts = (doubts - asked) | unknown
            if doubts and tries < _TRIES:
                self._doubts[volume.id] = (volume, doubts, tries + 1)

    def doubts(self) -> list[tuple[plan.Volume, set[str]]]:
        """Volumes, and VIOSes that may have made a disk of each."""
        with self._lock:
            return [(volume, set(some)) for volume, some, _n in self._doubts.values()]

    def doubtful(self, volume_id: str) -> bool:
        with self._lock:
            return volume_id in self._doubts

    def forgotten(self, vios: str, name: str, udid: str) -> None:
        """The VIOS does not have that disk any more."""
        with self._lock:
            self._drop(vios, name, udid)

    def keep(self, vios: str, name: str, udid: str) -> None:
        """The VIOS still has it, although nobody wants it."""
        with self._lock:
            self._left.setdefault(vios, set()).add((name, udid))

    def take_left(self) -> base.Disks:
        """Disks that VIOSes could not forget; who takes them tries again."""
        with self._lock:
            taken, self._left = self._left, {}
            return taken

    def _drop(self, vios: str, name: str, udid: str | None = None) -> None:
        """No volume is that disk of the VIOS any more (under the lock)."""
        for volume_id, disks in list(self._found.items()):
            disk = disks.get(vios)
            if disk is None or disk.name != name or udid not in (None, disk.udid):
                continue
            rest = {uuid: other for uuid, other in disks.items() if uuid != vios}
            if rest:
                self._found[volume_id] = rest
            else:
                del self._found[volume_id]
