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

"""Virtual SCSI mappings of a VIOS: whose they are, what they map, and changes."""

from __future__ import annotations

import collections.abc
import dataclasses
import typing

from pypowervm.wrappers import virtual_io_server

from ibmvirt.common import plan
from ibmvirt.powervm import parallel, writer
from ibmvirt.powervm.rest import errors, topology

GROUP = "ViosSCSIMapping"
MEDIA = "VirtualOpticalMedia"
VOLUME = "PhysicalVolume"
DISK = "VirtualDisk"
# Devices of a pair of adapters, as nova-powervm had them (pypowervm's
# scsi_mapper): more would share too few commands of the client's driver.
_DEVICES = 32
# Kind, id and name of a backing device.
Identity = tuple[str, str, str]
# The mappings of a VIOS that are meant.
Choice = collections.abc.Callable[[typing.Any], list[typing.Any]]
Some = collections.abc.Iterable[typing.Any]


def of(wrapper: typing.Any, lpar_uuid: str) -> list[typing.Any]:
    """The mappings of a VIOS whose client is this partition."""
    return [m for m in wrapper.scsi_mappings if is_of(m, lpar_uuid)]


def is_of(mapping: typing.Any, lpar_uuid: str) -> bool:
    """Whether the client of a mapping is this partition."""
    href = mapping.client_lpar_href or ""
    uuid: str = href.rsplit("/", 1)[-1].split("?")[0]
    return uuid.upper() == lpar_uuid.upper()


def identities(some: Some) -> set[Identity]:
    """What mappings map."""
    return {identity(element) for element in _storage(some)}


def keys(some: Some) -> set[tuple[str, str]]:
    """What mappings map, to be compared with references."""
    return {key(element) for element in _storage(some)}


def _storage(some: Some) -> list[typing.Any]:
    found = (mapping.backing_storage for mapping in some)
    return [element for element in found if element is not None]


def identity(element: typing.Any) -> Identity:
    """Kind, id and name of a backing device."""
    kind = str(element.schema_type)
    return kind, str(element.name if kind == MEDIA else element.udid), str(element.name)


def key(element: typing.Any) -> tuple[str, str]:
    """What tells a backing device from others of a VIOS, also in a reference."""
    kind = str(element.schema_type)
    return kind, str(element.name if kind in (MEDIA, DISK) else element.udid)


def read(adapter: typing.Any, guest: plan.GuestRef) -> set[Identity]:
    """Whatever the VIOSes map to a partition. One call."""
    with errors.attempting(f"read the storage of the partition {guest.name}"):
        wrappers = virtual_io_server.VIOS.get(adapter, xag=[GROUP])
    return identities(m for wrapper in wrappers for m in of(wrapper, guest.id))


def has_volumes(adapter: typing.Any, guest: plan.GuestRef) -> bool:
    """Whether a VIOS maps a volume to a partition. One call."""
    return any(kind == VOLUME for kind, *_id in read(adapter, guest))


def names(elements: list[typing.Any]) -> str:
    return ", ".join(str(element.name) for element in elements)


def add(
    wrapper: typing.Any, adapter: typing.Any, lpar_uuid: str, element: typing.Any
) -> None:
    """Map a backing device to a partition, in the wrapper of a VIOS.

    Over a pair of adapters that the partition has there, so that it takes no
    slot and a system that runs without RMC sees it too; the emptiest, and of
    several the last, since the first leads to what it boots from. Without one
    that has room, the platform makes a pair.
    """
    buses: dict[str, list[typing.Any]] = {}
    for mapping in of(wrapper, lpar_uuid):
        server = mapping.server_adapter
        # Those that were added to the wrapper just now have no adapters yet.
        if mapping.client_adapter is not None and server is not None and server.udid:
            buses.setdefault(server.udid, []).append(mapping)
    roomy = [bus for bus in buses.values() if len(bus) < _DEVICES]
    kind = virtual_io_server.VSCSIMapping
    if roomy:
        bus = min(reversed(roomy), key=len)
        made = kind.bld_from_existing(bus[0], element)
    else:
        made = kind.bld(adapter, None, lpar_uuid, element)
    wrapper.scsi_mappings.append(made)


@dataclasses.dataclass
class Unmapped:
    """What was unmapped, and what is mapped still, by the VIOS's UUID."""

    gone: dict[str, set[Identity]] = dataclasses.field(default_factory=dict)
    left: dict[str, set[Identity]] = dataclasses.field(default_factory=dict)


def unmap(
    writers: writer.Writers,
    vioses: tuple[topology.Vios, ...],
    choose: Choice,
    what: str,
) -> Unmapped:
    """Remove the mappings of every VIOS that ``choose`` picks."""
    result = Unmapped()

    def change(vios: topology.Vios) -> None:
        def remove(wrapper: typing.Any) -> bool:
            gone = choose(wrapper)
            # Not emptied by another try, whose answer was lost.
            result.gone.setdefault(vios.uuid, set()).update(identities(gone))
            for mapping in gone:
                wrapper.scsi_mappings.remove(mapping)
            result.left[vios.uuid] = identities(wrapper.scsi_mappings)
            return bool(gone)

        writers.of(vios.uuid, vios.name, GROUP).apply(remove, what)

    parallel.over_vioses(change, vioses)
    return result
