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

"""The z/VM part of a guest to define: release, image and disk pool."""

from __future__ import annotations

import dataclasses

from ibmvirt.common import plan
from ibmvirt.zvm import imageformat, images, pools, releases


@dataclasses.dataclass(frozen=True)
class GuestPart:
    """The z/VM part of a GuestSpec.

    :ivar image: the disk in the server's image; None: no image.
    :ivar pool: of its minidisks; None: the Connector's own.
    """

    os_version: str
    image: imageformat.Disk | None = None
    pool: pools.Pool | None = None


class Parts:
    """Makes the part of a server from its flavor and its image."""

    def __init__(self, os_versions: releases.Mapping, disk_pools: pools.Pools) -> None:
        self._os_versions = os_versions
        self._pools = disk_pools

    def of(
        self, server: plan.Server, flavor: plan.Values, image: plan.Image | None
    ) -> GuestPart:
        """:raises InvalidRequest: the image, or the pool, cannot be used."""
        os_version = releases.os_version(image, self._os_versions)
        disk: imageformat.Disk | None = image.extra.get(images.DISK) if image else None
        pool = self._pools.choose(
            server.name, pools.wanted(flavor), disk.type if disk else None
        )
        return GuestPart(os_version, disk, pool)
