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

"""Objects of one managed system, and what systems share."""

from __future__ import annotations

import dataclasses
import itertools
import re
import typing
import uuid as uuids

from ibmvirt.simulators.core import blobs, calls, world
from ibmvirt.simulators.novalink import lun
from ibmvirt.simulators.novalink.refusals import refuse
from ibmvirt.simulators.novalink.schema import xml

Groups = frozenset[str] | None
# Rendered views that an object keeps: (content, ETag) by groups.
Views = dict[Groups, tuple[bytes, str]]
_T = typing.TypeVar("_T")


@dataclasses.dataclass(frozen=True, eq=False)
class SimObject:
    """One version of a resource; ``parent`` is the key of its parent or ''.

    ``blob`` names the content of a disk, ``blob_size`` is its bytes.
    """

    type: str
    uuid: str
    parent: str
    element: xml.Element
    created: int
    blob: str = ""
    views: Views = dataclasses.field(default_factory=dict)
    # What was read of this version once: values by path, and typed facts.
    facts: dict[str, typing.Any] = dataclasses.field(default_factory=dict)

    @property
    def key(self) -> str:
        return f"{self.type}/{self.uuid}"

    def value(self, path: str, default: str = "") -> str:
        found = self.facts.get(path)
        if found is None:
            found = self.facts[path] = xml.value(self.element, path)
        return found or default

    def fact(self, name: str, compute: typing.Callable[[SimObject], _T]) -> _T:
        """What ``compute`` says of this version, worked out once."""
        key = f"={name}"
        if key not in self.facts:
            self.facts[key] = compute(self)
        return typing.cast("_T", self.facts[key])

    def changed(self, element: xml.Element, blob: str | None = None) -> SimObject:
        """The next version; ``blob`` None keeps the content."""
        content = self.blob if blob is None else blob
        return dataclasses.replace(
            self, element=element, blob=content, views={}, facts={}
        )


# Not compared: what follows from other objects that are.
_DERIVED = frozenset(
    {
        "AvailableSize",
        "FreeSpace",
        "OverCommitSpace",
        "TotalLogicalUnitSize",
    }
)


def describe(item: SimObject) -> typing.Any:
    """An object for comparison: its elements as nested values."""
    return {"blob": item.blob, "content": _plain(item.element)}


def _dump(item: SimObject) -> dict[str, typing.Any]:
    return {
        "type": item.type,
        "uuid": item.uuid,
        "parent": item.parent,
        "created": item.created,
        "blob": item.blob,
        "xml": xml.serialise(item.element).decode(),
    }


def _load(value: dict[str, typing.Any]) -> SimObject:
    """:raises ValueError: no object, or its XML is not of its type."""
    try:
        element = xml.parse(str(value["xml"]).encode(), str(value["type"]))
    except xml.MalformedXML as error:
        raise ValueError(str(error)) from None
    return SimObject(
        str(value["type"]),
        str(value["uuid"]),
        str(value["parent"]),
        element,
        int(value["created"]),
        str(value["blob"]),
    )


_CODEC = world.Codec(_dump, _load, lambda item: str(item.key))


def is_finished_image(item: SimObject) -> bool:
    """An image that was uploaded: a cache, as Nova's drivers use it."""
    return item.value("LogicalUnitType") == "VirtualIO_Image" and bool(item.blob)


def _plain(element: xml.Element) -> typing.Any:
    children = [child for child in element if isinstance(child.tag, str)]
    if not children:
        return element.get("href") or (element.text or "").strip()
    found: dict[str, typing.Any] = {}
    for child in children:
        tag = xml.name(child)
        if tag in _DERIVED or tag == "Metadata":
            continue
        if tag in found:
            if not isinstance(found[tag], list):
                found[tag] = [found[tag]]
            found[tag].append(_plain(child))
        else:
            found[tag] = _plain(child)
    return found


