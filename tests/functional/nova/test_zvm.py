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

"""Servers on z/VM through Nova's API and the real Cloud Connector."""

from __future__ import annotations

import base64

from tests.functional.nova import drives
from tests.functional.nova.servers import (
    boot,
    delete,
    guest,
    jobs,
    succeeded,
    until,
    wait,
)

SCRIPT = b"#!/bin/sh\n"


def test_a_servers_life(zvm_nova, tmp_path):
    nova = zvm_nova
    script = base64.b64encode(SCRIPT).decode()
    server = wait(nova, boot(nova, networks=nova.networks, user_data=script))
    found = guest(nova, server)
    assert found["state"] == "on"
    assert found["hostname"].split(".")[0] == "server"
    given = {a["addr"] for net in server.addresses.values() for a in net}
    assert {n["address"] for n in found["networks"]} == given
    assert all(a["granted"] for a in found["adapters"])
    drives.check(nova, server, SCRIPT, tmp_path)
    compute = nova.client.compute
    compute.pause_server(server)
    wait(nova, server, "PAUSED")
    assert guest(nova, server)["state"] == "paused"
    compute.unpause_server(server)
    wait(nova, server)
    compute.stop_server(server)
    wait(nova, server, "SHUTOFF")
    assert guest(nova, server)["state"] == "off"
    compute.start_server(server)
    wait(nova, server)
    for number, kind in enumerate(("SOFT", "HARD"), 1):
        before = len(jobs(nova, server, "reboot"))
        compute.reboot_server(server, kind)
        succeeded(nova, server, "reboot", count=number)
        wait(nova, server)
        assert len(jobs(nova, server, "reboot")) > before
        assert guest(nova, server)["state"] == "on"
    assert "login:" in compute.get_server_console_output(server)["output"]
    assert compute.get_server_diagnostics(server).hypervisor == "z/VM"
    delete(nova, server)
    assert nova.simulator.compare() == []
    assert list((nova.state / "zvm").rglob("cfgdrive.iso")) == []


def test_a_server_that_takes_no_commands_is_reset_by_a_soft_reboot(zvm_nova):
    """Its image has no IUCV server that the Connector may use."""
    nova = zvm_nova
    server = wait(nova, boot(nova))
    name = guest(nova, server)["name"]
    rule = nova.simulator.rule(
        match={"layer": "command", "key": "iucvclnt", "user": name},
        effect={"kind": "refuse", "rc": 1, "rs": 0},
        count=None,
    )
    nova.client.compute.reboot_server(server, "SOFT")
    succeeded(nova, server, "reboot")
    nova.simulator.delete_rule(rule)
    wait(nova, server)
    assert guest(nova, server)["state"] == "on"
    calls = nova.simulator.journal(memento=f"reboot:{server.id}", layer="rest")
    actions = [c["key"].split()[-1] for c in calls if c["verb"] == "POST"]
    assert actions == ["reboot", "reset"]
    delete(nova, server)


def vlans(nova, server):
    return {a["vlan"] for a in guest(nova, server)["adapters"]}


def test_interfaces_of_a_running_server(zvm_nova):
    server = wait(zvm_nova, boot(zvm_nova))
    compute = zvm_nova.client.compute
    second = zvm_nova.networks[1]["uuid"]
    port = compute.create_server_interface(server, net_id=second)
    assert vlans(zvm_nova, server) == {101, 102}
    compute.delete_server_interface(port.port_id, server)
    until(lambda: vlans(zvm_nova, server) == {101}, "the adapter is gone")
    delete(zvm_nova, server)
    assert zvm_nova.simulator.compare() == []


def test_the_service_is_killed_and_remembers_what_is_paused(zvm_nova):
    nova = zvm_nova
    server = wait(nova, boot(nova))
    nova.client.compute.pause_server(server)
    wait(nova, server, "PAUSED")
    nova.kill()
    nova.start()
    assert wait(nova, server, "PAUSED").status == "PAUSED"
    nova.client.compute.unpause_server(server)
    wait(nova, server)
    delete(nova, server)
    assert nova.simulator.compare() == []
