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

"""The minidisks of a server: their devices, sizes and formats."""

from __future__ import annotations

import dataclasses
import typing

from ibmvirt.common import exceptions, plan
from ibmvirt.zvm import imageformat, pools

_ROLES = ("root", "ephemeral", "swap")
_MIB = 1 << 20
# As nova.virt.zvm has it.
_DEFAULT_FORMAT = "ext3"
# zvmsdk/sdkwsgi/validation/parameter_types.py: file_type, those to be mounted.
FORMATS = ("ext2", "ext3", "ext4", "xfs")
# Cylinders of the largest 3390-A, and blocks of the largest emulated FBA disk.
_LARGEST = {"ECKD": 1182006, "FBA": 2**31 - 1}


@dataclasses.dataclass(frozen=True)
class Minidisk:
    """A minidisk to be made with the guest.

    :ivar size: as the Connector takes it: ``10240m``, or cylinders or blocks.
    """

    role: str
    size: str
    format: str
    pool: pools.Pool | None

    def entry(self) -> dict[str, typing.Any]:
        """The disk in the Connector's disk_list."""
        # The Connector counts devices from its own user_root_vdev.
        found: dict[str, typing.Any] = {"size": self.size}
        if self.pool is not None:
            found["disk_pool"] = str(self.pool)
        if self.role == "root":
            found["is_boot_disk"] = True
        else:
            found["format"] = self.format
        return found


def ordered(disks: tuple[plan.DiskSpec, ...]) -> list[plan.DiskSpec]:
    """The root disk first: the Connector gives devices in this order."""
    return sorted(disks, key=lambda disk: (_ROLES.index(disk.role), disk.index))


def configurations(disks: tuple[plan.DiskRef, ...]) -> list[dict[str, str]]:
    """What the guest shall do with its further disks at its first boot.

    In the order of their devices, which are not given: the Connector counts
    from its own user_root_vdev.
    """
    found, ephemerals = [], 0
    for disk in disks:
        if disk.role == "ephemeral":
            found.append(
                {
                    "format": str(disk.extra["format"]),
                    "mntdir": f"/mnt/ephemeral{ephemerals}",
                }
            )
            ephemerals += 1
        elif disk.role == "swap":
            found.append({"format": "swap"})
    return found


def minidisks(
    server: str,
    disks: tuple[plan.DiskSpec, ...],
    image: imageformat.Disk | None,
    pool: pools.Pool | None,
) -> tuple[Minidisk, ...]:
    """A server's minidisks, the root disk first.

    :param image: the disk in the root disk's image.
    :raises InvalidRequest: one is too small, too large or of a format that the
        Connector cannot make.
    """
    return tuple(
        Minidisk(
            disk.role,
            _size(server, disk, image, pool),
            format_of(server, disk),
            pool,
        )
        for disk in ordered(disks)
    )


def _size(
    server: str,
    disk: plan.DiskSpec,
    image: imageformat.Disk | None,
    pool: pools.Pool | None,
) -> str:
    attempted = f"make the {disk.role} disk of {server}"
    if disk.role == "root" and image is not None:
        if disk.size_mib == 0:
            # Exactly what is in the image.
            return str(image.units)
        if disk.size_mib < image.least_mib:
            raise exceptions.InvalidRequest(
                attempted,
                f"the flavor gives it {disk.size_mib} MiB and the image has {image}",
                "use a flavor with a larger root disk, or with 0 for the image's size",
            )
    kind = pool.type if pool is not None else image.type if image else "ECKD"
    unit = imageformat.UNIT_BYTES[kind]
    if disk.size_mib * _MIB > _LARGEST[kind] * unit:
        raise exceptions.InvalidRequest(
            attempted,
            f"{disk.size_mib} MiB are more than the {_LARGEST[kind] * unit // _MIB} "
            f"MiB that an {kind} disk can have",
        )
    return f"{disk.size_mib}m"


def format_of(server: str, disk: plan.DiskSpec) -> str:
    """:raises InvalidRequest: the Connector cannot make it."""
    if disk.role == "root":
        return "none"
    if disk.role == "swap":
        return "swap"
    wanted = disk.filesystem or _DEFAULT_FORMAT
    if wanted not in FORMATS:
        raise exceptions.InvalidRequest(
            f"make an ephemeral disk of {server}",
            f"its format is {wanted!r}; the Connector makes {', '.join(FORMATS)}",
            "ask for one of these, or change [DEFAULT]default_ephemeral_format",
        )
    return wanted
