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

"""Kinds of networks: one class a VIF type."""

from __future__ import annotations

import abc
import collections.abc
import json
import logging
import typing

from pypowervm import exceptions as pypowervm
from pypowervm.wrappers import event as event_wrapper
from pypowervm.wrappers import network as network_wrapper

from ibmvirt.common import exceptions, plan
from ibmvirt.powervm.networks import physical
from ibmvirt.powervm.rest import errors, topology

LOG = logging.getLogger(__name__)

# What nova-powervm sent, so that its Neutron agent sees a port at once.
PROVIDER = "NOVA_PVM_VIF"
_DUPLICATE = "HSCL0B01"


class Network(abc.ABC):
    """How ports of one VIF type are plugged."""

    TYPE = ""

    def __init__(
        self,
        adapter: typing.Any,
        places: topology.Topology,
        default_switch: str,
        bridges: physical.Bridges,
        vios_changed: collections.abc.Callable[[str], None],
    ) -> None:
        """:param default_switch: where a port goes that nothing sends elsewhere.
        :param bridges: the ways to the physical networks.
        :param vios_changed: is told the UUID of a VIOS that was changed.
        """
        self._adapter = adapter
        self._topology = places
        self._default_switch = default_switch
        self._bridges = bridges
        self._vios_changed = vios_changed

    @abc.abstractmethod
    def check(self, vif: plan.Vif) -> None:
        """:raises InvalidRequest: the port cannot be plugged here."""

    @abc.abstractmethod
    def plug(self, guest: plan.GuestRef, vif: plan.Vif) -> None: ...

    @abc.abstractmethod
    def unplug(
        self, guest: plan.GuestRef | None, vif: plan.Vif, *, removing: bool
    ) -> None: ...


def bare_mac(mac: str) -> str:
    """As the platform writes it: FA163E000001."""
    return mac.replace(":", "").upper()


def colons(mac: str) -> str:
    """As Nova writes it: fa:16:3e:00:00:01."""
    return ":".join(mac[place : place + 2].lower() for place in range(0, 12, 2))


def create_adapter(
    adapter: typing.Any,
    guest: plan.GuestRef,
    *,
    mac: str | None,
    vlan: int,
    switch_href: str,
    what: str,
) -> str:
    """Make a client network adapter; its MAC (FA163E000001). One call.

    One of that MAC which the partition has already is kept: the answer to an
    earlier try may have been lost.
    """
    wrapper = network_wrapper.CNA.bld(
        adapter, vlan, switch_href, mac_addr=bare_mac(mac) if mac else None
    )
    with errors.attempting(what):
        try:
            # Not through the wrapper, which reads the partition first.
            response = adapter.create(
                wrapper.element,
                "LogicalPartition",
                guest.id,
                "ClientNetworkAdapter",
            )
            return str(network_wrapper.CNA.wrap(response).mac)
        except pypowervm.HttpError as error:
            if _DUPLICATE not in errors.message(error) or mac is None:
                raise
            if not find_adapters(adapter, guest, mac):
                raise
        except (pypowervm.ConnectionError, pypowervm.TimeoutError):
            if mac is None or not find_adapters(adapter, guest, mac):
                raise
    return bare_mac(mac)


def adapters_of(adapter: typing.Any, guest: plan.GuestRef) -> list[typing.Any]:
    """The partition's adapters; none when it is gone. One call."""
    try:
        response = adapter.read("LogicalPartition", guest.id, "ClientNetworkAdapter")
    except pypowervm.HttpNotFound:
        return []
    return list(network_wrapper.CNA.wrap(response))


def find_adapters(
    adapter: typing.Any, guest: plan.GuestRef, mac: str
) -> list[typing.Any]:
    """The partition's adapters of this MAC."""
    wanted = bare_mac(mac)
    return [found for found in adapters_of(adapter, guest) if found.mac == wanted]


def delete_adapters(
    adapter: typing.Any, guest: plan.GuestRef, mac: str, what: str
) -> None:
    """Remove the partition's adapters of this MAC."""
    with errors.attempting(what):
        for found in find_adapters(adapter, guest, mac):
            try:
                adapter.delete(
                    "LogicalPartition",
                    guest.id,
                    "ClientNetworkAdapter",
                    found.uuid,
                )
            except pypowervm.HttpNotFound:
                continue


def tell_agent(adapter: typing.Any, action: str, vif: plan.Vif) -> None:
    """Send nova-powervm's custom event; a failure is not the port's."""
    detail = {
        "provider": PROVIDER,
        "action": action,
        "mac": vif.mac,
        "type": vif.type,
    }
    try:
        event_wrapper.Event.bld(adapter, vif.id, json.dumps(detail)).create()
    except pypowervm.Error as error:
        LOG.warning("the agent was not told of %s %s: %s", action, vif.id, error)


def no_kind(vif: plan.Vif, known: typing.Iterable[str]) -> exceptions.InvalidRequest:
    return exceptions.InvalidRequest(
        f"plug the port {vif.id}",
        f"its VIF type is {vif.type!r} and PowerVM knows {', '.join(sorted(known))}",
        "look at the port's binding: which mechanism driver bound it, and why",
    )
