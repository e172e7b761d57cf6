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


"""The parts of the system, as plain values."""

from __future__ import annotations

import dataclasses
import typing


@dataclasses.dataclass(frozen=True)
class Vios:
    """A VIOS: ``management`` says whether it is the management partition too."""

    uuid: str
    name: str
    id: int
    active: bool
    management: bool


@dataclasses.dataclass(frozen=True)
class FcPort:
    """A port of a VIOS for Fibre Channel; the WWPN in upper case.

    :ivar total: how many adapters of partitions it takes.
    """

    vios_uuid: str
    name: str
    wwpn: str
    total: int


@dataclasses.dataclass(frozen=True)
class Sea:
    """A Shared Ethernet Adapter: its device on a VIOS, and its virtual switch."""

    device: str
    vios: str
    switch: str


@dataclasses.dataclass(frozen=True)
class Tier:
    """Where logical units are made."""

    uuid: str
    name: str
    pool_uuid: str
    pool_name: str
    href: str
    # UUIDs of the VIOSes of this system that are nodes of the cluster.
    nodes: frozenset[str] = frozenset()
    # UUIDs of the pool's other tiers, which may have disks of old servers.
    others: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Group:
    """A volume group of a VIOS. The UDIDs of its disks have its ``serial``."""

    vios: Vios
    uuid: str
    name: str
    serial: str
    repository: bool


class Switch(typing.NamedTuple):
    """A virtual switch: its number and its link."""

    number: int
    href: str


def uuid_of(href: str | None) -> str:
    """The UUID at the end of a link, in upper case."""
    return (href or "").split("?")[0].rsplit("/", 1)[-1].upper()


def fc_ports_of(vios: typing.Any) -> list[FcPort]:
    """Those that are cabled: others take no adapters of partitions."""
    found = [
        FcPort(
            vios_uuid=vios.uuid,
            name=port.name,
            wwpn=port.wwpn.replace(":", "").upper(),
            total=port.npiv_total_ports,
        )
        for port in vios.pfc_ports
        if port.npiv_total_ports > 0
    ]
    return sorted(found, key=lambda port: port.wwpn)
