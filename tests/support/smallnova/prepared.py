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
"""A small Nova on a simulator of its own, with an image, a flavor and networks."""

from __future__ import annotations

import contextlib
import io
import tempfile

from ibmvirt.simulators.novalink import NovaLinkSimulator
from ibmvirt.simulators.zvm import ZVMSimulator, imagefile
from tests.support import zvm as zvm_support
from tests.support.smallnova import handle

IMAGE = bytes(range(256)) * 8192
# As long; the bytes are the other way round.
OTHER = IMAGE[::-1]


@contextlib.contextmanager
def powervm(*arguments, pace=1.0, **options):
    """PowerVM; the arguments are the simulator's, the options the driver's."""
    with NovaLinkSimulator(*arguments) as simulator:
        nova = handle.powervm(simulator, **options)
        nova.pace, nova.simulator = pace, simulator
        nova.image_properties, nova.image_format = {}, bytes
        with nova:
            yield _furnished(nova)
            # With its simulator, which ends too: an orderly end takes seconds.
            nova.kill()


@contextlib.contextmanager
def zvm(*arguments, pace=1.0):
    """z/VM with FCP devices; the arguments are the simulator's.

    The Connector sleeps for seconds at a time: ``--rate`` makes them pass faster.
    """
    with (
        tempfile.TemporaryDirectory(prefix="smallnova-") as state,
        ZVMSimulator(*arguments) as simulator,
    ):
        zvm_support.fcp_template(simulator)
        nova = handle.zvm(simulator, state)
        nova.pace, nova.simulator = pace, simulator
        nova.image_properties = {"os_distro": "rhel", "os_version": "9.4"}
        nova.image_format = imagefile.write
        with nova:
            yield _furnished(nova)
            nova.kill()


def _furnished(nova):
    nova.image = new_image(nova, "small")
    nova.flavor = nova.client.compute.create_flavor(
        name="small", ram=512, vcpus=1, disk=1
    )
    nova.networks = [{"uuid": n.id} for n in nova.client.network.networks()]
    return nova


def new_image(nova, name, content=IMAGE, **properties):
    """An image that no host knows yet: the small one's disk, or another."""
    return nova.client.image.create_image(
        name,
        data=io.BytesIO(nova.image_format(content)),
        disk_format="raw",
        container_format="bare",
        validate_checksum=False,
        **nova.image_properties,
        **properties,
    )
