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

"""Volumes of a storage system on the Fibre Channel fabric.

A volume is a LUN behind target ports, shown to all initiators or to some. A
guest has a path where an FCP device of its own that is online, a target port
and the LUN meet.
"""

from __future__ import annotations

import dataclasses
import re
import typing

from ibmvirt.simulators.zvm import model

# How the Connector's attach script ends (documented: volumeops/templates).
WRONG_PARAMETERS = 2
NO_PORT = 3
NO_PATH = 4

_LUN = re.compile(r"0x[0-9a-f]{16}")
_WWPN = re.compile(r"[0-9a-f]{16}")


def lun_of(given: object) -> str:
    """A LUN as zfcp has it: 0x and 16 digits, or a number in front of zeros.

    :raises ValueError: it is neither.
    """
    if isinstance(given, int) and not isinstance(given, bool) and 0 <= given < 1 << 16:
        return f"0x{given:04x}{0:012x}"
    text = str(given).lower()
    if _LUN.fullmatch(text) is None:
        raise ValueError(f"lun: {given!r} is not 0x and 16 hexadecimal digits")
    return text


def ports_of(given: typing.Iterable[object], field: str) -> tuple[str, ...]:
    """WWPNs as they are compared. :raises ValueError: names the field."""
    found = tuple(plain(str(wwpn)) for wwpn in given)
    for wwpn in found:
        if _WWPN.fullmatch(wwpn) is None:
            raise ValueError(f"{field}: {wwpn!r} is not 16 hexadecimal digits")
    return found


def add(
    zvm: model.Zvm,
    lun: object,
    targets: typing.Iterable[object],
    size_mib: int = 1024,
    initiators: typing.Iterable[object] = (),
    blob: str = "",
) -> model.Lun:
    """A new LUN.

    :raises ValueError: names the field; the LUN is there, or a value is wrong.
    """
    found = model.Lun(
        int(zvm.counters.get("lun", 0)) + 1,
        lun_of(lun),
        ports_of(targets, "targets"),
        size_mib,
        ports_of(initiators, "initiators"),
        blob,
    )
    if not found.targets:
        raise ValueError("targets: a LUN needs a target port")
    for other in zvm.luns.values():
        if other.lun == found.lun and set(other.targets) & set(found.targets):
            raise ValueError(f"lun: {found.lun} is there behind these targets")
    zvm.counters["lun"] = found.number
    zvm.luns[str(found.number)] = found
    return found


def plain(wwpn: str) -> str:
    """A WWPN in lower case, without 0x and colons."""
    return wwpn.lower().removeprefix("0x").replace(":", "")


@dataclasses.dataclass(frozen=True)
class Wanted:
    """A volume as a guest configures it: its devices, target ports, LUN."""

    devices: tuple[str, ...]
    wwpns: tuple[str, ...]
    lun: str

    def is_of(self, volume: dict[str, typing.Any]) -> bool:
        return (volume["lun"], tuple(volume["wwpns"])) == (self.lun, self.wwpns)

    def export(self) -> dict[str, typing.Any]:
        return {
            "lun": self.lun,
            "wwpns": list(self.wwpns),
            "devices": list(self.devices),
        }


def attached(
    zvm: model.Zvm, user: model.User, devices: tuple[str, ...]
) -> list[model.RealDevice]:
    """The FCP devices that a running user has under these virtual numbers."""
    return [
        device
        for device in zvm.dedicated(user)
        if device.kind == "fcp" and device.vdev in devices
    ]


def _online(
    zvm: model.Zvm, user: model.User, devices: tuple[str, ...]
) -> list[model.RealDevice]:
    """Those of them that work."""
    return [d for d in attached(zvm, user, devices) if not d.offline]


def paths(
    zvm: model.Zvm, user: model.User, wanted: Wanted
) -> list[tuple[str, str, model.Lun]]:
    """Device, target port and LUN of each path that a guest has."""
    return [
        (device.vdev, wwpn, lun)
        for device in _online(zvm, user, wanted.devices)
        for wwpn in wanted.wwpns
        for lun in zvm.luns.values()
        if lun.lun == wanted.lun and plain(wwpn) in lun.targets and lun.shown_to(device)
    ]


def status(zvm: model.Zvm, user: model.User, wanted: Wanted) -> int:
    """What the attach script ends with."""
    if not wanted.devices:
        return WRONG_PARAMETERS
    ports = {wwpn for lun in zvm.luns.values() for wwpn in lun.targets}
    reached = [w for w in wanted.wwpns if plain(w) in ports]
    if not reached or not _online(zvm, user, wanted.devices):
        return NO_PORT
    return 0 if paths(zvm, user, wanted) else NO_PATH


def seen_by(zvm: model.Zvm, user: model.User) -> list[dict[str, typing.Any]]:
    """The volumes that a guest has configured, with the paths of this moment."""
    found = []
    for volume in zvm.guests.get(user.name, {}).get("volumes", []):
        wanted = Wanted(tuple(volume["devices"]), tuple(volume["wwpns"]), volume["lun"])
        ways = paths(zvm, user, wanted) if user.on else []
        found.append(
            {
                "lun": volume["lun"],
                "wwpns": volume["wwpns"],
                "target": volume["target"],
                "number": ways[0][2].number if ways else None,
                "fcp": sorted({device for device, _wwpn, _lun in ways}),
                "paths": [[device, wwpn] for device, wwpn, _lun in ways],
            }
        )
    return found
