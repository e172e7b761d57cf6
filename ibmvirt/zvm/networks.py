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

"""Network adapters: created, coupled in their VLAN, and granted.

An adapter is *configured* when the Connector writes its first IPv4 address,
gateway, name servers and MTU into the guest's own files. The rest (IPv6, further
addresses, routes) is in the config drive's network_data.json alone: the Connector
1.6.3 takes one IPv4 address an adapter.
"""

from __future__ import annotations

import typing

from ibmvirt.common import capability, exceptions, plan
from ibmvirt.zvm import identity, paused
from ibmvirt.zvm.client import adapters, connector

TYPE = "zvm"
_DEFAULT_MTU = 1500
# The Connector has vswitch names of at most eight characters.
_NAME_MAX = 8


class Networks(capability.Networks):
    """Ports of VIF type ``zvm``; the vswitch is named as the physical network.

    :param grant: couple and grant here, so that no agent is needed.
    """

    def __init__(
        self, calls: connector.Connector, pauses: paused.Paused, *, grant: bool
    ) -> None:
        self._pauses = pauses
        self._calls = calls
        self._adapters = adapters.Adapters(calls)
        self._grant = grant

    def check(self, vifs: tuple[plan.Vif, ...]) -> None:
        for vif in vifs:
            name = vif.physical_network or ""
            if vif.type != TYPE:
                raise exceptions.InvalidRequest(
                    f"plug the port {vif.id}",
                    f"its VIF type is {vif.type!r}, not {TYPE!r}",
                    "look at the port's binding: which mechanism driver bound it",
                )
            if not 1 <= len(name) <= _NAME_MAX:
                raise exceptions.InvalidRequest(
                    f"plug the port {vif.id}",
                    f"its physical network {name!r} is no vswitch name",
                    "name physical networks as the vswitches, up to 8 characters",
                )

    def plug(self, guest: plan.GuestRef, vifs: tuple[plan.Vif, ...]) -> None:
        self._check_running(guest, vifs, "plug")
        os_version = str(guest.record.get(identity.OS_KEY) or "")
        active = self._is_on(guest)
        building = identity.KEY in guest.record
        there = {} if building else self._adapters.nics(guest.id)
        new = [vif for vif in vifs if vif.id not in there]
        # One that a service left when it was killed may not be coupled yet.
        loose = [v for v in vifs if v.id in there and not there[v.id].get("switch")]
        vdevs = {vif.id: str(there[vif.id]["interface"]) for vif in loose}
        told, bare = _parted(os_version, new, building=building)
        if told:
            made = self._adapters.create_interfaces(
                guest.id, os_version, [_network(vif) for vif in told], active=active
            )
            vdevs.update((item["nic_id"], item["nic_vdev"]) for item in made)
        for vif in bare:
            vdevs[vif.id] = self._adapters.create_bare(
                guest.id, vif.id, vif.mac, active=active
            )
        if self._grant:
            self._couple(guest, [*loose, *new], vdevs, active=active)

    def _check_running(
        self, guest: plan.GuestRef, vifs: tuple[plan.Vif, ...], what: str
    ) -> None:
        """:raises WrongState: the guest is paused; nothing was changed."""
        ports = ", ".join(vif.id for vif in vifs)
        self._pauses.check(guest.id, f"{what} the ports {ports} of {guest.id}")

    def _is_on(self, guest: plan.GuestRef) -> bool:
        # A guest that spawn has just made is off, and says so by its record.
        if identity.KEY in guest.record:
            return False
        return self._calls.power_state(guest.id) == "on"

    def _couple(
        self,
        guest: plan.GuestRef,
        vifs: list[plan.Vif],
        vdevs: dict[str, str],
        *,
        active: bool,
    ) -> None:
        granted: set[str] = set()
        for vif in vifs:
            vswitch = str(vif.physical_network).upper()
            if vswitch not in granted:
                self._adapters.grant(vswitch, guest.id)
                granted.add(vswitch)
            self._adapters.couple(
                guest.id, vdevs[vif.id], vswitch, vif.vlan, active=active
            )

    def unplug(
        self,
        guest: plan.GuestRef | None,
        vifs: tuple[plan.Vif, ...],
        *,
        removing: bool = False,
    ) -> None:
        if guest is None or not vifs:
            return
        if removing:
            # Deleting the guest deletes adapters and revokes what is coupled;
            # a grant without a coupled adapter would stay.
            if self._grant:
                for name in {str(v.physical_network).upper() for v in vifs}:
                    self._adapters.revoke(name, guest.id)
            return
        os_version = str(guest.record.get(identity.OS_KEY) or "")
        there = self._adapters.nics(guest.id)
        if any(vif.id in there for vif in vifs):
            self._check_running(guest, vifs, "unplug")
        active = self._is_on(guest)
        for vif in vifs:
            nic = there.pop(vif.id, None)
            if nic is not None:
                self._delete(guest.id, os_version, nic["interface"], active=active)
        if not self._grant:
            return
        left = {nic.get("switch") for nic in there.values()}
        for name in {str(v.physical_network).upper() for v in vifs} - left:
            self._adapters.revoke(name, guest.id)

    def _delete(self, user: str, os_version: str, vdev: str, *, active: bool) -> None:
        if _keeps_one_file(os_version):
            # There is no file of this adapter to remove, and the Connector
            # fails where it makes the script for it.
            self._adapters.delete_bare(user, vdev, active=active)
        else:
            self._adapters.delete_interface(user, os_version, vdev, active=active)

    def ensure(self, guest: plan.GuestRef, vifs: tuple[plan.Vif, ...]) -> None:
        """Adapters are in the directory entry and stay there: no call."""


def _keeps_one_file(os_version: str) -> bool:
    """Ubuntu 20 and 22 have one netplan file for all adapters."""
    return os_version.startswith(("ubuntu20", "ubuntu22"))


def _parted(
    os_version: str, vifs: list[plan.Vif], *, building: bool
) -> tuple[list[plan.Vif], list[plan.Vif]]:
    """Which adapters the Connector configures, and which it only makes.

    Defect: for a netplan file it writes the last adapter alone, with an empty
    gateway where there is none, which netplan refuses; and fails where the
    guest was configured before. So it gets the first adapter that it can
    write, and that of a new guest only.
    """
    if not _keeps_one_file(os_version):
        return vifs, []
    told = [vif for vif in vifs if building and _gateway(vif)][:1]
    return told, [vif for vif in vifs if vif not in told]


def _gateway(vif: plan.Vif) -> str | None:
    """Of the first IPv4 address, which is the one that is configured."""
    first = next((a for a in vif.addresses if a.version == 4), None)
    return first.gateway if first else None


def _network(vif: plan.Vif) -> dict[str, typing.Any]:
    """A port as the Connector's guest_networks has it.

    MTU and DNS are always given: without them the Connector writes empty
    values into the guest's configuration (a defect of 1.6.3).
    """
    network: dict[str, typing.Any] = {
        "mac_addr": vif.mac,
        "nic_id": vif.id,
        "mtu": str(vif.mtu or _DEFAULT_MTU),
    }
    ipv4 = [address for address in vif.addresses if address.version == 4]
    if ipv4:
        first = ipv4[0]
        network["ip_addr"] = first.address
        network["cidr"] = first.cidr
        network["dns_addr"] = [d for d in first.dns if ":" not in d]
        if first.gateway:
            network["gateway_addr"] = first.gateway
    return network
