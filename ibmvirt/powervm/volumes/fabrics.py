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


"""Fibre Channel fabrics, and which ports of the VIOSes a partition gets."""

from __future__ import annotations

import collections
import collections.abc
import dataclasses
import threading

from ibmvirt.common import exceptions
from ibmvirt.powervm.rest import topology

Ports = collections.abc.Mapping[str, tuple[topology.FcPort, ...]]


@dataclasses.dataclass(frozen=True)
class Fabric:
    """A fabric and the WWPNs of the VIOS ports that are cabled to it."""

    name: str
    ports: frozenset[str]


def choose(
    fabric: Fabric,
    count: int,
    vioses: collections.abc.Sequence[str],
    ports: Ports,
    used: collections.abc.Mapping[str, int],
) -> list[str]:
    """WWPNs of ``count`` ports for a partition's adapters on a fabric.

    One VIOS after the other, so that the paths do not all depend on one; of a
    VIOS the port that has the fewest of this partition's adapters, and of
    those the one that has the fewest of all.

    :param vioses: UUIDs, the one to begin with first.
    :param ports: what each VIOS has.
    :param used: adapters of any partition on a port, by its WWPN.
    :raises HypervisorError: no VIOS has a port of the fabric.
    :raises OutOfResources: all ports of the fabric are full.
    """
    what = f"find {count} Fibre Channel port(s) of the fabric {fabric.name}"
    usable = {
        uuid: [port for port in ports.get(uuid, ()) if port.wwpn in fabric.ports]
        for uuid in vioses
    }
    ring = [uuid for uuid in vioses if usable[uuid]]
    if not ring:
        raise exceptions.HypervisorError(
            what,
            "no active VIOS has any of them",
            f"look at [powervm]fabric_{fabric.name}_port_wwpns and the VIOSes' ports",
        )
    mine: collections.Counter[str] = collections.Counter()

    def free(port: topology.FcPort) -> bool:
        return used.get(port.wwpn, 0) + mine[port.wwpn] < port.total

    chosen: list[str] = []
    for number in range(count):
        turn = [ring[(number + step) % len(ring)] for step in range(len(ring))]
        left = [[port for port in usable[uuid] if free(port)] for uuid in turn]
        home = next((some for some in left if some), None)
        if home is None:
            raise exceptions.OutOfResources(
                what, "no port takes any more adapters", "add ports to the fabric"
            )
        best = min(
            home, key=lambda port: (mine[port.wwpn], used.get(port.wwpn, 0), port.name)
        )
        mine[best.wwpn] += 1
        chosen.append(best.wwpn)
    return chosen


class Promises:
    """Ports that were chosen for servers, until their adapters are mapped.

    Who counts, chooses and promises does so under ``lock``, so that two servers
    are not given the last place of a port.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._ports: dict[str, collections.Counter[str]] = {}

    def used(
        self,
        mapped: collections.abc.Mapping[str, collections.Counter[str]],
        asking: str,
    ) -> collections.Counter[str]:
        """Adapters on each port, mapped or promised to another than who asks.

        :param mapped: by the UUID of the partition, the ports of its adapters.
        """
        total: collections.Counter[str] = collections.Counter()
        for ports in mapped.values():
            total += ports
        for partition, promised in list(self._ports.items()):
            missing = promised - mapped.get(partition, collections.Counter())
            if missing and partition != asking:
                total += missing
            elif not missing:
                self.drop(partition)
        return total

    def make(self, partition: str, ports: collections.abc.Iterable[str]) -> None:
        self._ports[partition] = collections.Counter(ports)

    def drop(self, partition: str) -> None:
        """The server gets none, or is removed; without the lock."""
        self._ports.pop(partition, None)


def of_options(
    names: str, ports: collections.abc.Callable[[str], str]
) -> tuple[Fabric, ...]:
    """The fabrics of ``[powervm]fabrics``.

    :param names: separated by commas.
    :param ports: the option ``fabric_<name>_port_wwpns`` of a name.
    :raises InvalidRequest: a fabric has no ports, or a WWPN is none.
    """
    found = []
    for name in filter(None, (part.strip() for part in names.split(","))):
        what = f"use the Fibre Channel fabric {name}"
        wwpns = frozenset(
            part.strip().replace(":", "").upper()
            for part in ports(name).split(",")
            if part.strip()
        )
        remedy = f"set [powervm]fabric_{name}_port_wwpns to the WWPNs of its ports"
        if not name.isalnum():
            raise exceptions.InvalidRequest(
                what, "its name has other than letters and digits", "rename it"
            )
        if not wwpns:
            raise exceptions.InvalidRequest(what, "it has no ports", remedy)
        wrong = [w for w in wwpns if len(w) != 16 or set(w) - set("0123456789ABCDEF")]
        if wrong:
            raise exceptions.InvalidRequest(
                what, f"{', '.join(sorted(wrong))}: no WWPN", remedy
            )
        found.append(Fabric(name, wwpns))
    if not found:
        raise exceptions.InvalidRequest(
            "use NPIV", "[powervm]fabrics names no fabric", "name at least one"
        )
    return tuple(found)
