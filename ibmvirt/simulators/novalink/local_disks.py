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

"""The disks that the management partition sees, as files.

A disk that is mapped to the partition is a SCSI device: a file in ``dev`` with
a link in ``dev/disk/by-id``. As on Linux the device stays when the disk is
unmapped, until ``delete`` is written, and ``scan`` brings a deleted one back. A
disk that the partition's own VIOS serves to others is a link in ``dev/ssp`` or
``dev/mapper``.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import shutil
import threading
import time

from ibmvirt.simulators.core import blobs
from ibmvirt.simulators.novalink import store
from ibmvirt.simulators.novalink.objects import backing, scsi_mapping, volume_group
from ibmvirt.simulators.novalink.schema import xml

# Slots of virtual adapters are devices of this number and the slot.
_VIO_BASE = 0x30000000
# Real seconds between looks at what was written to ``delete`` and ``scan``.
_LOOK = 0.02


@dataclasses.dataclass(frozen=True)
class _Disk:
    """Content (a blob or ''), bytes, and the client's slot."""

    blob: str
    size: int
    slot: int = 0


@dataclasses.dataclass
class _Device:
    """A SCSI device that is shown, or that was deleted while it is mapped."""

    disk: _Disk
    name: str
    mapped: bool = True
    deleted: bool = False


