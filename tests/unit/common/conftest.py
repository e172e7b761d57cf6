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


"""A driver on the memory backend."""

from __future__ import annotations

import nova.conf
import pytest

from ibmvirt.common import driver_part
from tests.support import memory_backend, nova_objects


@pytest.fixture
def configuration():
    """Nova's options with their defaults, whatever this host's files say."""
    nova.conf.CONF([], project="nova", default_config_files=[], default_config_dirs=[])
    yield nova.conf.CONF
    nova.conf.CONF.reset()


@pytest.fixture
def glance(monkeypatch, configuration):
    service = nova_objects.Glance()
    monkeypatch.setattr("nova.image.glance.API", service)
    # Nova's metadata asks Neutron for them.
    monkeypatch.setattr(
        "nova.network.security_group_api.get_instance_security_groups",
        lambda *_arguments, **_names: [],
    )
    return service


@pytest.fixture
def tagged_ports(monkeypatch):
    """A list of the server's ports in Nova's database."""
    ports = []
    monkeypatch.setattr(
        "nova.objects.VirtualInterfaceList.get_by_instance_uuid",
        lambda _context, _uuid: ports,
    )
    return ports


@pytest.fixture
def deleting(monkeypatch):
    """A list; what is appended is why Nova no longer wants the server."""
    reasons = []
    monkeypatch.setattr(
        driver_part, "_deleting", lambda _i: reasons[0] if reasons else None
    )
    return reasons


@pytest.fixture
def driver(glance, deleting, tagged_ports, fast_clock):
    from nova.virt import fake

    made = memory_backend.MemoryDriver(fake.FakeVirtAPI())
    made.init_host("host1")
    yield made
    made.cleanup_host("host1")


@pytest.fixture
def world(driver):
    return driver.world


@pytest.fixture
def spawn(driver):
    """Build a server; keyword arguments replace those of Nova's call."""

    def call(instance=None, image=None, **values):
        instance = instance or nova_objects.instance()
        driver.spawn(
            nova_objects.request(),
            instance,
            image or nova_objects.image_meta(),
            values.pop("files", []),
            values.pop("password", None),
            {},
            **{"network_info": nova_objects.ports(), **values},
        )
        return instance

    return call
