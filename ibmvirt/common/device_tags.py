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

"""Tags that users give to ports and volumes, for the guest to read.

The guest finds them in ``devices`` of meta_data.json, on its config drive and
at the metadata service: a port by its MAC address, a volume by its id.
Neither platform tells before the start where on which bus a device will be.
"""

from __future__ import annotations

import typing

from nova import objects


def of(instance: typing.Any) -> typing.Any:
    """nova.objects.InstanceDeviceMetadata of a server; None without a tag."""
    ports = objects.VirtualInterfaceList.get_by_instance_uuid(
        instance._context, instance.uuid
    )
    devices: list[typing.Any] = [
        objects.NetworkInterfaceMetadata(mac=port.address, tags=[port.tag])
        for port in ports
        if "tag" in port and port.tag
    ]
    # Nova finds a volume's entry again by its serial, to remove it at a detach.
    devices += [
        objects.DiskMetadata(serial=bdm.volume_id, tags=[bdm.tag])
        for bdm in instance.get_bdms()
        if "tag" in bdm and bdm.tag
    ]
    return objects.InstanceDeviceMetadata(devices=devices) if devices else None


def write(instance: typing.Any) -> None:
    """Keep the tags of a server's devices in Nova's database."""
    instance.device_metadata = of(instance)
    instance.save()


def forget_port(instance: typing.Any, mac: str) -> None:
    """Drop a port that is detached; for volumes Nova does the same itself."""
    known = instance.device_metadata
    if known is None:
        return
    left = [device for device in known.devices if getattr(device, "mac", "") != mac]
    if len(left) != len(known.devices):
        instance.device_metadata = objects.InstanceDeviceMetadata(devices=left)
        instance.save()
