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

The protocol is nova-powervm's: whoever wants to upload makes a marker (see
``markers``). Of several, the one whose marker's name sorts first uploads; the
others wait until it is gone. A marker whose owner died is cleared, with what
was uploaded: a host's own at once, another's when nothing has changed for long.
"""

from __future__ import annotations

import io
import logging
import math
import typing

from pypowervm import exceptions as pypowervm

from ibmvirt.common import capability, clock, context
from ibmvirt.powervm.disks import markers, units
from ibmvirt.powervm.rest import errors, uploads

LOG = logging.getLogger(__name__)

_FIRST_LOOK, _LAST_LOOK = 1.0, 15.0
# An upload that takes longer tells so now and then.
BEAT = 600.0


class Upload:
    """One image that this host wants to be in the pool.

    :param patience: seconds without a change after which another host's
        upload is dead.
    """

    def __init__(
        self,
        pool: units.Units,
        sender: uploads.Uploads,
        own: markers.Own,
        name: str,
        patience: float,
    ) -> None:
        self._pool = pool
        self._uploads = sender
        self._own = own
        self._name = name
        self._what = f"upload the image {name}"
        self._watch = markers.Watch(patience)

    def run(self, source: capability.ImageSource) -> str:
        """Upload it or wait until another host has; its UDID."""
        for pause in clock.backoff(_FIRST_LOOK, most=_LAST_LOOK):
            context.check()
            with errors.attempting(self._what):
                state = State(self._pool.all(), self._name)
                if state.image is not None and not state.markers:
                    return str(state.image.udid)
                if not state.markers:
                    udid = self._try(source)
                    if udid is not None:
                        return udid
                own = [one for one in state.markers if self._own.is_dead(one.name)]
                if own:
                    clear(self._pool, state, own)
                elif self._watch.still(self._name, state.ids()):
                    clear(self._pool, state, state.markers)
            context.wait(pause)
        raise AssertionError("a backoff has no end")

    def _try(self, source: capability.ImageSource) -> str | None:
        """Upload if no other host is before us; None if one is."""
        name = self._own.name(self._name)
        with self._own.uploading(self._name):
            marker = _Marker(self._pool, self._own, self._name)
            broken: list[typing.Any] = []
            try:
                state = State(self._pool.all(), self._name)
                if state.image is not None:
                    return None
                if min((one.name for one in state.markers), default=name) != name:
                    return None
                return self._upload(source, marker, broken)
            finally:
                with context.reverting():
                    # The marker stays while there is something unfinished.
                    self._pool.remove((*broken, marker.unit))

    def _upload(
        self, source: capability.ImageSource, marker: _Marker, broken: list[typing.Any]
    ) -> str | None:
        """Its UDID; None: another host has begun it.

        Two hosts that look before either has made its marker may both begin: the
        pool refuses the image of the second.
        """
        size = source.size()
        try:
            image = self._pool.put_image(
                self._name, max(1, math.ceil(size / (1 << 30)))
            )
        except pypowervm.Error as error:
            state = State(self._pool.all(), self._name)
            if state.image is not None and errors.is_refusal(error):
                LOG.info("%s: another host was faster", self._what)
                return None
            # It may be there all the same; another host's has a marker too.
            if state.image is not None and len(state.markers) == 1:
                broken.append(state.image)
            raise
        # Until all of it is there.
        broken.append(image)
        with source.open() as stream:
            beating = io.BufferedReader(_Beating(stream, marker), 1 << 16)
            self._uploads.send(
                beating,
                name=self._name,
                size=size,
                vios_uuid=self._pool.vios().uuid,
                device=image.udid,
                what=self._what,
            )
        broken.clear()
        return str(image.udid)


class State:
    """An image's units in the pool: itself, its markers, and its clones."""

    def __init__(self, found: list[typing.Any], name: str) -> None:
        self.name = name
        self.image = next(
            (one for one in found if units.is_image(one) and one.name == name), None
        )
        self.markers = [one for one in found if markers.marks(one.name, name)]
        udid = self.image.udid if self.image is not None else None
        self.cloned = udid is not None and any(
            one.cloned_from_udid == udid for one in found
        )

    def ids(self) -> list[str]:
        some = [self.image] if self.image is not None else []
        return [one.uuid for one in (*some, *self.markers)]


def clear(pool: units.Units, state: State, dead: list[typing.Any]) -> None:
    """Remove what dead uploads left; by ids, so that nothing new is hit."""
    LOG.warning("an upload of %s is dead: clearing", state.name)
    first = [state.image] if state.image is not None else []
    # What is cloned was whole; and of two that upload, another one lives.
    if state.cloned or len(dead) < len(state.markers):
        first = []
    with context.reverting():
        pool.remove((*first, *dead))


class _Marker:
    """The marker of an upload that goes on."""

    def __init__(self, pool: units.Units, own: markers.Own, image: str) -> None:
        self._pool = pool
        self._own = own
        self._image = image
        self._beats = 0
        self._last = clock.now()
        self.unit = self._put()

    def _put(self) -> typing.Any:
        return self._pool.put_marker(self._own.name(self._image, self._beats))

    def beat(self) -> None:
        """Show, now and then, that the upload goes on: by the next name."""
        if clock.now() - self._last < BEAT:
            return
        self._last = clock.now()
        self._beats += 1
        try:
            former, self.unit = self.unit, self._put()
        except pypowervm.Error as error:
            LOG.warning("the marker of %s was not renewed: %s", self._image, error)
            return
        self._pool.remove((former,))


class _Beating(io.RawIOBase):
    """A stream that shows that it is read."""

    def __init__(self, stream: typing.BinaryIO, marker: _Marker) -> None:
        super().__init__()
        self._stream = stream
        self._marker = marker

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: typing.Any) -> int:
        self._marker.beat()
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)
