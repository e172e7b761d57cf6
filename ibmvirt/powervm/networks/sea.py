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

"""Ports on Shared Ethernet Adapters, VIF type ``pvm_sea``."""

from __future__ import annotations

from ibmvirt.common import exceptions, plan
from ibmvirt.powervm.networks import base


class SeaNetwork(base.Network):
    """A client network adapter in the port's VLAN, where there is an SEA.

    The agent adds the VLAN to the Shared Ethernet Adapter; a custom event
    tells it of the new adapter.
    """

    TYPE = "pvm_sea"

    def check(self, vif: plan.Vif) -> None:
        vlan = vif.vlan if vif.vlan is not None else 1
        if not 1 <= vlan <= 4094:
            raise exceptions.InvalidRequest(
                f"plug the port {vif.id}",
                f"its VLAN is {vif.vlan}",
                "PowerVM has VLANs 1 to 4094",
            )
        self._topology.switch_href(self._switch(vif))

    def _switch(self, vif: plan.Vif) -> str:
        """The one that the binding names, else that of the physical network."""
        named = vif.details.get("vswitch") or vif.profile.get("vswitch")
        return self._bridges.switch(
            vif.physical_network, str(named or ""), self._default_switch
        )

    def plug(self, guest: plan.GuestRef, vif: plan.Vif) -> None:
        base.create_adapter(
            self._adapter,
            guest,
            mac=vif.mac,
            vlan=vif.vlan if vif.vlan is not None else 1,
            switch_href=self._topology.switch_href(self._switch(vif)),
            what=f"plug the port {vif.id} into the partition {guest.name}",
        )
        base.tell_agent(self._adapter, "plug", vif)

    def unplug(
        self, guest: plan.GuestRef | None, vif: plan.Vif, *, removing: bool
    ) -> None:
        # A partition that is removed takes its adapters with it.
        if guest is not None and not removing:
            what = f"unplug the port {vif.id} from the partition {guest.name}"
            base.delete_adapters(self._adapter, guest, vif.mac, what)
        base.tell_agent(self._adapter, "unplug", vif)