class Fabric:
    """What the systems of one process share: storage, contents, instruments."""

    def __init__(
        self, instruments: calls.Instruments, contents: blobs.Blobs, *, strict: bool
    ) -> None:
        self.instruments = instruments
        self.blobs = contents
        self.strict = strict
        self.world = world.World()
        # Clusters, pools, tiers and logical units belong to no one system.
        self.shared = self.world.collection(
            "shared", world.KEPT, describe, is_finished_image, _CODEC
        )
        self.counters = self.world.collection(
            "counters", world.COUNTER, codec=world.Codec(int, int)
        )
        # Preferences of the metrics, by system; a client may leave them changed.
        self.preferences = self.world.collection("preferences", world.LOG)
        # LUNs of the storage area network and iSCSI targets.
        self.luns = self.world.collection(
            "luns", world.KEPT, lun.describe, codec=lun.CODEC
        )
        self.systems: list[System] = []
        # What follows after a request has changed something.
        self.settled: list[typing.Callable[[], None]] = []

    @property
    def epoch(self) -> int:
        """Counts resets: what began before one must not go on after it."""
        return self.world.epoch

    def next_number(self, name: str, start: int = 1) -> int:
        """Numbers that never come back."""
        with self.world.lock:
            number = self.counters.get(name, start)
            self.counters[name] = number + 1
            return int(number)


_NAMESPACE = uuids.UUID("0b9f4c1e-5d0a-4f8e-9a53-6c1d7f2e8b44")
# Types that all systems of the fabric see.
SHARED_TYPES = frozenset({"Cluster", "SharedStoragePool", "Tier", "LogicalUnit"})


class System:
    """One managed system: a collection of objects and ways to find them."""

    def __init__(self, fabric: Fabric, name: str, serial: str) -> None:
        self.fabric = fabric
        self.name = name
        self.serial = serial
        self.machine_type = "8247"
        self.model = "22L"
        self.uuid = str(uuids.uuid5(uuids.NAMESPACE_DNS, f"{name}.ibmvirt"))
        self.base_url = ""
        # The directory laid out like ``/`` of the management partition, if any.
        self.local_root = ""
        self.objects = fabric.world.collection(
            f"system/{name}", world.KEPT, describe, codec=_CODEC
        )
        self.lock = fabric.world.lock
        self.on_change: typing.Callable[[str, SimObject, str], None] = _ignore
        # What ends the console of a partition.
        self.close_console: list[typing.Callable[[SimObject], None]] = []
        # What is left of a partition elsewhere, when it is deleted.
        self.forget: list[typing.Callable[[SimObject], None]] = []
        self._created = itertools.count(1_700_000_000_000)

    # -- reading ----------------------------------------------------------

    def home(self, kind: str) -> world.Collection:
        return self.fabric.shared if kind in SHARED_TYPES else self.objects

    def get(self, kind: str, uuid: str) -> SimObject:
        """:raises Refusal: there is none."""
        found = self.find(kind, uuid)
        if found is None:
            raise refuse("not_found", type=kind, uuid=uuid)
        return found

    def find(self, kind: str, uuid: str) -> SimObject | None:
        collection = self.home(kind).current()
        found = collection.get(f"{kind}/{uuid}")
        if found is None:
            # Partition ids are sent in either case.
            found = collection.get(f"{kind}/{uuid.upper()}") or collection.get(
                f"{kind}/{uuid.lower()}"
            )
        return typing.cast("SimObject | None", found)

    def all(self, kind: str, parent: str | None = None) -> list[SimObject]:
        prefix = f"{kind}/"
        return [
            item
            for key, item in self.home(kind).current().items()
            if key.startswith(prefix) and (parent is None or item.parent == parent)
        ]

    def partitions(self) -> list[SimObject]:
        return self.all("VirtualIOServer") + self.all("LogicalPartition")

    def partition_by_id(self, number: str) -> SimObject | None:
        for item in self.partitions():
            if item.value("PartitionID") == number:
                return item
        return None

    # -- links ------------------------------------------------------------

    def url(self, *parts: str) -> str:
        return "/".join([f"{self.base_url}/rest/api/uom", *parts])

    def url_of(self, item: SimObject) -> str:
        """The SELF link: below its parent, where it has one."""
        if item.parent:
            return self.url(*item.parent.split("/"), item.type, item.uuid)
        return self.url(item.type, item.uuid)

    def by_href(self, href: str) -> SimObject | None:
        """The object that a link names, by its last type and UUID."""
        match = re.search(r"/([A-Za-z]+)/([0-9A-Fa-f-]{36})(?:[?/]|$)(?!.*/)", href)
        if match is None:
            parts = href.split("?")[0].rstrip("/").split("/")
            if len(parts) < 2:
                return None
            return self.find(parts[-2], parts[-1])
        return self.find(match.group(1), match.group(2))

    # -- writing (under the lock) -------------------------------------------

    def add(
        self,
        kind: str,
        element: xml.Element,
        *,
        parent: str = "",
        uuid: str | None = None,
        blob: str = "",
        stamped: bool = False,
    ) -> SimObject:
        """Store a new object; ``stamped`` keeps the Metadata it came with."""
        identity = uuid or self._new_uuid(kind)
        created = next(self._created)
        if not stamped:
            xml.stamp(element, identity, created)
        item = SimObject(kind, identity, parent, element, created, blob)
        self.home(kind)[item.key] = item
        self._tell("ADD_URI", item, "")
        return item

    def _new_uuid(self, kind: str) -> str:
        """The same one for the same requests in the same order."""
        while True:
            number = self.fabric.next_number(f"uuid/{kind}")
            found = str(uuids.uuid5(_NAMESPACE, f"{self.name}/{kind}/{number}"))
            if self.find(kind, found) is None:
                return found

    def replace(
        self,
        item: SimObject,
        detail: str = "",
        *,
        quiet: bool = False,
        event: str = "MODIFY_URI",
    ) -> SimObject:
        """Store a new version; subscribers hear of it unless it is ``quiet``,
        as what follows from a change of another object is (assumed)."""
        self.home(item.type)[item.key] = item
        if not quiet:
            self._tell(event, item, detail)
        return item

    def discard(self, item: SimObject) -> None:
        del self.home(item.type)[item.key]
        self._tell("DELETE_URI", item, "")
        if item.type == "LogicalPartition":
            self.fabric.world.on_commit(lambda: self._forget(item))

    def _forget(self, item: SimObject) -> None:
        for action in self.forget:
            action(item)

    def _tell(self, what: str, item: SimObject, detail: str) -> None:
        """Subscribers hear of it when they can read it."""
        world = self.fabric.world
        world.on_commit(lambda: self.on_change(what, item, detail))

    # -- slots --------------------------------------------------------------

    def used_slots(self, partition: SimObject) -> set[int]:
        """Virtual slots of a partition that adapters occupy; 0 and 1 are
        those of the virtual consoles (captured)."""
        number = partition.value("PartitionID")
        used = {0, 1}
        for adapter in self.all("ClientNetworkAdapter", partition.key):
            used.add(int(adapter.value("VirtualSlotNumber", "0")))
        for vios in self.all("VirtualIOServer"):
            used |= vios.fact("slots", slots_of).get(number, frozenset())
        return used

    def next_slot(
        self, partition: SimObject, *, high: bool = False, taken: set[int] | None = None
    ) -> int:
        """The lowest free slot, or for ``high`` the one above all that are in
        use (documented), if there is one.

        :raises Refusal: all are in use.
        """
        used = self.used_slots(partition) | (taken or set())
        most = self.slot_limit(partition)
        if high and max(used) + 1 < most:
            return max(used) + 1
        for slot in range(2, most):
            if slot not in used:
                return slot
        raise refuse("no_slot", id=partition.value("PartitionID"))

    @staticmethod
    def slot_limit(partition: SimObject) -> int:
        """Slots are below this number."""
        path = "PartitionIOConfiguration/MaximumVirtualIOSlots"
        return int(partition.value(path, "64"))

    def location(self, partition_id: str, slot: int | str) -> str:
        return (
            f"U{self.machine_type}.{self.model}.{self.serial}-V{partition_id}-C{slot}"
        )


