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

"""From Nova's own z/VM driver to ours, on the same database and state path."""

from __future__ import annotations

import io

import pytest

from ibmvirt.simulators.zvm import ZVMSimulator, imagefile
from tests.functional.nova import servers
from tests.support.smallnova import SmallNova


@pytest.fixture(scope="module")
def nova(tmp_path_factory):
    """A small Nova, not started, with the options of both drivers."""
    state = tmp_path_factory.mktemp("upgrade")
    (state / "images").mkdir()
    with ZVMSimulator("--rate", "100") as simulator:
        simulator.mark()
        options = {
            "DEFAULT": {
                "instance_name_template": "osp%05x",
                "force_config_drive": "true",
                # nova.virt.zvm couples no adapter: its event never comes.
                "vif_plugging_timeout": "0",
                "vif_plugging_is_fatal": "false",
            },
            "zvm": {
                "cloud_connector_url": simulator.connector_url,
                "image_tmp_path": str(state / "images"),
            },
        }
        found = SmallNova(
            "ibmvirt.ZVMDriver", options=options, admin_url=simulator.admin_url,
            vif_type="zvm", state=state,
        )  # fmt: skip
        found.simulator = simulator
        yield found
        found.stop()


def node(nova):
    return next(iter(nova.client.compute.hypervisors(details=True)))


@pytest.mark.slow
def test_our_driver_takes_over_what_the_old_one_made(nova):
    # Nova 34 lets the old driver start only where the service is known already:
    # it has no list_instance_uuids(), which a new host is asked for.
    with nova:
        pass
    nova.driver = "zvm.ZVMDriver"
    with nova:
        nova.image = nova.client.image.create_image(
            "base", data=io.BytesIO(imagefile.write(bytes(1 << 20))),
            disk_format="raw", container_format="bare", validate_checksum=False,
            os_distro="rhel9.4",
        )  # fmt: skip
        nova.flavor = nova.client.compute.create_flavor(
            name="small", ram=512, vcpus=1, disk=1
        )
        nova.networks = [{"uuid": n.id} for n in nova.client.network.networks()]
        old = node(nova)
        server = servers.wait(nova, servers.boot(nova))
        paused = servers.wait(nova, servers.boot(nova, "other"))
    # What the old driver kept beside Nova's own records is not there.
    nova.driver = "ibmvirt.ZVMDriver"
    for path in (nova.state / "zvm").rglob("*"):
        assert not path.is_file() or path.name == "hypervisor_hostname"
    with nova:
        compute = nova.client.compute
        assert (node(nova).id, node(nova).name) == (old.id, old.name)
        assert compute.get_server(server.id).status == "ACTIVE"
        user = compute.get_server(server.id).instance_name.upper()
        assert servers.guest(nova, server)["name"] == user
        compute.stop_server(server)
        servers.wait(nova, server, "SHUTOFF")
        assert nova.simulator.guest(user)["state"] == "off"
        compute.start_server(server)
        servers.wait(nova, server)
        compute.reboot_server(server, "HARD")
        servers.wait(nova, server)
        assert "login:" in compute.get_server_console_output(server)["output"]
        # The guest's release, which adapters and volumes need, is Nova's.
        port = compute.create_server_interface(server, net_id=nova.networks[1]["uuid"])
        vlans = {a["vlan"] for a in nova.simulator.guest(user)["adapters"]}
        assert 102 in vlans
        compute.delete_server_interface(port.port_id, server)
        compute.pause_server(paused)
        servers.wait(nova, paused, "PAUSED")
        compute.rebuild_server(server, image=nova.image.id)
        servers.settled(nova, server)
        servers.wait(nova, server)
        assert servers.guest(nova, server)["name"] == user
        for one in (server, paused):
            servers.delete(nova, one)
        assert nova.simulator.compare() == []
