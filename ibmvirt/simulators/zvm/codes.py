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

``captured``: a recorded answer shows it; ``documented``: the Connector's code
matches it; ``assumed``: worded here.
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
    overall: int
    rc: int
    rs: int
    text: str
    source: str


TABLE = {
    "no_user": Entry(8, 400, 4, "Image {user} is not defined", "documented"),
    "exists": Entry(8, 400, 8, "Image {user} is already defined", "documented"),
    "locked": Entry(8, 400, 12, "Image {user} is locked", "documented"),
    "not_locked": Entry(8, 400, 24, "Image {user} is not locked", "documented"),
    "already_on": Entry(8, 200, 8, "Image {user} is already active", "documented"),
    "not_on": Entry(8, 200, 12, "Image {user} is not active", "documented"),
    "no_disk": Entry(8, 208, 36, "Image {user} has no disk {vdev}", "documented"),
    "disk_exists": Entry(8, 404, 4, "Image {user} has a device {vdev}", "assumed"),
    "pool_full": Entry(8, 596, 3543, "Pool {pool} has no extent of {size}", "assumed"),
    "no_pool": Entry(8, 596, 3522, "There is no pool {pool}", "assumed"),
    "no_profile": Entry(8, 436, 4, "The profile {profile} is not there", "documented"),
    "no_vswitch": Entry(8, 212, 40, "The vswitch {name} does not exist", "documented"),
    "vswitch_exists": Entry(8, 212, 36, "The vswitch {name} exists", "documented"),
    "vlan_unaware": Entry(
        8, 396, 2846, "The vswitch {name} is not VLAN aware", "documented"
    ),
    "not_granted": Entry(
        8, 396, 6011, "User {user} is not authorized for vswitch {name}", "assumed"
    ),
    "no_nic": Entry(8, 404, 8, "Image {user} has no adapter {vdev}", "documented"),
    "nic_exists": Entry(8, 404, 4, "Image {user} has a device {vdev}", "documented"),
    "no_console": Entry(8, 8, 8, "Image {user} spools no console", "documented"),
    "not_ssi": Entry(8, 4, 3008, "The system is in no SSI cluster", "documented"),
    "bad_size": Entry(24, 13, 0, "The size {size} is not valid", "assumed"),
    "unknown_api": Entry(24, 11, 0, "The API {name} is not known here", "assumed"),
    "bad_argument": Entry(24, 13, 0, "The argument {name} is missing", "assumed"),
    "bad_definition": Entry(24, 13, 0, "The argument {text} is not valid", "assumed"),
    "no_statement": Entry(8, 3002, 0, "{user} has no statement {text}", "assumed"),
    "device_exists": Entry(8, 404, 4, "Image {user} has a device {vdev}", "documented"),
    "no_device": Entry(8, 404, 8, "Image {user} has no device {vdev}", "documented"),
    "no_real_device": Entry(8, 204, 8, "The device {real} is not there", "assumed"),
    "device_taken": Entry(8, 204, 4, "The device {real} is {owner}'s", "assumed"),
    "no_osa": Entry(4, 4, 0, "The system has no OSA device", "documented"),
    "cannot_relocate": Entry(
        8, 8, 3000, "{code} {why}\nDetails: {code} {why}", "assumed"
    ),
    "iucv_down": Entry(8, 4, 1, "Return code 4, Reason code 111.", "documented"),
}


def refuse(key: str, **values: object) -> Refusal:
    """The refusal of the table, filled in."""
    entry = TABLE[key]
    return Refusal(entry.overall, entry.rc, entry.rs, entry.text.format(**values))
