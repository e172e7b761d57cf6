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


"""World files: a world in YAML, beyond what the options say.

What the file leaves out comes from the options of the command line. Partitions
are made as a client would make them, so that what the platform refuses is
refused here too, with file, line and field.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import typing

from ibmvirt.simulators.core import worldfile
from ibmvirt.simulators.novalink import generator, generator_vios, store
from ibmvirt.simulators.novalink.objects import (
    base,
    logical_partition,
    logical_unit,
    partition,
    virtual_io_server,
)
from ibmvirt.simulators.novalink.refusals import Refusal
from ibmvirt.simulators.novalink.schema import groups, table, xml

Values = dict[str, typing.Any]

_STATES = (partition.OFF, partition.RUNNING)
_ADAPTER = worldfile.fields(
    vlan=worldfile.integer(1, least=1, most=4094),
    switch=worldfile.text("ETHERNET0"),
    mac=worldfile.text(""),
)
_LPAR = worldfile.fields(
    name=worldfile.text(required=True),
    system=worldfile.text("sys1"),
    type=worldfile.choice(logical_partition.TYPES, "AIX/Linux"),
    memory_mib=worldfile.integer(1024, least=256),
    vcpus=worldfile.integer(1, least=1),
    units=worldfile.number(0.1, least=0.05),
    state=worldfile.choice(_STATES, partition.OFF),
    adapters=worldfile.items(_ADAPTER),
    disks=worldfile.items(worldfile.text(required=True)),
)
_UNIT = worldfile.fields(
    name=worldfile.text(required=True),
    gb=worldfile.number(1.0, least=0.001),
    image=worldfile.boolean(False),
    thin=worldfile.boolean(True),
    clone_of=worldfile.text(""),
)
# None: as the options say.
_CHOSEN = dataclasses.replace(worldfile.boolean(), default=None)
ROOT = worldfile.fields(
    systems=worldfile.integer(None, least=1, most=16),
    vioses=worldfile.integer(None, least=0, most=16),
    ssp=_CHOSEN,
    rmc=_CHOSEN,
    luns=worldfile.integer(None, least=0, most=4096),
    fc_ports=worldfile.integer(None, least=0, most=32),
    memory_mib=worldfile.integer(None, least=16384),
    processors=worldfile.integer(None, least=1, most=4096),
    ssp_gb=worldfile.number(None, least=1),
    repository_gb=worldfile.number(None, least=0.1),
    volume_group_gb=worldfile.number(None, least=1),
    units=worldfile.items(_UNIT, unique="name"),
    lpars=worldfile.items(_LPAR, unique="name"),
)


def read(path: str) -> worldfile.Document:
    """:raises WorldFileError: the file is not as it must be."""
    return worldfile.load(path, ROOT)


def options(
    document: worldfile.Document | None, given: generator.Options
) -> generator.Options:
    """The options, with what the file says instead."""
    if document is None:
        return given
    said = {
        name: value
        for name, value in document.value.items()
        if name not in ("units", "lpars") and value is not None
    }
    return dataclasses.replace(given, **said)


def apply(fabric: store.Fabric, document: worldfile.Document) -> None:
    """Make the units and partitions of a file in a generated world.

    :raises WorldFileError: the platform refuses one; nothing is made.
    """
    with fabric.world.transaction():
        for place, unit in enumerate(document.value["units"]):
            _try(document, ("units", place), _unit, fabric, unit)
        for place, lpar in enumerate(document.value["lpars"]):
            _try(document, ("lpars", place), _lpar, fabric, lpar)


def _try(
    document: worldfile.Document,
    path: worldfile.Path,
    action: collections.abc.Callable[[store.Fabric, Values], None],
    fabric: store.Fabric,
    values: Values,
) -> None:
    try:
        action(fabric, values)
    except Refusal as refusal:
        raise document.error(path, refusal.message) from None
    except _Wrong as wrong:
        raise document.error((*path, wrong.field), str(wrong)) from None


class _Wrong(Exception):
    def __init__(self, field: str, text: str) -> None:
        super().__init__(text)
        self.field = field


def _unit_named(system: store.System, name: str, field: str) -> store.SimObject:
    for unit in system.all("LogicalUnit"):
        if unit.value("UnitName") == name:
            return unit
    raise _Wrong(field, f"there is no unit {name!r}")


def _unit(fabric: store.Fabric, values: Values) -> None:
    system = fabric.systems[0]
    tiers = system.all("Tier")
    if not tiers:
        raise _Wrong("name", "there is no shared storage pool")
    source = values["clone_of"]
    element = table.build(
        "LogicalUnit",
        {
            "ThinDevice": values["thin"],
            "UnitCapacity": values["gb"],
            "LogicalUnitType": (
                logical_unit.IMAGE if values["image"] else logical_unit.DISK
            ),
            "ClonedFrom": (
                _unit_named(system, source, "clone_of").value("UniqueDeviceID")
                if source
                else None
            ),
            "UnitName": values["name"],
        },
    )
    base.noun_of("LogicalUnit").create(system, tiers[0], element)


def _lpar(fabric: store.Fabric, values: Values) -> None:
    found = [one for one in fabric.systems if one.name == values["system"]]
    if not found:
        names = [one.name for one in fabric.systems]
        raise _Wrong("system", f"there is no such system; there are {names}")
    system = found[0]
    element = table.build(
        "LogicalPartition",
        {
            "PartitionMemoryConfiguration": generator_vios.memory(values["memory_mib"]),
            "PartitionName": values["name"],
            "PartitionProcessorConfiguration": generator_vios.processors(
                values["vcpus"], values["units"]
            ),
            "PartitionType": values["type"],
            "PartitionUUID": generator.fixed_uuid(
                system.name, "lpar", values["name"]
            ).upper(),
        },
    )
    item = base.noun_of("LogicalPartition").create(system, None, element)
    for adapter in values["adapters"]:
        _adapter(system, item, adapter)
    for name in values["disks"]:
        unit = _unit_named(system, name, "disks")
        for vios in system.all("VirtualIOServer"):
            _map(system, vios, item, unit)
    if values["state"] == partition.RUNNING:
        rmc = bool(fabric.counters.get(f"rmc/{system.name}", True))
        active = rmc and values["type"] != "OS400"
        current = system.get(item.type, item.uuid)
        system.replace(
            partition.with_state(
                current, partition.RUNNING, "active" if active else "inactive", ""
            )
        )


def _adapter(system: store.System, item: store.SimObject, values: Values) -> None:
    found = [
        one
        for one in system.all("VirtualSwitch")
        if one.value("SwitchName") == values["switch"]
    ]
    if not found:
        raise _Wrong("adapters", f"there is no switch {values['switch']!r}")
    element = table.build(
        "ClientNetworkAdapter",
        {
            "MACAddress": values["mac"] or None,
            "PortVLANID": values["vlan"],
            "AssociatedVirtualSwitch": {"link": [xml.link(system.url_of(found[0]))]},
        },
    )
    base.noun_of("ClientNetworkAdapter").create(system, item, element)


def _map(
    system: store.System,
    vios: store.SimObject,
    item: store.SimObject,
    unit: store.SimObject,
) -> None:
    """Map a unit, as a client does."""
    shown = frozenset({virtual_io_server.SCSI})
    posted = groups.view(system.get(vios.type, vios.uuid).element, shown)
    home = xml.find(posted, "VirtualSCSIMappings")
    assert home is not None
    mapping = {
        "AssociatedLogicalPartition": table.Href(system.url_of(item)),
        "Storage": {"LogicalUnit": xml.copy_of(unit.element)},
    }
    home.append(table.child("VirtualSCSIMappings", "VirtualSCSIMapping", mapping))
    current = system.get(vios.type, vios.uuid)
    base.noun_of(vios.type).update(system, current, posted, shown)
