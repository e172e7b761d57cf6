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


"""What happens to a system from outside: ``POST /sim/world``, effect ``world``.

Partitions are named by name or UUID, pools and volume groups by name; ``system``
chooses one of several systems.
"""

from __future__ import annotations

import math
import typing

from ibmvirt.simulators.novalink import events, store
from ibmvirt.simulators.novalink.objects import partition
from ibmvirt.simulators.novalink.schema import table, xml

Fields = dict[str, typing.Any]
_RMC = ("active", "busy", "inactive", "none")
_STATES = {
    partition.RUNNING: "inactive",
    partition.OFF: "none",
    partition.ERROR: "none",
    partition.OPEN_FIRMWARE: "inactive",
}
_CHANGED = "PartitionState,ReferenceCode,RMCState"


def install(fabric: store.Fabric, queues: dict[str, events.Queue]) -> None:
    """Offer the actions; ``queues`` are the events of systems, by name."""

    def rmc(fields: Fields) -> None:
        """The RMC connection of a partition is another."""
        state = _one_of(fields, "state", _RMC)
        _only(fields, "partition", "system", "state")
        system, item = _partition(fabric, fields)
        code = item.value("ReferenceCode")
        moved = partition.with_state(item, item.value("PartitionState"), state, code)
        system.replace(moved, "RMCState")

    def partition_state(fields: Fields) -> None:
        """A partition, or a VIOS, crashed, stopped or came up by itself: what
        NovaLink had of it is invalid (documented: drivers listen to that)."""
        state = _one_of(fields, "state", tuple(_STATES))
        _only(fields, "partition", "system", "state", "reference_code")
        system, item = _partition(fabric, fields)
        code = str(fields.get("reference_code", ""))
        moved = partition.with_state(item, state, _STATES[state], code)
        system.replace(moved, _CHANGED, event="INVALID_URI")

    def free_space(fields: Fields) -> None:
        """A pool (``pool``) or a volume group (``vios``, ``group``) has only so
        many ``gb`` free."""
        _only(fields, "pool", "vios", "group", "system", "gb")
        system, item = _storage(fabric, fields)
        path = "Capacity" if item.type == "SharedStoragePool" else "GroupCapacity"
        most = float(item.value(path))
        size = fields.get("gb")
        if isinstance(size, bool) or not isinstance(size, int | float):
            raise ValueError("gb: must be a number")
        if not math.isfinite(size) or not 0 <= size <= most:
            raise ValueError(f"gb: must be 0 to {most:g}")
        element = xml.copy_of(item.element)
        for tag in ("FreeSpace", "AvailableSize"):
            if xml.find(element, tag) is not None:
                table.set_value(element, tag, size)
        system.replace(item.changed(element))

    def lose_events(fields: Fields) -> None:
        """Clients that have not read all events are told that some are lost."""
        _only(fields, "system")
        for system in _systems(fabric, fields):
            queues[system.name].lose()

    for action in (rmc, partition_state, free_space, lose_events):
        fabric.world.action(action.__name__, action)


def _only(fields: Fields, *known: str) -> None:
    for name in fields:
        if name not in known:
            raise ValueError(f"{name}: unknown field; known are {sorted(known)}")


def _one_of(fields: Fields, name: str, values: tuple[str, ...]) -> str:
    value = fields.get(name)
    if value not in values:
        raise ValueError(f"{name}: must be one of {list(values)}")
    return str(value)


def _systems(fabric: store.Fabric, fields: Fields) -> list[store.System]:
    name = fields.get("system")
    found = [one for one in fabric.systems if name in (None, one.name)]
    if not found:
        raise KeyError(f"system {name}")
    return found


def _partition(
    fabric: store.Fabric, fields: Fields
) -> tuple[store.System, store.SimObject]:
    name = str(fields.get("partition", ""))
    for system in _systems(fabric, fields):
        for item in system.partitions():
            names = (item.value("PartitionName").upper(), item.uuid.upper())
            if name.upper() in names:
                return system, item
    raise KeyError(f"partition {name!r}")


def _storage(
    fabric: store.Fabric, fields: Fields
) -> tuple[store.System, store.SimObject]:
    for system in _systems(fabric, fields):
        for pool in system.all("SharedStoragePool"):
            if pool.value("StoragePoolName") == fields.get("pool"):
                return system, pool
        for vios in system.all("VirtualIOServer"):
            if vios.value("PartitionName") != fields.get("vios"):
                continue
            for group in system.all("VolumeGroup", vios.key):
                if group.value("GroupName") == fields.get("group"):
                    return system, group
    raise KeyError("pool or volume group of that name")
