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

"""Servers on PowerVM through Nova's API."""

from __future__ import annotations

import base64

import pytest
from openstack import exceptions

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


def test_a_servers_life(powervm, tmp_path):
    script = base64.b64encode(SCRIPT).decode()
    wanted = {"networks": powervm.networks, "config_drive": True, "user_data": script}
    server = wait(powervm, boot(powervm, **wanted))
    found = guest(powervm, server)
    assert found["state"] == "running"
    assert {a["vlan"] for a in found["adapters"]} == {1, 101, 102}
    drives.check(powervm, server, SCRIPT, tmp_path)
    compute = powervm.client.compute
    compute.stop_server(server)
    wait(powervm, server, "SHUTOFF")
    assert guest(powervm, server)["state"] == "not activated"
    compute.start_server(server)
    wait(powervm, server)
    for number, kind in enumerate(("SOFT", "HARD"), 1):
        before = len(jobs(powervm, server, "reboot"))
        compute.reboot_server(server, kind)
        succeeded(powervm, server, "reboot", count=number)
        wait(powervm, server)
        assert len(jobs(powervm, server, "reboot")) > before
        assert guest(powervm, server)["state"] == "running"
    compute.trigger_server_crash_dump(server)
    succeeded(powervm, server, "trigger_crash_dump")
    assert jobs(powervm, server, "crash_dump")
    assert wait(powervm, server).power_state == 1
    diagnostics = compute.get_server_diagnostics(server)
    assert diagnostics.state == "running"
    assert diagnostics.hypervisor == "PowerVM"
    delete(powervm, server)
    assert powervm.simulator.compare() == []
    assert powervm.simulator.verify() == []


def vlans(nova, server):
    return {a["vlan"] for a in guest(nova, server)["adapters"]}


def test_interfaces_of_a_running_server(powervm):
    server = wait(powervm, boot(powervm))
    compute = powervm.client.compute
    second = powervm.networks[1]["uuid"]
    port = compute.create_server_interface(server, net_id=second)
    assert 102 in vlans(powervm, server)
    compute.delete_server_interface(port.port_id, server)
    until(lambda: 102 not in vlans(powervm, server), "the adapter is gone")
    delete(powervm, server)
    assert powervm.simulator.compare() == []


def test_a_wrong_flavor_is_refused_by_its_name(powervm):
    flavor = powervm.client.compute.create_flavor(
        name="wrong", ram=512, vcpus=1, disk=1
    )
    # Before 2.86 the API takes any extra spec, so that the driver meets it.
    powervm.client.compute.post(
        f"/flavors/{flavor.id}/os-extra_specs",
        json={"extra_specs": {"powervm:proc_units": "many"}},
        microversion="2.85",
    )
    server = powervm.client.compute.create_server(
        name="wrong",
        image_id=powervm.image.id,
        flavor_id=flavor.id,
        networks=powervm.networks[:1],
    )
    with pytest.raises(exceptions.ResourceFailure):
        wait(powervm, server)
    found = powervm.client.compute.get_server(server.id)
    assert "powervm:proc_units=many" in found.fault["message"]
    assert powervm.simulator.compare() == []
    delete(powervm, server)
    powervm.client.compute.delete_flavor(flavor)


def test_a_server_wants_a_processor_by_its_trait(powervm):
    compute = powervm.client.compute
    for trait, status in (("HW_CPU_PPC64LE_POWER9", "ACTIVE"),
                          ("HW_CPU_X86_AVX2", "ERROR")):  # fmt: skip
        flavor = compute.create_flavor(name=trait, ram=512, vcpus=1, disk=1)
        compute.create_flavor_extra_specs(flavor, {f"trait:{trait}": "required"})
        server = wait(powervm, boot(powervm, flavor_id=flavor.id), status)
        assert (guest(powervm, server) is not None) == (status == "ACTIVE")
        delete(powervm, server)
        compute.delete_flavor(flavor)
    assert powervm.simulator.compare() == []


def test_the_api_refuses_a_wrong_extra_spec(powervm):
    flavor = powervm.client.compute.create_flavor(
        name="refused", ram=512, vcpus=1, disk=1
    )
    for name, value, shown in (
        ("proc_units", "many", "'many'"),
        ("shared_weight", "256", "255"),
        ("no_such", "1", "powervm:no_such"),
    ):
        specs = {f"powervm:{name}": value}
        with pytest.raises(exceptions.BadRequestException, match=shown):
            powervm.client.compute.create_flavor_extra_specs(flavor, specs)
    good = {"powervm:proc_units": "0.5"}
    powervm.client.compute.create_flavor_extra_specs(flavor, good)
    powervm.client.compute.delete_flavor(flavor)
