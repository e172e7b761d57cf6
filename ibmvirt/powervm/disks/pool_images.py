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


"""Images as logical units of a pool, shared by all of its hosts."""

from __future__ import annotations

import collections.abc
import logging
import re
import threading
import typing

from pypowervm import exceptions as pypowervm
from pypowervm import util

from ibmvirt.common import capability, plan
from ibmvirt.powervm import waiting
from ibmvirt.powervm.disks import ageing, image_upload, markers, units
from ibmvirt.powervm.rest import errors, uploads

LOG = logging.getLogger(__name__)

_PREFIX = "image_"
# Others' images in the pool have other names, and stay.
_OURS = re.compile("image_.*_[0-9a-f]{20,32}$")


def image_name(image: plan.Image) -> str:
    """The name of an image's logical unit: image_<name>_<checksum>.

    Of a long one pypowervm cuts off a part of the checksum, to have room for
    the marker's name; hosts of one pool must come to the same name.
    """
    suffix = f"_{image.checksum or image.id.replace('-', '')}"
    whole = util.sanitize_file_name_for_api(image.name, prefix=_PREFIX, suffix=suffix)
    return str(util.sanitize_file_name_for_api(whole, max_len=markers.IMAGE_MAX))


class Images:
    """The images of a tier.

    :param host: what tells this host from others of the pool.
    :param patience: seconds without a change after which the upload of another
        host is dead.
    """

    def __init__(
        self,
        pool: units.Units,
        sender: uploads.Uploads,
        host: collections.abc.Callable[[], str],
        patience: float,
    ) -> None:
        self._pool = pool
        self._uploads = sender
        self._patience = patience
        self._own = markers.Own(host)
        self._ageing = ageing.Ageing()
        self._watch = markers.Watch(patience)
        self._lock = threading.Lock()
        self._known: dict[str, str] = {}
        self._locks: dict[str, threading.Lock] = {}

    def prepare(self, image: plan.Image, source: capability.ImageSource) -> str:
        """The UDID of the image's logical unit, uploaded if it is not there."""
        name = image_name(image)
        self._ageing.want(name)
        with self._lock:
            known = self._known.get(name)
            mine = self._locks.setdefault(name, threading.Lock())
        if known is not None:
            return known
        with waiting.held(mine):
            with self._lock:
                known = self._known.get(name)
            if known is None:
                known = image_upload.Upload(
                    self._pool, self._uploads, self._own, name, self._patience
                ).run(source)
                with self._lock:
                    self._known[name] = known
            return known

    def is_gone(self, udid: str) -> bool:
        """Whether an image is not there any more; it is forgotten then.

        False also where that cannot be seen.
        """
        try:
            found = self._pool.all()
        except pypowervm.Error as error:
            LOG.warning("the images of the pool were not read: %s", error)
            return False
        if any(one.udid == udid for one in found):
            return False
        self._forget(udid)
        return True

    def _forget(self, udid: str) -> None:
        with self._lock:
            self._known = {n: u for n, u in self._known.items() if u != udid}

    def age(self, minimum: float | None) -> None:
        """Remove images without a clone, on any host, for ``minimum`` seconds.

        One call, and one more for each unit that is removed. What dead uploads
        left goes too, and with ``minimum`` None nothing else.
        """
        self._pool.remove_abandoned()
        with errors.attempting("look for unused images"):
            found = self._pool.all()
        self._clear_dead(found)
        images = {
            one.name: one
            for one in found
            if units.is_image(one) and _OURS.match(one.name)
        }
        cloned = {one.cloned_from_udid for one in found if one.cloned_from_udid}
        marked = [one.name for one in found if markers.is_marker(one.name)]
        used = {
            name
            for name, one in images.items()
            if one.udid in cloned
            or self._own.is_uploading(name)
            or any(markers.marks(marker, name) for marker in marked)
        }
        if minimum is None:
            return
        for name in self._ageing.due(images, used, minimum):
            self._remove(images[name])

    def _remove(self, image: typing.Any) -> None:
        LOG.info("removing the unused image %s", image.name)
        self._forget(image.udid)
        try:
            self._pool.delete(image.uuid)
        except pypowervm.Error as error:
            # A host has just cloned it, most likely.
            LOG.warning("the image %s was not removed: %s", image.name, error)

    def _clear_dead(self, found: list[typing.Any]) -> None:
        """Clear uploads of which a marker is dead, or has not changed for long."""
        names = {one.name for one in found if units.is_image(one)}
        for image in {
            # Without an image yet, by the marker.
            next((n for n in names if markers.marks(m, n)), markers.marked(m))
            for m in (one.name for one in found if markers.is_marker(one.name))
        }:
            state = image_upload.State(found, image)
            dead = [one for one in state.markers if self._own.is_dead(one.name)]
            if not dead and self._watch.still(image, state.ids()):
                dead = state.markers
            if dead and not self._own.is_uploading(image):
                image_upload.clear(self._pool, state, dead)
