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


"""Images, snapshots and disks of z/VM servers, through Nova's API."""

from __future__ import annotations

import io

import pytest

from ibmvirt.simulators.zvm import imagefile
from tests.functional.nova.conftest import IMAGE
from tests.functional.nova.servers import boot, delete, guest, settled, until
from tests.functional.nova.servers import wait as active
from tests.support import zvm as support

# Says that its disk has 5000 cylinders.
LARGE = imagefile.write(IMAGE).replace(b"   3 CYL", b"5000 CYL")


@pytest.fixture
def nova(zvm_nova):
    return zvm_nova


def capture(nova, server, name="captured"):
    """The image of a server's disk, once Glance has it."""
    image = nova.client.compute.create_server_image(server, name)

    def there():
        found = nova.client.image.get_image(image.id)
        return found if found.status == "active" else None

    return until(there, f"the image {name} is active", seconds=60)


def captured_images(nova):
    call = support.client(nova.simulator)
    return [i for i in call("image_query") if "capture" in i["imagename"]]


def root_disk(nova, server):
    return nova.simulator.disk(f"{guest(nova, server)['name']}/0100")


def test_a_stopped_server_stays_stopped(nova):
    server = active(nova, boot(nova))
    nova.client.compute.stop_server(server)
    active(nova, server, "SHUTOFF")
    image = capture(nova, server)
    assert settled(nova, server).status == "SHUTOFF"
    assert guest(nova, server)["state"] == "off"
    assert image.architecture == "s390x"
    assert captured_images(nova) == []
    nova.client.image.delete_image(image)
    delete(nova, server)
    assert nova.simulator.compare() == []


def test_a_snapshot_that_fails_leaves_server_and_images_as_they_were(nova):
    server = active(nova, boot(nova))
    images = {image.id for image in nova.client.image.images()}
    nova.simulator.rule(
        match={"layer": "command", "key": "creatediskimage"},
        effect={"kind": "refuse", "rc": 3},
    )
    nova.client.compute.create_server_image(server, "never")
    until(
        lambda: (
            {image.id for image in nova.client.image.images()} == images
            and nova.simulator.journal(key="DELETE /images/{id}")
        ),
        "the image that failed is gone",
    )
    assert settled(nova, server).status == "ACTIVE"
    assert guest(nova, server)["state"] == "on"
    assert captured_images(nova) == []
    delete(nova, server)
    assert nova.simulator.compare() == []


def test_a_service_killed_during_a_snapshot_cleans_up_when_it_starts(nova):
    server = active(nova, boot(nova))
    rule = nova.simulator.rule(
        match={"layer": "rest", "key": "PUT /images/{id}"},
        phase="after",
        effect={"kind": "hold"},
    )
    image = nova.client.compute.create_server_image(server, "never")
    assert nova.simulator.wait_parked(rule)
    assert captured_images(nova) != []
    nova.kill()
    nova.simulator.delete_rule(rule)
    assert len(list((nova.state / "zvm").rglob("ibmvirt-capture*"))) == 1
    nova.start()
    assert settled(nova, server).status == "ACTIVE"
    assert guest(nova, server)["state"] == "on"
    assert captured_images(nova) == []
    assert list((nova.state / "zvm").rglob("ibmvirt-capture*")) == []
    nova.client.image.delete_image(image.id)
    delete(nova, server)
    assert nova.simulator.compare() == []


def test_a_flavor_with_root_disk_0_ephemeral_and_swap_disk(nova):
    compute = nova.client.compute
    flavor = compute.create_flavor(
        name="shaped", ram=512, vcpus=1, disk=0, ephemeral=1, swap=128
    )
    server = active(nova, boot(nova, flavor_id=flavor.id))
    found = guest(nova, server)
    _raw, cylinders, _kind = imagefile.read(imagefile.write(IMAGE))
    made = {disk["vdev"]: disk["size"] for disk in found["storage"]}
    assert made["0100"] == cylinders
    assert list(made) == ["0100", "0101", "0102"]
    assert found["ephemeral"] == ["0101", "0102"]
    delete(nova, server)
    compute.delete_flavor(flavor)
    assert nova.simulator.compare() == []


@pytest.mark.parametrize(
    ("content", "properties", "shown"),
    [
        (bytes(100_000), {"os_distro": "rhel9.4"}, "header of a captured disk"),
        (imagefile.write(IMAGE), {}, "os_distro"),
        (imagefile.write(IMAGE, "FBA"), {"os_distro": "rhel9.4"}, "an FBA disk"),
        (LARGE, {"os_distro": "rhel9.4"}, "the flavor's 1073741824"),
    ],
    ids=["no captured disk", "no release", "FBA", "too large for the flavor"],
)
def test_an_image_that_cannot_be_deployed_is_refused_at_once(
    nova, content, properties, shown
):
    image = nova.client.image.create_image(
        "bad", data=io.BytesIO(content), disk_format="raw", container_format="bare",
        validate_checksum=False, **properties,
    )  # fmt: skip
    nova.simulator.admin("DELETE", "journal")
    server = boot(nova, image_id=image.id)
    failed = active(nova, server, "ERROR")
    assert shown in failed.fault["message"]
    calls = nova.simulator.journal(memento=f"spawn:{server.id}")
    assert {call["verb"] for call in calls} <= {"GET"}
    delete(nova, server)
    nova.client.image.delete_image(image)
