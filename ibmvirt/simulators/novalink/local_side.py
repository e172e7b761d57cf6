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

"""What a client finds that runs on the NovaLink partition itself.

``bin`` has the programs mkvterm, rmvterm and pgrep, to be put first in PATH.
``root`` is laid out like ``/``: this partition's id in
``proc/ppc64/lparcfg``, and for every disk that is mapped to the management
partition a readable file in ``dev``, with its link in ``dev/disk/by-id`` and
the files ``scan`` and ``delete`` of the SCSI layer in ``sys``.
"""

from __future__ import annotations

import os
import pathlib
import shutil
import sys

from ibmvirt.simulators.core import blobs
from ibmvirt.simulators.novalink import consoles, store
from ibmvirt.simulators.novalink.objects import backing, scsi_mapping, volume_group
from ibmvirt.simulators.novalink.schema import xml

PROGRAMS = ("mkvterm", "rmvterm", "pgrep")
_SCRIPT = """#!{python}
import json, sys, urllib.request

body = json.dumps({{"words": sys.argv[1:]}}).encode()
request = urllib.request.Request({url!r}, data=body, method="POST")
opener = urllib.request.build_opener(urllib.request.ProxyHandler({{}}))
with opener.open(request, timeout=60) as response:
    result = json.load(response)
sys.stdout.write(result["out"])
if result["err"]:
    sys.stderr.write(result["err"] + "\\n")
sys.exit(result["code"])
"""
# Slots of virtual adapters are devices of this number and the slot.
_VIO_BASE = 0x30000000


class LocalSide:
    """The local side of one system, below a directory."""

    def __init__(
        self, system: store.System, directory: pathlib.Path, contents: blobs.Blobs
    ) -> None:
        self._system = system
        self._blobs = contents
        self.consoles = consoles.Consoles(system)
        self.bin, self.root = directory / "bin", directory / "root"
        self._id = ""
        self._shown: dict[str, tuple[str, int, int]] = {}
        shutil.rmtree(directory, ignore_errors=True)
        self.bin.mkdir(parents=True)
        for name in ("dev/disk/by-id", "sys/block", "sys/bus/vio/devices"):
            (self.root / name).mkdir(parents=True)
        system.settled.append(self.refresh)

    def install(self, admin_url: str) -> None:
        """Write the programs, and the files that do not change."""
        self._id = self._own_id()
        for name in PROGRAMS:
            url = f"{admin_url}/sim/local/{self._system.name}/{name}"
            path = self.bin / name
            path.write_text(_SCRIPT.format(python=sys.executable, url=url))
            path.chmod(0o755)
        config = self.root / "proc/ppc64/lparcfg"
        config.parent.mkdir(parents=True)
        system = self._system
        config.write_text(
            f"serial_number=IBM,{system.serial}\n"
            f"system_type=IBM,{system.machine_type}-{system.model}\n"
            f"partition_id={self._id}\n"
        )
        self.refresh()

    def _own_id(self) -> str:
        for item in self._system.partitions():
            if item.value("IsManagementPartition") == "true":
                return item.value("PartitionID")
        return "1"

    def refresh(self) -> None:
        """Let the files follow what is mapped to this partition."""
        with self._system.lock:
            wanted = self._mapped()
            for udid in self._shown.keys() - wanted.keys():
                self._remove(udid)
            for udid, (blob, size, slot) in wanted.items():
                if self._shown.get(udid) != (blob, size, slot):
                    if udid in self._shown:
                        self._remove(udid)
                    self._add(udid, blob, size, slot)
            self._shown = wanted

    def _mapped(self) -> dict[str, tuple[str, int, int]]:
        """UDID -> content, bytes, slot."""
        found = {}
        for vios in self._system.all("VirtualIOServer"):
            # Worked out once for each version: this runs after every change.
            for slot, storage in vios.fact("local side", self._mappings):
                udid = xml.value(storage, "UniqueDeviceID")
                found[udid] = (*self._content(storage), slot)
        return found

    def _mappings(self, vios: store.SimObject) -> list[tuple[int, xml.Element]]:
        """Client slot and storage of what a VIOS maps to this partition."""
        found = []
        for mapping in xml.findall(vios.element, scsi_mapping.PATH):
            if xml.value(mapping, "ClientAdapter/LocalPartitionID") != self._id:
                continue
            storage = backing.storage_of(mapping)
            slot = xml.value(mapping, "ClientAdapter/VirtualSlotNumber")
            if storage is not None and slot:
                found.append((int(slot), storage))
        return found

    def _content(self, storage: xml.Element) -> tuple[str, int]:
        """Content and size of a disk."""
        kind, udid = xml.name(storage), xml.value(storage, "UniqueDeviceID")
        for tag, unit in (
            ("UnitCapacity", 1 << 30),
            ("DiskCapacity", 1 << 30),
            ("VolumeCapacity", 1 << 20),
        ):
            size = int(float(xml.value(storage, tag, "0")) * unit)
            if size:
                break
        if kind == "LogicalUnit":
            for item in self._system.all("LogicalUnit"):
                if item.value("UniqueDeviceID") == udid:
                    return item.blob, size
        for tag, name in (("DiskName", "disk"), ("MediaName", "media")):
            label = xml.value(storage, tag)
            for group in self._system.all("VolumeGroup") if label else []:
                blob = volume_group.blob_of(group, name, label)
                if blob:
                    return blob, max(size, self._blobs.size(blob))
        return "", size

    def _device(self, udid: str) -> pathlib.Path | None:
        link = self._link(udid)
        return link.resolve() if link.is_symlink() else None

    def _link(self, udid: str) -> pathlib.Path:
        return self.root / "dev/disk/by-id" / f"scsi-SAIX_{udid[-32:]}"

    def _add(self, udid: str, blob: str, size: int, slot: int) -> None:
        bus = self.root / f"sys/bus/vio/devices/{_VIO_BASE | slot:x}"
        scan = bus / "host0/scsi_host/host0/scan"
        scan.parent.mkdir(parents=True, exist_ok=True)
        scan.touch()
        used = {path.name for path in (self.root / "dev").iterdir()}
        name = next(n for n in map(_letters, range(len(used) + 1)) if n not in used)
        device = self.root / "dev" / name
        if blob:
            shutil.copyfile(self._blobs.path(blob), device)
        with device.open("ab") as file:
            if file.tell() < size:
                # Sparse: the rest of the disk reads as zeros.
                file.truncate(size)
        delete = self.root / f"sys/block/{name}/device/delete"
        delete.parent.mkdir(parents=True)
        delete.touch()
        self._link(udid).symlink_to(os.path.relpath(device, self._link(udid).parent))

    def _remove(self, udid: str) -> None:
        device = self._device(udid)
        self._link(udid).unlink(missing_ok=True)
        if device is not None:
            device.unlink(missing_ok=True)
            shutil.rmtree(self.root / "sys/block" / device.name, ignore_errors=True)


def _letters(number: int) -> str:
    """sda, sdb, ... sdz, sdaa, ..."""
    text = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        text = chr(ord("a") + rest) + text
    return f"sd{text}"
