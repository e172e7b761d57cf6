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

"""World files: a z/VM in YAML, beyond what the options say.

What the file leaves out comes from the options and from the default world.
Guests are made as the Connector makes them, so that what the system refuses is
refused here too, with file, line and field.
"""

from __future__ import annotations

import dataclasses
import typing

from ibmvirt.simulators.core import worldfile
from ibmvirt.simulators.zvm import generator, model, storage

_NAME = r"[A-Z0-9@#$]{1,8}"
_VDEV = r"[0-9A-Fa-f]{1,4}"
_VOLUME = worldfile.fields(
    name=worldfile.text(required=True, pattern=r"[A-Z0-9]{1,6}"),
    size=worldfile.integer(required=True, least=2),
)
_POOL = worldfile.fields(
    name=worldfile.text(required=True, pattern=_NAME),
    type=worldfile.choice(("ECKD", "FBA"), "ECKD"),
    volumes=worldfile.items(_VOLUME, unique="name"),
)
_VSWITCH = worldfile.fields(
    name=worldfile.text(required=True, pattern=_NAME),
    vlan_aware=worldfile.boolean(False),
    rdevs=worldfile.items(worldfile.text(pattern=_VDEV)),
)
_DISK = worldfile.fields(
    vdev=worldfile.text("0100", pattern=_VDEV),
    size=worldfile.text("1g", pattern=r"\d+[gGmM]?"),
    pool=worldfile.text(""),
)
_NIC = worldfile.fields(
    vdev=worldfile.text("1000", pattern=_VDEV),
    vswitch=worldfile.text(""),
    vlan=worldfile.integer(0, most=4094),
    mac_id=worldfile.text("", pattern="([0-9A-Fa-f]{6})?"),
)
_GUEST = worldfile.fields(
    name=worldfile.text(required=True, pattern=_NAME),
    member=worldfile.text(""),
    vcpus=worldfile.integer(1, least=1, most=32),
    memory_mib=worldfile.integer(1024, least=128),
    running=worldfile.boolean(False),
    registered=worldfile.boolean(True),
    os_version=worldfile.text("rhel9.4"),
    disks=worldfile.items(_DISK, unique="vdev"),
    nics=worldfile.items(_NIC, unique="vdev"),
    statements=worldfile.items(worldfile.text(pattern=".{1,72}")),
)
_FCP = worldfile.fields(
    first=worldfile.text(required=True, pattern=_VDEV),
    count=worldfile.integer(1, least=1, most=256),
)
_LUN = worldfile.fields(
    lun=worldfile.text(required=True),
    targets=worldfile.items(worldfile.text(required=True)),
    size_mib=worldfile.integer(1024, least=1),
    initiators=worldfile.items(worldfile.text(required=True)),
)
ROOT = worldfile.fields(
    members=worldfile.items(worldfile.text(pattern=_NAME)),
    processors=worldfile.integer(None, least=1, most=64),
    memory_gib=worldfile.integer(None, least=4),
    ipl=worldfile.text(None),
    pools=worldfile.items(_POOL, unique="name"),
    vswitches=worldfile.items(_VSWITCH, unique="name"),
    fcp_devices=worldfile.items(_FCP),
    luns=worldfile.items(_LUN),
    guests=worldfile.items(_GUEST, unique="name"),
)


def read(path: str) -> worldfile.Document:
    """:raises WorldFileError: the file is not as it must be."""
    document = worldfile.load(path, ROOT)
    names = document.value["members"]
    if len(set(names)) < len(names):
        raise document.error(("members",), "two members have the same name")
    for place, pool in enumerate(document.value["pools"]):
        if not pool["volumes"]:
            raise document.error(("pools", place, "volumes"), "a pool needs a volume")
    return document


def host(document: worldfile.Document) -> model.Host:
    """Processors, storage and the time of the IPL."""
    value = document.value
    said = {
        "processors": value["processors"],
        "memory_mib": value["memory_gib"] and value["memory_gib"] * 1024,
        "ipl": value["ipl"],
    }
    return dataclasses.replace(
        model.Host(), **{name: item for name, item in said.items() if item is not None}
    )


def pools(document: worldfile.Document) -> list[model.Pool]:
    """Those of the file; none: as the options say."""
    return [
        model.Pool(
            found["name"],
            found["type"],
            tuple(model.Volume(v["name"], v["size"]) for v in found["volumes"]),
        )
        for found in document.value["pools"]
    ]


def apply(zvm: model.Zvm, document: worldfile.Document) -> list[generator.Guest]:
    """Put a file's vswitches, devices, LUNs and guests into a default world.

    What a list of the file has replaces what the default world has of its kind.

    :returns: the guests.
    :raises WorldFileError: the system refuses one.
    """
    value = document.value
    with zvm.world.transaction():
        if value["vswitches"]:
            zvm.vswitches.replace({})
        for item in value["vswitches"]:
            rdevs = tuple(model.vdev_of(rdev) for rdev in item["rdevs"])
            zvm.vswitches[item["name"]] = model.Vswitch(
                item["name"], item["vlan_aware"], rdevs=rdevs
            )
        _devices(zvm, value["fcp_devices"])
        _luns(zvm, document)
        return [
            _guest(zvm, document, place, item)
            for place, item in enumerate(value["guests"])
        ]


def _devices(zvm: model.Zvm, items: list[dict[str, typing.Any]]) -> None:
    if not items:
        return
    for key in [key for key, found in zvm.devices.items() if found.kind == "fcp"]:
        del zvm.devices[key]
    for index, member in enumerate(zvm.members):
        for item in items:
            for device in generator.fcp_devices(
                member, index, int(item["first"], 16), item["count"]
            ):
                zvm.put_device(device)


def _luns(zvm: model.Zvm, document: worldfile.Document) -> None:
    if document.value["luns"]:
        zvm.luns.replace({})
    for place, item in enumerate(document.value["luns"]):
        try:
            storage.add(zvm, **item)
        except ValueError as error:
            field, _, text = str(error).partition(": ")
            raise document.error(("luns", place, field), text) from None


def _guest(
    zvm: model.Zvm,
    document: worldfile.Document,
    place: int,
    item: dict[str, typing.Any],
) -> generator.Guest:
    member = item["member"] or zvm.members[0]
    if member not in zvm.members:
        text = f"{member!r} is not one of {zvm.members}"
        raise document.error(("guests", place, "member"), text)
    found = generator.Guest(
        name=item["name"],
        member=member,
        vcpus=item["vcpus"],
        memory_mib=item["memory_mib"],
        running=item["running"],
        registered=item["registered"],
        os_version=item["os_version"],
        disks=tuple(generator.Disk(**disk) for disk in item["disks"]),
        adapters=tuple(generator.Adapter(**nic) for nic in item["nics"]),
        statements=tuple(item["statements"]),
    )
    try:
        generator.add(zvm, found)
    except generator.Wrong as wrong:
        raise document.error(("guests", place, *wrong.path), str(wrong)) from None
    return found