def slots_of(vios: SimObject) -> dict[str, frozenset[int]]:
    """Slots that the adapters of a VIOS's mappings and its trunk adapters
    occupy, by partition id."""
    found: dict[str, set[int]] = {}
    for path in (
        "VirtualSCSIMappings/VirtualSCSIMapping",
        "VirtualFibreChannelMappings/VirtualFibreChannelMapping",
    ):
        for mapping in xml.findall(vios.element, path):
            for side in ("ClientAdapter", "ServerAdapter"):
                owner = xml.value(mapping, f"{side}/LocalPartitionID")
                slot = xml.value(mapping, f"{side}/VirtualSlotNumber")
                if owner and slot:
                    found.setdefault(owner, set()).add(int(slot))
    own = found.setdefault(vios.value("PartitionID"), set())
    trunks = [
        *xml.findall(vios.element, "TrunkAdapters/TrunkAdapter"),
        *xml.findall(
            vios.element,
            "SharedEthernetAdapters/SharedEthernetAdapter/TrunkAdapters/TrunkAdapter",
        ),
    ]
    own |= {int(xml.value(trunk, "VirtualSlotNumber", "0")) for trunk in trunks}
    return {owner: frozenset(slots) for owner, slots in found.items()}


def _ignore(_kind: str, _item: SimObject, _detail: str) -> None:
    """Until the event queue is there."""
