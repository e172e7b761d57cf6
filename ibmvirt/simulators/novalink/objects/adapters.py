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


"""Virtual storage adapters: pairs of a client's and a server's."""

from __future__ import annotations

import dataclasses
import hashlib
import typing

from ibmvirt.simulators.novalink import store
from ibmvirt.simulators.novalink.objects import base, partition
from ibmvirt.simulators.novalink.refusals import refuse
from ibmvirt.simulators.novalink.schema import table, xml


@dataclasses.dataclass(frozen=True)
class Pair:
    """Where a new client adapter and its server adapter are."""

    client_id: str
    client_slot: int
    client_code: str
    server_id: str
    server_slot: int
    server_code: str


class Allocator:
    """Gives slots and names to the new adapters of one request."""

    def __init__(
        self, system: store.System, vios: store.SimObject, names: set[str]
    ) -> None:
        self._system = system
        self._vios = vios
        self._names = names
        self._taken: dict[str, set[int]] = {}

    def name(self, prefix: str) -> str:
        """The first free name of that kind on the VIOS (captured: vhost0)."""
        number = 0
        while f"{prefix}{number}" in self._names:
            number += 1
        self._names.add(f"{prefix}{number}")
        return f"{prefix}{number}"

    def pair(self, client: store.SimObject, wanted: str) -> Pair:
        """Slots on both sides; ``wanted`` is that of the client or ''.

        :raises Refusal: the slot is in use, none is free, or the client runs
            without RMC.
        """
        partition.require_rmc(client)
        system, vios = self._system, self._vios
        client_id = client.value("PartitionID")
        server_id = vios.value("PartitionID")
        taken = self._taken.setdefault(client_id, set())
        if wanted:
            slot = int(wanted) if wanted.isdigit() else 0
            used = system.used_slots(client) | taken
            if slot in used or not 1 < slot < system.slot_limit(client):
                raise refuse("slot", slot=wanted, id=client_id)
        else:
            slot = system.next_slot(client, taken=taken)
        taken.add(slot)
        mine = self._taken.setdefault(server_id, set())
        server_slot = system.next_slot(vios, taken=mine)
        mine.add(server_slot)
        return Pair(
            client_id,
            slot,
            system.location(client_id, slot),
            server_id,
            server_slot,
            system.location(server_id, server_slot),
        )


def client_of(system: store.System, mapping: xml.Element, kind: str) -> store.SimObject:
    """The partition that a mapping names; the link becomes the platform's.

    :raises Refusal: there is none.
    """
    href = xml.href(mapping, "AssociatedLogicalPartition")
    found = system.by_href(href) if href else None
    if found is None and "/LogicalPartition/" in href:
        # The client names any partition so, the management partition's VIOS too.
        found = system.by_href(href.replace("/LogicalPartition/", "/VirtualIOServer/"))
    if found is None or found.type not in ("LogicalPartition", "VirtualIOServer"):
        raise refuse("no_client", kind=kind)
    # The stored link goes through the managed system (captured).
    url = system.url("ManagedSystem", system.uuid, found.type, found.uuid)
    xml.remove(mapping, "AssociatedLogicalPartition")
    table.set_value(mapping, "AssociatedLogicalPartition", table.Href(url))
    return found


def set_adapter(
    mapping: xml.Element, tag: str, values: typing.Mapping[str, typing.Any]
) -> None:
    """Put an adapter in the place of the one that was asked for."""
    xml.remove(mapping, tag)
    table.set_value(mapping, tag, dict(values))


def common(code: str, owner: str, slot: int, side: str) -> dict[str, typing.Any]:
    """What every adapter has (captured: fake_vios_ssp_npiv.txt)."""
    return {
        "AdapterType": side,
        "DynamicReconfigurationConnectorName": code,
        "LocationCode": code,
        "LocalPartitionID": owner,
        "RequiredAdapter": False,
        "VariedOn": True,
        "VirtualSlotNumber": slot,
    }


def fresh_id(system: store.System, vios: store.SimObject, digits: int) -> str:
    """Hexadecimal digits that no other device has."""
    number = system.fabric.next_number("device")
    return hashlib.sha256(f"{vios.uuid}/{number}".encode()).hexdigest()[:digits]


def require_vios(vios: store.SimObject) -> None:
    """:raises Refusal: the VIOS cannot be configured now."""
    if vios.value("ResourceMonitoringControlState") not in ("active", "busy"):
        raise refuse("no_rmc", name=vios.value("PartitionName"))


def slot_asked(mapping: xml.Element) -> str:
    """The client's slot that a request names, or ''."""
    if xml.find(mapping, "ClientAdapter/VirtualSlotNumber") is None:
        return ""
    return f"{base.number(mapping, 'ClientAdapter/VirtualSlotNumber'):.0f}"
