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


"""The kinds of disks: one for new disks, all of them for those that exist."""

from __future__ import annotations

import contextlib
import typing

from ibmvirt.common import capability, plan
from ibmvirt.powervm import writer
from ibmvirt.powervm.disks import base, localdisk, ssp
from ibmvirt.powervm.rest import errors, topology, uploads


class Disks(capability.Disks):
    """New disks of the configured kind; old ones may be of another."""

    def __init__(
        self, kinds: tuple[base.DiskKind, ...], configured: base.DiskKind
    ) -> None:
        self._by_type = {kind.KIND: kind for kind in kinds}
        self.configured = configured

    def of(self, device_type: str, name: str) -> base.DiskKind | None:
        """The kind of a mapping's backing device; None: it is no server's disk."""
        kind = self._by_type.get(device_type)
        return kind if kind is not None and kind.manages(name) else None

    def check(self, disks: tuple[plan.DiskSpec, ...]) -> None:
        self.configured.check(disks)

    def prepare_image(self, image: plan.Image, source: capability.ImageSource) -> str:
        return self.configured.prepare_image(image, source)

    def create(
        self,
        server: plan.Server,
        disks: tuple[plan.DiskSpec, ...],
        image_key: str | None,
    ) -> tuple[plan.DiskRef, ...]:
        return self.configured.create(server, disks, image_key)

    def delete(self, disks: tuple[plan.DiskRef, ...]) -> None:
        """Each by its kind, whatever new disks are made of."""
        for name, kind in self._by_type.items():
            mine = tuple(disk for disk in disks if disk.kind == name)
            if mine or kind is self.configured:
                kind.delete(mine)

    def leftovers(self, server: plan.Server) -> tuple[plan.DiskRef, ...]:
        """Of the configured kind; of another where there are none.

        A removal may have been cut off before the option was changed.
        """
        others = [kind for kind in self._by_type.values() if kind != self.configured]
        found = self.configured.leftovers(server)
        for kind in others:
            if not found:
                with contextlib.suppress(errors.NotThere):
                    found = kind.leftovers(server)
        return found

    def owned_by(self, server: plan.Server, device_type: str, name: str) -> bool:
        """Whether a backing device is a disk that was made for this server."""
        kind = self.of(device_type, name)
        return kind is not None and kind.owns(server, name)


def build(
    adapter: typing.Any,
    places: topology.Topology,
    writers: writer.Writers,
    sender: uploads.Uploads,
    options: typing.Any,
) -> Disks:
    """:param options: the group ``[powervm]`` of the configuration."""
    kinds: dict[str, base.DiskKind] = {
        "ssp": ssp.SharedPool(adapter, places, sender, options.stale_upload_timeout),
        "localdisk": localdisk.LocalDisks(
            adapter,
            places,
            writers,
            sender,
            options.volume_group_name,
            options.volume_group_vios_name,
        ),
    }
    return Disks(tuple(kinds.values()), kinds[options.disk_driver])
