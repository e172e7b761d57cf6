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

"""Minidisks and the pools that they come from."""

from __future__ import annotations

from ibmvirt.simulators.zvm import model
from ibmvirt.simulators.zvm.codes import refuse
from ibmvirt.simulators.zvm.commands.base import ASSUMED, Arguments, Caller, api

# How the two kinds of disks are called by the volume query.
_MODELS = {"ECKD": "3390-09", "FBA": "9336-32"}


@api("Image_Disk_Create_DM", "-T -v -t -a -r -u -z -f -m -R -W -M", refusals=ASSUMED)
def create(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    """A minidisk in a free extent of a pool, and its statement."""
    user = zvm.unlocked(args.user())
    vdev = model.vdev_of(args.flag("-v"))
    if f"{user.name}/{vdev}" in zvm.disks:
        raise refuse("disk_exists", user=user.name, vdev=vdev)
    pool = zvm.pools.get(args.flag("-r").upper())
    if pool is None:
        raise refuse("no_pool", pool=args.flag("-r"))
    if args.flag("-t") != pool.device:
        raise refuse("wrong_type", pool=pool.name, type=args.flag("-t"))
    size = model.units(args.flag("-z"), pool)
    volume, start = zvm.allocate(pool, size)
    disk = model.Minidisk(user.name, vdev, pool.device, start, size, pool.name, volume)
    zvm.put_disk(disk)
    line = f"MDISK {vdev} {disk.type} {start} {size} {volume} {args.flag('-m')}"
    zvm.put(user.changed(entry=(*user.entry, line)))
    return ""


@api("Image_Disk_Create", "-T -v -m")
def create_active(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    """A running guest links what its entry has got."""
    user = zvm.running(args.user(), caller.member)
    zvm.disk(user.name, args.flag("-v"))
    return ""


@api("Image_Disk_Delete_DM", "-T -v -e")
def delete(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    user = zvm.unlocked(args.user())
    disk = zvm.disk(user.name, args.flag("-v"))
    del zvm.disks[disk.key]
    prefix = f"MDISK {disk.vdev} "
    kept = tuple(line for line in user.entry if not line.startswith(prefix))
    zvm.put(user.changed(entry=kept))
    return ""


@api("Image_Volume_Space_Query_DM", "-T -q -e -n", refusals=ASSUMED)
def space(zvm: model.Zvm, caller: Caller, args: Arguments) -> str:
    """Volumes of pools (-q 1), free extents (-q 2), used extents (-q 3).

    -e 1 asks about volumes, -e 3 about groups, which are the pools.
    """
    query, about = args.flag("-q"), args.flag("-e")
    if about == "1" and query == "1":
        return _volumes(zvm, args.flag("-n"))
    if about != "3" or query not in ("1", "2", "3"):
        raise refuse("bad_argument", name=f"-q {query} -e {about}")
    pools = list(zvm.pools.values())
    if query != "1" or "-n" in args:
        wanted = args.flag("-n").upper().split()
        pools = [zvm.pools[name] for name in wanted if name in zvm.pools]
    lines = [line for pool in pools for line in _space(zvm, pool, query)]
    return "".join(f"{line}\n" for line in lines)


def _volumes(zvm: model.Zvm, names: str) -> str:
    """Every volume, or those that are named."""
    wanted = names.upper().split()
    return "".join(
        f"{volume.name} {_MODELS[pool.type]} {volume.size}\n"
        for pool in zvm.pools.values()
        for volume in pool.volumes
        if "*" in wanted or volume.name in wanted
    )


def _space(zvm: model.Zvm, pool: model.Pool, query: str) -> list[str]:
    device = f"{pool.device}-A"
    if query == "1":
        return [" ".join([pool.name, *(volume.name for volume in pool.volumes)])]
    if query == "2":
        return [
            f"{volume} {device} {start} {size} {pool.name}"
            for volume, start, size in zvm.free(pool)
        ]
    return [
        f"{d.volume} {device} {d.start} {d.size} {d.start + d.size - 1} "
        f"{d.owner} {d.vdev} {pool.name} {d.volume}"
        for d in zvm.used(pool.name)
    ]
