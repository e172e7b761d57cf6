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

"""What NovaLink refuses: status, message id and text, one table.

``captured``: a recorded response shows it. ``documented``: client code
matches it. ``assumed``: worded here.
"""

from __future__ import annotations

import dataclasses


class Refusal(Exception):
    """A request that is answered with an HttpErrorResponse."""

    def __init__(self, status: int, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.reason = reason or _REASONS.get(status, "Unknown internal error.")


_REASONS = {
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    409: "Conflict",
    412: "Precondition Failed",
    413: "Content Too Large",
    501: "Not Implemented",
    503: "Service Unavailable",
}


@dataclasses.dataclass(frozen=True)
class Entry:
    status: int
    text: str
    source: str


TABLE = {
    "unknown_path": Entry(404, "REST0001 The URI {path} does not exist.", "assumed"),
    "unknown_type": Entry(404, "REST0002 {type} is not a resource here.", "assumed"),
    "not_found": Entry(404, "REST0012 {type} {uuid} was not found.", "assumed"),
    "verb": Entry(405, "REST0003 {verb} is not allowed for {path}.", "assumed"),
    "group": Entry(400, "REST0026 The group {group} is not known.", "assumed"),
    "malformed": Entry(400, "REST0031 The request is not valid: {detail}.", "assumed"),
    "too_long": Entry(413, "REST0035 The request is too long: {detail}.", "assumed"),
    "content_type": Entry(
        400, "REST0032 The Content-Type does not name {type}.", "assumed"
    ),
    "order": Entry(400, "REST0033 {child} is out of order in {parent}.", "assumed"),
    "if_match_missing": Entry(400, "REST0034 If-Match is missing.", "assumed"),
    "etag": Entry(
        412,
        "REST0177 The object {type} {uuid} was changed by another request.",
        "assumed",
    ),
    "session": Entry(401, "REST0010 The session is not valid.", "assumed"),
    "logon": Entry(401, "REST0011 The user or the password is not right.", "assumed"),
    "busy": Entry(
        503,
        "VIOS0014 Unable to send command to VIOS at this moment. VIOS is busy "
        "processing some other request. Please retry the operation after "
        "sometime.",
        "captured",
    ),
    "duplicate_name": Entry(
        400,
        "HSCL0D01 A partition with the name {name} exists.",
        "assumed",
    ),
    "partition_name": Entry(
        400,
        "HSCL0D05 The partition name {name} has more than {limit} characters.",
        "documented",
    ),
    "duplicate_uuid": Entry(
        400, "HSCL0D02 A partition with the UUID {uuid} exists.", "assumed"
    ),
    "duplicate_id": Entry(
        400, "HSCL0D03 A partition with the id {id} exists.", "assumed"
    ),
    "memory": Entry(
        500,
        "HSCL03A5 There is not enough memory: {wanted} MB wanted, {free} MB free.",
        "assumed",
    ),
    "memory_limits": Entry(
        400,
        "HSCL0390 The memory must be a multiple of {block} MB with minimum <= "
        "desired <= maximum.",
        "assumed",
    ),
    "processors": Entry(
        500,
        "HSCL03A6 There are not enough processing units: {wanted} wanted, {free} free.",
        "assumed",
    ),
    "processor_limits": Entry(
        400,
        "HSCL0391 The {what} must be minimum <= desired <= maximum, and more than 0.",
        "assumed",
    ),
    "compatibility": Entry(
        400,
        "HSCL0392 The processor compatibility mode {mode} is none of the system's.",
        "assumed",
    ),
    "no_id": Entry(
        500, "HSCL0D04 All {limit} partition ids of the system are in use.", "assumed"
    ),
    "running": Entry(
        500,
        "HSCL0604 The partition {name} must be shut down for that; its state "
        "is {state}.",
        "assumed",
    ),
    "no_rmc": Entry(
        500,
        "HSCL2957 Either there is currently no RMC connection between the "
        "management console and the partition {name} or the partition does not "
        "support dynamic partitioning operations.",
        "documented",
    ),
    "duplicate_mac": Entry(400, "HSCL0B01 The MAC address {mac} is in use.", "assumed"),
    "slot": Entry(
        400, "HSCL0B02 The virtual slot {slot} of partition {id} is in use.", "assumed"
    ),
    "no_slot": Entry(
        500, "HSCL0B03 Partition {id} has no free virtual slot.", "assumed"
    ),
    "no_switch": Entry(400, "HSCL0B04 There is no such virtual switch.", "assumed"),
    "switch_exists": Entry(
        400, "HSCL0B05 A virtual switch with the name {name} exists.", "assumed"
    ),
    "switch_in_use": Entry(
        500, "HSCL0B06 Adapters are connected to the virtual switch {name}.", "assumed"
    ),
    "switch_limit": Entry(
        500, "HSCL0B07 There are {limit} virtual switches already.", "assumed"
    ),
    "vlan": Entry(400, "HSCL0B08 The VLAN id {vlan} is not 1 to 4094.", "assumed"),
    "vlan_twice": Entry(
        400, "HSCL0B09 The VLAN {vlan} is given more than once.", "assumed"
    ),
    "vlan_limit": Entry(
        400,
        "HSCL0B0A An adapter takes not more than {limit} tagged VLANs.",
        "documented",
    ),
    "trunk": Entry(
        400,
        "HSCL0B0B A trunk adapter of VLAN {vlan} with priority {priority} exists "
        "on the virtual switch {switch}.",
        "assumed",
    ),
    "trunk_limit": Entry(
        400, "HSCL0B0C A SEA has 1 to {limit} trunk adapters.", "documented"
    ),
    "no_client": Entry(
        400, "HSCL0C01 A {kind} names no existing partition.", "assumed"
    ),
    "no_adapter": Entry(
        400, "HSCL0C02 The server adapter {name} does not exist.", "assumed"
    ),
    "target_name": Entry(
        400, "VIOS00022 The target device {name} exists on the VIOS.", "assumed"
    ),
    "address": Entry(
        400,
        "VIOS00023 The logical unit address {address} is in use on {adapter}.",
        "assumed",
    ),
    "bus_full": Entry(
        500, "VIOS00024 The server adapter {adapter} takes no more devices.", "assumed"
    ),
    "no_port": Entry(
        400, "VIOS00040 The VIOS {vios} has no Fibre Channel port {name}.", "assumed"
    ),
    "port_full": Entry(
        500,
        "VIOS00041 The Fibre Channel port {name} of {vios} takes no more clients.",
        "assumed",
    ),
    "wwpn": Entry(400, "HSCL0C10 The WWPN {wwpn} is in use.", "assumed"),
    "disk_name": Entry(
        400,
        "VIOS00032 The name {name} of a {kind} must have 1 to {limit} characters.",
        "documented",
    ),
    "storage_name": Entry(
        400,
        "VIOS00037 The name {name!r} of a {kind} has characters that cannot be in "
        "the name of a device.",
        "assumed",
    ),
    "disk_exists": Entry(
        400, "VIOS00033 A {kind} with the name {name} exists on the VIOS.", "assumed"
    ),
    "disk_in_use": Entry(500, "VIOS00034 The {kind} {name} is in use.", "assumed"),
    "disk_shrink": Entry(
        400,
        "VIOS00035 {name} cannot become smaller: it has {size} GB and {wanted} GB "
        "are wanted.",
        "assumed",
    ),
    "repository_exists": Entry(
        400, "VIOS00036 The VIOS {name} has a media repository already.", "assumed"
    ),
    "lu_in_use": Entry(500, "VIOS00010 The logical unit {name} is in use.", "assumed"),
    "lu_exists": Entry(
        400, "VIOS00011 A logical unit with the name {name} exists.", "assumed"
    ),
    "pool_full": Entry(
        500,
        "VIOS00012 The storage pool has {free} GB free and {wanted} GB are wanted.",
        "assumed",
    ),
    "no_storage": Entry(400, "VIOS00020 The storage {name} does not exist.", "assumed"),
    "not_on_vios": Entry(
        400, "VIOS00025 The VIOS {vios} does not have the storage {name}.", "assumed"
    ),
    "storage_mapped": Entry(
        400,
        "VIOS00021 The storage {name} is mapped already to that partition by {vios}.",
        "assumed",
    ),
    "no_repository": Entry(
        500, "VIOS00031 The VIOS {name} has no media repository.", "assumed"
    ),
    "file_limit": Entry(
        500, "REST0140 More than {limit} files are open.", "documented"
    ),
    "checksum": Entry(
        500, "REST0141 The SHA-256 of the contents is {found}.", "assumed"
    ),
    "length": Entry(
        500, "REST0142 {found} bytes came and {expected} were announced.", "assumed"
    ),
    "not_supported": Entry(
        501, "REST0130 The operation {operation} is not supported.", "assumed"
    ),
    "jobs": Entry(500, "REST0131 More than {limit} jobs are kept.", "assumed"),
}


def refuse(key: str, **values: object) -> Refusal:
    """The refusal of the table, filled in."""
    entry = TABLE[key]
    return Refusal(entry.status, entry.text.format(**values))
