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

"""What a Cinder connection says of a Fibre Channel volume, as zfcp has it."""

from __future__ import annotations

import typing

from ibmvirt.common import exceptions, plan

_REMEDY = "look at the connection that the volume service made"


def targets(volume: plan.Volume) -> tuple[str, ...]:
    """The storage's ports, each as 0x and 16 digits.

    :raises InvalidRequest: there is none, or one is no WWPN.
    """
    data = volume.data
    found: typing.Any = data.get("target_wwn") or data.get("target_wwns") or ()
    items = [found] if isinstance(found, str) else list(found)
    wwpns = [str(item).replace(":", "").lower().removeprefix("0x") for item in items]
    if not wwpns or any(len(w) != 16 or not _is_hex(w) for w in wwpns):
        raise exceptions.InvalidRequest(
            f"use the volume {volume.id}",
            f"its connection's target_wwn is {found!r}, no list of WWPNs",
            _REMEDY,
        )
    return tuple(f"0x{wwpn}" for wwpn in dict.fromkeys(wwpns))


def number(volume: plan.Volume) -> str:
    """The LUN as 0x and 16 digits: its number in front, then zeros.

    Numbers to 0xffff fill the first 4 digits, larger ones 8 (os-brick's
    connector for IBM Z does the same). A list of LUNs, one a target, must have
    the same number throughout: the Connector takes one.

    :raises InvalidRequest: there is no such number.
    """
    several = sorted(set(volume.data.get("target_luns") or ()))
    lun = several if len(several) > 1 else volume.data.get("target_lun")
    if lun is None and several:
        lun = several[0]
    if isinstance(lun, int) and not isinstance(lun, bool) and 0 <= lun <= 0xFFFFFFFF:
        return f"0x{lun:04x}{0:012x}" if lun <= 0xFFFF else f"0x{lun:08x}{0:08x}"
    if isinstance(lun, str) and len(lun) == 18 and lun.startswith("0x"):
        if _is_hex(lun[2:]):
            return lun.lower()
    raise exceptions.InvalidRequest(
        f"use the volume {volume.id}",
        f"its connection's target_lun is {lun!r}, not one number for all its ports",
        _REMEDY,
    )


def _is_hex(text: str) -> bool:
    return all(c in "0123456789abcdefABCDEF" for c in text)
