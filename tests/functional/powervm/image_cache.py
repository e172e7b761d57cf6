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


"""Steps and fixtures of the tests of images that the platform keeps."""

from __future__ import annotations

import hashlib

import pytest

from ibmvirt.common import clock, context
from ibmvirt.powervm.disks import (
    markers,
    ssp,
    units,
)
from tests.support import powervm

LOCAL = {
    "disk_driver": "localdisk",
    "volume_group_name": "datavg",
    "volume_group_vios_name": "vios2",
}
KINDS = pytest.mark.parametrize("options", [{}, LOCAL], ids=["ssp", "localdisk"])
AT_ONCE = {"remove_unused_original_minimum_age_seconds": 0}
IMAGE = f"image_small_{hashlib.md5(powervm.IMAGE_BYTES).hexdigest()}"


class Clock(clock.SystemClock):
    """The real clock, put forward by the test; a wait takes no time in it."""

    def __init__(self):
        super().__init__()
        self.ahead = 0.0

    def now(self):
        return super().now() + self.ahead

    def sleep(self, seconds):
        self.ahead += seconds
        super().sleep(0.001)


@pytest.fixture(autouse=True)
def later():
    found = Clock()
    former = clock.use(found)
    yield found
    clock.use(former)


def images(driven):
    """Names of what the platform keeps: images, and markers of uploads."""
    disks = driven.backend.disks.configured
    if isinstance(disks, ssp.SharedPool):
        return sorted(
            unit.name
            for unit in disks._units.all()
            if units.is_image(unit) or markers.is_marker(unit.name)
        )
    return sorted(
        disk.name
        for group in disks.groups()
        for disk in disks._read(group).virtual_disks
        if disk.name[:2] in ("i_", "p_")
    )


def age(driven, *used):
    with context.background("image_cache"):
        driven.backend.image_cache.age(frozenset(used))
