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
from ibmvirt.simulators.novalink.schema import groups as groups_
from ibmvirt.simulators.novalink.schema import table, xml

_REPOSITORY = "MediaRepositories/VirtualMediaRepository"
_MEDIA = f"{_REPOSITORY}/OpticalMedia/VirtualOpticalMedia"
_DISK = "VirtualDisks/VirtualDisk"
# Documented: pypowervm's MaxLen.
_NAME_LIMIT = {"VirtualDisk": 15, "VirtualOpticalMedia": 37}


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
    """Below its VIOS; disks, media and the repository are made by POST.

    - captured: elements, ids of disks (the group's and a number) and of media
      (their name)
    - documented: a disk with a BaseImage is a copy of the disk of that UDID; names
      have a greatest length; one repository a VIOS
    - assumed: a disk may grow and not shrink, what is mapped stays
    """

    TYPE = "VolumeGroup"
    PARENTS = ("VirtualIOServer",)
    VERBS = frozenset({"GET", "POST"})

    def update(
        self,
        system: store.System,
        item: store.SimObject,
        posted: xml.Element,
        groups: store.Groups,
    ) -> store.SimObject:
        element = groups_.merge(item.element, posted, groups)
        vios = system.get(*item.parent.split("/"))
        _keep_volumes(item, element)
        _check_removed(item, element, scsi_mapping.mapped(vios))
        _check_names(system, item, element)
        blobs = _blobs(item)
        for disk in xml.findall(element, _DISK):
            _complete_disk(system, item, disk, blobs)
        for medium in xml.findall(element, _MEDIA):
            _complete_medium(medium)
        _check_repository(system, vios, item, element)
        _account(item, element)
        names = {
            *(f"disk/{xml.value(d, 'DiskName')}" for d in xml.findall(element, _DISK)),
            *(
                f"media/{xml.value(m, 'MediaName')}"
                for m in xml.findall(element, _MEDIA)
            ),
        }
        kept = {name: blob for name, blob in blobs.items() if name in names}
        updated = system.replace(item.changed(element, _lines(kept)))
        follow(system, vios)
        return updated


def _keep_volumes(item: store.SimObject, element: xml.Element) -> None:
    """Name, size and physical volumes stay what they are.

    :raises Refusal: the request adds or removes a physical volume.
    """
    for tag in ("GroupCapacity", "GroupName"):
        table.set_value(element, tag, item.value(tag))
    path, name = "PhysicalVolumes/PhysicalVolume", "VolumeName"
    old = {xml.value(one, name): one for one in xml.findall(item.element, path)}
    new = {xml.value(one, name): one for one in xml.findall(element, path)}
    if old.keys() != new.keys() or len(new) != len(xml.findall(element, path)):
        raise refuse("not_supported", operation="other PhysicalVolumes of a group")
    home = xml.find(element, "PhysicalVolumes")
    for label, volume in new.items():
        assert home is not None
        home.replace(volume, xml.copy_of(old[label]))


def _check_removed(
    item: store.SimObject, new: xml.Element, in_use: dict[str, xml.Element]
) -> None:
    for path in (_DISK, _MEDIA):
        left = {scsi_mapping.storage_id(e) for e in xml.findall(new, path)}
        for element in xml.findall(item.element, path):
            identity = scsi_mapping.storage_id(element)
            if identity not in left and identity in in_use:
                kind, _, name = identity.partition("/")
                raise refuse("disk_in_use", kind=kind, name=name)


def _names(item: store.SimObject) -> set[str]:
    parts = [*xml.findall(item.element, _DISK), *xml.findall(item.element, _MEDIA)]
    return {scsi_mapping.storage_id(part) for part in parts}


