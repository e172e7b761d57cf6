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


"""The WWPNs of a server's own Fibre Channel adapters, as Nova keeps them.

Keys and values in the server's system metadata are those of nova-powervm, so
that servers which it deployed keep their WWPNs::

    npiv_adpt_wwpns_A = port,wwpn,wwpn,port,wwpn,wwpn
    npiv_adpt_wwpns_A_2 = ...

``A`` is the fabric, ``port`` a VIOS's port; there are at most four adapters a
key, since Nova's values have at most 255 characters.
"""

from __future__ import annotations

import dataclasses
import re

from ibmvirt.common import plan

_PREFIX = "npiv_adpt_wwpns_"
_KEY = re.compile(re.escape(_PREFIX) + r"(.+?)(?:_(\d+))?")
_PER_KEY = 4


@dataclasses.dataclass(frozen=True)
class Adapter:
    """An adapter of a partition; WWPNs in upper case, without colons.

    :ivar port: WWPN of the VIOS's port behind it.
    :ivar wwpn: the one that is logged in.
    :ivar other: the one that is logged in after a migration.
    """

    port: str
    wwpn: str
    other: str

    @property
    def pair(self) -> frozenset[str]:
        return frozenset((self.wwpn, self.other))


def bare(wwpn: str) -> str:
    """A WWPN as the platform shows it: upper case, no colons."""
    return wwpn.strip().replace(":", "").upper()


def kept(metadata: plan.Values) -> dict[str, str]:
    """What of the system metadata is about WWPNs."""
    return {
        key: str(value) for key, value in metadata.items() if key.startswith(_PREFIX)
    }


def parse(metadata: plan.Values) -> dict[str, tuple[Adapter, ...]]:
    """The adapters of each fabric."""
    parts: dict[str, dict[int, str]] = {}
    for key, value in kept(metadata).items():
        match = _KEY.fullmatch(key)
        assert match is not None
        fabric, number = match.group(1), int(match.group(2) or 1)
        parts.setdefault(fabric, {})[number] = value
    found = {}
    for fabric, values in parts.items():
        joined = ",".join(values[number] for number in sorted(values))
        names = [bare(name) for name in joined.split(",") if name.strip()]
        found[fabric] = tuple(
            Adapter(*three)
            for three in zip(names[::3], names[1::3], names[2::3], strict=False)
        )
    return found


def adapters(metadata: plan.Values) -> tuple[Adapter, ...]:
    """The adapters of all fabrics, in the order of the fabrics' names."""
    found = parse(metadata)
    return tuple(adapter for fabric in sorted(found) for adapter in found[fabric])


def record(fabric: str, made: list[Adapter]) -> dict[str, str]:
    """The entries of the system metadata for a fabric's adapters."""
    values = {}
    for start in range(0, len(made), _PER_KEY):
        number = start // _PER_KEY + 1
        key = f"{_PREFIX}{fabric}" + (f"_{number}" if number > 1 else "")
        values[key] = ",".join(
            name
            for adapter in made[start : start + _PER_KEY]
            for name in (adapter.port, adapter.wwpn, adapter.other)
        )
    return values
