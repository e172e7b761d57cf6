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


"""Ports on Open vSwitch of the NovaLink partition, VIF type ``ovs``.

A port is a pair in a VLAN of its own on a switch of their own: the
partition's adapter, and a trunk adapter of the management partition, whose
device the platform adds to the bridge with the ids that the agent looks for.
"""

from __future__ import annotations

import threading
import typing

from pypowervm import exceptions as pypowervm
from pypowervm.wrappers import network as network_wrapper

from ibmvirt.common import exceptions, plan
from ibmvirt.powervm.networks import base
from ibmvirt.powervm.rest import errors

# The platform's VLANs that a pair may have.
_VLANS = range(1, 4094)
_TRIES = 4
_DEVICE_MAX = 14


def device_name(vif: plan.Vif) -> str:
    """The device on the management partition: Nova's, or tap<start of the id>."""
    return (vif.device_name or f"tap{vif.id}")[:_DEVICE_MAX]


class OvsNetwork(base.Network):
    """A client adapter and its trunk."""

    TYPE = "ovs"

    def __init__(self, *parts: typing.Any) -> None:
        super().__init__(*parts)
        # Two ports that are plugged at once must not choose the same VLAN.
        self._choosing = threading.Lock()

    def check(self, vif: plan.Vif) -> None:
        if not vif.bridge:
            raise exceptions.InvalidRequest(
                f"plug the port {vif.id}",
                "its binding names no bridge",
                "look at the Open vSwitch agent on this host",
            )

    def plug(self, guest: plan.GuestRef, vif: plan.Vif) -> None:
        """Three calls and one for the trunk; the trunk first, as it is named."""
        what = f"plug the port {vif.id} into the partition {guest.name}"
        href = self._topology.own_switch_href(self._default_switch)
        with errors.attempting(what):
            vlan = self._trunk(guest, vif, href, what)
        base.create_adapter(
            self._adapter, guest, mac=vif.mac, vlan=vlan, switch_href=href, what=what
        )

    def _trunk(self, guest: plan.GuestRef, vif: plan.Vif, href: str, what: str) -> int:
        """The VLAN of the port's trunk, which is made if it is not there."""
        kind, uuid = self._topology.management()
        last: Exception | None = None
        for _ in range(_TRIES):
            with self._choosing:
                present = self._trunks(vif)
                if present:
                    return int(present[0].pvid)
                vlan = self._free_vlan(href, what)
                wrapper = network_wrapper.CNA.bld(
                    self._adapter,
                    vlan,
                    href,
                    trunk_pri=1,
                    dev_name=device_name(vif),
                    ovs_bridge=vif.bridge,
                    ovs_ext_ids=_external_ids(guest, vif),
                    configured_mtu=vif.mtu,
                )
                try:
                    self._adapter.create(
                        wrapper.element, kind, uuid, "ClientNetworkAdapter"
                    )
                    return vlan
                except pypowervm.HttpError as error:
                    # Another client of the platform may have taken the VLAN.
                    if vlan not in self._used_vlans(href):
                        raise
                    last = error
                except (pypowervm.ConnectionError, pypowervm.TimeoutError) as error:
                    # The answer is lost: the next turn sees whether it is there.
                    last = error
                finally:
                    self._vios_changed(uuid)
        assert last is not None
        raise last

    def _used_vlans(self, href: str) -> set[int]:
        feed = network_wrapper.VNet.get(
            self._adapter,
            parent_type="ManagedSystem",
            parent_uuid=self._topology.system().uuid,
        )
        return {
            int(network.vlan)
            for network in feed
            if network.associated_switch_uri == href
        }

    def _free_vlan(self, href: str, what: str) -> int:
        used = self._used_vlans(href)
        for vlan in _VLANS:
            if vlan not in used:
                return vlan
        raise exceptions.OutOfResources(
            what, f"no VLAN of the switch {self._default_switch} is free"
        )

    def _trunks(self, vif: plan.Vif) -> list[typing.Any]:
        """The port's trunks, known by the port's id among the external ids."""
        kind, uuid = self._topology.management()
        response = self._adapter.read(kind, uuid, "ClientNetworkAdapter")
        mark = f"iface-id={vif.id}"
        return [
            adapter
            for adapter in network_wrapper.CNA.wrap(response)
            if adapter.is_trunk and mark in str(adapter.ovs_ext_ids or "").split(",")
        ]

    def unplug(
        self, guest: plan.GuestRef | None, vif: plan.Vif, *, removing: bool
    ) -> None:
        """The trunk goes even when the partition is gone."""
        what = f"unplug the port {vif.id}"
        kind, uuid = self._topology.management()
        with errors.attempting(what):
            for trunk in self._trunks(vif):
                try:
                    self._adapter.delete(kind, uuid, "ClientNetworkAdapter", trunk.uuid)
                except pypowervm.HttpNotFound:
                    continue
                finally:
                    self._vios_changed(uuid)
        if guest is not None and not removing:
            base.delete_adapters(self._adapter, guest, vif.mac, what)


def _external_ids(guest: plan.GuestRef, vif: plan.Vif) -> str:
    """As Neutron's Open vSwitch agent expects them of a port."""
    values = {
        "iface-id": vif.id,
        "iface-status": "active",
        "attached-mac": vif.mac,
        "vm-uuid": guest.uuid,
    }
    return ",".join(f"{name}={value}" for name, value in values.items())
