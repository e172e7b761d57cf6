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

"""The Connector goes away and comes back, as Nova's API shows it."""

from __future__ import annotations

import io

import pytest

from ibmvirt.simulators.zvm import ZVMSimulator, imagefile
from tests.functional.nova import servers
from tests.support.smallnova import handle


@pytest.fixture(scope="module")
def nova(tmp_path_factory):
    """Looks at the Connector every second, and starts guests at its start."""
    state = tmp_path_factory.mktemp("zvm-away")
    with (
        ZVMSimulator("--rate", "100") as simulator,
        handle.zvm(simulator, state, check_interval="1") as found,
    ):
        found.options["DEFAULT"] = {"resume_guests_state_on_host_boot": "true"}
        found.simulator = simulator
        client = found.client
        found.image = client.image.create_image(
            "small", data=io.BytesIO(imagefile.write(bytes(1 << 20))),
            disk_format="raw", container_format="bare", validate_checksum=False,
            os_distro="rhel", os_version="9.4",
        )  # fmt: skip
        found.flavor = client.compute.create_flavor(
            name="small", ram=512, vcpus=1, disk=1
        )
        found.networks = [{"uuid": n.id} for n in client.network.networks()]
        yield found


def service(nova):
    found = nova.client.compute.services(binary="nova-compute")
    return next(iter(found))


def server_status(nova, server, status):
    def seen():
        return nova.client.compute.get_server(server.id).status == status

    servers.until(seen, f"server {status}")


def until(nova, status):
    servers.until(lambda: service(nova).status == status, f"service {status}", 40)
    return service(nova)


@pytest.mark.slow
def test_the_connector_is_killed_and_comes_back(nova):
    server = servers.wait(nova, servers.boot(nova))
    nova.simulator.kill_connector()
    found = until(nova, "disabled")
    assert found.state == "up"
    assert "AUTO: Could not reach the z/VM Cloud Connector" in found.disabled_reason
    refused = servers.boot(nova, "second")
    server_status(nova, refused, "ERROR")
    nova.simulator.restart_connector()
    assert until(nova, "enabled").disabled_reason is None
    servers.delete(nova, refused)
    again = servers.wait(nova, servers.boot(nova, "third"))
    for one in (server, again):
        servers.delete(nova, one)


@pytest.mark.slow
def test_the_service_starts_without_it_and_goes_on_when_it_is_there(nova):
    """With a server that ran, and that is off after z/VM was started anew."""
    server = servers.wait(nova, servers.boot(nova))
    user = servers.guest(nova, server)["name"]
    nova.stop()
    nova.simulator.world("log_off", user=user)
    nova.simulator.kill_connector()
    nova.start()
    assert until(nova, "disabled").state == "up"
    nova.simulator.restart_connector()
    until(nova, "enabled")
    servers.until(lambda: nova.simulator.guest(user)["state"] == "on", "guest on")
    assert nova.client.compute.get_server(server.id).status == "ACTIVE"
    servers.delete(nova, server)


def test_what_an_operator_disabled_stays_disabled(nova):
    compute = nova.client.compute
    reason = "maintenance"
    compute.update_service(service(nova), status="disabled", disabled_reason=reason)
    before = nova.log().count("Connector answers again")
    nova.simulator.kill_connector()
    servers.until(lambda: nova.log().count("node is down") > before, "down")
    nova.simulator.restart_connector()
    servers.until(
        lambda: nova.log().count("Connector answers again") > before, "up again"
    )
    assert service(nova).disabled_reason == reason
    compute.update_service(service(nova), status="enabled")
