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


"""Volumes by N_Port ID Virtualization, through the APIs of Nova and Cinder."""

from __future__ import annotations

import pytest

from tests.functional.nova import servers
from tests.functional.powervm import test_npiv
from tests.support.smallnova import prepared


@pytest.fixture(scope="module")
def npiv():
    """A small Nova whose host gives servers Fibre Channel adapters."""
    with prepared.powervm(pace=0.1, **test_npiv.FABRICS) as nova:
        nova.simulator.mark()
        yield nova


def adapters(nova, server):
    """(VIOS, port) and WWPNs of a server's adapters."""
    found = servers.guest(nova, server)["fibre_channel"]
    return {(one["vios"], one["port"]): one["wwpns"] for one in found}


def test_a_server_keeps_its_adapters_until_it_is_deleted(npiv):
    server = servers.wait(npiv, servers.boot(npiv))
    assert adapters(npiv, server) == {}
    first, second = (servers.make_volume(npiv) for _ in range(2))
    servers.attach(npiv, server, first)
    found = adapters(npiv, server)
    assert set(found) == {("vios1", "fcs0"), ("vios2", "fcs1")}
    servers.attach(npiv, server, second)
    servers.detach(npiv, server, first)
    npiv.client.compute.reboot_server(server, "HARD")
    servers.wait(npiv, server)
    assert adapters(npiv, server) == found
    servers.detach(npiv, server, second)
    assert adapters(npiv, server) == found
    servers.delete(npiv, server)
    for volume in (first, second):
        servers.drop_volume(npiv, volume)
    assert npiv.simulator.compare() == []
