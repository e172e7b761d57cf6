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

"""The Connector's calls on network adapters and vswitches, typed."""

from __future__ import annotations

import collections.abc
import typing

from ibmvirt.zvm.client import connector, errors


class Adapters:
    """Adapters of guests, and the vswitches that they are coupled to."""

    def __init__(self, calls: connector.Connector) -> None:
        self._calls = calls

    def create_interfaces(
        self,
        user: str,
        os_version: str,
        networks: collections.abc.Sequence[collections.abc.Mapping[str, typing.Any]],
        *,
        active: bool,
    ) -> list[dict[str, typing.Any]]:
        """The networks with the ``nic_vdev`` that each got."""
        found: list[dict[str, typing.Any]] = self._calls.call(
            f"create network adapters of the guest {user}",
            "guest_create_network_interface",
            user,
            os_version,
            [dict(network) for network in networks],
            active=active,
        )
        return found

    def create_bare(self, user: str, port: str, mac: str, *, active: bool) -> str:
        """An adapter that the guest's Linux is not told of; its device number."""
        found = self._calls.call(
            f"create a network adapter of the guest {user}",
            "guest_create_nic",
            user,
            nic_id=port,
            mac_addr=mac,
            active=active,
        )
        return str(found)

    def delete_bare(self, user: str, vdev: str, *, active: bool) -> None:
        """One that is not there is no error."""
        what = f"delete the adapter {vdev} of the guest {user}"
        try:
            self._calls.call(what, "guest_delete_nic", user, vdev, active=active)
        except errors.NotFound:
            return

    def nics(self, user: str) -> dict[str, dict[str, typing.Any]]:
        """The guest's adapters by Neutron's port id."""
        found = self._calls.call(
            f"list the adapters of the guest {user}",
            "guests_get_nic_info",
            userid=user,
        )
        return {nic["port"]: nic for nic in found if nic.get("port")}

    def macs(self, user: str) -> list[str]:
        """Addresses of a running guest's adapters, as z/VM gave them."""
        found = self._calls.call(
            f"read the adapters of the guest {user}", "guest_get_adapters_info", user
        )
        return [adapter["mac_address"] for adapter in found["adapters"]]

    def couple(
        self, user: str, vdev: str, vswitch: str, vlan: int | None, *, active: bool
    ) -> None:
        kwargs: dict[str, typing.Any] = {"active": active}
        if vlan is not None:
            kwargs["vlan_id"] = vlan
        what = f"couple the adapter {vdev} of {user} to the vswitch {vswitch}"
        self._calls.call(
            what, "guest_nic_couple_to_vswitch", user, vdev, vswitch, **kwargs
        )

    def delete_interface(
        self, user: str, os_version: str, vdev: str, *, active: bool
    ) -> None:
        """One that is not there is no error."""
        try:
            self._calls.call(
                f"delete the adapter {vdev} of the guest {user}",
                "guest_delete_network_interface",
                user,
                os_version,
                vdev,
                active=active,
            )
        except errors.NotFound:
            return

    def grant(self, vswitch: str, user: str) -> None:
        what = f"grant {user} the vswitch {vswitch}"
        # Defect: the client's path takes the first argument; the vswitch is it.
        self._calls.call(what, "vswitch_grant_user", vswitch, user)

    def revoke(self, vswitch: str, user: str) -> None:
        """A vswitch or user that is gone is no error."""
        try:
            self._calls.call(
                f"revoke {user} from the vswitch {vswitch}",
                "vswitch_revoke_user",
                vswitch,
                user,
            )
        except errors.NotFound:
            return

    def vswitch(self, name: str) -> dict[str, typing.Any]:
        """What z/VM says of a vswitch, its adapters too."""
        found: dict[str, typing.Any] = self._calls.call(
            f"read the vswitch {name}", "vswitch_query", name
        )
        return found

    def vswitches(self) -> list[str]:
        return list(self._calls.call("list the vswitches", "vswitch_get_list"))
