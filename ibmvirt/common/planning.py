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

"""From Nova's objects to the plain values of ``plan``."""

from __future__ import annotations

import logging
import types
import typing

from nova.virt import configdrive as nova_configdrive
from nova.virt import driver as nova_driver

from ibmvirt.common import exceptions, plan

LOG = logging.getLogger(__name__)

_MIB_PER_GIB = 1024


def server(instance: typing.Any) -> plan.Server:
    return plan.Server(
        uuid=instance.uuid,
        name=instance.name,
        system_metadata=_frozen(instance.system_metadata or {}),
        launched=instance.obj_attr_is_set("launched_at")
        and instance.launched_at is not None,
    )


def image(image_meta: typing.Any, instance: typing.Any) -> plan.Image | None:
    """None for a server without an image (booted from a volume).

    Nova's image object knows the properties that Nova itself uses; others,
    such as os_version, it keeps in the server's system metadata.
    """
    if not image_meta.obj_attr_is_set("id") or not image_meta.id:
        return None

    def get(name: str, default: typing.Any) -> typing.Any:
        value = getattr(image_meta, name) if image_meta.obj_attr_is_set(name) else None
        return default if value is None else value

    properties = image_meta.properties
    prefix = "image_"
    found = {
        key[len(prefix) :]: value
        for key, value in (instance.system_metadata or {}).items()
        if key.startswith(prefix)
    }
    found.update(
        (name, getattr(properties, name))
        for name in properties.fields
        if properties.obj_attr_is_set(name)
    )
    return plan.Image(
        id=image_meta.id,
        name=get("name", ""),
        disk_format=get("disk_format", ""),
        container_format=get("container_format", ""),
        size=int(get("size", 0)),
        min_disk_gb=int(get("min_disk", 0)),
        checksum=get("checksum", ""),
        properties=_frozen(found),
    )


def glance_image(found: typing.Mapping[str, typing.Any]) -> plan.Image:
    """From what Nova's Glance client gives, without a server."""
    return plan.Image(
        id=found["id"],
        name=found.get("name") or "",
        disk_format=found.get("disk_format") or "",
        container_format=found.get("container_format") or "",
        size=int(found.get("size") or 0),
        min_disk_gb=int(found.get("min_disk") or 0),
        checksum=found.get("checksum") or "",
        properties=_frozen(found.get("properties") or {}),
    )


def flavor(instance: typing.Any) -> plan.Values:
    found = instance.flavor
    return _frozen(
        {
            "name": found.name,
            "vcpus": found.vcpus,
            "memory_mb": found.memory_mb,
            "extra_specs": _frozen(found.extra_specs or {}),
        }
    )


def disks(
    instance: typing.Any,
    root_image: plan.Image | None,
    block_device_info: typing.Any,
) -> tuple[plan.DiskSpec, ...]:
    """The disks that Nova asks for: root (unless on a volume), ephemeral, swap."""
    specs = []
    if not boots_from_volume(block_device_info):
        size = instance.flavor.root_gb * _MIB_PER_GIB
        specs.append(plan.DiskSpec("root", 0, size, image=root_image))
    for index, disk in enumerate(
        nova_driver.block_device_info_get_ephemerals(block_device_info)
    ):
        size = disk["size"] * _MIB_PER_GIB
        specs.append(
            plan.DiskSpec("ephemeral", index, size, filesystem=disk["guest_format"])
        )
    swap = nova_driver.block_device_info_get_swap(block_device_info)
    if nova_driver.swap_is_usable(swap):
        specs.append(plan.DiskSpec("swap", 0, swap["swap_size"]))
    return tuple(specs)


def boots_from_volume(block_device_info: typing.Any) -> bool:
    return any(volume.boot for volume in volumes(block_device_info))


def volumes(block_device_info: typing.Any) -> tuple[plan.Volume, ...]:
    mapping = nova_driver.block_device_info_get_mapping(block_device_info)
    return tuple(
        volume(
            bdm["connection_info"],
            bdm["mount_device"],
            boot=bdm.get("boot_index") == 0,
        )
        for bdm in mapping
    )


def connected_volumes(block_device_info: typing.Any) -> tuple[plan.Volume, ...]:
    """For a removal: a volume that Nova never got a connection to is not there."""
    mapping = nova_driver.block_device_info_get_mapping(block_device_info)
    found = []
    for bdm in mapping:
        try:
            found.append(
                volume(
                    bdm["connection_info"],
                    bdm["mount_device"],
                    boot=bdm.get("boot_index") == 0,
                )
            )
        except exceptions.InvalidRequest as error:
            LOG.info("%s", error)
    return tuple(found)


def volume(
    connection_info: typing.Any, device: str | None, *, boot: bool = False
) -> plan.Volume:
    """:raises InvalidRequest: the connection does not say what it is."""
    try:
        protocol = connection_info["driver_volume_type"]
        data = connection_info["data"]
    except (KeyError, TypeError):
        raise exceptions.InvalidRequest(
            f"use the volume for {device}",
            "its connection has no driver_volume_type or no data",
        ) from None
    return plan.Volume(
        id=data.get("volume_id") or connection_info.get("serial") or "",
        protocol=protocol,
        data=_frozen(data),
        device=device,
        boot=boot,
        multiattach=bool(connection_info.get("multiattach")),
    )


def vifs(network_info: typing.Any) -> tuple[plan.Vif, ...]:
    return tuple(vif(item) for item in network_info or ())


def vif(model: typing.Any) -> plan.Vif:
    network = model["network"] or {}
    meta = network.get("meta") or {}
    details = model.get("details") or {}
    vlan = details.get("vlan")
    return plan.Vif(
        id=model["id"],
        mac=model["address"],
        type=model["type"] or "",
        vlan=int(vlan) if vlan is not None else None,
        mtu=meta.get("mtu"),
        physical_network=details.get("physical_network")
        or meta.get("physical_network"),
        bridge=network.get("bridge"),
        device_name=model.get("devname"),
        active=bool(model.get("active")),
        details=_frozen(details),
        profile=_frozen(model.get("profile") or {}),
        addresses=_addresses(network),
    )


def _addresses(network: typing.Any) -> tuple[plan.Address, ...]:
    found = []
    for subnet in network.get("subnets") or ():
        gateway = (subnet.get("gateway") or {}).get("address")
        dns = tuple(item["address"] for item in subnet.get("dns") or ())
        for ip in subnet.get("ips") or ():
            if ip.get("type", "fixed") == "fixed":
                found.append(
                    plan.Address(
                        address=ip["address"],
                        version=int(ip.get("version") or subnet.get("version") or 4),
                        cidr=str(subnet["cidr"]),
                        gateway=gateway,
                        dns=dns,
                    )
                )
    return tuple(found)


def wants_config_drive(instance: typing.Any) -> bool:
    return bool(nova_configdrive.required_by(instance))


def _frozen(values: typing.Mapping[str, typing.Any]) -> plan.Values:
    return types.MappingProxyType(dict(values))
