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

"""What happens to a z/VM from outside, and what is true of it at any time."""

from __future__ import annotations

import dataclasses
import itertools
import typing

from ibmvirt.simulators.zvm import guest, model


def register(zvm: model.Zvm) -> None:
    """Offer the actions of ``POST /sim/world`` and the checks of verify."""

    def fcp_path(fields: dict[str, typing.Any]) -> None:
        number = model.vdev_of(str(fields["device"]))
        device = zvm.devices[number]
        if device.kind != "fcp":
            raise ValueError(f"device: {number} is no FCP device")
        if not isinstance(fields.get("lost"), bool):
            raise ValueError("lost: must be true or false")
        zvm.devices[number] = device.changed(offline=fields["lost"])

    def pool_full(fields: dict[str, typing.Any]) -> None:
        pool = zvm.pools[str(fields["pool"]).upper()]
        used = zvm.used(pool.name)
        end = max((disk.start + disk.size for disk in used), default=1)
        zvm.pools[pool.name] = dataclasses.replace(pool, size=end)

    def log_off(fields: dict[str, typing.Any]) -> None:
        user = zvm.users[str(fields["user"]).upper()]
        if not user.on:
            raise ValueError(f"user: {user.name} is not logged on")
        guest.log_off(zvm, user, "HCPGSP2627I The virtual machine is forced off")

    zvm.world.action("fcp_path", fcp_path)
    zvm.world.action("pool_full", pool_full)
    zvm.world.action("log_off", log_off)
    zvm.world.check(lambda: faults(zvm))


def faults(zvm: model.Zvm) -> list[str]:
    """What must never be: empty on a sound z/VM."""
    found = []
    for pool in zvm.pools.values():
        for one, next_one in itertools.pairwise(zvm.used(pool.name)):
            if one.start + one.size > next_one.start:
                found.append(
                    f"{pool.name}: {one.owner} {one.vdev} and "
                    f"{next_one.owner} {next_one.vdev} overlap"
                )
    for disk in zvm.disks.values():
        user = zvm.users.get(disk.owner)
        statement = f"MDISK {disk.vdev} "
        if user is None:
            found.append(f"minidisk {disk.vdev} of {disk.owner}, who is not there")
        elif not any(line.startswith(statement) for line in user.entry):
            found.append(f"{disk.owner} has no statement for minidisk {disk.vdev}")
    for device in zvm.devices.values():
        owner = zvm.users.get(device.owner)
        if device.owner and (owner is None or not owner.on):
            found.append(f"{device.number} belongs to {device.owner}, who is not on")
    for file in zvm.spool.values():
        if file.queue not in zvm.users:
            found.append(f"spool file {file.number} of {file.queue}, who is not there")
    return found
