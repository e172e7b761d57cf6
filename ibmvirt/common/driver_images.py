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

"""Nova's calls on images: snapshots and the cache."""

from __future__ import annotations

import collections.abc
import dataclasses
import logging
import typing

import nova.exception
from nova.compute import power_state, task_states

from ibmvirt.common import (
    capability,
    driver_part,
    exceptions,
    images,
    plan,
    planning,
)

LOG = logging.getLogger(__name__)


class Images(driver_part.DriverPart):
    """A part of BaseDriver; each method asks one capability."""

    def snapshot(
        self,
        context: typing.Any,
        instance: typing.Any,
        image_id: str,
        update_task_state: collections.abc.Callable[..., typing.Any],
    ) -> None:
        with self._operation("snapshot", instance, context):
            part = self._need(self.backend.snapshots, "take a snapshot")
            guest = self.backend.guests.find(planning.server(instance))
            if guest is None:
                raise nova.exception.InstanceNotRunning(instance_id=instance.uuid)
            try:
                self._check_quiesced(instance, guest, part)
                update_task_state(task_state=task_states.IMAGE_PENDING_UPLOAD)
                with part.open(planning.server(instance), guest) as captured:
                    update_task_state(
                        task_state=task_states.IMAGE_UPLOADING,
                        expected_state=task_states.IMAGE_PENDING_UPLOAD,
                    )
                    images.upload(
                        context,
                        image_id,
                        captured.stream,
                        captured.size,
                        {
                            "disk_format": captured.disk_format,
                            "container_format": captured.container_format,
                            "properties": dict(captured.properties),
                        },
                    )
            except exceptions.IBMVirtError as error:
                # Nova takes snapshots in a thread of which it tells no error.
                LOG.error("%s", error)
                raise

    def _check_quiesced(
        self,
        instance: typing.Any,
        guest: plan.GuestRef,
        snapshots: capability.Snapshots,
    ) -> None:
        """:raises Unsupported: the guest runs, and its image wants it quiesced."""
        wanted = instance.image_meta.properties.get("os_require_quiesce")
        if not wanted or snapshots.quiesced:
            return
        state = self.backend.guests.state(guest, use_cache=False)
        if state.power_state == power_state.RUNNING:
            raise exceptions.Unsupported(
                f"take a quiesced snapshot of the server {instance.uuid}",
                "the platform cannot ask a guest that runs to write its data out",
                "stop the server, or remove os_require_quiesce from its image",
            )

    def cache_image(self, context: typing.Any, image_id: str) -> bool:
        """Bring an image here before a server needs it; False if it was here."""
        with self._on_host("cache_image"):
            disks = self.backend.disks
            self._need(disks.keeps_images or None, "cache an image")
            image = planning.glance_image(images.show(context, image_id))
            source = self.images.source(context, image)
            image = dataclasses.replace(image, size=source.size())
            image = disks.inspect(image, source)
            before = source.opened
            disks.prepare_image(image, source)
            return source.opened > before

    def manage_image_cache(
        self, context: typing.Any, all_instances: typing.Any
    ) -> None:
        if self.backend.image_cache is None:
            return
        with self._on_host("image_cache"):
            used = {i.image_ref for i in all_instances if i.image_ref}
            self.backend.image_cache.age(frozenset(used))
