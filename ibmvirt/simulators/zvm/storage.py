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

# How the Connector's scripts end (documented: volumeops/templates).
NO_MULTIPATH = 1
WRONG_PARAMETERS = 2
NO_PORT = 3
NO_PATH = 4
NOT_FLUSHED = 5

Seen = dict[str, typing.Any]

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


def attach(
    zvm: model.Zvm, user: model.User, wanted: Wanted, target: str, seen: Seen
) -> int:
    """The attach script: it sets the devices online and lets Linux look for LUNs.

    :param seen: what the guest has; ``fcp_online`` are the devices that Linux
        has set online, ``luns`` the numbers of the LUNs that it knows,
        ``multipath`` whether multipathd runs.
    :returns: what the script ends with.
    """
    if not seen.get("multipath", True):
        return NO_MULTIPATH
    if not wanted.devices:
        return WRONG_PARAMETERS
    there = {device.vdev for device in attached(zvm, user, wanted.devices)}
    seen["fcp_online"] = sorted({*seen.get("fcp_online", []), *there})
    scan(zvm, user, seen)
    status = _status(zvm, user, wanted, seen)
    if not status:
        seen["volumes"] = [
            *_others(wanted, seen),
            {**wanted.export(), "target": target},
        ]
    return status


def detach(
    zvm: model.Zvm, user: model.User, wanted: Wanted, last: bool, seen: Seen
) -> int:
    """The detach script: Linux forgets the LUN, and sets the devices of the last
    one offline. Where it does not have them, it changes nothing.

    :param seen: as for :func:`attach`; ``flushes`` is whether ``multipath -f``
        can flush a map.
    :returns: what the script ends with.
    """
    if not seen.get("multipath", True):
        return NO_MULTIPATH
    status = _status(zvm, user, wanted, seen)
    if not status and not seen.get("flushes", True):
        return NOT_FLUSHED
    if not status:
        gone = {lun.number for _device, _port, lun in paths(zvm, user, wanted)}
        seen["luns"] = [number for number in seen["luns"] if number not in gone]
        seen["volumes"] = _others(wanted, seen)
        if last:
            seen["fcp_online"] = _without(seen["fcp_online"], wanted.devices)
    return status


def scan(zvm: model.Zvm, user: model.User, seen: Seen) -> None:
    """Linux finds every LUN that is shown to a device with a port of its own."""
    seen["luns"] = sorted(
        lun.number
        for lun in zvm.luns.values()
        if any(
            lun.shown_to(device)
            for device in _online(zvm, user, tuple(seen.get("fcp_online", [])))
        )
    )


def taken_away(seen: Seen, vdev: str) -> Seen:
    """A device that comes back to a running Linux is not online by itself."""
    return {**seen, "fcp_online": _without(seen.get("fcp_online", []), (vdev,))}


def _without(devices: list[str], gone: typing.Collection[str]) -> list[str]:
    return [device for device in devices if device not in gone]


def _others(wanted: Wanted, seen: Seen) -> list[dict[str, typing.Any]]:
    return [v for v in seen.get("volumes", []) if not wanted.is_of(v)]


def _status(zvm: model.Zvm, user: model.User, wanted: Wanted, seen: Seen) -> int:
    """Whether Linux finds the ports and the LUN."""
    online = tuple(d for d in wanted.devices if d in seen.get("fcp_online", []))
    found = dataclasses.replace(wanted, devices=online)
    ports = {wwpn for lun in zvm.luns.values() for wwpn in lun.targets}
    reached = [w for w in wanted.wwpns if plain(w) in ports]
    if not reached or not _online(zvm, user, online):
        return NO_PORT
    known = seen.get("luns", [])
    ways = [lun for _device, _port, lun in paths(zvm, user, found)]
    return 0 if any(lun.number in known for lun in ways) else NO_PATH


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
