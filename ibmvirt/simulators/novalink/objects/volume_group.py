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

"""VolumeGroup: virtual disks and the media repository of a VIOS."""

from __future__ import annotations

from ibmvirt.simulators.novalink import store
from ibmvirt.simulators.novalink.objects import base, scsi_mapping
from ibmvirt.simulators.novalink.refusals import refuse
from ibmvirt.simulators.novalink.schema import xml

_REPOSITORY = "MediaRepositories/VirtualMediaRepository"
_MEDIA = f"{_REPOSITORY}/OpticalMedia/VirtualOpticalMedia"
_DISK = "VirtualDisks/VirtualDisk"


def repository_of(group: store.SimObject) -> xml.Element | None:
    return xml.find(group.element, _REPOSITORY)


def media_of(group: store.SimObject) -> list[xml.Element]:
    return xml.findall(group.element, _MEDIA)


def disks_of(group: store.SimObject) -> list[xml.Element]:
    return xml.findall(group.element, _DISK)


def find_with_repository(
    system: store.System, vios: store.SimObject
) -> store.SimObject:
    """:raises Refusal: the VIOS has no media repository."""
    for group in system.all("VolumeGroup", vios.key):
        if repository_of(group) is not None:
            return group
    raise refuse("no_repository", name=vios.value("PartitionName"))


@base.register
class VolumeGroup(base.Noun):
    """Below its VIOS; disks and media are made and removed by POST."""

    TYPE = "VolumeGroup"
    PARENTS = ("VirtualIOServer",)
    VERBS = frozenset({"GET", "POST"})

    def render(self, system: store.System, item: store.SimObject) -> xml.Element:
        element = xml.copy_of(item.element)
        free = round(_capacity(item.element) - used_gb(item.element), 4)
        for tag in ("AvailableSize", "FreeSpace"):
            xml.put(element, tag, free)
        return element

    def update(
        self,
        system: store.System,
        item: store.SimObject,
        posted: xml.Element,
        groups: store.Groups,
    ) -> store.SimObject:
        element = xml.merge(item.element, posted, groups, ())
        kind, uuid = item.parent.split("/")
        in_use = scsi_mapping.mapped(system.get(kind, uuid))
        self._check_removed(item.element, element, in_use)
        blobs = _blobs(item)
        for disk in xml.findall(element, _DISK):
            name = base.required(disk, "DiskName")
            if not xml.value(disk, "UniqueDeviceID"):
                serial = system.fabric.next_number("vdisk")
                xml.put(disk, "UniqueDeviceID", f"0300{serial:030x}.{serial}")
                source = xml.value(disk, "BaseImage")
                if source:
                    blobs[f"disk/{name}"] = blobs.get(f"disk/{source}", "")
        free = _capacity(element) - used_gb(element)
        if free < 0:
            raise refuse(
                "pool_full",
                free=round(_capacity(item.element) - used_gb(item.element), 2),
                wanted=round(used_gb(element) - used_gb(item.element), 2),
            )
        names = {
            f"disk/{xml.value(d, 'DiskName')}" for d in xml.findall(element, _DISK)
        }
        names |= {
            f"media/{xml.value(m, 'MediaName')}" for m in xml.findall(element, _MEDIA)
        }
        for tag in ("AvailableSize", "FreeSpace"):
            # Computed when it is read; what a client posts back is stale.
            xml.put(element, tag, item.value(tag))
        kept = {name: blob for name, blob in blobs.items() if name in names}
        return system.replace(with_blobs(item.changed(element), kept))

    @staticmethod
    def _check_removed(
        old: xml.Element, new: xml.Element, in_use: dict[str, xml.Element]
    ) -> None:
        for path in (_DISK, _MEDIA):
            left = {scsi_mapping.storage_id(e) for e in xml.findall(new, path)}
            for element in xml.findall(old, path):
                identity = scsi_mapping.storage_id(element)
                if identity not in left and identity in in_use:
                    raise refuse("media_in_use", name=identity)


def _capacity(element: xml.Element) -> float:
    return base.number(element, "GroupCapacity")


def used_gb(element: xml.Element) -> float:
    """GB of the virtual disks and the media repository."""
    total = sum(
        base.number(disk, "DiskCapacity") for disk in xml.findall(element, _DISK)
    )
    repository = xml.find(element, _REPOSITORY)
    if repository is not None:
        total += base.number(repository, "RepositorySize", "0")
    return total


# The contents of a group's disks and media: "kind/name=blob" lines in `blob`.


def _blobs(item: store.SimObject) -> dict[str, str]:
    pairs = (line.rpartition("=") for line in item.blob.splitlines())
    return {name: blob for name, _, blob in pairs}


def blob_of(item: store.SimObject, kind: str, name: str) -> str:
    """The content of ``disk`` or ``media`` of that name, or ''."""
    return _blobs(item).get(f"{kind}/{name}", "")


def with_blobs(item: store.SimObject, blobs: dict[str, str]) -> store.SimObject:
    import dataclasses

    text = "\n".join(f"{name}={blob}" for name, blob in sorted(blobs.items()))
    return dataclasses.replace(item, blob=text, views={})


def set_blob(item: store.SimObject, kind: str, name: str, blob: str) -> store.SimObject:
    return with_blobs(item, {**_blobs(item), f"{kind}/{name}": blob})


def media(name: str, size_gb: float, udid: str) -> xml.Element:
    return xml.node(
        "VirtualOpticalMedia",
        xml.leaf("MediaName", name),
        xml.leaf("MediaUDID", udid, "ROR"),
        xml.leaf("MountType", "rw", "CUD"),
        xml.leaf("Size", size_gb),
        kb=None,
    )


def add_media(
    system: store.System, item: store.SimObject, name: str, size: int, blob: str
) -> store.SimObject:
    """Put an uploaded file into the repository; size in bytes.

    :raises Refusal: there is no room, or one of that name.
    """
    element = xml.copy_of(item.element)
    repository = xml.find(element, _REPOSITORY)
    assert repository is not None
    if any(xml.value(m, "MediaName") == name for m in xml.findall(element, _MEDIA)):
        raise refuse("lu_exists", name=name)
    used = sum(base.number(m, "Size") for m in xml.findall(element, _MEDIA))
    wanted = size / (1 << 30)
    room = base.number(repository, "RepositorySize")
    if used + wanted > room:
        raise refuse("pool_full", free=round(room - used, 4), wanted=round(wanted, 4))
    home = xml.find(repository, "OpticalMedia")
    if home is None:
        home = xml.node("OpticalMedia")
        repository.insert(1, home)
    serial = system.fabric.next_number("media")
    home.append(media(name, round(wanted, 6), f"0e{serial:030x}"))
    return set_blob(item.changed(element), "media", name, blob)
