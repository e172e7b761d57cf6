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


"""Nova's calls for which no backend has a capability yet, refused by name.

Nova's own base class raises NotImplementedError without a text, so that the
user's action says nothing. Each of these leaves the server as it is. Consoles,
passwords and quiesced snapshots are asked for in a request that waits: the
exceptions that Nova has for them make its answer a 4xx.
"""

from __future__ import annotations

import typing

import nova.exception

from ibmvirt.common import driver_part


class Unsupported(driver_part.DriverPart):
    """A part of BaseDriver."""

    def suspend(self, context: typing.Any, instance: typing.Any) -> None:
        self._refuse(f"suspend the server {instance.uuid}")

    def resume(
        self,
        context: typing.Any,
        instance: typing.Any,
        network_info: typing.Any,
        block_device_info: typing.Any = None,
        share_info: typing.Any = None,
    ) -> None:
        self._refuse(f"resume the server {instance.uuid}")

    def rescue(
        self,
        context: typing.Any,
        instance: typing.Any,
        network_info: typing.Any,
        image_meta: typing.Any,
        rescue_password: typing.Any,
        block_device_info: typing.Any,
        share_info: typing.Any,
    ) -> None:
        self._refuse(f"rescue the server {instance.uuid}")

    def unrescue(self, context: typing.Any, instance: typing.Any) -> None:
        self._refuse(f"unrescue the server {instance.uuid}")

    def migrate_disk_and_power_off(
        self,
        context: typing.Any,
        instance: typing.Any,
        dest: typing.Any,
        flavor: typing.Any,
        network_info: typing.Any,
        block_device_info: typing.Any = None,
        timeout: int = 0,
        retry_interval: int = 0,
    ) -> typing.Any:
        self._refuse(f"resize or migrate the server {instance.uuid}")

    def swap_volume(
        self,
        context: typing.Any,
        old_connection_info: typing.Any,
        new_connection_info: typing.Any,
        instance: typing.Any,
        mountpoint: typing.Any,
        resize_to: typing.Any,
    ) -> None:
        self._refuse(f"swap a volume of the server {instance.uuid}")

    def check_can_live_migrate_destination(
        self,
        context: typing.Any,
        instance: typing.Any,
        src_compute_info: typing.Any,
        dst_compute_info: typing.Any,
        block_migration: typing.Any = False,
        disk_over_commit: typing.Any = False,
    ) -> typing.Any:
        # After any other error Nova calls the server, which runs on, ERROR.
        raise nova.exception.MigrationPreCheckError(
            reason=self._refusal(f"live migrate the server {instance.uuid}")
        )

    # -- consoles and passwords: requests that wait ------------------------

    @staticmethod
    def _no_console(kind: str) -> typing.NoReturn:
        raise nova.exception.ConsoleTypeUnavailable(console_type=kind)

    def get_vnc_console(self, context: typing.Any, instance: typing.Any) -> typing.Any:
        self._no_console("VNC")

    def get_spice_console(
        self, context: typing.Any, instance: typing.Any
    ) -> typing.Any:
        self._no_console("SPICE")

    def get_serial_console(
        self, context: typing.Any, instance: typing.Any
    ) -> typing.Any:
        self._no_console("serial")

    def get_mks_console(self, context: typing.Any, instance: typing.Any) -> typing.Any:
        self._no_console("MKS")

    def set_admin_password(self, instance: typing.Any, new_pass: typing.Any) -> None:
        raise nova.exception.SetAdminPasswdNotSupported

    # -- quiesced snapshots of servers that boot from a volume -------------

    def quiesce(
        self, context: typing.Any, instance: typing.Any, image_meta: typing.Any
    ) -> None:
        raise nova.exception.InstanceQuiesceNotSupported(instance_id=instance.uuid)

    def unquiesce(
        self, context: typing.Any, instance: typing.Any, image_meta: typing.Any
    ) -> None:
        raise nova.exception.InstanceQuiesceNotSupported(instance_id=instance.uuid)
