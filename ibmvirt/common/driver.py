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

"""The shared driver: Nova's calls, handed to flows and capabilities."""

from __future__ import annotations

import dataclasses
import functools
import logging
import typing

import nova.conf
import nova.exception
from nova.virt import driver as nova_driver
from nova.virt import node as nova_node

import ibmvirt
from ibmvirt.common import (
    availability,
    capability,
    demands,
    device_tags,
    driver_devices,
    driver_guests,
    driver_images,
    engine,
    events,
    exceptions,
    images,
    inventory,
    media,
    plan,
    planning,
    records,
    traits,
    unsupported,
    vif_wait,
)
from ibmvirt.common.flows import destroy as destroy_flow
from ibmvirt.common.flows import spawn as spawn_flow

LOG = logging.getLogger(__name__)
CONF = nova.conf.CONF


class BaseDriver(
    driver_guests.Guests,
    driver_devices.Devices,
    driver_images.Images,
    unsupported.Unsupported,
    nova_driver.ComputeDriver,
):
    """What both drivers share. A subclass makes the backend."""

    def __init__(self, virtapi: typing.Any) -> None:
        super().__init__(virtapi)
        self.backend = self.make_backend()
        self.capabilities = traits.capabilities(
            self.backend, nova_driver.ComputeDriver.capabilities
        )
        self.images = images.Images(packed=self.backend.qcow2_images)
        self.reporter = events.Reporter(self.emit_event)
        self.availability = availability.Availability(virtapi)
        LOG.info("%s of ibmvirt %s is loaded", type(self).__name__, ibmvirt.__version__)

    def make_backend(self) -> capability.Backend:
        """The platform's backend; no network is used here."""
        raise NotImplementedError

    # -- the node -------------------------------------------------------

    def init_host(self, host: typing.Any) -> None:
        with self._on_host("init_host"):
            self.reporter.start()
            try:
                self.backend.host.watch(self.availability.changed)
                self.backend.host.start(self.reporter.changed)
            except BaseException:
                self.reporter.stop()
                raise

    def cleanup_host(self, host: typing.Any) -> None:
        try:
            self.backend.host.stop()
        finally:
            self.reporter.stop()

    def process_instances_at_startup(
        self, context: typing.Any, instances: typing.Any
    ) -> typing.Any:
        """Nova goes through them next; what needs the platform may wait."""
        self.availability.starting = True
        return instances

    def get_available_nodes(self, refresh: bool = False) -> list[str]:
        self.availability.starting = False
        with self._on_host("nodes", listing=True):
            return [self.backend.host.node_name()]

    def get_nodenames_by_uuid(self, refresh: bool = False) -> dict[str, str]:
        with self._on_host("nodes", listing=True):
            return {nova_node.get_local_node_uuid(): self.backend.host.node_name()}

    def get_available_resource(self, nodename: typing.Any) -> dict[str, typing.Any]:
        with self._on_host("resources"):
            return inventory.available_resource(
                self.backend.host.resources(), nodename, nova_node.get_local_node_uuid()
            )

    def update_provider_tree(
        self, provider_tree: typing.Any, nodename: str, allocations: typing.Any = None
    ) -> None:
        with self._on_host("resources"):
            current = provider_tree.data(nodename).inventory
            inventory.update_provider_tree(
                provider_tree,
                nodename,
                self.backend.host.resources(),
                self._get_allocation_ratios(current),
                self._get_reserved_host_disk_gb_from_config(),
                self.backend.host.trait_prefixes,
            )

    def get_host_uptime(self) -> str:
        with self._on_host("uptime"):
            return self.backend.host.uptime()

    def get_host_ip_addr(self) -> str:
        with self._on_host("ip_address"):
            return self.backend.host.ip_address()

    # -- life cycle -----------------------------------------------------

    def spawn(
        self,
        context: typing.Any,
        instance: typing.Any,
        image_meta: typing.Any,
        injected_files: typing.Any,
        admin_password: typing.Any,
        allocations: typing.Any,
        network_info: typing.Any = None,
        block_device_info: typing.Any = None,
        power_on: bool = True,
        accel_info: typing.Any = None,
    ) -> None:
        with self._operation("spawn", instance, context, building=True):
            image, source = self._image(
                context, instance, image_meta, block_device_info
            )
            spawn = self._plan_spawn(
                instance, image, network_info, block_device_info, power_on
            )
            demands.check_server(
                instance,
                image_meta,
                injected_files,
                spawn.guest.volumes,
                config_drive=spawn.config_drive,
            )
            tools = spawn_flow.Tools(
                image_source=source,
                make_drive=functools.partial(
                    self._make_drive,
                    instance,
                    injected_files,
                    admin_password,
                    network_info,
                ),
                plug_and_wait=functools.partial(
                    vif_wait.plug_and_wait, self.virtapi, instance
                ),
                keep=functools.partial(records.keep, instance),
            )
            # For its config drive, and later for the metadata service.
            instance.device_metadata = device_tags.of(instance)
            engine.run(spawn_flow.build(spawn, self.backend, tools))
            records.keep_connections(self.backend.volumes, block_device_info)

    def _image(
        self,
        request: typing.Any,
        instance: typing.Any,
        image_meta: typing.Any,
        block_device_info: typing.Any,
    ) -> tuple[plan.Image | None, capability.ImageSource | None]:
        """The server's image, and its bytes unless it boots from a volume."""
        image = planning.image(image_meta, instance)
        if image is None or planning.boots_from_volume(block_device_info):
            return image, None
        source = self.images.source(request, image, instance.trusted_certs)
        # From here on its size is that of the raw disk.
        image = dataclasses.replace(image, size=source.size())
        image = self.backend.disks.inspect(image, source)
        room = instance.flavor.root_gb << 30
        if 0 < room < image.size:
            raise exceptions.InvalidRequest(
                f"use {image.described}",
                f"its disk has {image.size} bytes, the flavor's {room}",
            )
        return image, source

    def _plan_spawn(
        self,
        instance: typing.Any,
        image: plan.Image | None,
        network_info: typing.Any,
        block_device_info: typing.Any,
        power_on: bool,
    ) -> plan.Spawn:
        """Plain values, all of them checked before anything is changed."""
        server = planning.server(instance)
        disks = planning.disks(instance, image, block_device_info)
        from_image = image if any(disk.image for disk in disks) else None
        config_drive = (
            planning.wants_config_drive(instance) or self.backend.config_drive_required
        )
        self.backend.disks.check(disks)
        if config_drive:
            media.check_format()
            self.backend.media.check()
        guest = plan.GuestSpec(
            server=server,
            vcpus=instance.flavor.vcpus,
            memory_mib=instance.flavor.memory_mb,
            disks=disks,
            vifs=planning.vifs(network_info),
            volumes=planning.volumes(block_device_info),
            platform=self.backend.guests.platform(
                server, planning.flavor(instance), image
            ),
        )
        self.backend.guests.check(guest)
        self.backend.networks.check(guest.vifs)
        if guest.volumes:
            self._need(self.backend.volumes, "use volumes").check(guest.volumes)
        settles = self.backend.guests.settles(guest)
        return plan.Spawn(guest, from_image, config_drive, power_on, settles)

    def _make_drive(
        self,
        instance: typing.Any,
        injected_files: typing.Any,
        admin_password: typing.Any,
        network_info: typing.Any,
        server: plan.Server,
        guest: plan.GuestRef,
        management: plan.ManagementVif | None,
    ) -> bytes:
        return media.build(
            instance,
            injected_files,
            admin_password,
            network_info,
            guest_uuid=self.backend.media.guest_uuid(server, guest),
            management=management,
        )

    def destroy(
        self,
        context: typing.Any,
        instance: typing.Any,
        network_info: typing.Any,
        block_device_info: typing.Any = None,
        destroy_disks: bool = True,
        destroy_secrets: bool = True,
    ) -> None:
        self._remove(context, instance, network_info, block_device_info, destroy_disks)

    def cleanup(
        self,
        context: typing.Any,
        instance: typing.Any,
        network_info: typing.Any,
        block_device_info: typing.Any = None,
        destroy_disks: bool = True,
        migrate_data: typing.Any = None,
        destroy_vifs: bool = True,
        destroy_secrets: bool = True,
    ) -> None:
        self._remove(
            context,
            instance,
            network_info,
            block_device_info,
            destroy_disks,
            destroy_vifs,
        )

    def _remove(
        self,
        request: typing.Any,
        instance: typing.Any,
        network_info: typing.Any,
        block_device_info: typing.Any,
        destroy_disks: bool,
        destroy_vifs: bool = True,
    ) -> None:
        with self._operation("destroy", instance, request):
            what = plan.Destroy(
                planning.server(instance),
                planning.vifs(network_info),
                planning.connected_volumes(block_device_info),
                destroy_disks,
                destroy_vifs,
            )
            engine.run(destroy_flow.build(what, self.backend))
