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

"""The networks of PowerVM, by VIF type."""

from __future__ import annotations

import collections.abc
import typing

from ibmvirt.common import capability, exceptions, plan
from ibmvirt.powervm.networks import base, ovs, physical, sea
from ibmvirt.powervm.rest import topology

KINDS: dict[str, type[base.Network]] = {
    kind.TYPE: kind for kind in (sea.SeaNetwork, ovs.OvsNetwork)
}
# The management network is untagged.
_MANAGEMENT_VLAN = 1


class Networks(capability.Networks):
    """Chooses the kind of each port.

    :param default_switch: switch of SEA ports that name none.
    :param bridge_switch: switch between partitions and Open vSwitch.
    :param bridges: the ways to the physical networks.
    :param management_switch: switch of the management network; None = no
        partition gets an adapter there.
    :param vios_changed: is told the UUID of a VIOS whose adapters were changed.
    """

    def __init__(
        self,
        adapter: typing.Any,
        places: topology.Topology,
        default_switch: str,
        management_switch: str | None,
        bridge_switch: str,
        bridges: physical.Bridges,
        vios_changed: collections.abc.Callable[[str], None],
    ) -> None:
        self._adapter = adapter
        self._topology = places
        self._management_switch = management_switch
        switches = {
            sea.SeaNetwork.TYPE: default_switch,
            ovs.OvsNetwork.TYPE: bridge_switch,
        }
        self._kinds = {
            name: kind(adapter, places, switches[name], bridges, vios_changed)
            for name, kind in KINDS.items()
        }

    def _kind(self, vif: plan.Vif) -> base.Network:
        found = self._kinds.get(vif.type)
        if found is None:
            raise base.no_kind(vif, self._kinds)
        return found

    def check(self, vifs: tuple[plan.Vif, ...]) -> None:
        for vif in vifs:
            self._kind(vif).check(vif)

    def plug(self, guest: plan.GuestRef, vifs: tuple[plan.Vif, ...]) -> None:
        for vif in vifs:
            self._kind(vif).plug(guest, vif)

    def unplug(
        self,
        guest: plan.GuestRef | None,
        vifs: tuple[plan.Vif, ...],
        *,
        removing: bool = False,
    ) -> None:
        for vif in vifs:
            # A port that is bound no more (binding_failed) has nothing here.
            if vif.type in self._kinds:
                self._kind(vif).unplug(guest, vif, removing=removing)

    def ensure(self, guest: plan.GuestRef, vifs: tuple[plan.Vif, ...]) -> None:
        """Adapters belong to the partition and survive restarts: no call."""

    def plug_management(self, guest: plan.GuestRef) -> plan.ManagementVif | None:
        if self._management_switch is None:
            return None
        try:
            href = self._topology.switch_href(self._management_switch)
        except exceptions.InvalidRequest:
            return None
        mac = base.create_adapter(
            self._adapter,
            guest,
            mac=None,
            vlan=_MANAGEMENT_VLAN,
            switch_href=href,
            what=f"plug the management network into the partition {guest.name}",
        )
        return plan.ManagementVif(base.colons(mac))
