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


"""How long images have been without use."""

from __future__ import annotations

import collections.abc
import threading

from ibmvirt.common import clock

# An image that was asked for is about to be copied or cloned.
_JUST_WANTED = 60.0


class Ageing:
    """Remembers since when nobody has used an image.

    The platform keeps no dates of them, so the count starts anew with the
    service: an image stays longer then, never shorter.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._unused: dict[str, float] = {}
        self._wanted: dict[str, float] = {}

    def want(self, image: str) -> None:
        """A build asks for the image."""
        with self._lock:
            self._wanted[image] = clock.now()

    def due(
        self,
        images: collections.abc.Iterable[str],
        used: collections.abc.Container[str],
        minimum: float,
    ) -> frozenset[str]:
        """Those of the images that were unused in every look for ``minimum`` s."""
        now = clock.now()
        with self._lock:
            self._wanted = {
                image: since
                for image, since in self._wanted.items()
                if now - since < _JUST_WANTED
            }
            self._unused = {
                image: self._unused.get(image, now)
                for image in images
                if image not in used and image not in self._wanted
            }
            return frozenset(
                image for image, since in self._unused.items() if now - since >= minimum
            )
