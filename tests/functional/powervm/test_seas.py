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


"""Shared Ethernet Adapters of physical networks, on the simulator."""

from __future__ import annotations

import dataclasses

import pytest

from ibmvirt.common import exceptions, plan
from tests.support import powervm

# The generated SEAs: ent6 on ETHERNET0 and ent9 on ETHERNET1, of both VIOSes.
MAPPINGS = "datacentre:ent6:vios1,datacentre:ent6:vios2, other:ent9:vios1"
PORT = plan.Vif(id="port-1", mac="fa:16:3e:00:00:01", type="pvm_sea", vlan=100)


@pytest.fixture
def driven(novalink):
    with powervm.running(novalink) as found:
        yield found


@pytest.fixture
def mapped(novalink):
    with powervm.running(novalink, bridge_mappings=MAPPINGS) as found:
        yield found


def on(network, **values):
    return dataclasses.replace(PORT, physical_network=network, **values)


def switch_of(driven, port):
    """The switch that a port is plugged into."""
    spawn = driven.plan(vifs=0)
    driven.spawn(spawn)
    driven.backend.networks.check((port,))
    driven.backend.networks.plug(driven.guest(spawn), (port,))
    adapters = driven.simulator.guest(spawn.server.name)["adapters"]
    return next(a["switch"] for a in adapters if a["mac"] == "FA163E000001")


def test_without_mappings_the_default_switch_is_taken(driven):
    assert switch_of(driven, on("anything")) == "ETHERNET0"


@pytest.mark.parametrize(
    ("network", "switch"), [("datacentre", "ETHERNET0"), ("other", "ETHERNET1")]
)
def test_a_port_goes_to_the_switch_of_its_networks_sea(mapped, network, switch):
    assert switch_of(mapped, on(network)) == switch


def test_a_binding_may_name_the_switch(mapped):
    port = on("datacentre", details={"vswitch": "ETHERNET1"})
    assert switch_of(mapped, port) == "ETHERNET1"


@pytest.mark.parametrize(
    ("port", "text"),
    [
        (on("elsewhere"), "reach the physical network elsewhere: .*bridge_mappings"),
        (on(None), "the physical network .unnamed."),
        (on("datacentre", details={"vswitch": "MGMTSWITCH"}), "MGMTSWITCH has no Sh"),
    ],
)
def test_a_network_without_an_sea_is_refused_by_name(mapped, port, text):
    mapped.simulator.admin("DELETE", "journal")
    with pytest.raises(exceptions.HypervisorError, match=text):
        mapped.backend.networks.check((port,))
    assert not [r for r in mapped.simulator.journal() if not r["key"].startswith("GET")]


def test_an_sea_that_is_not_there_is_named(novalink):
    options = {"bridge_mappings": "datacentre:ent77:vios1,datacentre:ent77:vios2"}
    with (
        powervm.running(novalink, **options) as driven,
        pytest.raises(exceptions.HypervisorError, match="ent77 of vios1, ent77 of vi"),
    ):
        driven.backend.networks.check((on("datacentre"),))


@pytest.mark.parametrize("wrong", ["datacentre", "a:b", "a::c", "a:b:c:d"])
def test_mappings_that_cannot_be_read_are_refused(novalink, wrong):
    with (
        pytest.raises(exceptions.InvalidRequest, match="bridge_mappings"),
        powervm.running(novalink, bridge_mappings=wrong),
    ):
        pass


def test_known_seas_cost_no_call(driven):
    driven.backend.networks.check((PORT,))
    driven.simulator.admin("DELETE", "journal")
    driven.backend.networks.check((PORT,))
    own = [r for r in driven.simulator.journal() if r["memento"] != "bg:events"]
    assert own == []


def test_a_default_switch_without_an_sea(novalink):
    with (
        powervm.running(novalink, default_switch="MGMTSWITCH") as driven,
        pytest.raises(exceptions.HypervisorError, match="MGMTSWITCH has no Shared"),
    ):
        driven.backend.networks.check((PORT,))
