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


"""LogicalPartition: AIX, Linux and IBM i partitions."""

from __future__ import annotations

import typing
import uuid as uuids

from ibmvirt.simulators.novalink import store
from ibmvirt.simulators.novalink.objects import (
    base,
    managed_system,
    mapping_effects,
    partition,
    usage,
    virtual_network,
)
from ibmvirt.simulators.novalink.refusals import refuse
from ibmvirt.simulators.novalink.schema import groups as groups_
from ibmvirt.simulators.novalink.schema import table, xml

TYPES = ("AIX/Linux", "OS400")
_IBMI_TAGS = {"AlternateLoadSource": "NONE", "Console": "HMC", "LoadSource": "NONE"}


@base.register
class LogicalPartition(base.Noun):
    """Made below a ManagedSystem; read and changed there or as a root.

    - captured: the elements of a partition, its states, links to its adapters;
      mappings of a partition that is gone are left without a client
    - documented: search keys, quick properties, tagged I/O of IBM i, that a
      running partition needs RMC to be resized
    - assumed: the lowest free id is given, memory and processors are held from
      definition on, deleting a running partition is refused
    """

    TYPE = "LogicalPartition"
    PARENTS = ("", "ManagedSystem")
    SEARCH = ("PartitionName", "PartitionID")
    VERBS = frozenset({"GET", "PUT", "POST", "DELETE"})
    GROUPS = frozenset({"NVRAM", "Advanced"})

    def create(
        self,
        system: store.System,
        parent: store.SimObject | None,
        posted: xml.Element,
    ) -> store.SimObject:
        element = table.complete(xml.copy_of(posted))
        partition.check_name(system, base.required(element, "PartitionName"), None)
        if base.required(element, "PartitionType") not in TYPES:
            raise refuse("malformed", detail="PartitionType is not AIX/Linux or OS400")
        uuid = self._uuid(system, element)
        _check_memory(element)
        _check_processors(element)
        _check_mode(system, element)
        number = xml.value(element, "PartitionID") or str(_next_id(system))
        if base.number(element, "PartitionID", number) > _most(system):
            raise refuse("no_id", limit=_most(system))
        if system.partition_by_id(number) is not None:
            raise refuse("duplicate_id", id=number)
        table.set_value(
            element, "PartitionID", int(base.number(element, "PartitionID", number))
        )
        partition.set_defaults(system, element, uuid, number)
        self._more_defaults(element, uuid)
        partition.set_current(element)
        item = store.SimObject(self.TYPE, uuid, "", element, 0)
        usage.take(system, None, item)
        return system.add(self.TYPE, element, parent="", uuid=uuid)

    def _uuid(self, system: store.System, element: xml.Element) -> str:
        """The UUID that a client chose, or a new one."""
        wanted = xml.value(element, "PartitionUUID").upper()
        if not wanted:
            return str(uuids.uuid4()).upper()
        try:
            uuids.UUID(wanted)
        except ValueError:
            raise refuse("malformed", detail=f"PartitionUUID {wanted!r}") from None
        if any(item.uuid.upper() == wanted for item in system.partitions()):
            raise refuse("duplicate_uuid", uuid=wanted)
        return wanted

    @staticmethod
    def _more_defaults(element: xml.Element, uuid: str) -> None:
        partition.fill(
            element,
            {
                "RemoteRestartCapable": False,
                "SimplifiedRemoteRestartCapable": False,
                "HasDedicatedProcessorsForMigration": False,
                "SuspendCapable": False,
                "PartitionNVRAM": partition.nvram(uuid),
                "MigrationState": "Not_Migrating",
                "RemoteRestartState": "Invalid",
                "PowerManagementMode": "None",
                "VirtualFibreChannelClientAdapters": {},
                "VirtualSCSIClientAdapters": {},
            },
        )
        if xml.value(element, "PartitionType") == "OS400":
            configuration = xml.find(element, "PartitionIOConfiguration")
            assert configuration is not None
            partition.fill(configuration, {"TaggedIO": _IBMI_TAGS})
            partition.fill(element, {"DesignatedIPLSource": "b"})

    def update(
        self,
        system: store.System,
        item: store.SimObject,
        posted: xml.Element,
        groups: store.Groups,
    ) -> store.SimObject:
        element = groups_.merge(item.element, posted, groups)
        partition.check_name(system, base.required(element, "PartitionName"), item.uuid)
        # Given once (captured: COD).
        for tag in ("PartitionID", "PartitionType"):
            table.set_value(element, tag, item.value(tag))
        _check_memory(element)
        _check_processors(element)
        _check_mode(system, element)
        partition.set_current(element)
        changed = item.changed(element)
        if _size(changed) != _size(item):
            partition.require_rmc(item)
        if slot_limit := system.slot_limit(changed):
            used = max(system.used_slots(item))
            if used >= slot_limit:
                raise refuse("slot", slot=used, id=item.value("PartitionID"))
        usage.take(system, item, changed)
        changed = system.get(self.TYPE, item.uuid).changed(element)
        nvram = "PartitionNVRAM"
        detail = "NVRAM" if changed.value(nvram) != item.value(nvram) else ""
        return system.replace(changed, detail)

    def delete(self, system: store.System, item: store.SimObject) -> None:
        state = item.value("PartitionState")
        if state not in (partition.OFF, partition.ERROR):
            raise refuse("running", name=item.value("PartitionName"), state=state)
        adapters = system.all("ClientNetworkAdapter", item.key)
        for adapter in adapters:
            system.discard(adapter)
        mapping_effects.forget_client(system, item)
        system.discard(system.get(self.TYPE, item.uuid))
        usage.take(system, item, None)
        if adapters:
            virtual_network.follow(system)

    def quick(
        self, system: store.System, item: store.SimObject
    ) -> dict[str, typing.Any]:
        return partition.quick(item)


