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

"""FCP devices and OSAs: queried, dedicated, given back."""

from __future__ import annotations

from ibmvirt.simulators.zvm import model, storage
from ibmvirt.simulators.zvm.codes import refuse
from ibmvirt.simulators.zvm.commands.base import ASSUMED, Arguments, Caller, api


@api("System_WWPN_Query", "-T", "OWNER")
def wwpns(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    """Six lines a device (documented: getVM.extract_fcp_data)."""
    return "".join(
        f"FCP device number: {device.number}\n"
        f"Status: {_state(device)}\n"
        f"NPIV world wide port number: {device.wwpn}\n"
        f"Channel path ID: {device.chpid}\n"
        f"Physical world wide port number: {device.physical_wwpn}\n"
        f"Owner: {device.owner or 'NONE'}\n"
        for device in zvm.real_devices(caller.member, "fcp")
    )


def _state(device: model.RealDevice) -> str:
    if device.offline:
        return "Offline"
    return "Active" if device.owner else "Free"


@api("Virtual_Network_OSA_Query")
def osas(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    found = zvm.real_devices(caller.member, "osa")
    if not found:
        raise refuse("no_osa")
    return "".join(
        f"OSA Address: {device.number}\n"
        f"OSA Status: {f'ATT {device.owner}' if device.owner else 'FREE'}\n"
        f"OSA Type: OSA\nCHPID Address: {device.chpid}\nAgent Status: NO\n"
        for device in found
    )


@api("Image_Device_Dedicate_DM", "-T -v -r -R")
def dedicate(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    user = zvm.unlocked(args.user())
    vdev, real = model.vdev_of(args.flag("-v")), model.vdev_of(args.flag("-r"))
    if user.statements("DEDICATE", vdev):
        raise refuse("device_exists", user=user.name, vdev=vdev)
    zvm.put(user.changed(entry=(*user.entry, f"DEDICATE {vdev} {real}")))
    return ""


@api("Image_Device_Undedicate_DM", "-T -v")
def undedicate(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    user = zvm.unlocked(args.user())
    vdev = model.vdev_of(args.flag("-v"))
    kept = tuple(line for line in user.entry if not _dedicates(line, vdev))
    if kept == user.entry:
        raise refuse("no_device", user=user.name, vdev=vdev)
    zvm.put(user.changed(entry=kept))
    return ""


def _dedicates(line: str, vdev: str) -> bool:
    words = line.upper().split()
    return words[:1] == ["DEDICATE"] and "".join(words[1:2]).zfill(4) == vdev


@api("Image_Device_Dedicate", "-T -v -r -R", refusals=ASSUMED)
def attach(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    user = zvm.running(args.user(), caller.member)
    vdev, real = model.vdev_of(args.flag("-v")), model.vdev_of(args.flag("-r"))
    found = zvm.devices.get(f"{caller.member}/{real}")
    if found is None or found.offline:
        raise refuse("no_real_device", real=real)
    if found.owner:
        raise refuse("device_taken", real=real, owner=found.owner)
    if any(device.vdev == vdev for device in zvm.dedicated(user)):
        raise refuse("active_device_exists", user=user.name, vdev=vdev)
    zvm.put_device(found.changed(owner=user.name, vdev=vdev))
    return ""


@api("Image_Device_Undedicate", "-T -v")
def detach(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    user = zvm.running(args.user(), caller.member)
    vdev = model.vdev_of(args.flag("-v"))
    for device in zvm.dedicated(user):
        if device.vdev == vdev:
            zvm.put_device(device.changed(owner="", vdev=""))
            seen = zvm.guests.get(user.name, {})
            zvm.guests[user.name] = storage.taken_away(seen, vdev)
            return ""
    raise refuse("no_active_device", user=user.name, vdev=vdev)
