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

"""Uploading an image into the pool once, among all hosts that want it.

The protocol is nova-powervm's: whoever wants to upload makes a small marker
``part<8 hex digits><image name>``. Of several, the one whose marker's name
sorts first uploads; the others wait until it is gone. A marker that stays
while nothing else changes has a dead owner, and is cleared.
"""

from __future__ import annotations

import collections.abc
import logging
import math
import secrets
import typing

from pypowervm import exceptions as pypowervm
from pypowervm.wrappers import storage as storage_wrapper

from ibmvirt.common import capability, clock, context
from ibmvirt.powervm.rest import errors, topology, uploads

LOG = logging.getLogger(__name__)

_MARKER = "part"
_MARKER_GB = 0.001
# Seconds without any change after which a marker's owner counts as dead.
DEAD_AFTER = 3600.0
_LOOK = 3.0


class Upload:
    """One image that one host wants to be in the pool."""

    def __init__(
        self,
        adapter: typing.Any,
        tier: topology.Tier,
        vios: topology.Vios,
        name: str,
        abandon: collections.abc.Callable[[str], None],
    ) -> None:
        """:param abandon: takes the UUID of a unit that could not be removed."""
        self._adapter = adapter
        self._tier = tier
        self._vios = vios
        self._name = name
        self._abandon = abandon

    def run(self, source: capability.ImageSource) -> str:
        """Upload it or wait until another host has; its UDID."""
        what = f"upload the image {self._name}"
        watched = _Watch()
        while True:
            context.check()
            with errors.attempting(what):
                units = self._units()
                image, markers = self._mine(units)
                if image is not None and not markers:
                    return str(image.udid)
                if not markers:
                    udid = self._try(source)
                    if udid is not None:
                        return udid
                    continue
                if watched.dead(units):
                    self._clear(image, markers)
                    continue
            context.wait(_LOOK)

    def _try(self, source: capability.ImageSource) -> str | None:
        """Upload if no other host is before us; None if one is."""
        marker = self._put(
            f"{_MARKER}{secrets.token_hex(4)}{self._name}"[:_MAX_NAME], _MARKER_GB
        )
        try:
            image, markers = self._mine(self._units())
            if image is not None:
                return None
            if min(found.name for found in markers) != marker.name:
                return None
            return self._upload(source)
        finally:
            with context.reverting():
                self._remove(marker)

    def _upload(self, source: capability.ImageSource) -> str:
        size = source.size()
        image = self._put(
            self._name,
            max(1, math.ceil(size / (1 << 30))),
            kind=storage_wrapper.LUType.IMAGE,
        )
        try:
            with source.open() as stream:
                uploads.upload(
                    self._adapter,
                    stream,
                    name=self._name,
                    size=size,
                    vios_uuid=self._vios.uuid,
                    device=image.udid,
                    what=f"upload the image {self._name}",
                )
        except BaseException:
            with context.reverting():
                self._remove(image)
            raise
        return str(image.udid)

    # -- logical units ------------------------------------------------------

    def _units(self) -> list[typing.Any]:
        found: list[typing.Any] = storage_wrapper.LUEnt.get(
            self._adapter,
            parent_type=storage_wrapper.Tier,
            parent_uuid=self._tier.uuid,
        )
        return found

    def _mine(self, units: list[typing.Any]) -> tuple[typing.Any, list[typing.Any]]:
        """The image and the markers for it."""
        image = None
        markers = []
        for unit in units:
            if unit.lu_type == storage_wrapper.LUType.IMAGE and unit.name == self._name:
                image = unit
            elif unit.name.startswith(_MARKER) and self._name.startswith(
                unit.name[len(_MARKER) + 8 :] or "-"
            ):
                markers.append(unit)
        return image, markers

    def _put(self, name: str, size: float, kind: str | None = None) -> typing.Any:
        unit = storage_wrapper.LUEnt.bld(
            self._adapter,
            name,
            size,
            thin=True,
            typ=kind or storage_wrapper.LUType.DISK,
        )
        try:
            return unit.create(
                parent_type=storage_wrapper.Tier, parent_uuid=self._tier.uuid
            )
        except pypowervm.Error:
            # The answer is lost, or wrong; what was made must not stay unknown.
            same = [found for found in self._units() if found.name == name]
            if not same:
                raise
            return same[0]

    def _remove(self, unit: typing.Any) -> None:
        """Best effort: the first error counts; a rest is removed later."""
        for _try in range(2):
            try:
                self._adapter.delete("Tier", self._tier.uuid, "LogicalUnit", unit.uuid)
                return
            except pypowervm.HttpNotFound:
                return
            except pypowervm.Error as error:
                LOG.warning("%s was not removed: %s", unit.name, error)
        self._abandon(str(unit.uuid))

    def _clear(self, image: typing.Any, markers: list[typing.Any]) -> None:
        LOG.warning("the host that uploads %s is gone: clearing", self._name)
        if image is not None:
            self._remove(image)
        for marker in markers:
            self._remove(marker)


# Logical unit names (pypowervm const.MaxLen.FILENAME_DEFAULT).
_MAX_NAME = 79


class _Watch:
    """Notices that the units of a tier have not changed for long."""

    def __init__(self) -> None:
        self._seen: frozenset[str] = frozenset()
        self._since = clock.now()

    def dead(self, units: list[typing.Any]) -> bool:
        names = frozenset(unit.name for unit in units)
        if names != self._seen:
            self._seen, self._since = names, clock.now()
        return clock.now() - self._since > DEAD_AFTER
