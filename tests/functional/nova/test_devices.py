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

"""Names and tags of devices, and images asked for in advance, through the APIs."""

from __future__ import annotations

import io
import json

import pytest
from openstack import exceptions

from ibmvirt import configdrive
from ibmvirt.simulators.zvm import imagefile
from tests.functional.nova import drives, servers
from tests.support.smallnova import waits


def tagged(nova):
    """A server whose port has the tag front."""
    (network,) = nova.networks[:1]
    return servers.wait(
        nova,
        servers.boot(nova, networks=[{**network, "tag": "front"}], config_drive=True),
    )


def front(drive):
    """The device with the tag front on a config drive."""
    with configdrive.Image(io.BytesIO(drive)) as image:
        data = json.loads(image.read("openstack/latest/meta_data.json"))
    (found,) = [device for device in data["devices"] if "front" in device["tags"]]
    return found


def macs(server):
    return [
        address["OS-EXT-IPS-MAC:mac_addr"]
        for found in server.addresses.values()
        for address in found
    ]


def test_a_partition_reads_the_tags_of_its_ports(powervm):
    server = tagged(powervm)
    assert [front(drives.content(powervm, server))["mac"]] == macs(server)
    servers.delete(powervm, server)
    assert powervm.simulator.compare() == []


def test_a_zvm_guest_reads_the_tags_of_its_ports(zvm_nova):
    server = tagged(zvm_nova)
    assert [front(drives.content(zvm_nova, server))["mac"]] == macs(server)
    assert server.root_device_name == "/dev/dasda"
    servers.delete(zvm_nova, server)
    assert zvm_nova.simulator.compare() == []


def tags_of_a_running_server(nova, device):
    """Attach a tagged port and a tagged volume, and detach them again."""
    server = servers.wait(nova, servers.boot(nova))
    compute = nova.client.compute
    port = compute.create_server_interface(
        server, net_id=nova.networks[1]["uuid"], tag="back"
    )
    volume = servers.make_volume(nova)
    compute.create_volume_attachment(server, volume_id=volume.id, tag="data")
    waits.volume(nova, volume, "in-use")
    found = compute.get_volume_attachment(server, volume.id)
    assert (found.device, found.tag) == (device, "data")
    compute.delete_server_interface(port.port_id, server)
    servers.detach(nova, server, volume)
    servers.settled(nova, server)
    servers.delete(nova, server)
    servers.drop_volume(nova, volume)
    assert nova.simulator.compare() == []


def test_a_tagged_port_and_volume_are_attached(powervm):
    tags_of_a_running_server(powervm, "/dev/sdb")


def test_a_tagged_port_and_volume_are_attached_on_zvm(zvm_nova):
    """Its disks are minidisks: the volume is the first of its SCSI disks."""
    tags_of_a_running_server(zvm_nova, "/dev/sda")


def precache(nova, content, **properties):
    """Have an image cached on the hosts of an aggregate, and boot from it."""
    compute = nova.client.compute
    image = nova.client.image.create_image(
        "wanted", data=io.BytesIO(content), disk_format="raw",
        container_format="bare", validate_checksum=False, **properties,
    )  # fmt: skip
    aggregate = compute.create_aggregate(name="all")
    (service,) = compute.services(binary="nova-compute")
    try:
        compute.add_host_to_aggregate(aggregate, service.host)
        compute.aggregate_precache_images(aggregate, [image.id])
        yield image
        server = servers.wait(nova, servers.boot(nova, image_id=image.id))
        servers.delete(nova, server)
    finally:
        compute.remove_host_from_aggregate(aggregate, service.host)
        compute.delete_aggregate(aggregate)
        nova.client.image.delete_image(image)


def calls(nova, key, **match):
    return [call for call in nova.simulator.journal(**match) if call["key"] == key]


def test_an_image_is_in_the_pool_before_a_server_wants_it(powervm):
    for image in precache(powervm, b"a disk of its own" * 70_000):
        waits.until(
            lambda: calls(powervm, "DELETE web/File/{id}", memento="bg:cache_image"),
            f"the upload of {image.name} ends",
        )
    assert len(calls(powervm, "PUT web/File/contents/{id}")) == 1


def test_an_image_is_imported_before_a_server_wants_it(zvm_nova):
    content = imagefile.write(b"a disk of its own" * 70_000)
    system = {"os_distro": "rhel", "os_version": "9.4"}
    for image in precache(zvm_nova, content, **system):
        waits.until(
            lambda: calls(zvm_nova, "POST /images", memento="bg:cache_image"),
            f"{image.name} is imported",
        )
    assert len(calls(zvm_nova, "POST /images")) == 1


def test_an_interface_that_is_not_attached_leaves_no_port(powervm):
    server = servers.wait(powervm, servers.boot(powervm))
    powervm.simulator.rule(
        match={"key": "PUT LogicalPartition/{id}/ClientNetworkAdapter"},
        count=None,
        effect={"kind": "refuse", "status": 500, "message": "HSCL0001 no slot"},
    )
    network = powervm.networks[1]["uuid"]
    with pytest.raises(exceptions.HttpException, match="Failed to attach"):
        powervm.client.compute.create_server_interface(server, net_id=network)
    ports = list(powervm.client.network.ports(device_id=server.id))
    assert [port.network_id for port in ports] == [powervm.networks[0]["uuid"]]
    powervm.simulator.delete_rule()
    servers.delete(powervm, server)
    assert powervm.simulator.compare() == []
