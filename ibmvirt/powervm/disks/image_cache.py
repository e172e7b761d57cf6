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


"""Ageing of the images that the platform keeps, as Nova's options say."""

from __future__ import annotations

import typing

from ibmvirt.common import capability
from ibmvirt.powervm.disks import base


class ImageCache(capability.ImageCache):
    """:param options: Nova's group ``[image_cache]``."""

    def __init__(self, disks: base.DiskKind, options: typing.Any) -> None:
        self._disks = disks
        self._options = options

    def age(self, in_use: frozenset[str]) -> None:
        minimum: float | None = None
        if self._options.remove_unused_base_images:
            minimum = self._options.remove_unused_original_minimum_age_seconds
        self._disks.age(in_use, minimum)
