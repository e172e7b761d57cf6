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

"""What a directory entry says: processors, storage, adapters, the IPL."""

from __future__ import annotations

import dataclasses
import itertools
import re
import zlib

from ibmvirt.simulators.zvm import model

# The first three bytes of every address: VMLAN MACPREFIX of this system.
MAC_PREFIX = "020000"


def cpus_of(user: model.User) -> list[str]:
    """Addresses that the entry defines, by COMMAND and by CPU statements."""
    found = {
        match.group(1).upper().zfill(2)
        for line in user.entry
        if (match := re.match(r"(?:COMMAND DEFINE )?CPU ([0-9A-Fa-f]+)", line))
    }
    return sorted(found) or ["00"]


def ipl_of(user: model.User) -> str:
    """The device that the entry IPLs, or the name of a system; CMS without."""
    words = next(iter(user.statements("IPL")), ["IPL"])
    name = words[1].upper() if len(words) > 1 else "CMS"
    return name.zfill(4) if re.fullmatch("[0-9A-F]{1,4}", name) else name


def memory_mib(user: model.User) -> int:
    """MiB of a user's storage at log-on, by its USER statement."""
    return _storage(user, 3)


def maximum_mib(user: model.User) -> int:
    """MiB that a user may define at most."""
    return _storage(user, 4)


def _storage(user: model.User, position: int) -> int:
    words = user.entry[0].split() if user.entry else []
    if len(words) <= position or words[0] != "USER":
        return 0
    text = words[position].lower()
    number = int("".join(c for c in text if c.isdigit()) or 0)
    return number * 1024 if text.endswith("g") else number


def mac_of(user: str, vdev: str) -> str:
    """The address that CP gives an adapter whose statement has none."""
    number = zlib.crc32(f"{user}/{vdev}".encode()) & 0x7FFFFF
    return f"{MAC_PREFIX}{0x800000 | number:06X}"


def nics_of(user: model.User) -> list[model.Nic]:
    """The adapters that a user's entry defines, by their numbers."""
    found: dict[str, model.Nic] = {}
    for words in user.statements("NICDEF"):
        if len(words) < 2 or not re.fullmatch("[0-9A-Fa-f]{1,4}", words[1]):
            continue
        vdev = model.vdev_of(words[1])
        nic = found.get(vdev) or model.Nic(vdev, mac_of(user.name, vdev))
        pairs = dict(itertools.pairwise(word.upper() for word in words[2:]))
        if "MACID" in pairs:
            nic = dataclasses.replace(nic, mac=MAC_PREFIX + pairs["MACID"])
        if "SYSTEM" in pairs:
            vlan = pairs.get("VLAN", "0")
            nic = dataclasses.replace(
                nic, switch=pairs["SYSTEM"], vlan=int(vlan) if vlan.isdigit() else 0
            )
        found[vdev] = nic
    return [found[vdev] for vdev in sorted(found)]
