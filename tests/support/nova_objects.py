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


"""Nova's objects without a database, for tests that call a driver directly."""

from __future__ import annotations

import hashlib
import uuid

from nova import context as nova_context
from nova import objects
from nova.network import model

objects.register_all()

CONTENT = bytes(range(256)) * 4096
IMAGE_ID = "5d0b9f9e-9f8c-4b07-8f6b-0d4a5c1b9a01"


def request():
    return nova_context.RequestContext("user", "project", is_admin=True)


def instance(**values):
    """An Instance that needs no database: ``saved`` counts its saves."""
    flavor = objects.Flavor(
        id=1, flavorid="1", name="small", vcpus=2, memory_mb=512, root_gb=1,
        ephemeral_gb=0, swap=0, rxtx_factor=1.0, disabled=False, is_public=True,
        vcpu_weight=0, extra_specs=values.pop("extra_specs", {}),
    )  # fmt: skip
    found = objects.Instance(
        request(), id=7, uuid=values.pop("uuid", str(uuid.uuid4())),
        display_name="web", hostname="web", project_id="project", user_id="user",
        image_ref=IMAGE_ID, host="host1", node="memory-1", config_drive="",
        system_metadata={}, metadata={}, flavor=flavor, key_data=None, key_name=None,
        user_data=None, launch_index=0, availability_zone="nova", reservation_id="r-1",
        ec2_ids=objects.EC2Ids(
            ami_id="ami-1", instance_id="i-1", kernel_id=None, ramdisk_id=None
        ), keypairs=objects.KeyPairList(objects=[]),
        device_metadata=None, numa_topology=None, trusted_certs=None, os_type=None, vm_state="building",
        task_state="spawning", power_state=0, instance_type_id=1, root_device_name=None,
        default_ephemeral_device=None, default_swap_device=None, kernel_id="",
        ramdisk_id="", ephemeral_key_uuid=None, memory_mb=512, vcpus=2, root_gb=1,
        ephemeral_gb=0,
    )  # fmt: skip
    for name, value in values.items():
        setattr(found, name, value)
    found.saved = []
    found.save = lambda *_names, **_values: found.saved.append(1)
    found.get_bdms = lambda: objects.BlockDeviceMappingList(objects=[])
    return found


def bdm(**values):
    """A block device: a local disk unless ``volume_id`` is given."""
    found = objects.BlockDeviceMapping(
        destination_type="volume" if "volume_id" in values else "local",
        source_type="volume" if "volume_id" in values else "blank",
        **{"device_name": None, "volume_id": None, "tag": None, **values},
    )
    found.saved = []
    found.save = lambda: found.saved.append(found.device_name)
    return found


def image_meta(**values):
    return objects.ImageMeta.from_dict(
        {
            "id": IMAGE_ID, "name": "linux", "disk_format": "raw", "status": "active",
            "container_format": "bare", "size": len(CONTENT), "min_disk": 0,
            "checksum": hashlib.md5(CONTENT).hexdigest(), "properties": {}, **values,
        }
    )  # fmt: skip


def port(number=1, **values):
    subnet = model.Subnet(
        cidr="10.1.0.0/24",
        gateway=model.IP("10.1.0.1"),
        dns=[model.IP("10.1.0.2")],
        ips=[model.FixedIP(address=f"10.1.0.{10 + number}")],
        version=4,
    )
    network = model.Network(
        id="6f7d2f0c-2b4e-4b6c-8f6d-6c1ee0a4f001", label="net", subnets=[subnet],
        mtu=1450, physical_network="phys1",
    )  # fmt: skip
    return model.VIF(
        **{
            "id": f"0c5c1f0e-77a5-4a6b-9f0f-00000000000{number}",
            "address": f"fa:16:3e:00:00:0{number}",
            "network": network, "type": "pvm_sea", "vnic_type": "normal",
            "details": {"vlan": "100"}, "active": False, "profile": {}, **values,
        }
    )  # fmt: skip


def ports(*items):
    return model.NetworkInfo(items or [port()])


class Glance:
    """Stands where ``glance.API`` is: images from memory.

    ``chunk`` is called before each chunk, so that a test decides how a
    transfer goes on.
    """

    def __init__(self, content=CONTENT, chunk=None, error=None):
        self.content = content
        self.chunk = chunk
        self.error = error
        # What Glance says of an image.
        self.registered = {
            "name": "linux", "disk_format": "raw", "container_format": "bare",
            "size": len(content), "checksum": "x", "min_disk": 0, "properties": {},
        }  # fmt: skip
        self.uploaded = {}
        # What becomes of an upload's bytes on their way.
        self.damage = b""
        self.downloads = 0
        self.certs = None

    def __call__(self):
        return self

    def download(self, _context, _id, data=None, dest_path=None, trusted_certs=None):
        self.downloads += 1
        self.certs = trusted_certs
        for start in range(0, len(self.content), 65536):
            if self.chunk is not None:
                self.chunk(start)
            data.write(self.content[start : start + 65536])
        if self.error is not None:
            raise self.error

    def get(self, _context, image_id):
        if isinstance(self.error, Exception):
            raise self.error
        return {**self.registered, "id": image_id}

    def update(self, _context, image_id, metadata, data=None, purge_props=True):
        if self.error is not None:
            raise self.error
        content = b""
        while chunk := data.read(65536):
            content += chunk
        self.uploaded[image_id] = (metadata, content)
        found = hashlib.md5(content + self.damage).hexdigest()
        return {"checksum": found, "size": len(content)}