def _size(item: store.SimObject) -> tuple[object, ...]:
    """What needs RMC to be changed while the partition runs."""
    return (
        usage.memory_of(item),
        usage.processors_of(item),
        item.value(
            "PartitionProcessorConfiguration/SharedProcessorConfiguration/"
            "DesiredVirtualProcessors"
        ),
    )


def _next_id(system: store.System) -> int:
    used = {int(item.value("PartitionID", "0")) for item in system.partitions()}
    for number in range(1, _most(system) + 1):
        if number not in used:
            return number
    raise refuse("no_id", limit=_most(system))


def _most(system: store.System) -> int:
    """The highest partition id."""
    machine = system.get("ManagedSystem", system.uuid)
    return int(machine.value("MaximumPartitions", "2000"))


def _check_memory(element: xml.Element) -> None:
    path = "PartitionMemoryConfiguration"
    least, wanted, most = (
        base.number(element, f"{path}/{tag}", "0")
        for tag in ("MinimumMemory", "DesiredMemory", "MaximumMemory")
    )
    block = managed_system.BLOCK_MIB
    if not 0 < least <= wanted <= most or any(v % block for v in (least, wanted, most)):
        raise refuse("memory_limits", block=block)


def _check_processors(element: xml.Element) -> None:
    home = "PartitionProcessorConfiguration"
    if xml.value(element, f"{home}/HasDedicatedProcessors") == "true":
        triples = [(f"{home}/DedicatedProcessorConfiguration", "Processors")]
    else:
        shared = f"{home}/SharedProcessorConfiguration"
        triples = [(shared, "ProcessingUnits"), (shared, "VirtualProcessors")]
    for path, tag in triples:
        least, wanted, most = (
            base.number(element, f"{path}/{word}{tag}", "0")
            for word in ("Minimum", "Desired", "Maximum")
        )
        if not 0 < least <= wanted <= most:
            raise refuse("processor_limits", what=tag)


def _check_mode(system: store.System, element: xml.Element) -> None:
    """:raises Refusal: the system has no such processor compatibility mode."""
    mode = xml.value(element, "PendingProcessorCompatibilityMode")
    machine = system.get("ManagedSystem", system.uuid)
    path = (
        "AssociatedSystemProcessorConfiguration/"
        "SupportedPartitionProcessorCompatibilityModes"
    )
    known = {(found.text or "").strip() for found in xml.findall(machine.element, path)}
    if mode and known and mode not in {"default", *known}:
        raise refuse("compatibility", mode=mode)


# The transport and the operations ask here.
require_rmc = partition.require_rmc
