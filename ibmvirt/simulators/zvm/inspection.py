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

"""What the admin API shows of guests and minidisks."""

from __future__ import annotations

import dataclasses
import typing

from ibmvirt.simulators.core import admin, http
from ibmvirt.simulators.zvm import entries, luns, model, storage


def add_routes(control: admin.Admin, zvm: model.Zvm) -> None:
    control.route("GET", "disks/([^/]+)/([^/]+)", lambda u, v, *_q: disk(zvm, u, v))
    luns.add_routes(control, zvm)
    control.route("GET", "guests/([^/]+)", lambda name, *_q: guest(zvm, name))
    control.route("GET", "guests/([^/]+)/drive", lambda name, *_q: drive(zvm, name))
    control.route("GET", "guests", lambda *_q: guests(zvm))


def _blob(zvm: model.Zvm, name: str) -> http.Response:
    return http.Response(
        200,
        zvm.blobs.open(name),
        {"Content-Type": "application/octet-stream"},
        length=zvm.blobs.size(name),
    )


def disk(zvm: model.Zvm, user: str, vdev: str) -> http.Response:
    """The bytes of a minidisk."""
    found = zvm.disks.get(f"{user.upper()}/{model.vdev_of(vdev)}")
    if found is None or not found.blob:
        raise KeyError(f"minidisk {user}/{vdev} with contents")
    return _blob(zvm, found.blob)


def drive(zvm: model.Zvm, name: str) -> http.Response:
    """The config drive that a guest took from its reader."""
    blob = zvm.guests.get(name.upper(), {}).get("config_drive")
    if not blob:
        raise KeyError(f"config drive of {name}")
    return _blob(zvm, blob)


def guests(zvm: model.Zvm) -> list[dict[str, typing.Any]]:
    """Users that are virtual machines, not profiles."""
    return [
        _describe(zvm, user)
        for user in zvm.users.values()
        if user.entry and user.entry[0].startswith("USER ")
    ]


def guest(zvm: model.Zvm, name: str) -> dict[str, typing.Any]:
    """A guest as it sees itself, and as its directory entry has it."""
    user = zvm.users.get(name.upper())
    if user is None:
        raise KeyError(f"guest {name}")
    return _describe(zvm, user)


def _describe(zvm: model.Zvm, user: model.User) -> dict[str, typing.Any]:
    """It may be deleted at this moment."""
    seen = zvm.guests.get(user.name, {})
    state = "paused" if user.paused else "on" if user.on else "off"
    return {
        "name": user.name,
        "state": state,
        "member": user.member,
        "boots": int(zvm.counters.get(f"boots/{user.name}", 0)),
        "memory_mib": entries.memory_mib(user),
        "hostname": seen.get("hostname"),
        "instance_id": seen.get("instance_id"),
        "networks": seen.get("networks", []),
        "config_drive": bool(seen.get("config_drive")),
        "cpus": seen.get("cpus", []) if user.on else [],
        "online_memory_mib": seen.get("memory_mib", 0) if user.on else 0,
        "standby_memory_mib": seen.get("standby_mib", 0) if user.on else 0,
        "volumes": storage.seen_by(zvm, user),
        "ephemeral": seen.get("ephemeral", []),
        "mounts": seen.get("mounts", []),
        "devices": sorted(device.number for device in zvm.dedicated(user)),
        "adapters": _adapters(zvm, user),
        "active_adapters": [dataclasses.asdict(nic) for nic in user.active_nics],
        "storage": [
            {
                "vdev": disk.vdev,
                "type": disk.type,
                "size": disk.size,
                "pool": disk.pool,
                "volume": disk.volume,
                "written": bool(disk.blob),
                "file_system": disk.file_system or None,
            }
            for disk in zvm.disks.values()
            if disk.owner == user.name
        ],
        "reader": [f"{f.name}.{f.type} {f.spool_class}" for f in zvm.reader(user.name)],
        "entry": list(user.entry),
    }


def _adapters(zvm: model.Zvm, user: model.User) -> list[dict[str, typing.Any]]:
    """Adapters by their NICDEF statements; coupled ones have a vswitch."""
    found = []
    for nic in entries.nics_of(user):
        switch = zvm.vswitches.get(nic.switch)
        found.append(
            {
                "id": f"{user.name}/{nic.vdev}",
                "vdev": nic.vdev,
                "mac": nic.mac,
                "vlan": nic.vlan,
                "switch": nic.switch,
                "granted": switch is not None and user.name in dict(switch.grants),
            }
        )
    return found
