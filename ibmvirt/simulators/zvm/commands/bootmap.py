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

"""refresh_bootmap: a volume with a boot loader gets its boot map."""

from __future__ import annotations

from ibmvirt.simulators.zvm import model, storage
from ibmvirt.simulators.zvm.commands.base import ASSUMED, Caller, Result, tool

_OPTIONS = {"fcpchannel", "wwpn", "lun", "wwid", "minfcp"}


@tool("refresh_bootmap", refusals=ASSUMED)
def refresh_bootmap(zvm: model.Zvm, caller: Caller, words: list[str]) -> Result:
    """The paths by which the Connector's Linux reaches a boot volume."""
    options: dict[str, str] = {}
    for word in words:
        name, _, value = word.removeprefix("--").partition("=")
        if not word.startswith("--") or name not in _OPTIONS:
            text = f"Exit MSG: the option {word} is not known here\n"
            return Result(2, text, unknown=f"refresh_bootmap {word}")
        options[name] = value
    devices = [
        device
        for number in options.get("fcpchannel", "").split(",")
        if (device := zvm.devices.get(f"{caller.member}/{number.upper().zfill(4)}"))
        is not None
        and device.kind == "fcp"
        and not device.offline
        and not device.owner
    ]
    wwpns = [storage.plain(wwpn) for wwpn in options.get("wwpn", "").split(",")]
    lun = f"0x{storage.plain(options.get('lun', ''))}"
    ways = {
        device.number: [
            wwpn
            for wwpn in wwpns
            if any(
                found.lun == lun and wwpn in found.targets and found.shown_to(device)
                for found in zvm.luns.values()
            )
        ]
        for device in devices
    }
    good = {number: found for number, found in ways.items() if found}
    least = options.get("minfcp") or "0"
    if not good or not least.isdigit() or len(good) < int(least):
        text = f"Exit MSG: {len(good)} FCP devices have a path, {least} are wanted\n"
        return Result(5, text)
    paths = ",".join(f"{number}:{' '.join(found)}" for number, found in good.items())
    return Result(0, f"RESULT PATHS: {paths}\n")
