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

"""Nova's calls on an existing server: power, volumes, networks, snapshots."""

from __future__ import annotations

import collections.abc
import contextlib
import dataclasses
import functools
import logging
import typing

import nova.conf
import nova.exception
from nova.compute import power_state, task_states, vm_states
from nova.virt import hardware
from oslo_concurrency import lockutils

from ibmvirt.common import (
    availability,
    capability,
    context,
    device_tags,
    diagnostics,
    engine,
    errors,
    events,
    exceptions,
    images,
    plan,
    planning,
    records,
    vif_wait,
)
from ibmvirt.common.flows import attach as attach_flow

LOG = logging.getLogger(__name__)
CONF = nova.conf.CONF


class Extras:
    """A mixin of BaseDriver; each method builds a flow or asks one capability."""

    virtapi: typing.Any
    backend: capability.Backend
    images: images.Images
    reporter: events.Reporter
    availability: availability.Availability

    if typing.TYPE_CHECKING:

        def _operation(
            self,
            name: str,
            instance: typing.Any,
            request: typing.Any = None,
            *,
            building: bool = False,
        ) -> contextlib.AbstractContextManager[None]: ...

        def _on_host(
            self, task: str, *, listing: bool = False
        ) -> contextlib.AbstractContextManager[None]: ...

        def _guest(self, instance: typing.Any) -> plan.GuestRef: ...

        def _need(self, part: typing.Any, what: str) -> typing.Any: ...

        def _refuse_rescue(self, instance: typing.Any) -> None: ...

        @staticmethod
        def _info(state: plan.GuestState) -> hardware.InstanceInfo: ...

    # -- what is there ----------------------------------------------------

    def get_info(
        self, instance: typing.Any, use_cache: bool = True
    ) -> hardware.InstanceInfo:
        # Not by _operation: to look at a server is not to work on it.
        work = context.Operation("get_info", instance.uuid)
        try:
            with errors.to_nova(instance.uuid), context.operation(work):
                guest = self._guest(instance)
                state = self.backend.guests.state(guest, use_cache=use_cache)
        except nova.exception.HypervisorUnavailable:
            if not self.availability.starting:
                raise
            return hardware.InstanceInfo(state=power_state.NOSTATE)
        return self._info(state)

    def _or_later(self, action: collections.abc.Callable[[], None]) -> None:
        """Do it, or at service start once the platform is there."""
        try:
            action()
        except nova.exception.HypervisorUnavailable as error:
            if not self.availability.starting:
                raise
            LOG.warning("%s It is done when the platform is back.", error)
            self.availability.when_available(action)

    def list_instances(self) -> list[str]:
        with self._on_host("list", listing=True):
            return [guest.name for guest in self.backend.guests.list()]

    def list_instance_uuids(self) -> list[str]:
        with self._on_host("list", listing=True):
            return self.backend.guests.uuids()

    def get_num_instances(self) -> int:
        return len(self.list_instances())

    def instance_on_disk(self, instance: typing.Any) -> bool:
        """Whether disks of a server are within reach, without its guest too."""
        with self._on_host("on_disk"):
            return bool(self.backend.disks.leftovers(planning.server(instance)))

    def instance_exists(self, instance: typing.Any) -> bool:
        with self._on_host("exists"):
            return self.backend.guests.find(planning.server(instance)) is not None

    def get_instance_diagnostics(self, instance: typing.Any) -> typing.Any:
        with self._operation("diagnostics", instance):
            guest = self._guest(instance)
            state = self.backend.guests.state(guest, use_cache=False)
            found = self.backend.guests.diagnostics(guest)
            return diagnostics.of(instance, self.backend.name, state, found)

    def get_diagnostics(self, instance: typing.Any) -> dict[str, typing.Any]:
        with self._operation("diagnostics", instance):
            return dict(self.backend.guests.diagnostics(self._guest(instance)))

    def get_host_cpu_stats(self) -> dict[str, typing.Any]:
        with self._on_host("cpu_stats"):
            return dict(
                self._need(self.backend.host.cpu_stats(), "read processor statistics")
            )

    # -- power ----------------------------------------------------------

    def power_on(
        self,
        context: typing.Any,
        instance: typing.Any,
        network_info: typing.Any,
        block_device_info: typing.Any = None,
        accel_info: typing.Any = None,
        share_info: typing.Any = None,
    ) -> None:
        with self._operation("power_on", instance, context):
            self.backend.guests.power_on(self._guest(instance))

    def power_off(
        self, instance: typing.Any, timeout: int = 0, retry_interval: int = 0
    ) -> None:
        self._refuse_rescue(instance)
        with self._operation("power_off", instance):
            self.backend.guests.power_off(
                self._guest(instance), timeout=timeout, retry_interval=retry_interval
            )

    def reboot(
        self,
        context: typing.Any,
        instance: typing.Any,
        network_info: typing.Any,
        reboot_type: str,
        block_device_info: typing.Any = None,
        bad_volumes_callback: typing.Any = None,
        accel_info: typing.Any = None,
        share_info: typing.Any = None,
    ) -> None:
        with self._operation("reboot", instance, context):
            self.backend.guests.reboot(
                self._guest(instance), hard=reboot_type == "HARD"
            )

    def resume_state_on_host_boot(
        self,
        context: typing.Any,
        instance: typing.Any,
        network_info: typing.Any,
        share_info: typing.Any,
        block_device_info: typing.Any = None,
    ) -> None:
        def resume() -> None:
            with self._operation("resume", instance, context):
                guest = self._guest(instance)
                state = self.backend.guests.state(guest, use_cache=False)
                if state.power_state not in (power_state.RUNNING, power_state.PAUSED):
                    self.backend.guests.power_on(guest)

        self._or_later(resume)

    def pause(self, instance: typing.Any) -> None:
        with self._operation("pause", instance):
            self._need(self.backend.pause, "pause").pause(self._guest(instance))

    def unpause(self, instance: typing.Any) -> None:
        with self._operation("unpause", instance):
            self._need(self.backend.pause, "unpause").unpause(self._guest(instance))

    def trigger_crash_dump(self, instance: typing.Any) -> None:
        with self._operation("crash_dump", instance):
            part = self._need(self.backend.crash_dump, "trigger a crash dump")
            part.trigger(self._guest(instance))

    def get_console_output(self, context: typing.Any, instance: typing.Any) -> str:
        with self._operation("console", instance, context):
            if self.backend.consoles is None:
                # Nova answers 404; NotImplementedError would be a 501.
                raise nova.exception.ConsoleNotAvailable
            return self.backend.consoles.log(self._guest(instance))

    # -- networks ---------------------------------------------------------

    def plug_vifs(self, instance: typing.Any, network_info: typing.Any) -> None:
        def plug() -> None:
            with self._operation("plug_vifs", instance):
                guest = self.backend.guests.find(planning.server(instance))
                if guest is not None:
                    self.backend.networks.ensure(guest, planning.vifs(network_info))

        self._or_later(plug)

    def unplug_vifs(self, instance: typing.Any, network_info: typing.Any) -> None:
        with self._operation("unplug_vifs", instance):
            guest = self.backend.guests.find(planning.server(instance))
            self.backend.networks.unplug(guest, planning.vifs(network_info))

    def attach_interface(
        self,
        context: typing.Any,
        instance: typing.Any,
        image_meta: typing.Any,
        vif: typing.Any,
    ) -> None:
        with self._operation("attach_interface", instance, context):
            self._need(self.backend.hot_plug_networks or None, "attach an interface")
            port = planning.vif(vif)
            networks = self.backend.networks
            networks.check((port,))
            keep_tags = functools.partial(device_tags.write, instance)
            guest = self._guest(instance)
            engine.run(attach_flow.interface(guest, port, networks, keep_tags))

    def detach_interface(
        self, context: typing.Any, instance: typing.Any, vif: typing.Any
    ) -> None:
        with self._operation("detach_interface", instance, context):
            self._need(self.backend.hot_plug_networks or None, "detach an interface")
            vif_wait.deleted(self.virtapi, instance, vif["id"])
            guest = self.backend.guests.find(planning.server(instance))
            self.backend.networks.unplug(guest, (planning.vif(vif),))
            device_tags.forget_port(instance, vif["address"])

    # -- volumes ----------------------------------------------------------

    def get_volume_connector(self, instance: typing.Any) -> dict[str, typing.Any]:
        with (
            self._operation(
                "connector", instance, building=instance.vm_state == vm_states.BUILDING
            ),
            lockutils.lock(f"ibmvirt-connector-{instance.uuid}"),
        ):
            part = self._need(self.backend.volumes, "use volumes")
            server = planning.server(instance)
            guest = self.backend.guests.find(server)
            # A server that goes needs nothing new.
            if instance.task_state != task_states.DELETING and part.incomplete(
                server, guest
            ):
                records.reread(instance)
                records.keep(instance, part.record(planning.server(instance)))
            found = part.connector(planning.server(instance), guest)
            return {**found, "ip": CONF.my_block_storage_ip}

    def failed_spawn_cleanup(self, instance: typing.Any) -> None:
        """A build ended while its volumes were prepared, before its guest."""
        with self._operation("destroy", instance):
            if self.backend.volumes is not None:
                volumes, server = self.backend.volumes, planning.server(instance)
                self._undo(lambda: volumes.abandon(server))

    def attach_volume(
        self,
        context: typing.Any,
        connection_info: typing.Any,
        instance: typing.Any,
        mountpoint: typing.Any,
        disk_bus: typing.Any = None,
        device_type: typing.Any = None,
        encryption: typing.Any = None,
    ) -> None:
        with self._operation("attach_volume", instance, context):
            part = self._need(self.backend.volumes, "attach a volume")
            if encryption:
                raise exceptions.Unsupported(
                    "attach an encrypted volume", "the platform cannot decrypt it"
                )
            volume = planning.volume(connection_info, mountpoint)
            part.check((volume,))
            keep_tags = functools.partial(device_tags.write, instance)
            guest = self._guest(instance)
            engine.run(attach_flow.volume(guest, volume, part, keep_tags))
            # Nova keeps the connection when the volume is attached.
            connection_info["data"].update(part.kept(volume))

    def detach_volume(
        self,
        context: typing.Any,
        connection_info: typing.Any,
        instance: typing.Any,
        mountpoint: typing.Any,
        encryption: typing.Any = None,
    ) -> None:
        with self._operation("detach_volume", instance, context):
            part = self._need(self.backend.volumes, "detach a volume")
            guest = self.backend.guests.find(planning.server(instance))
            if guest is not None:
                part.detach(guest, planning.volume(connection_info, mountpoint))

    def extend_volume(
        self,
        context: typing.Any,
        connection_info: typing.Any,
        instance: typing.Any,
        requested_size: int,
    ) -> None:
        with self._operation("extend_volume", instance, context):
            part = self._need(self.backend.volumes, "extend a volume")
            self._need(self.backend.extend_volumes or None, "extend a volume")
            volume = planning.volume(connection_info, None)
            part.extend(self._guest(instance), volume, requested_size)

    # -- images -----------------------------------------------------------

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
            update_task_state(task_state=task_states.IMAGE_PENDING_UPLOAD)
            try:
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

    @staticmethod
    def _undo(action: collections.abc.Callable[[], typing.Any]) -> None:
        """Take back what may have happened in half; the first error stands."""
        with context.reverting():
            try:
                action()
            except Exception:
                LOG.exception("taking it back failed")
