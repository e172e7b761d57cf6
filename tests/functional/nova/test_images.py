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


"""Images of other formats than raw, through Nova's API."""

from __future__ import annotations

import io
import random

from tests.functional.nova import servers
from tests.support import qcow2_images
from tests.support.smallnova import waits

DISK = random.Random(3).randbytes(700_000) + bytes(3_000_000) + b"end " * 50_000


def test_a_server_from_qcow2_has_the_raw_disk(powervm):
    packed = qcow2_images.build(DISK, compress=True)
    image = powervm.client.image.create_image(
        "packed", data=packed, disk_format="qcow2", container_format="bare",
        validate_checksum=False,
    )  # fmt: skip
    server = servers.wait(powervm, servers.boot(powervm, image_id=image.id))
    found = servers.guest(powervm, server)
    # One disk, by more than one VIOS.
    (disk,) = {item["id"] for item in found["storage"]}
    assert powervm.simulator.disk(disk)[: len(DISK)] == DISK
    servers.delete(powervm, server)
    powervm.client.image.delete_image(image)


def test_a_build_is_told_in_the_log_by_its_request(powervm):
    """And without an error: a look at an image ends a transfer early."""
    image = powervm.client.image.create_image(
        "large", data=io.BytesIO(bytes(64 << 20)), disk_format="raw",
        container_format="bare", validate_checksum=False,
    )  # fmt: skip
    log = powervm.state / "nova.log"
    before = len(log.read_bytes())
    server = servers.wait(powervm, servers.boot(powervm, image_id=image.id))
    servers.delete(powervm, server)
    told = log.read_bytes()[before:].decode()
    steps = [line for line in told.splitlines() if f"spawn:{server.id}" in line]
    assert steps
    assert [line for line in steps if " admin demo " not in line] == []
    assert "ERROR nova.image.glance" not in told
    powervm.client.image.delete_image(image)


def refusal(nova, content, disk_format):
    """The message of the build of a server from an image that is refused."""
    image = nova.client.image.create_image(
        "bad", data=io.BytesIO(content), disk_format=disk_format,
        container_format="bare", validate_checksum=False,
    )  # fmt: skip
    server = servers.boot(nova, image_id=image.id)
    try:
        found = servers.wait(nova, server, "ERROR")
        assert servers.guest(nova, server) is None
        message: str = found.fault["message"]
        return message
    finally:
        servers.delete(nova, server)
        nova.client.image.delete_image(image)


def test_a_qcow2_image_with_a_backing_file_is_refused(powervm):
    packed = qcow2_images.build(DISK, backing=4096)
    assert "backing_file" in refusal(powervm, packed, "qcow2")
    assert powervm.simulator.compare() == []


def test_an_image_that_is_not_raw_is_refused_on_powervm(powervm):
    """Whatever it is registered as."""
    said = refusal(powervm, qcow2_images.build(DISK), "raw")
    assert "registered as raw, its content is qcow2" in said
    assert powervm.simulator.compare() == []


def test_an_image_that_is_not_raw_is_refused_on_zvm(zvm_nova):
    said = refusal(zvm_nova, b"KDMV\1\0\0\0" + bytes(1 << 20), "raw")
    assert "registered as raw, its content is vmdk" in said
    assert zvm_nova.simulator.compare() == []


def test_a_delete_ends_an_image_transfer(powervm):
    """Of ten minutes; Nova itself would wait for it to end."""
    # Large, so that its beginning, which is judged first, is there soon.
    image = powervm.client.image.create_image(
        "slow", data=io.BytesIO(bytes(128 << 20)), disk_format="raw",
        container_format="bare", validate_checksum=False, transfer_seconds="600",
    )  # fmt: skip
    server = servers.boot(powervm, "slow", image_id=image.id)
    assert powervm.simulator.wait_journal(
        memento=f"spawn:{server.id}", key="PUT web/File/contents/{id}"
    )
    powervm.client.compute.delete_server(server)
    waits.deleted(powervm, server)
    assert powervm.simulator.compare() == []
    powervm.client.image.delete_image(image)