def _check_names(
    system: store.System, item: store.SimObject, element: xml.Element
) -> None:
    """Names are unique on a VIOS, and not too long when they are new."""
    there = _names(item)
    taken: set[str] = set()
    for group in system.all("VolumeGroup", item.parent):
        if group.uuid != item.uuid:
            taken |= group.fact("names", _names)
    for path, tag in ((_DISK, "DiskName"), (_MEDIA, "MediaName")):
        for part in xml.findall(element, path):
            kind, name = xml.name(part), base.required(part, tag)
            identity = scsi_mapping.storage_id(part)
            if identity in taken:
                raise refuse("disk_exists", kind=kind, name=name)
            taken.add(identity)
            limit = _NAME_LIMIT[kind]
            base.check_name(kind, name)
            if identity not in there and len(name) > limit:
                raise refuse("disk_name", kind=kind, name=name, limit=limit)


def _complete_disk(
    system: store.System,
    item: store.SimObject,
    disk: xml.Element,
    blobs: dict[str, str],
) -> None:
    name = base.required(disk, "DiskName")
    size = base.number(disk, "DiskCapacity")
    if size <= 0:
        raise refuse("malformed", detail=f"DiskCapacity {size} of {name}")
    old = next((d for d in disks_of(item) if xml.value(d, "DiskName") == name), None)
    if old is not None:
        before = base.number(old, "DiskCapacity")
        if size < before:
            raise refuse("disk_shrink", name=name, size=before, wanted=size)
        table.set_value(disk, "UniqueDeviceID", xml.value(old, "UniqueDeviceID"))
        return
    source = xml.value(disk, "BaseImage")
    if source:
        blobs[f"disk/{name}"] = _copy(system, item, source, size)
        xml.remove(disk, "BaseImage")
    serial = item.value("GroupSerialID") or item.value("UniqueDeviceID")[2:]
    number = system.fabric.next_number(f"vdisk/{item.uuid}")
    table.set_value(disk, "UniqueDeviceID", f"03{serial}.{number}")
    xml.remove(disk, "VolumeGroup")
    table.set_value(disk, "VolumeGroup", table.Href(system.url_of(item)))
    if not xml.value(disk, "DiskLabel"):
        table.set_value(disk, "DiskLabel", "None")


def _copy(system: store.System, item: store.SimObject, source: str, size: float) -> str:
    """The content of a disk of the VIOS, for a copy of it."""
    for group in system.all("VolumeGroup", item.parent):
        for disk in disks_of(group):
            if xml.value(disk, "UniqueDeviceID") == source:
                name = xml.value(disk, "DiskName")
                before = base.number(disk, "DiskCapacity")
                if size < before:
                    raise refuse("disk_shrink", name=name, size=before, wanted=size)
                return blob_of(group, "disk", name)
    raise refuse("no_storage", name=source)


def _complete_medium(medium: xml.Element) -> None:
    name = base.required(medium, "MediaName")
    base.number(medium, "Size", "0")
    for tag, value in (
        ("MediaUDID", f"0e{name}"),
        ("MountType", xml.value(medium, "MountType", "rw")),
    ):
        table.set_value(medium, tag, value)


def _check_repository(
    system: store.System,
    vios: store.SimObject,
    item: store.SimObject,
    element: xml.Element,
) -> None:
    repositories = xml.findall(element, _REPOSITORY)
    elsewhere = any(
        group.uuid != item.uuid and repository_of(group) is not None
        for group in system.all("VolumeGroup", vios.key)
    )
    if len(repositories) > 1 or (repositories and elsewhere):
        raise refuse("repository_exists", name=vios.value("PartitionName"))
    for repository in repositories:
        base.required(repository, "RepositoryName")
        size = base.number(repository, "RepositorySize")
        used = sum(base.number(m, "Size", "0") for m in xml.findall(element, _MEDIA))
        if used > size:
            raise refuse("pool_full", free=size, wanted=round(used, 4))


