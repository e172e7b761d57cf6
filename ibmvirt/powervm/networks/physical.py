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


"""Physical networks: which Shared Ethernet Adapters lead to them."""

from __future__ import annotations

from ibmvirt.common import exceptions
from ibmvirt.powervm.rest import topology

_REMEDY = "make one (mkvdev -sea on a VIOS), or correct [powervm]bridge_mappings"


class Bridges:
    """Finds a port's virtual switch, and that an SEA connects it.

    The VLAN on the SEA is the agent's work.

    :param mappings: ``<physical network>:<SEA>:<VIOS>``, separated by commas.
    :raises InvalidRequest: the mappings cannot be read.
    """

    def __init__(self, places: topology.Topology, mappings: str) -> None:
        self._topology = places
        self._seas: dict[str, list[tuple[str, str]]] = {}
        for part in filter(None, (one.strip() for one in mappings.split(","))):
            fields = tuple(field.strip() for field in part.split(":"))
            if len(fields) != 3 or not all(fields):
                raise exceptions.InvalidRequest(
                    "use [powervm]bridge_mappings",
                    f"{part!r} is not <physical network>:<SEA>:<VIOS>",
                    "correct it",
                )
            network, device, vios = fields
            self._seas.setdefault(network, []).append((device, vios))

    def switch(self, network: str | None, named: str, default: str) -> str:
        """The virtual switch for ports of a physical network.

        No call while the SEAs are known and one is right.

        :param named: the switch that the port itself names, or empty.
        :param default: where no network has an SEA of its own.
        :raises HypervisorError: no SEA leads there from this host.
        """
        found = self._find(network, named, default)
        if found is None:
            self._topology.forget_seas()
            found = self._find(network, named, default)
        if found is None:
            raise exceptions.HypervisorError(*self._missing(network, named, default))
        return found

    def check(self, default: str) -> None:
        """:raises HypervisorError: a network has no SEA on this host."""
        networks: list[str | None] = [*self._seas] or [None]
        for network in networks:
            self.switch(network, "", default)

    def _find(self, network: str | None, named: str, default: str) -> str | None:
        seas = self._topology.seas()
        if named or not self._seas:
            wanted = named or default
            return wanted if any(sea.switch == wanted for sea in seas) else None
        own = self._seas.get(network or "", ())
        for sea in seas:
            if (sea.device, sea.vios) in own:
                return sea.switch
        return None

    def _missing(
        self, network: str | None, named: str, default: str
    ) -> tuple[str, str, str]:
        """What was attempted, the reason, and the remedy."""
        what = f"reach the physical network {network or '(unnamed)'}"
        if named or not self._seas:
            switch = named or default
            reason = f"the virtual switch {switch} has no Shared Ethernet Adapter"
        elif network in self._seas:
            names = ", ".join(f"{sea} of {vios}" for sea, vios in self._seas[network])
            reason = f"there is no Shared Ethernet Adapter {names}"
        else:
            reason = (
                "[powervm]bridge_mappings names none of its Shared Ethernet Adapters; "
                f"it has {', '.join(sorted(self._seas))}"
            )
        return what, reason, _REMEDY
