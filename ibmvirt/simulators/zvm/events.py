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

Fields = dict[str, typing.Any]


def register(zvm: model.Zvm) -> None:
    """Offer the actions of ``POST /sim/world`` and the checks of verify."""

    def device_of(fields: Fields) -> model.RealDevice:
        """An FCP device by its number, of the member that is named or the first."""
        number = _text(fields, "device").zfill(4)
        member = member_of(fields)
        found = zvm.devices.get(f"{member}/{number}")
        if found is None:
            raise KeyError(f"device {number} of {member}")
        if found.kind != "fcp":
            raise ValueError(f"device: {number} is no FCP device")
        return typing.cast(model.RealDevice, found)

    def member_of(fields: Fields) -> str:
        """The member that is named, or the first."""
        member = _text(fields, "member") if "member" in fields else zvm.members[0]
        if member not in zvm.members:
            raise ValueError(f"member: must be one of {zvm.members}")
        return member

    def user_of(fields: Fields) -> model.User:
        name = _text(fields, "user")
        found = zvm.users.get(name)
        if found is None:
            raise KeyError(f"user {name}")
        return typing.cast(model.User, found)

    def fcp_path(fields: Fields) -> None:
        _only(fields, "device", "lost", "member")
        device = device_of(fields)
        if not isinstance(fields.get("lost"), bool):
            raise ValueError("lost: must be true or false")
        zvm.put_device(device.changed(offline=fields["lost"]))

    def pool_full(fields: Fields) -> None:
        _only(fields, "pool")
        name = _text(fields, "pool")
        pool = zvm.pools.get(name)
        if pool is None:
            raise KeyError(f"pool {name}")
        volumes = tuple(
            dataclasses.replace(
                volume,
                size=max(
                    (d.start + d.size for d in zvm.used(pool.name, volume.name)),
                    default=1,
                ),
            )
            for volume in pool.volumes
        )
        zvm.pools[pool.name] = dataclasses.replace(pool, volumes=volumes)

    def log_off(fields: Fields) -> None:
        _only(fields, "user")
        user = user_of(fields)
        if not user.on:
            raise ValueError(f"user: {user.name} is not logged on")
        guest.log_off(zvm, user, "HCPGSP2627I The virtual machine is forced off")

    def log_on(fields: Fields) -> None:
        _only(fields, "user", "member")
        user, member = user_of(fields), member_of(fields)
        if user.on:
            raise ValueError(f"user: {user.name} is logged on")
        guest.log_on(zvm, user, member)

    def multipath(fields: Fields) -> None:
        _only(fields, "user", "running", "flushes")
        name = user_of(fields).name
        given = {key: fields[key] for key in ("running", "flushes") if key in fields}
        if not given:
            raise ValueError("running: one of running and flushes must be given")
        for key, value in given.items():
            if not isinstance(value, bool):
                raise ValueError(f"{key}: must be true or false")
        seen = zvm.guests.get(name, {})
        zvm.guests[name] = {
            **seen,
            "multipath": given.get("running", seen.get("multipath", True)),
            "flushes": given.get("flushes", seen.get("flushes", True)),
        }

    for action in (
        fcp_path, pool_full, log_on, log_off, multipath,
    ):  # fmt: skip
        zvm.world.action(action.__name__, action)
    zvm.world.check(lambda: faults(zvm))


def _only(fields: Fields, *known: str) -> None:
    for name in fields:
        if name not in known:
            raise ValueError(f"{name}: unknown field; known are {sorted(known)}")


def _text(fields: Fields, name: str) -> str:
    """A name or number, in upper case as z/VM has it."""
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name}: must be a text")
    return value.upper()


def faults(zvm: model.Zvm) -> list[str]:
    """What must never be: empty on a sound z/VM."""
    found = []
    for pool in zvm.pools.values():
        for one, next_one in itertools.pairwise(zvm.used(pool.name)):
            same = one.volume == next_one.volume
            if same and one.start + one.size > next_one.start:
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
    for link in zvm.links.values():
        found.append(f"{link.owner} {link.vdev} is still linked as {link.node}")
    for file in zvm.spool.values():
        if file.queue not in zvm.users:
            found.append(f"spool file {file.number} of {file.queue}, who is not there")
    return found