def used_gb(element: xml.Element) -> float:
    """GB of the virtual disks and the media repository."""
    total = sum(
        base.number(disk, "DiskCapacity") for disk in xml.findall(element, _DISK)
    )
    repository = xml.find(element, _REPOSITORY)
    if repository is not None:
        total += base.number(repository, "RepositorySize", "0")
    return total


def _account(item: store.SimObject, element: xml.Element) -> None:
    """Let what is free follow, by what was added or removed."""
    free = float(item.value("FreeSpace", "0"))
    more = used_gb(element) - used_gb(item.element)
    if more > free + 1e-9:
        raise refuse("pool_full", free=round(free, 4), wanted=round(more, 4))
    for tag in ("AvailableSize", "FreeSpace"):
        if more and xml.find(element, tag) is not None:
            before = float(item.value(tag, "0"))
            table.set_value(element, tag, round(before - more, 4))


def follow(system: store.System, vios: store.SimObject) -> None:
    """A VIOS shows its volume groups and their repositories (captured)."""
    vios = system.get(vios.type, vios.uuid)
    element = xml.copy_of(vios.element)
    groups = system.all("VolumeGroup", vios.key)
    repositories = xml.find(element, "MediaRepositories")
    if repositories is not None:
        for old in xml.findall(repositories, "VirtualMediaRepository"):
            repositories.remove(old)
        for group in groups:
            found = repository_of(group)
            if found is not None:
                repositories.append(xml.copy_of(found))
    pools = xml.find(element, "StoragePools")
    if pools is not None:
        pools[:] = [xml.link(system.url_of(group)) for group in groups]
    system.replace(vios.changed(element), quiet=True)


# The contents of a group's disks and media: "kind/name=blob" lines in `blob`.


def _blobs(item: store.SimObject) -> dict[str, str]:
    pairs = (line.rpartition("=") for line in item.blob.splitlines())
    return {name: blob for name, _, blob in pairs}


def _lines(blobs: dict[str, str]) -> str:
    return "\n".join(f"{name}={blob}" for name, blob in sorted(blobs.items()))


def blob_of(item: store.SimObject, kind: str, name: str) -> str:
    """The content of ``disk`` or ``media`` of that name, or ''."""
    return _blobs(item).get(f"{kind}/{name}", "")


def set_blob(item: store.SimObject, kind: str, name: str, blob: str) -> store.SimObject:
    """The next version, with other bytes of a disk or medium."""
    lines = _lines({**_blobs(item), f"{kind}/{name}": blob})
    return item.changed(item.element, lines)


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
        raise refuse("disk_exists", kind="VirtualOpticalMedia", name=name)
    limit = _NAME_LIMIT["VirtualOpticalMedia"]
    base.check_name("VirtualOpticalMedia", name)
    if not 0 < len(name) <= limit:
        raise refuse("disk_name", kind="VirtualOpticalMedia", name=name, limit=limit)
    used = sum(base.number(m, "Size", "0") for m in xml.findall(element, _MEDIA))
    wanted = size / (1 << 30)
    room = base.number(repository, "RepositorySize")
    if used + wanted > room:
        raise refuse("pool_full", free=round(room - used, 4), wanted=round(wanted, 4))
    if xml.find(repository, "OpticalMedia") is None:
        table.set_value(repository, "OpticalMedia", {})
    home = xml.find(repository, "OpticalMedia")
    assert home is not None
    # Captured: six digits behind the point for what was uploaded.
    home.append(medium(name, f"{wanted:.6f}"))
    stored = system.replace(set_blob(item.changed(element), "media", name, blob))
    follow(system, system.get(*item.parent.split("/")))
    return stored


def medium(name: str, size_gb: str) -> xml.Element:
    """An optical medium (captured: upload_volgrp2.txt)."""
    return table.child(
        "OpticalMedia",
        "VirtualOpticalMedia",
        {
            "MediaName": name,
            "MediaUDID": f"0e{name}",
            "MountType": "rw",
            "Size": size_gb,
        },
    )
