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
from ibmvirt.simulators.novalink.objects import base, managed_system, partition, usage
from ibmvirt.simulators.novalink.refusals import refuse
from ibmvirt.simulators.novalink.schema import xml

ORDER = (
    *partition.ORDER,
    "MigrationStorageViosDataStatus",
    "MigrationStorageViosDataTimestamp",
    "RemoteRestartCapable",
    "SimplifiedRemoteRestartCapable",
    "HasDedicatedProcessorsForMigration",
    "SuspendCapable",
    "MigrationDisable",
    "MigrationState",
    "RemoteRestartState",
    "PrimaryPagingServicePartition",
    "PowerManagementMode",
    "SecondaryPagingServicePartition",
    "UsesHighSpeedLinkOpticonnect",
    "UsesVirtualOpticonnect",
    "VirtualFibreChannelClientAdapters",
    "VirtualSCSIClientAdapters",
    "RestrictedIO",
    "StorageDeviceUniqueDeviceID",
    "DesignatedIPLSource",
    "DedicatedVirtualNICs",
    "BootListInformation",
)
TYPES = ("AIX/Linux", "OS400")


@base.register
class LogicalPartition(base.Noun):
    """Made below a ManagedSystem; read and changed there or as a root."""

    TYPE = "LogicalPartition"
    PARENTS = ("", "ManagedSystem")
    SEARCH = ("PartitionName", "PartitionID")
    ORDER = ORDER
    VERBS = frozenset({"GET", "PUT", "POST", "DELETE"})
    GROUPS = frozenset({"NVRAM", "Advanced"})

    def create(
        self,
        system: store.System,
        parent: store.SimObject | None,
        posted: xml.Element,
    ) -> store.SimObject:
        element = xml.copy_of(posted)
        self._check_name(system, base.required(element, "PartitionName"), None)
        if base.required(element, "PartitionType") not in TYPES:
            raise refuse("malformed", detail="PartitionType is not AIX/Linux or OS400")
        uuid = xml.value(element, "PartitionUUID").upper() or str(uuids.uuid4()).upper()
        if system.find(self.TYPE, uuid) is not None:
            raise refuse("duplicate_uuid", uuid=uuid)
        self._check_size(system, element, None)
        number = xml.value(element, "PartitionID")
        if number and system.partition_by_id(number) is not None:
            raise refuse("duplicate_id", id=number)
        if not number:
            number = str(self._next_id(system))
            xml.insert(element, xml.leaf("PartitionID", number, "COD"), ORDER)
        partition.set_defaults(system, element, uuid, self.TYPE)
        self._more_defaults(system, element, number)
        partition.set_current(element)
        return system.add(self.TYPE, element, parent="", uuid=uuid)

    @staticmethod
    def _more_defaults(system: store.System, element: xml.Element, number: str) -> None:
        defaults: list[tuple[str, typing.Any, str]] = [
            ("LogicalSerialNumber", f"{system.serial}{int(number):X}", "ROR"),
            ("RemoteRestartCapable", False, "COD"),
            ("SimplifiedRemoteRestartCapable", False, "CUD"),
            ("SuspendCapable", False, "CUD"),
            ("MigrationState", "Not_Migrating", "ROR"),
            ("RemoteRestartState", "Invalid", "ROR"),
        ]
        for tag, text, kb in defaults:
            if xml.find(element, tag) is None:
                xml.insert(element, xml.leaf(tag, text, kb), ORDER)

    @staticmethod
    def _next_id(system: store.System) -> int:
        """The lowest free partition id (assumed)."""
        used = {int(item.value("PartitionID")) for item in system.partitions()}
        return next(n for n in range(1, 10_000) if n not in used)

    @staticmethod
    def _check_name(system: store.System, name: str, but: str | None) -> None:
        for item in system.partitions():
            if item.uuid != but and item.value("PartitionName") == name:
                raise refuse("duplicate_name", name=name)

    @staticmethod
    def _check_size(
        system: store.System, element: xml.Element, old: store.SimObject | None
    ) -> None:
        """Limits of memory, and room on the machine for both."""
        path = "PartitionMemoryConfiguration"
        least, wanted, most = (
            base.number(element, f"{path}/{tag}", "0")
            for tag in ("MinimumMemory", "DesiredMemory", "MaximumMemory")
        )
        block = managed_system.BLOCK_MIB
        if not 0 < least <= wanted <= most or any(v % block for v in (wanted, most)):
            raise refuse("memory_limits", block=block)
        free_memory, free_units = usage.free(system)
        probe = store.SimObject("LogicalPartition", "", "", element, 0)
        need_memory, need_units = usage.memory_of(probe), usage.processors_of(probe)
        if old is not None:
            free_memory += usage.memory_of(old)
            free_units += usage.processors_of(old)
        if need_memory > free_memory:
            raise refuse("memory", wanted=need_memory, free=free_memory)
        if need_units > free_units + 1e-9:
            raise refuse("processors", wanted=need_units, free=free_units)

    def update(
        self,
        system: store.System,
        item: store.SimObject,
        posted: xml.Element,
        groups: store.Groups,
    ) -> store.SimObject:
        element = xml.merge(item.element, posted, groups, ORDER)
        self._check_name(system, base.required(element, "PartitionName"), item.uuid)
        # What the platform says of itself cannot be written.
        for tag in ("PartitionState", "PartitionUUID", "PartitionID"):
            xml.put(element, tag, item.value(tag), ORDER)
        self._check_size(system, element, item)
        changed = usage.memory_of(item.changed(element)) != usage.memory_of(item)
        if changed and item.value("PartitionState") == partition.RUNNING:
            require_rmc(item)
        partition.set_current(element)
        details = "NVRAM" if groups and "NVRAM" in groups else ""
        return system.replace(item.changed(element), details)

    def delete(self, system: store.System, item: store.SimObject) -> None:
        state = item.value("PartitionState")
        if state not in (partition.OFF, partition.ERROR):
            raise refuse("running", name=item.value("PartitionName"), state=state)
        for adapter in system.all("ClientNetworkAdapter", item.key):
            system.discard(adapter)
        system.discard(item)

    def quick(
        self, system: store.System, item: store.SimObject
    ) -> dict[str, typing.Any]:
        return partition.quick(item)


def require_rmc(item: store.SimObject) -> None:
    """:raises Refusal: a running partition without RMC cannot change.

    IBM i needs none (documented: pypowervm's checks).
    """
    if item.value("PartitionState") == partition.OFF:
        return
    if item.value("PartitionType") == "OS400":
        return
    if item.value("ResourceMonitoringControlState") != "active":
        raise refuse("no_rmc", name=item.value("PartitionName"))
