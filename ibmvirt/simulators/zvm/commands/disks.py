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

"""Minidisks, and the tools that write them."""

from __future__ import annotations

import pathlib

from ibmvirt.simulators.zvm import imagefile, model
from ibmvirt.simulators.zvm.codes import Refusal, refuse
from ibmvirt.simulators.zvm.commands.base import Arguments, Caller, Result, api, tool


@api("Image_Disk_Create_DM")
def create(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    user = zvm.unlocked(args.user())
    vdev = model.vdev_of(args.flag("-v"))
    if f"{user.name}/{vdev}" in zvm.disks:
        raise refuse("disk_exists", user=user.name, vdev=vdev)
    pool = zvm.pools.get(args.flag("-r").upper())
    if pool is None:
        raise refuse("no_pool", pool=args.flag("-r"))
    size = model.units(args.flag("-z"), pool)
    start = zvm.allocate(pool, size)
    disk = model.Minidisk(user.name, vdev, args.flag("-t"), start, size, pool.name)
    zvm.put_disk(disk)
    line = f"MDISK {vdev} {disk.type} {start} {size} VOL001 {args.flag('-m')}"
    zvm.put(user.changed(entry=(*user.entry, line)))
    return ""


@api("Image_Disk_Create")
def create_active(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    zvm.disk(args.user(), args.flag("-v"))
    return ""


@api("Image_Disk_Delete_DM")
def delete(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    user = zvm.unlocked(args.user())
    disk = zvm.disk(user.name, args.flag("-v"))
    del zvm.disks[f"{disk.owner}/{disk.vdev}"]
    prefix = f"MDISK {disk.vdev} "
    kept = tuple(line for line in user.entry if not line.startswith(prefix))
    zvm.put(user.changed(entry=kept))
    return ""


@api("Image_Volume_Space_Query_DM")
def space(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    """Free extents (-q 2), used extents (-q 3), volumes (-q 1)."""
    if args.flag("-q") == "1" and args.flag("-e") == "1":
        return "".join(
            f"VOL001 {'3390-09' if p.type == 'ECKD' else '9336-32'} {p.size}\n"
            for p in zvm.pools.values()
        )
    name = args.flag("-n").upper()
    pool = zvm.pools.get(name)
    if pool is None:
        return ""
    query = args.flag("-q")
    if query == "1":
        return f"{name} VOL001\n"
    device = f"{pool.device}-A"
    used = zvm.used(name)
    if query == "3":
        return "".join(
            f"VOL001 {device} {d.start} {d.size} {d.start + d.size - 1} "
            f"{d.owner} {d.vdev} {name} VOL001\n"
            for d in used
        )
    lines, start = [], 1
    for disk in used:
        if disk.start > start:
            lines.append(f"VOL001 {device} {start} {disk.start - start} {name}")
        start = disk.start + disk.size
    if start < pool.size:
        lines.append(f"VOL001 {device} {start} {pool.size - start} {name}")
    return "\n".join(lines) + "\n"


@tool("unpackdiskimage")
def unpack(zvm: model.Zvm, caller: Caller, words: list[str]) -> Result:
    """``unpackdiskimage USERID VDEV FILE``: an image's bytes onto a minidisk."""
    user, vdev, path = words[:3]
    try:
        disk = zvm.disk(user, vdev)
        raw, size, kind = imagefile.read(pathlib.Path(path).read_bytes())
    except Refusal as error:
        return Result(3, f"ERROR: {error.text}\n")
    except (OSError, imagefile.NoImage) as error:
        return Result(3, f"ERROR: {path}: {error}\n")
    if kind != ("ECKD" if disk.type == "3390" else "FBA"):
        return Result(3, f"ERROR: the image is {kind}, the disk is not\n")
    if size > disk.size:
        return Result(3, f"ERROR: the image has {size} units, the disk {disk.size}\n")
    blob = zvm.blobs.put(raw)
    zvm.put_disk(
        model.Minidisk(
            disk.owner, disk.vdev, disk.type, disk.start, disk.size, disk.pool, blob
        )
    )
    return Result(0, "")


@tool("creatediskimage")
def pack(zvm: model.Zvm, caller: Caller, words: list[str]) -> Result:
    """``creatediskimage USERID VDEV FILE [--compression N]``."""
    user, vdev, path = words[:3]
    try:
        disk = zvm.disk(user, vdev)
    except Refusal as error:
        return Result(3, f"ERROR: {error.text}\n")
    if pathlib.Path(path).exists():
        return Result(3, "ERROR: The specified image file already exists.\n")
    if zvm.user(user).on:
        return Result(3, "ERROR: The specified source system is currently running.\n")
    raw = zvm.blobs.path(disk.blob).read_bytes() if disk.blob else b""
    kind = "ECKD" if disk.type == "3390" else "FBA"
    pathlib.Path(path).write_bytes(imagefile.write(raw, kind))
    return Result(0, "")


@tool("linkdiskandbringonline")
def link(zvm: model.Zvm, caller: Caller, words: list[str]) -> Result:
    user, vdev = words[0], words[1]
    try:
        zvm.disk(user, vdev)
    except Refusal as error:
        return Result(4, f"Error: {error.text}\n")
    return Result(
        0, f"Success: Userid {user} vdev {vdev} linked at ad35 device name dasdh\n"
    )


@tool(
    "offlinediskanddetach",
    "dasdfmt",
    "fdasd",
    "fdisk",
    "mkfs",
    "mkfs.xfs",
    "mkswap",
    "blockdev",
)
def quiet(zvm: model.Zvm, caller: Caller, words: list[str]) -> Result:
    """Formatting of a linked disk: what it writes is not kept (assumed)."""
    return Result(0, "")
