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
"""Servers that are deleted while their host is down: Nova forgets them at once,
and the compute service removes what is left once it is back.
"""

from __future__ import annotations

from tests.functional.nova import servers
from tests.support.smallnova import waits


def force_down(nova, down):
    """Tell Nova, as an operator does, that the host is down, or is not."""
    (service,) = nova.client.compute.services(binary="nova-compute")
    nova.client.compute.put(
        f"/os-services/{service.id}", json={"forced_down": down}, microversion="2.53"
    )


def test_a_server_deleted_while_its_host_is_down_goes_later(nova):
    volume = servers.make_volume(nova)
    nova.simulator.mark()
    server, other = (
        servers.boot(nova, name, networks=nova.networks, config_drive=True)
        for name in ("server", "other")
    )
    server, other = (servers.wait(nova, s) for s in (server, other))
    servers.attach(nova, server, volume)
    force_down(nova, True)
    try:
        nova.client.compute.delete_server(server)
        waits.deleted(nova, server)
    finally:
        force_down(nova, False)
    assert servers.guest(nova, server)["state"] == nova.outside.running
    waits.volume(nova, volume, "available")
    with servers.restarted(nova, **servers.REAP):
        servers.until(lambda: servers.guest(nova, server) is None, "the guest is gone")
        assert servers.guest(nova, other)["state"] == nova.outside.running
        servers.delete(nova, other)
        servers.until(lambda: not nova.simulator.compare(), "nothing is left of it")
