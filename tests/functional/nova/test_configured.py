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

"""What operators configure or ask less often: soft deletion, shelving without
an end to the guest, several servers by one request, a disabled compute service.
"""

from __future__ import annotations

import pytest
from openstack import exceptions

from tests.functional.nova import servers
from tests.support.smallnova import waits

# Deleted servers can be restored for an hour; shelved ones keep their guests.
OPTIONS = {"DEFAULT": {"reclaim_instance_interval": "3600", "shelved_offload_time": -1}}


@pytest.fixture(
    scope="module", params=["powervm_process", "zvm_nova_process"],
    ids=["PowerVM", "zVM"],
)  # fmt: skip
def configured(request):
    nova = request.getfixturevalue(request.param)
    with servers.restarted(nova, **OPTIONS):
        yield nova


@pytest.fixture
def nova(configured):
    for found in servers.between(configured):
        yield found
        # A plain delete would keep those that a failed test leaves.
        compute = found.client.compute
        kept = [s for s in compute.servers(deleted=True) if s.status == "SOFT_DELETED"]
        for server in [*compute.servers(), *kept]:
            force_delete(found, server)


def act(nova, server, action):
    nova.client.compute.post(
        f"/servers/{server.id}/action", json={action: None}, microversion="2.90"
    ).raise_for_status()


def force_delete(nova, server):
    act(nova, server, "forceDelete")
    waits.deleted(nova, server)


def state(nova, server):
    return servers.guest(nova, server)["state"]


def test_a_deleted_server_is_restored(nova):
    server = servers.wait(nova, servers.boot(nova))
    nova.client.compute.delete_server(server)
    servers.wait(nova, server, "SOFT_DELETED")
    assert state(nova, server) == nova.outside.stopped
    act(nova, server, "restore")
    servers.wait(nova, server)
    assert state(nova, server) == nova.outside.running
    force_delete(nova, server)
    assert nova.simulator.compare() == []


def test_a_shelved_server_keeps_its_guest_for_a_while(nova):
    server = servers.wait(nova, servers.boot(nova))
    act(nova, server, "shelve")
    servers.wait(nova, server, "SHELVED")
    assert state(nova, server) == nova.outside.stopped
    act(nova, server, "unshelve")
    servers.wait(nova, server)
    assert state(nova, server) == nova.outside.running
    force_delete(nova, server)
    assert nova.simulator.compare() == []


def test_several_servers_by_one_request(nova):
    servers.boot(nova, "many", min_count=2, max_count=3)
    made = list(nova.client.compute.servers())
    assert sorted(s.name for s in made) == ["many-1", "many-2", "many-3"]
    for server in made:
        servers.wait(nova, server)
    assert [state(nova, s) for s in made] == [nova.outside.running] * 3
    for server in made:
        force_delete(nova, server)
    assert nova.simulator.compare() == []


def test_a_disabled_service_gets_no_more_servers(nova):
    compute = nova.client.compute
    (service,) = compute.services(binary="nova-compute")
    server = servers.wait(nova, servers.boot(nova))
    compute.disable_service(service, disabled_reason="a new processor")
    try:
        refused = servers.boot(nova, "refused")
        with pytest.raises(exceptions.ResourceFailure, match="No valid host"):
            servers.wait(nova, refused)
        # What is there stays in reach.
        compute.stop_server(server)
        servers.wait(nova, server, "SHUTOFF")
    finally:
        compute.enable_service(service)
    compute.start_server(server)
    servers.wait(nova, server)
    for one in (server, refused, servers.wait(nova, servers.boot(nova, "later"))):
        force_delete(nova, one)
    assert nova.simulator.compare() == []
