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

"""Nova's diagnostics object from plain values."""

from __future__ import annotations

import typing

from nova import objects

from ibmvirt.common import plan


def of(
    instance: typing.Any,
    platform: str,
    state: plan.GuestState,
    found: plan.Values,
) -> typing.Any:
    """``found`` may give uptime (s), hypervisor_os, num_cpus, memory_max and
    memory_used (MiB), nics (MAC addresses), num_disks. The field ``driver`` is
    left unset: Nova's list of values has neither platform.
    """
    from nova.compute import power_state

    result = objects.Diagnostics(
        state=power_state.STATE_MAP[state.power_state],
        hypervisor=platform,
        hypervisor_os=found.get("hypervisor_os"),
        uptime=found.get("uptime"),
        config_drive=bool(instance.config_drive),
    )
    # Set to 0 by the constructor, whatever it is given.
    result.num_cpus = found.get("num_cpus", instance.flavor.vcpus)
    result.num_disks = found.get("num_disks", 0)
    for mac in found.get("nics", ()):
        result.add_nic(mac_address=mac)
    result.memory_details = objects.MemoryDiagnostics(
        maximum=found.get("memory_max", instance.flavor.memory_mb),
        used=found.get("memory_used"),
    )
    return result
