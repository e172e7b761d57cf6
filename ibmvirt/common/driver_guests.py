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

"""Nova's calls on guests: what is there, power, consoles."""

from __future__ import annotations

import logging
import typing

import nova.exception
from nova.compute import power_state, task_states
from nova.virt import hardware

from ibmvirt.common import (
    context,
    diagnostics,
    driver_part,
    errors,
    planning,
)

LOG = logging.getLogger(__name__)


class Guests(driver_part.DriverPart):
    """A part of BaseDriver; each method asks one capability."""

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
        return hardware.InstanceInfo(
            state=state.power_state, internal_id=state.internal_id
        )

    def list_instances(self) -> list[str]:
        with self._on_host("list", listing=True):
            return [guest.name for guest in self.backend.guests.list()]

    def list_instance_uuids(self) -> list[str]:
        with self._on_host("list", listing=True):
            return self.backend.guests.uuids()

    def get_num_instances(self) -> int:
        return len(self.list_instances())

    def instance_exists(self, instance: typing.Any) -> bool:
        with self._on_host("exists"):
            return self.backend.guests.find(planning.server(instance)) is not None

    def instance_on_disk(self, instance: typing.Any) -> bool:
        """Whether disks of a server are within reach, without its guest too."""
        with self._on_host("on_disk"):
            return self.backend.disks.within_reach(planning.server(instance))

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
            guest = self.backend.guests.find(planning.server(instance))
            if guest is None and instance.task_state == task_states.REBUILDING:
                # A rebuild that failed has removed it. Of InstanceNotFound Nova
                # makes a server that stays in this rebuild for ever.
                LOG.info("%s has no guest to stop before it is rebuilt", instance.uuid)
                return
            self.backend.guests.power_off(
                guest or self._guest(instance),
                timeout=timeout,
                retry_interval=retry_interval,
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
