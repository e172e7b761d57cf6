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

from ibmvirt.simulators.zvm import guest, model
from ibmvirt.simulators.zvm.codes import refuse
from ibmvirt.simulators.zvm.commands.base import Arguments, Caller, Result, api, tool


@api("System_WWPN_Query")
def wwpns(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    """Six lines a device (documented: getVM.extract_fcp_data)."""
    return "".join(
        f"FCP device number: {device.number}\n"
        f"Status: {_state(device)}\n"
        f"NPIV world wide port number: {device.wwpn}\n"
        f"Channel path ID: {device.chpid}\n"
        f"Physical world wide port number: {device.physical_wwpn}\n"
        f"Owner: {device.owner or 'NONE'}\n"
        for device in zvm.real_devices("fcp")
    )


def _state(device: model.RealDevice) -> str:
    if device.offline:
        return "Offline"
    return "Active" if device.owner else "Free"


@api("Virtual_Network_OSA_Query")
def osas(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    found = zvm.real_devices("osa")
    if not found:
        raise refuse("no_osa")
    return "".join(
        f"OSA Address: {device.number}\n"
        f"OSA Status: {f'ATT {device.owner}' if device.owner else 'FREE'}\n"
        f"OSA Type: OSA\nCHPID Address: {device.chpid}\nAgent Status: NO\n"
        for device in found
    )


@api("Image_Device_Dedicate_DM")
def dedicate(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    user = zvm.unlocked(args.user())
    vdev, real = model.vdev_of(args.flag("-v")), model.vdev_of(args.flag("-r"))
    if any(line.startswith(f"DEDICATE {vdev} ") for line in user.entry):
        raise refuse("device_exists", user=user.name, vdev=vdev)
    zvm.put(user.changed(entry=(*user.entry, f"DEDICATE {vdev} {real}")))
    return ""


@api("Image_Device_Undedicate_DM")
def undedicate(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    user = zvm.unlocked(args.user())
    prefix = f"DEDICATE {model.vdev_of(args.flag('-v'))} "
    kept = tuple(line for line in user.entry if not line.upper().startswith(prefix))
    if kept == user.entry:
        raise refuse("no_device", user=user.name, vdev=args.flag("-v"))
    zvm.put(user.changed(entry=kept))
    return ""


@api("Image_Device_Dedicate")
def attach(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    user = zvm.user(args.user())
    if not user.on:
        raise refuse("not_on", user=user.name)
    real = model.vdev_of(args.flag("-r"))
    found = zvm.devices.get(real)
    if found is None or found.offline:
        raise refuse("no_real_device", real=real)
    if found.owner:
        raise refuse("device_taken", real=real, owner=found.owner)
    zvm.devices[real] = found.changed(
        owner=user.name, vdev=model.vdev_of(args.flag("-v"))
    )
    return ""


@api("Image_Device_Undedicate")
def detach(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    user = zvm.user(args.user())
    if not user.on:
        raise refuse("not_on", user=user.name)
    vdev = model.vdev_of(args.flag("-v"))
    for device in list(zvm.devices.values()):
        if device.owner == user.name and device.vdev == vdev:
            zvm.devices[device.number] = device.changed(owner="", vdev="")
            return ""
    raise refuse("no_device", user=user.name, vdev=vdev)


@tool("refresh_bootmap")
def refresh_bootmap(zvm: model.Zvm, caller: Caller, words: list[str]) -> Result:
    """The paths of a boot volume: every FCP device that is there and online."""
    options = dict(
        word[2:].partition("=")[::2] for word in words if word.startswith("--")
    )
    known = {"fcpchannel", "wwpn", "lun", "wwid", "minfcp"}
    unknown = sorted(set(options) - known)
    if unknown:
        return Result(2, f"Exit MSG: the option --{unknown[0]} is not known here\n")
    channels = [model.vdev_of(c) for c in options.get("fcpchannel", "").split(",")]
    ports = [w.lower().removeprefix("0x") for w in options.get("wwpn", "").split(",")]
    good = [
        channel
        for channel in channels
        if (device := zvm.devices.get(channel)) and not device.offline
    ]
    if not good or len(good) < int(options.get("minfcp") or 0):
        return Result(
            5, f"Exit MSG: {len(good)} of {len(channels)} FCP devices have a path\n"
        )
    paths = ",".join(f"{channel}:{' '.join(ports)}" for channel in good)
    return Result(0, f"RESULT PATHS: {paths}\n")


@api("VMRELOCATE")
def relocate(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    """TEST or MOVE a guest to another member of the cluster."""
    user = zvm.user(args.user())
    action, target = args.key("action").upper(), args.key("destination").upper()
    if action not in ("TEST", "MOVE"):
        raise refuse("bad_definition", text=f"action={action}")
    if not user.on:
        raise refuse("cannot_relocate", code="HCPRLH045E", why="not logged on")
    if target not in zvm.members:
        raise refuse("cannot_relocate", code="HCPRLI1982E", why=f"no member {target}")
    if target == user.member:
        raise refuse("cannot_relocate", code="HCPRLI1981E", why="it is there already")
    if guest.dedicated(zvm, user):
        raise refuse(
            "cannot_relocate", code="HCPRLL1940E", why="it has a dedicated device"
        )
    if action == "MOVE":
        zvm.say(user.name, f"{user.name} relocated to {target}")
        zvm.put(user.changed(member=target))
    return ""