class LocalDisks:
    """The disks of one system's management partition, below a root directory."""

    def __init__(
        self, system: store.System, root: pathlib.Path, contents: blobs.Blobs
    ) -> None:
        self._system = system
        self._root = root
        self._blobs = contents
        self._number = ""
        # Not the world's lock: files are copied under it.
        self._lock = threading.Lock()
        self._devices: dict[str, _Device] = {}
        self._served: dict[str, _Disk] = {}
        self._seen: tuple[object, ...] | None = None
        self._watcher: threading.Thread | None = None
        for name in ("dev/disk/by-id", "sys/block", *backing.LOCAL_HOMES.values()):
            (root / name).mkdir(parents=True)
        (root / "sys/bus/vio/devices").mkdir(parents=True)
        # Contents of served disks, each once: clones share one.
        self._contents = root.parent / "contents"
        self._contents.mkdir()

    def install(self, number: str) -> None:
        """Begin to follow the mappings; ``number`` is the partition's id."""
        self._number = number
        self.refresh()

    def clear(self) -> None:
        """After a reset: what was left unmapped is gone."""
        with self._lock:
            for udid in list(self._devices):
                self._remove(udid)
            self._seen = None
        self.refresh()

    def refresh(self) -> None:
        """Let the files follow what is mapped and served."""
        with self._lock:
            fabric = self._system.fabric
            seen = (
                self._system.objects.current(),
                fabric.shared.current(),
                fabric.luns.current(),
            )
            # A version is replaced, never changed.
            if self._seen is not None and all(map(_same, self._seen, seen)):
                return
            self._seen = seen
            units = {
                unit.value("UniqueDeviceID"): unit.blob
                for unit in self._system.all("LogicalUnit")
            } | {lun.udid: lun.blob for lun in fabric.luns.current().values()}
            self._follow_devices(units)
            self._follow_served(units)

    # -- what is mapped --------------------------------------------------------

    def _follow_devices(self, units: dict[str, str]) -> None:
        wanted = {}
        for vios in self._system.all("VirtualIOServer"):
            # Worked out once for each version: this runs after every change.
            for slot, storage in vios.fact("local side", self._mappings):
                udid = xml.value(storage, "UniqueDeviceID")
                wanted[udid] = self._disk(storage, units, slot)
        for udid, device in list(self._devices.items()):
            if udid in wanted:
                continue
            device.mapped = False
            self._link(udid).unlink(missing_ok=True)
            if device.deleted:
                del self._devices[udid]
        for udid, disk in wanted.items():
            shown = self._devices.get(udid)
            if shown is None or not shown.mapped or shown.disk != disk:
                self._remove(udid)
                self._add(udid, disk)

    def _mappings(self, vios: store.SimObject) -> list[tuple[int, xml.Element]]:
        """Client slot and storage of what a VIOS maps to this partition."""
        found = []
        for mapping in xml.findall(vios.element, scsi_mapping.PATH):
            if xml.value(mapping, "ClientAdapter/LocalPartitionID") != self._number:
                continue
            storage = backing.storage_of(mapping)
            slot = xml.value(mapping, "ClientAdapter/VirtualSlotNumber")
            if storage is not None and slot:
                found.append((int(slot), storage))
        return found

    def _disk(
        self, storage: xml.Element, units: dict[str, str], slot: int = 0
    ) -> _Disk:
        size = 0
        for tag, unit in (
            ("UnitCapacity", 1 << 30),
            ("DiskCapacity", 1 << 30),
            ("VolumeCapacity", 1 << 20),
        ):
            size = size or int(float(xml.value(storage, tag, "0")) * unit)
        if xml.name(storage) in ("LogicalUnit", "PhysicalVolume"):
            udid = xml.value(storage, "UniqueDeviceID")
            return _Disk(units.get(udid, ""), size, slot)
        for tag, name in (("DiskName", "disk"), ("MediaName", "media")):
            label = xml.value(storage, tag)
            for group in self._system.all("VolumeGroup") if label else []:
                blob = volume_group.blob_of(group, name, label)
                if blob:
                    return _Disk(blob, max(size, self._blobs.size(blob)), slot)
        return _Disk("", size, slot)

    def _link(self, udid: str) -> pathlib.Path:
        return self._root / "dev/disk/by-id" / f"scsi-SAIX_{udid[-32:]}"

    def _scan_file(self, slot: int) -> pathlib.Path:
        bus = self._root / f"sys/bus/vio/devices/{_VIO_BASE | slot:x}"
        return bus / "host0/scsi_host/host0/scan"

    def _delete_file(self, name: str) -> pathlib.Path:
        return self._root / f"sys/block/{name}/device/delete"

    def _add(self, udid: str, disk: _Disk) -> None:
        scan = self._scan_file(disk.slot)
        scan.parent.mkdir(parents=True, exist_ok=True)
        scan.touch()
        used = {path.name for path in (self._root / "dev").iterdir()}
        name = next(n for n in map(_letters, range(len(used) + 1)) if n not in used)
        device = self._root / "dev" / name
        self._write(device, disk)
        delete = self._delete_file(name)
        delete.parent.mkdir(parents=True)
        delete.touch()
        link = self._link(udid)
        link.symlink_to(os.path.relpath(device, link.parent))
        self._devices[udid] = _Device(disk, name)
        if self._watcher is None:
            self._watcher = threading.Thread(target=self._watch, daemon=True)
            self._watcher.start()

    def _write(self, path: pathlib.Path, disk: _Disk) -> None:
        if disk.blob:
            shutil.copyfile(self._blobs.path(disk.blob), path)
        with path.open("ab") as file:
            if file.tell() < disk.size:
                # Sparse: the rest of the disk reads as zeros.
                file.truncate(disk.size)

    def _remove(self, udid: str) -> None:
        self._link(udid).unlink(missing_ok=True)
        device = self._devices.pop(udid, None)
        if device is not None:
            shutil.rmtree(self._root / "sys/block" / device.name, ignore_errors=True)
            # Last: clients wait for the device to go.
            (self._root / "dev" / device.name).unlink(missing_ok=True)

    # -- what a client writes --------------------------------------------------

    def _watch(self) -> None:
        """Look at ``delete`` and ``scan`` as long as there is a device."""
        while True:
            time.sleep(_LOOK)
            # The simulator may be ending, and its directory with it.
            with self._lock, contextlib.suppress(OSError):
                for udid, device in list(self._devices.items()):
                    self._look(udid, device)
                if not self._devices:
                    self._watcher = None
                    return

    def _look(self, udid: str, device: _Device) -> None:
        scan = self._scan_file(device.disk.slot)
        if device.deleted:
            if scan.stat().st_size:
                scan.write_bytes(b"")
                self._add(udid, device.disk)
        elif self._delete_file(device.name).stat().st_size:
            scan.write_bytes(b"")
            self._remove(udid)
            if device.mapped:
                device.deleted = True
                self._devices[udid] = device

    # -- what is served --------------------------------------------------------

    def _follow_served(self, units: dict[str, str]) -> None:
        """A link to the content of each disk that this VIOS maps to anyone."""
        wanted = {}
        for vios in self._system.all("VirtualIOServer"):
            if vios.value("PartitionID") == self._number:
                for storage in vios.fact("served", _disks_of):
                    path = backing.local_path(self._system, storage)
                    wanted[path] = self._disk(storage, units)
        for path in self._served.keys() - wanted.keys():
            pathlib.Path(path).unlink(missing_ok=True)
        for path, disk in wanted.items():
            if self._served.get(path) != disk:
                content = self._contents / f"{disk.blob or 'zeros'}-{disk.size}"
                if not content.exists():
                    self._write(content, disk)
                pathlib.Path(path).unlink(missing_ok=True)
                pathlib.Path(path).symlink_to(content)
        if self._served != wanted:
            used = {f"{disk.blob or 'zeros'}-{disk.size}" for disk in wanted.values()}
            for file in self._contents.iterdir():
                if file.name not in used:
                    file.unlink()
        self._served = wanted


def _same(first: object, second: object) -> bool:
    return first is second


def _disks_of(vios: store.SimObject) -> list[xml.Element]:
    """Disks with contents that a VIOS maps."""
    found = []
    for mapping in xml.findall(vios.element, scsi_mapping.PATH):
        storage = backing.storage_of(mapping)
        if storage is not None and backing.is_disk(storage):
            found.append(storage)
    return found


def _letters(number: int) -> str:
    """sda, sdb, ... sdz, sdaa, ..."""
    text = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        text = chr(ord("a") + rest) + text
    return f"sd{text}"
