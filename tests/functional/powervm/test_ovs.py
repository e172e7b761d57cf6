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


"""Ports on Open vSwitch, on the simulator."""

from __future__ import annotations

import concurrent.futures
import dataclasses

import pytest

from ibmvirt.common import exceptions, plan
from tests.support import powervm


@pytest.fixture
def driven(novalink):
    with powervm.running(novalink) as found:
        # The switch is made once, by the first port.
        first = ovs_plan(found, 99)
        found.spawn(first)
        found.destroy(first)
        novalink.mark()
        novalink.admin("DELETE", "journal")
        yield found


def ovs_plan(driven, number=1, vifs=1):
    spawn = driven.plan(number, vifs=vifs)
    ports = tuple(
        dataclasses.replace(vif, type="ovs", vlan=None, bridge="br-int", mtu=1450)
        for vif in spawn.guest.vifs
    )
    driven.backend.networks.check(ports)
    return dataclasses.replace(
        spawn, guest=dataclasses.replace(spawn.guest, vifs=ports)
    )


def trunks(driven, port):
    """The trunk adapters of a port, as the client library reads them."""
    kind = driven.backend.networks._kinds["ovs"]
    return kind._trunks(port)


def test_a_port_is_a_pair_of_adapters(driven):
    spawn = ovs_plan(driven, vifs=2)
    driven.spawn(spawn)
    adapters = driven.simulator.guest(spawn.server.name)["adapters"]
    vlans = set()
    for port in spawn.guest.vifs:
        (trunk,) = trunks(driven, port)
        mac = port.mac.replace(":", "").upper()
        (own,) = [a for a in adapters if a["mac"] == mac]
        assert (own["vlan"], own["switch"]) == (trunk.pvid, "NovaLinkVEABridge")
        assert trunk.ovs_bridge == "br-int"
        assert trunk.configured_mtu == 1450
        assert trunk.dev_name == f"tap{port.id}"[:14]
        assert trunk.ovs_ext_ids.split(",") == [
            f"iface-id={port.id}",
            "iface-status=active",
            f"attached-mac={port.mac}",
            f"vm-uuid={spawn.server.uuid}",
        ]
        vlans.add(trunk.pvid)
    assert len(vlans) == 2
    driven.destroy(spawn)
    assert driven.simulator.compare() == []


def test_spawn_and_destroy_stay_within_their_calls(driven):
    spawn = ovs_plan(driven)
    driven.spawn(spawn)
    driven.destroy(spawn)
    calls = driven.calls("spawn", spawn)
    assert len(calls) <= 18, calls
    calls = driven.calls("destroy", spawn)
    assert len(calls) <= 12, calls


def test_ports_plugged_at_once_get_different_vlans(driven):
    plans = [ovs_plan(driven, number) for number in range(1, 6)]
    with concurrent.futures.ThreadPoolExecutor(5) as pool:
        list(pool.map(driven.spawn, plans))
    ports = [spawn.guest.vifs[0] for spawn in plans]
    assert len({trunks(driven, port)[0].pvid for port in ports}) == 5
    with concurrent.futures.ThreadPoolExecutor(5) as pool:
        list(pool.map(driven.destroy, plans))
    assert driven.simulator.compare() == []


def test_plugging_and_unplugging_may_be_repeated(driven):
    spawn = driven.plan(2)
    driven.spawn(spawn)
    guest, networks = driven.guest(spawn), driven.backend.networks
    driven.simulator.mark()
    (port,) = ovs_plan(driven, 3).guest.vifs
    networks.plug(guest, (port,))
    networks.plug(guest, (port,))
    assert len(trunks(driven, port)) == 1
    networks.unplug(guest, (port,))
    networks.unplug(guest, (port,))
    assert driven.simulator.compare() == []


def test_the_trunk_goes_when_the_partition_is_gone(driven):
    spawn = ovs_plan(driven)
    driven.spawn(spawn)
    driven.backend.networks.unplug(None, spawn.guest.vifs)
    assert trunks(driven, spawn.guest.vifs[0]) == []


def test_a_port_without_a_bridge_is_refused(driven):
    port = plan.Vif(id="p", mac="fa:16:3e:00:00:01", type="ovs")
    with pytest.raises(exceptions.InvalidRequest, match="names no bridge"):
        driven.backend.networks.check((port,))


@pytest.mark.parametrize(("phase", "kind"), [("before", "refuse"), ("after", "drop")])
def test_any_one_call_of_plugging_may_fail(driven, phase, kind):
    spawn = driven.plan(2)
    driven.spawn(spawn)
    guest, networks = driven.guest(spawn), driven.backend.networks
    simulator = driven.simulator
    simulator.mark()
    (port,) = ovs_plan(driven, 3).guest.vifs
    memento = f"attach_interface:{spawn.server.uuid}"
    with driven.operation("attach_interface", spawn.server):
        networks.plug(guest, (port,))
    cells = [(r["key"], r["occurrence"]) for r in simulator.journal(memento=memento)]
    assert len(cells) >= 4
    networks.unplug(guest, (port,))
    assert simulator.compare() == []
    errors = []
    for key, occurrence in cells:
        simulator.admin("DELETE", "journal")
        simulator.rule(
            match={"key": key, "occurrence": occurrence, "memento": memento},
            phase=phase,
            effect=powervm.fault(kind),
        )
        try:
            with driven.operation("attach_interface", spawn.server):
                networks.plug(guest, (port,))
            assert len(trunks(driven, port)) == 1
        except exceptions.IBMVirtError as error:
            errors.append(error)
        simulator.delete_rule()
        networks.unplug(guest, (port,))
        assert simulator.compare() == [], (key, occurrence)
    assert all(error.attempted for error in errors)
