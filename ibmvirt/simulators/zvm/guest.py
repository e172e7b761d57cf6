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

"""A virtual machine at log-on and log-off, and the Linux that it boots."""

from __future__ import annotations

import typing

from ibmvirt.simulators.zvm import entries, model, reader, storage


def log_off(zvm: model.Zvm, user: model.User, text: str) -> None:
    """What the user had of the system goes back to it."""
    zvm.say(user.name, text)
    for device in zvm.dedicated(user):
        zvm.put_device(device.changed(owner="", vdev=""))
    seen = {**zvm.guests.get(user.name, {}), "restarting": False}
    zvm.guests[user.name] = seen
    zvm.put(user.changed(on=False, paused=False, member="", active_nics=()))


def _take_devices(zvm: model.Zvm, user: model.User, member: str) -> None:
    """DEDICATE statements take effect; a device that is away is told of."""
    for words in user.statements("DEDICATE"):
        if len(words) < 3:
            zvm.say(user.name, f"HCPLGA002E Invalid operand - {' '.join(words)}")
            continue
        vdev, real = words[1].upper().zfill(4), words[2].upper().zfill(4)
        device = zvm.devices.get(f"{member}/{real}")
        if device is None or device.offline or device.owner not in ("", user.name):
            zvm.say(user.name, f"HCPLGA1556E {vdev} not attached: {real} is not free")
        else:
            zvm.put_device(device.changed(owner=user.name, vdev=vdev))


def _couple(zvm: model.Zvm, user: model.User) -> tuple[model.Nic, ...]:
    """NICDEF statements take effect; a wrong vswitch or VLAN is told of, and an
    address that another running user has."""
    nics = []
    for nic in entries.nics_of(user):
        holder = zvm.holder_of(nic.mac, user.name)
        if holder is not None:
            text = f"HCPLGA2797E {nic.vdev} not created: {nic.mac} is {holder}'s"
            zvm.say(user.name, text)
            continue
        switch = zvm.vswitches.get(nic.switch)
        good = switch is not None and (switch.vlan_aware or not nic.vlan)
        if nic.switch and not good:
            zvm.say(user.name, f"HCPLGA2784E {nic.vdev} not coupled to {nic.switch}")
            nic = model.Nic(nic.vdev, nic.mac)
        nics.append(nic)
    return tuple(nics)


def root_disk(zvm: model.Zvm, user: model.User) -> model.Minidisk | None:
    """The minidisk that the entry IPLs."""
    found = zvm.disks.get(f"{user.name}/{entries.ipl_of(user)}")
    return found if isinstance(found, model.Minidisk) else None


def log_on(zvm: model.Zvm, user: model.User, member: str) -> None:
    """Devices and adapters are there, and the IPL begins."""
    name = user.name
    seen = {
        **zvm.guests.get(name, {}),
        "cpus": entries.cpus_of(user),
        "memory_mib": entries.memory_mib(user),
        "standby_mib": 0,
        "since": zvm.instruments.clock.now(),
    }
    zvm.guests[name] = seen
    _take_devices(zvm, user, member)
    running = user.changed(
        on=True, paused=False, member=member, active_nics=_couple(zvm, user)
    )
    zvm.put(running)
    boot(zvm, running)


def boot(zvm: model.Zvm, user: model.User) -> None:
    """Linux starts, again too: the reader is processed, the console fills."""
    name = user.name
    boots = f"boots/{name}"
    zvm.counters[boots] = int(zvm.counters.get(boots, 0)) + 1
    zvm.say(name, f"00: IPL {entries.ipl_of(user)}\nBooting Linux on {name}")
    seen: dict[str, typing.Any] = {
        "hostname": name.lower(),
        "networks": [],
        "config_drive": None,
        **zvm.guests.get(name, {}),
        "restarting": False,
    }
    storage.scan(zvm, user, seen)
    reader.process(zvm, user, seen)
    zvm.guests[name] = seen
    for network in seen["networks"]:
        zvm.say(name, f"{network['vdev']}: {network['address']} configured")
    zvm.say(name, f"{seen['hostname']} login:")
