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

"""Nova's calls on the ports and volumes of existing servers."""

from __future__ import annotations

import functools
import itertools
import typing

import nova.conf
from nova.compute import task_states, vm_states
from oslo_concurrency import lockutils

from ibmvirt.common import (
    demands,
    device_names,
    device_tags,
    driver_part,
    engine,
    exceptions,
    planning,
    records,
    vif_wait,
)
from ibmvirt.common.flows import attach as attach_flow

CONF = nova.conf.CONF


class Devices(driver_part.DriverPart):
    """A part of BaseDriver; each method builds a flow or asks one capability."""

    # -- networks -------------------------------------------------------

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

    # -- volumes --------------------------------------------------------

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
            volume = planning.volume(connection_info, mountpoint)
            try:
                demands.check_new_volume(volume, encrypted=bool(encryption))
                part.check((volume,))
            except exceptions.InvalidRequest:
                self._undo(lambda: part.decline(self._guest(instance)))
                raise
            keep_tags = functools.partial(device_tags.write, instance)
            guest = self._guest(instance)
            with records.during(instance, part.intent(guest, volume)):
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

    # -- names of block devices ------------------------------------------

    def _names(self) -> device_names.Names:
        return device_names.Names(self.backend.disk_names, self.backend.volume_names)

    def default_root_device_name(
        self, instance: typing.Any, image_meta: typing.Any, root_bdm: typing.Any
    ) -> str:
        return self._names().root(root_bdm)

    def default_device_names_for_instance(
        self,
        instance: typing.Any,
        root_device_name: typing.Any,
        *block_device_lists: typing.Any,
    ) -> None:
        for bdm in self._names().fill(list(itertools.chain(*block_device_lists))):
            bdm.save()

    def get_device_name_for_instance(
        self, instance: typing.Any, bdms: typing.Any, block_device_obj: typing.Any
    ) -> str:
        return self._names().next(block_device_obj, bdms)
