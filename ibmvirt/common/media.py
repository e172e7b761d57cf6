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

"""The config drive of a server, from Nova's metadata."""

from __future__ import annotations

import io
import ipaddress
import typing

import nova.conf
from nova import version as nova_version
from nova.api.metadata import base as instance_metadata

from ibmvirt import configdrive
from ibmvirt.common import exceptions, plan

CONF = nova.conf.CONF


def check_format() -> None:
    """:raises InvalidRequest: [DEFAULT] config_drive_format is not iso9660."""
    if CONF.config_drive_format not in (None, "iso9660"):
        raise exceptions.InvalidRequest(
            "build a config drive",
            f"config_drive_format is {CONF.config_drive_format!r}",
            "set [DEFAULT] config_drive_format to iso9660",
        )


def build(
    instance: typing.Any,
    injected_files: typing.Any,
    admin_password: str | None,
    network_info: typing.Any,
    *,
    guest_uuid: str,
    management: plan.ManagementVif | None = None,
) -> bytes:
    """An ISO 9660 image with the metadata, user data and network data.

    :param guest_uuid: the instance id that the guest is told.
    """
    check_format()
    metadata = instance_metadata.InstanceMetadata(
        instance,
        content=injected_files,
        extra_md={"admin_pass": admin_password} if admin_password else {},
        network_info=network_info,
    )
    metadata.uuid = guest_uuid
    if management is not None:
        _add_management(metadata, management)
    output = io.BytesIO()
    publisher = f"{nova_version.product_string()} {nova_version.version_string()}"
    try:
        configdrive.build(
            metadata.metadata_for_config_drive(), output, publisher=publisher
        )
    except configdrive.ConfigDriveInputError as error:
        raise exceptions.InvalidRequest(
            f"build the config drive of {instance.uuid}", str(error)
        ) from error
    return output.getvalue()


def _add_management(metadata: typing.Any, management: plan.ManagementVif) -> None:
    """Name the platform's management adapter in network_data.json.

    Its address is the link-local one of its MAC (RFC 4291, appendix A), which
    is how NovaLink's management partition reaches the guest for RMC.
    """
    if metadata.network_metadata is None:  # of a server without ports
        metadata.network_metadata = {"links": [], "networks": [], "services": []}
    data = metadata.network_metadata
    name = "ibmvirt-management"
    data["links"].append(
        {
            "id": name,
            "type": "phy",
            "ethernet_mac_address": management.mac,
            "mtu": management.mtu,
        }
    )
    data["networks"].append(
        {
            "id": name,
            "link": name,
            "type": "ipv6",
            "ip_address": link_local(management.mac),
            "netmask": "ffff:ffff:ffff:ffff::",
            "routes": [],
            "network_id": name,
        }
    )


def link_local(mac: str) -> str:
    """The fe80::/64 address of a MAC, by its modified EUI-64."""
    octets = bytes.fromhex(mac.replace(":", ""))
    eui = bytes([octets[0] ^ 2]) + octets[1:3] + b"\xff\xfe" + octets[3:]
    return str(ipaddress.IPv6Address(b"\xfe\x80" + bytes(6) + eui))
