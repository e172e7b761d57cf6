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

"""What servers may ask for and neither platform gives, refused by its name.

Nova finds no host for what it schedules by a trait or a resource: secure boot, an
emulated TPM, encrypted memory. Of these it asks no driver beforehand. Whoever
asks is told so before anything is changed, and does not run without it.
"""

from __future__ import annotations

import logging
import typing

from nova.virt import hardware

from ibmvirt.common import exceptions, plan, planning

LOG = logging.getLogger(__name__)

# Of a flavor: how fast Nova shall let a server use its disks.
_DISK_LIMITS = "quota:disk_"


def check_server(
    instance: typing.Any,
    image_meta: typing.Any,
    injected_files: typing.Any,
    volumes: tuple[plan.Volume, ...],
    *,
    config_drive: bool,
) -> None:
    """:raises Unsupported: it asks for one; the text names which."""
    _check_limits(instance, image_meta, volumes)
    for volume in volumes:
        _check_encryption(volume)
    server = f"the server {instance.uuid}"
    if image_meta.properties.get("hw_firmware_type") == "uefi":
        raise exceptions.Unsupported(
            f"boot {server} by UEFI",
            "the platform has no such firmware",
            "remove hw_firmware_type from the image's properties",
        )
    if injected_files and not config_drive:
        raise exceptions.Unsupported(
            f"inject files into the disk of {server}",
            "they reach a guest by its config drive, and it has none",
            "ask for a config drive",
        )


def _check_limits(
    instance: typing.Any, image_meta: typing.Any, volumes: tuple[plan.Volume, ...]
) -> None:
    """Refuse what would run without the limits or the place that it asks for.

    A server that has run had neither before, with the former driver: it is not
    lost in a rebuild for that.

    :raises Unsupported: it asks for one; the text names which.
    """
    try:
        _check_flavor(instance, image_meta)
        for volume in volumes:
            _check_limits_of(volume)
    except exceptions.Unsupported as error:
        if not planning.server(instance).launched:
            raise
        LOG.warning("%s It has run without, and goes on.", error)


def _check_flavor(instance: typing.Any, image_meta: typing.Any) -> None:
    server = f"the server {instance.uuid}"
    limits = [
        s for s in instance.flavor.extra_specs or () if s.startswith(_DISK_LIMITS)
    ]
    if limits:
        raise exceptions.Unsupported(
            f"limit the disks of {server} by {', '.join(sorted(limits))}",
            "the platform does not limit a virtual disk",
            "use limits of the storage, and a flavor without them",
        )
    if hardware.numa_get_constraints(instance.flavor, image_meta) is not None:
        raise exceptions.Unsupported(
            f"give {server} processors or pages of its own",
            "the platform does not place guests by Nova's NUMA topology",
            "remove hw:cpu_policy, hw:numa_* and hw:mem_page_size from the flavor and "
            "the image; a partition has powervm:dedicated_proc",
        )


def check_new_volume(volume: plan.Volume, *, encrypted: bool) -> None:
    """:raises Unsupported: the hypervisor would have to encrypt or to limit it."""
    _check_encryption(volume, encrypted=encrypted)
    _check_limits_of(volume)


def _check_encryption(volume: plan.Volume, *, encrypted: bool = False) -> None:
    if encrypted or volume.data.get("encrypted"):
        raise exceptions.Unsupported(
            f"use the encrypted volume {volume.id}",
            "the platform cannot decrypt it",
            "use a volume type whose storage encrypts",
        )


def _check_limits_of(volume: plan.Volume) -> None:
    if volume.data.get("qos_specs"):
        raise exceptions.Unsupported(
            f"limit the volume {volume.id} by its front-end QoS specs",
            "the platform does not limit a virtual disk",
            "let the storage limit it: consumer=back-end",
        )
