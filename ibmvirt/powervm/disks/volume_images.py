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


"""Images as virtual disks of a volume group.

A volume group belongs to one system and its one compute service. So a marker
beside an image's disk, made and removed with it, tells what is whole: one
that no thread of this process works on is a dead service's, and goes with
its image.
"""

from __future__ import annotations

import collections.abc
import logging
import math
import re
import threading
import typing

from pypowervm.wrappers import storage as storage_wrapper

from ibmvirt.common import capability, context, exceptions, plan
from ibmvirt.powervm import waiting, writer
from ibmvirt.powervm.disks import ageing
from ibmvirt.powervm.rest import topology, uploads

LOG = logging.getLogger(__name__)

_IMAGE, _MARKER = "i_", "p_"
_START = "[0-9a-f]{8}_[0-9a-f]{4}"
# Others' disks in the volume group have other names, and stay.
_IMAGES, _MARKERS = re.compile(_IMAGE + _START), re.compile(_MARKER + _START)
_NAME_MAX = 15
_MARKER_GB = 1

Key = tuple[str, str]


def image_name(image_id: str) -> str:
    """i_<start of the UUID>, as nova-powervm named it."""
    return f"{_IMAGE}{image_id.lower().replace('-', '_')}"[:_NAME_MAX]


class Images:
    """The images in the volume groups, uploaded once each."""

    def __init__(
        self, adapter: typing.Any, writers: writer.Writers, sender: uploads.Uploads
    ) -> None:
        self._adapter = adapter
        self._uploads = sender
        self._writers = writers
        self._ageing = ageing.Ageing()
        self._lock = threading.Lock()
        self._known: dict[Key, str] = {}
        self._locks: dict[Key, threading.Lock] = {}
        self._live: set[Key] = set()
        # Groups that have something of dead uploads.
        self._neglected: dict[str, topology.Group] = {}

    def prepare(
        self, group: topology.Group, image: plan.Image, source: capability.ImageSource
    ) -> str:
        """The UDID of the image's disk, uploaded if it is not there."""
        name = image_name(image.id)
        key = (group.uuid, name)
        self._ageing.want(" ".join(key))
        with self._lock:
            known = self._known.get(key)
            mine = self._locks.setdefault(key, threading.Lock())
        if known is not None:
            return known
        with waiting.held(mine):
            with self._lock:
                known = self._known.get(key)
            if known is None:
                known = self._find(group, image) or self._upload(group, image, source)
                with self._lock:
                    self._known[key] = known
            return known

    def is_gone(self, group: topology.Group, udid: str) -> bool:
        """Whether the disk of an image is not there any more; it is forgotten then.

        False also where that cannot be seen.
        """
        try:
            wrapper = self._writers.of_group(group).read()
        except exceptions.IBMVirtError as error:
            LOG.warning("%s", error)
            return False
        if any(disk.udid == udid for disk in wrapper.virtual_disks):
            return False
        with self._lock:
            self._known = {k: u for k, u in self._known.items() if u != udid}
        return True

    def _find(self, group: topology.Group, image: plan.Image) -> str | None:
        name = image_name(image.id)
        found: str | None = self._writers.of_group(group).apply(
            lambda wrapper: self.clean(group, wrapper),
            f"look for {image.described}",
            lambda wrapper: _udid(wrapper, name),
        )
        self.cleaned(group)
        return found

    def _upload(
        self, group: topology.Group, image: plan.Image, source: capability.ImageSource
    ) -> str:
        name = image_name(image.id)
        key, size = (group.uuid, name), source.size()
        gigabytes = max(1, math.ceil(size / (1 << 30)))
        marker = _marker_of(name)
        new = {name: gigabytes, marker: _MARKER_GB}

        def add(wrapper: typing.Any) -> bool:
            there = {disk.name for disk in wrapper.virtual_disks}
            missing = [wanted for wanted in new if wanted not in there]
            for wanted in missing:
                wrapper.virtual_disks.append(
                    storage_wrapper.VDisk.bld(self._adapter, wanted, new[wanted])
                )
            return bool(missing)

        what = f"upload {image.described}"
        change = self._writers.of_group(group).apply
        with self._lock:
            self._live.add(key)
        try:
            udid: str = change(add, what, lambda wrapper: _udid(wrapper, name))
            with source.open() as stream:
                self._uploads.send(
                    stream,
                    name=name,
                    size=size,
                    vios_uuid=group.vios.uuid,
                    device=udid,
                    what=what,
                )
            change(lambda wrapper: remove(wrapper, {marker}), what)
        except BaseException:
            self._give_up(group, {name, marker})
            raise
        finally:
            with self._lock:
                self._live.discard(key)
        return udid

    def _give_up(self, group: topology.Group, names: set[str]) -> None:
        """Best effort: the first error counts, and a marker tells of a rest."""
        with context.reverting():
            try:
                self._writers.of_group(group).apply(
                    lambda wrapper: remove(wrapper, names),
                    f"remove the unfinished upload {', '.join(sorted(names))}",
                )
            except exceptions.IBMVirtError as error:
                LOG.warning("%s", error)
                with self._lock:
                    self._neglected[group.uuid] = group

    # -- what dead uploads have left ---------------------------------------

    def look(self, group: topology.Group, wrapper: typing.Any) -> None:
        """Notice dead uploads in a group that was read for something else."""
        if self._dead(group, wrapper):
            with self._lock:
                self._neglected[group.uuid] = group

    def neglected(self) -> list[topology.Group]:
        with self._lock:
            return list(self._neglected.values())

    def cleaned(self, group: topology.Group) -> None:
        with self._lock:
            self._neglected.pop(group.uuid, None)

    def clean(self, group: topology.Group, wrapper: typing.Any) -> bool:
        """Remove dead uploads from the wrapper; whether there were any."""
        return remove(wrapper, self._dead(group, wrapper))

    def _dead(self, group: topology.Group, wrapper: typing.Any) -> set[str]:
        with self._lock:
            live = {name for uuid, name in self._live if uuid == group.uuid}
        images = {
            _IMAGE + disk.name[len(_MARKER) :]
            for disk in wrapper.virtual_disks
            if _MARKERS.fullmatch(disk.name)
        }
        dead = images - live
        return dead | {_marker_of(name) for name in dead}

    # -- ageing -------------------------------------------------------------

    def age(
        self,
        groups: tuple[topology.Group, ...],
        in_use: frozenset[str],
        minimum: float | None,
        dead: collections.abc.Callable[[str], bool] = lambda _name: False,
    ) -> None:
        """Remove images that no server used for ``minimum`` seconds.

        One call for each group, and two more where something is removed. What
        dead uploads left goes too, and with ``minimum`` None nothing else.

        :param in_use: ids of images.
        :param dead: tells of other disks, by their names, that go too.
        """
        names = {image_name(image) for image in in_use}
        found = {}
        for group in groups:
            wrapper = self._writers.of_group(group).read()
            self.look(group, wrapper)
            found[group] = wrapper.virtual_disks
        present = {
            f"{group.uuid} {disk.name}": (group, disk.name)
            for group, disks in found.items()
            for disk in disks
            if _IMAGES.fullmatch(disk.name)
        }
        with self._lock:
            live = {" ".join(key) for key in self._live}
        used = live | {key for key, (_g, name) in present.items() if name in names}
        due = (
            self._ageing.due(present, used, minimum)
            if minimum is not None
            else frozenset()
        )
        for group in groups:
            gone = {present[key][1] for key in due if present[key][0] == group}
            gone.update(
                name for name in (disk.name for disk in found[group]) if dead(name)
            )
            self._drop(group, gone)

    def _drop(self, group: topology.Group, names: set[str]) -> None:
        def drop(wrapper: typing.Any) -> bool:
            cleaned = self.clean(group, wrapper)
            return remove(wrapper, names) or cleaned

        if names:
            LOG.info("removing from %s what is not used: %s", group.name, sorted(names))
        elif group not in self.neglected():
            return
        with self._lock:
            for name in names:
                self._known.pop((group.uuid, name), None)
        self._writers.of_group(group).apply(
            drop, f"remove unused images and copies from {group.name}"
        )
        self.cleaned(group)


def _marker_of(image: str) -> str:
    return _MARKER + image[len(_IMAGE) :]


def _udid(wrapper: typing.Any, name: str) -> str | None:
    return next(
        (disk.udid for disk in wrapper.virtual_disks if disk.name == name), None
    )


def remove(wrapper: typing.Any, names: typing.Container[str]) -> bool:
    """Remove disks from a volume group by their names; whether there were any."""
    gone = [disk for disk in wrapper.virtual_disks if disk.name in names]
    for disk in gone:
        wrapper.virtual_disks.remove(disk)
    return bool(gone)
