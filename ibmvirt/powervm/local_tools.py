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


"""What only the management partition itself can do: read a disk mapped to it."""

from __future__ import annotations

import collections.abc
import contextlib
import glob
import io
import logging
import os
import pathlib

from nova.privsep import path as privileged

from ibmvirt.common import clock, context, exceptions

LOG = logging.getLogger(__name__)

# A virtual slot as the kernel's VIO bus names it.
_VIO = 0x30000000
# The end of a UDID that the links of /dev/disk/by-id have.
_UDID_END = 32
_LOOK = 0.25
_PATIENCE = 300.0


class LocalTools:
    """The SCSI disks of this partition.

    What the service's user may not do is done through Nova's privileged
    helper.

    :param root: the directory that has ``dev``, ``proc`` and ``sys``.
    """

    def __init__(self, root: str = "/") -> None:
        self._root = pathlib.Path(root)

    def partition_id(self) -> int | None:
        """The number of the partition that this runs on; None: it is none."""
        try:
            text = (self._root / "proc/ppc64/lparcfg").read_text()
        except OSError:
            return None
        for line in text.splitlines():
            name, _, value = line.partition("=")
            if name.strip() == "partition_id" and value.strip().isdigit():
                return int(value)
        return None

    def find_disk(self, slot: int, udid: str, what: str) -> pathlib.Path:
        """The device of a disk that was mapped to a client slot just now.

        :raises HypervisorError: it does not appear.
        """
        started, scanned = clock.now(), float("-inf")
        pattern = f"*{glob.escape(udid[-_UDID_END:])}"
        while True:
            with _locally(what):
                if clock.now() - scanned >= clock.LOOK:
                    scanned = clock.now()
                    self._scan(slot)
                for link in (self._root / "dev/disk/by-id").glob(pattern):
                    if link.exists():
                        return link.resolve()
            if clock.now() - started >= _PATIENCE:
                raise exceptions.HypervisorError(
                    what,
                    f"the disk {udid} did not appear in {_PATIENCE:.0f} s at slot "
                    f"{slot} of this partition",
                    "look at the SCSI devices of the NovaLink partition: lsscsi, dmesg",
                )
            context.wait(_LOOK)

    def _scan(self, slot: int) -> None:
        bus = self._root / f"sys/bus/vio/devices/{slot | _VIO:x}"
        for file in bus.glob("host*/scsi_host/host*/scan"):
            _write(file, "- - -")

    def open(self, device: pathlib.Path, what: str) -> io.FileIO:
        """Open a disk for reading.

        :raises HypervisorError: that is not allowed, or it is gone.
        """
        with _locally(what):
            try:
                return device.open("rb", buffering=0)
            except PermissionError:
                return _open_as_owner(device)

    def forget(self, device: pathlib.Path) -> None:
        """Let the kernel remove a disk that is unmapped next. Best effort."""
        file = self._root / "sys/block" / device.name / "device/delete"
        try:
            if file.exists():
                _write(file, "1")
        except Exception as error:
            LOG.warning("the device %s was not removed: %s", device, error)


@contextlib.contextmanager
def _locally(what: str) -> collections.abc.Iterator[None]:
    """Name what the block attempts in the errors of the kernel, or of privsep."""
    try:
        yield
    except Exception as error:
        raise exceptions.HypervisorError(
            what,
            f"{type(error).__name__}: {error}",
            "look whether the service's user may use Nova's privileged helper",
        ) from error


def _open_as_owner(device: pathlib.Path) -> io.FileIO:
    """Own a disk for the moment of opening it: what is open stays open."""
    owner = device.stat().st_uid
    privileged.chown(str(device), uid=os.getuid())
    try:
        return device.open("rb", buffering=0)
    finally:
        privileged.chown(str(device), uid=owner)


def _write(file: pathlib.Path, text: str) -> None:
    try:
        file.write_text(text)
    except PermissionError:
        privileged.writefile(str(file), "w", text)
