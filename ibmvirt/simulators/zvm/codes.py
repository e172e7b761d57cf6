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

"""What SMAPI, CP and the tools refuse: return and reason codes, one table.

``documented``: the Connector's code matches these codes, so the real system
gives them. ``assumed``: no source was at hand.
"""

from __future__ import annotations

import dataclasses


class Refusal(Exception):
    """A command that fails with overallRC, rc and rs."""

    def __init__(self, overall: int, rc: int, rs: int, text: str) -> None:
        super().__init__(text)
        self.overall = overall
        self.rc = rc
        self.rs = rs
        self.text = text


@dataclasses.dataclass(frozen=True)
class Entry:
    """Codes, a text to be filled in, and where they are known from."""

    overall: int
    rc: int
    rs: int
    text: str
    source: str = "documented"


def _assumed(overall: int, rc: int, rs: int, text: str) -> Entry:
    return Entry(overall, rc, rs, text, "assumed")


TABLE = {
    # The directory.
    "no_user": Entry(8, 400, 4, "Image {user} is not defined"),
    "exists": Entry(8, 400, 8, "Image {user} is already defined"),
    "locked": Entry(8, 400, 12, "Image {user} is locked"),
    "not_locked": Entry(8, 400, 24, "Image {user} is not locked"),
    "no_profile": Entry(8, 436, 4, "The profile {profile} is not there"),
    "bad_entry": _assumed(8, 596, 3213, "The directory entry is wrong: {why}"),
    "no_statement": _assumed(8, 596, 3220, "{user} has no statement {text}"),
    # Log-on and log-off.
    "already_on": Entry(8, 200, 8, "Image {user} is already active"),
    "not_on": Entry(8, 200, 12, "Image {user} is not active"),
    "no_console": Entry(8, 8, 8, "Image {user} spools no console"),
    # Minidisks.
    "no_disk": Entry(8, 208, 36, "Image {user} has no disk {vdev}"),
    "disk_exists": _assumed(8, 404, 4, "Image {user} has a device {vdev}"),
    "wrong_type": _assumed(8, 596, 3522, "Pool {pool} has no {type} disks"),
    "bad_size": _assumed(24, 13, 0, "The size {size} is not valid"),
    "pool_full": _assumed(8, 596, 3543, "Pool {pool} has no extent of {size}"),
    "no_pool": _assumed(8, 596, 3522, "There is no pool {pool}"),
    # Vswitches and adapters.
    "no_vswitch": Entry(8, 212, 40, "The vswitch {name} does not exist"),
    "vswitch_exists": Entry(8, 212, 36, "The vswitch {name} exists"),
    "vlan_unaware": Entry(8, 396, 2846, "The vswitch {name} is not VLAN aware"),
    "bad_vlan": Entry(8, 396, 2838, "The VLAN id {vlan} is not valid"),
    "not_granted": Entry(
        8, 396, 6011, "User {user} is not authorized for vswitch {name}"
    ),
    "no_nic": Entry(8, 404, 8, "Image {user} has no adapter {vdev}"),
    "nic_exists": Entry(8, 404, 4, "Image {user} has a device {vdev}"),
    "not_coupled": Entry(8, 212, 32, "Adapter {vdev} of {user} is not connected"),
    "no_active_nic": Entry(8, 204, 8, "{user} has no active adapter {vdev}"),
    "active_nic_exists": Entry(8, 204, 4, "{user} has an active device {vdev}"),
    "already_connected": Entry(8, 204, 20, "Adapter {vdev} is connected"),
    "not_connected": Entry(8, 204, 48, "Adapter {vdev} is not connected"),
    "mac_in_use": Entry(8, 396, 2797, "The MAC address {mac} is in use by {user}"),
    # Real devices.
    "device_exists": Entry(8, 404, 4, "Image {user} has a device {vdev}"),
    "no_device": Entry(8, 404, 8, "Image {user} has no device {vdev}"),
    "no_active_device": Entry(8, 204, 8, "{user} has no active device {vdev}"),
    "active_device_exists": Entry(8, 204, 4, "{user} has an active device {vdev}"),
    "no_real_device": Entry(8, 204, 8, "The device {real} is not there"),
    "device_taken": Entry(8, 204, 4, "The device {real} is {owner}'s"),
    "no_osa": Entry(8, 4, 4, "The system has no OSA device"),
    # The system.
    "not_ssi": Entry(8, 4, 3008, "The system is in no SSI cluster"),
    "cannot_relocate": Entry(8, 8, 3000, "{code} {why}\nDetails: {code} {why}"),
    # smcli itself.
    "unknown_api": _assumed(24, 11, 0, "The API {name} is not known here"),
    "unknown_argument": _assumed(24, 13, 0, "The argument {name} is not known here"),
    "no_argument": _assumed(24, 13, 0, "The argument {name} is missing"),
    "bad_argument": _assumed(24, 13, 0, "The argument {name} is not valid"),
}


def refuse(key: str, **values: object) -> Refusal:
    """The refusal of the table, filled in."""
    entry = TABLE[key]
    return Refusal(entry.overall, entry.rc, entry.rs, entry.text.format(**values))
