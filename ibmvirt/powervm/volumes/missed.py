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


"""Disks of volumes that VIOSes have still, although the volumes were taken away.

A VIOS was not active when a volume was detached, or its server removed; or it
did not answer. What it has missed is kept in a small file each, and made up
for when the VIOS is back, or the service starts.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import logging
import threading
import typing

from ibmvirt.common import plan, statefile
from ibmvirt.powervm import mappings

LOG = logging.getLogger(__name__)

Key = tuple[str, str]


@dataclasses.dataclass(frozen=True)
class Detached:
    """A volume, the partition it was taken from, its disk, and who missed it.

    :ivar udid: the id of its disk.
    :ivar vioses: UUIDs.
    """

    guest: str
    guest_name: str
    volume: str
    udid: str
    vioses: frozenset[str]

    @property
    def key(self) -> Key:
        return self.guest, self.volume

    def is_of(self, mapping: typing.Any) -> bool:
        """Whether a mapping is the partition's; it may be known no more."""
        return bool(self.guest) and mappings.is_of(mapping, self.guest)

    @property
    def name(self) -> str:
        """Of its file."""
        return "_".join(self.key)


class Missed:
    """Safe for many threads; who changes a volume's entry holds its lock."""

    def __init__(self, files: statefile.Folder) -> None:
        self._files = files
        self._lock = threading.Lock()
        self._found: dict[Key, Detached] | None = None

    def note(
        self,
        guest: plan.GuestRef,
        volume: str,
        udid: str,
        vioses: collections.abc.Set[str],
    ) -> None:
        """The volume was taken away, and these VIOSes have its disk; or none has."""
        entry = Detached(guest.id, guest.name, volume, udid, frozenset(vioses))
        with self._lock:
            known = self._known()
            if known.get(entry.key) == entry or not (entry.key in known or vioses):
                return
            if vioses:
                known[entry.key] = entry
                self._write(entry)
            else:
                self._remove(known.pop(entry.key))

    def any(self) -> bool:
        """Whether a VIOS, active or not, has missed something."""
        with self._lock:
            return bool(self._known())

    def due(
        self, vioses: collections.abc.Iterable[str], volumes: typing.Any = None
    ) -> list[Detached]:
        """What one of these VIOSes has missed.

        :param volumes: only of these; None = of all.
        """
        back = set(vioses)
        with self._lock:
            return [
                entry
                for entry in self._known().values()
                if entry.vioses & back and (volumes is None or entry.volume in volumes)
            ]

    def is_current(self, entry: Detached) -> bool:
        with self._lock:
            return self._known().get(entry.key) == entry

    def made_up(self, entry: Detached, vioses: collections.abc.Set[str]) -> None:
        """These VIOSes do not have the disk any more."""
        guest = plan.GuestRef(entry.guest, entry.guest_name)
        self.note(guest, entry.volume, entry.udid, entry.vioses - vioses)

    def attached(self, guest: plan.GuestRef, volume: str) -> None:
        """It is attached again."""
        self.note(guest, volume, "", frozenset())

    # -- files, under the lock ------------------------------------------------

    def _known(self) -> dict[Key, Detached]:
        if self._found is None:
            self._found = {entry.key: entry for entry in self._read()}
        return self._found

    def _read(self) -> collections.abc.Iterator[Detached]:
        try:
            names = self._files.names()
        except OSError as error:
            LOG.error("what VIOSes have missed is not known: %s", error)
            return
        for name in names:
            try:
                values = self._files.read(name)
                yield Detached(**{**values, "vioses": frozenset(values["vioses"])})
            except (OSError, ValueError, TypeError, KeyError) as error:
                # The rest counts all the same.
                LOG.error("%s cannot be read: %r", self._files.path(name), error)

    def _write(self, entry: Detached) -> None:
        values = {**dataclasses.asdict(entry), "vioses": sorted(entry.vioses)}
        try:
            self._files.write(entry.name, values)
        except OSError as error:
            # What is done is done: it is known until this service ends.
            LOG.warning("%s was not written: %s", self._files.path(entry.name), error)

    def _remove(self, entry: Detached) -> None:
        try:
            self._files.remove(entry.name)
        except OSError as error:
            LOG.warning("%s was not removed: %s", self._files.path(entry.name), error)
