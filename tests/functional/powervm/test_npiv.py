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


"""Volumes by N_Port ID Virtualization, on the simulator."""

from __future__ import annotations

import concurrent.futures
import dataclasses

import pytest

from ibmvirt.common import exceptions, plan
from ibmvirt.powervm.volumes import wwpns
from tests.support import powervm

# The generated VIOSes' ports: fcs0 of both on fabric A, fcs1 on B.
FABRICS = {
    "fc_attach_strategy": "npiv",
    "fabrics": "A,B",
    "fabric_A_port_wwpns": "10000090FA000100,10:00:00:90:fa:00:02:00",
    "fabric_B_port_wwpns": "10000090FA000101,10000090FA000201",
}
VOLUME = plan.Volume(
    id="volume-1",
    protocol="fibre_channel",
    data={"target_wwn": ["5005076801000001"], "target_lun": 7},
)
OTHER = dataclasses.replace(VOLUME, id="volume-2")


@pytest.fixture
def driven(novalink):
    with powervm.running(novalink, **FABRICS) as found:
        yield found


def connect(driven, spawn):
    """What Nova does before it uses a volume; the connector."""
    volumes = driven.backend.volumes
    server = driven.server(spawn)
    if volumes.incomplete(server, driven.backend.guests.find(server)):
        driven.kept.setdefault(server.uuid, {}).update(volumes.record(server))
        server = driven.server(spawn)
    return dict(volumes.connector(server, driven.backend.guests.find(server)))


@pytest.fixture
def spawn(driven):
    found = driven.plan()
    driven.spawn(found)
    return found


def adapters(driven, spawn):
    """(VIOS, port) and WWPNs of the partition's adapters."""
    found = driven.simulator.guest(spawn.server.name)["fibre_channel"]
    return {(one["vios"], one["port"]): tuple(one["wwpns"]) for one in found}


def test_a_server_has_an_adapter_on_each_fabric_and_another_vios_for_each(
    driven, spawn
):
    connector = connect(driven, spawn)
    assert connector["host"] == f"compute1.example.com_{spawn.server.name}"
    assert len(set(connector["wwpns"])) == 2
    # Nothing is mapped before there is a volume.
    assert adapters(driven, spawn) == {}
    guest = driven.guest(spawn)
    driven.backend.volumes.check((VOLUME,))
    driven.backend.volumes.attach(guest, VOLUME)
    found = adapters(driven, spawn)
    assert set(found) == {("vios1", "fcs0"), ("vios2", "fcs1")}
    assert [found[key][0] for key in sorted(found)] == connector["wwpns"]
    # The record is nova-powervm's: port, then the pair.
    kept = driven.kept[spawn.server.uuid]
    assert kept["npiv_adpt_wwpns_A"] == ",".join(
        ("10000090FA000100", *found["vios1", "fcs0"])
    )


def test_the_connector_stays_the_same_and_costs_no_call(driven, spawn):
    first = connect(driven, spawn)
    driven.backend.volumes.attach(driven.guest(spawn), VOLUME)
    driven.simulator.admin("DELETE", "journal")
    assert connect(driven, spawn) == first
    own = [r for r in driven.simulator.journal() if r["memento"] != "bg:events"]
    assert own == []
    with powervm.running(driven.simulator, **FABRICS) as again:
        again.kept = driven.kept
        assert connect(again, spawn) == first


def test_a_second_volume_and_a_detach_change_nothing(driven, spawn):
    connect(driven, spawn)
    guest, volumes = driven.guest(spawn), driven.backend.volumes
    volumes.attach(guest, VOLUME)
    driven.simulator.mark()
    driven.simulator.admin("DELETE", "journal")
    volumes.attach(guest, OTHER)
    volumes.attach(guest, VOLUME)
    volumes.extend(guest, VOLUME, 8 << 30)
    volumes.detach(guest, OTHER)
    volumes.detach(guest, VOLUME)
    assert driven.simulator.compare() == []
    own = [r for r in driven.simulator.journal() if r["memento"] != "bg:events"]
    assert own == []


def test_destroy_removes_the_adapters(driven):
    driven.simulator.mark()
    spawn = driven.plan()
    connect(driven, spawn)
    driven.spawn(spawn)
    driven.backend.volumes.attach(driven.guest(spawn), VOLUME)
    driven.destroy(spawn)
    assert driven.simulator.compare() == []
    driven.destroy(spawn)
    assert driven.simulator.compare() == []


def test_a_server_that_uses_no_volume_costs_no_further_call(driven, spawn):
    driven.destroy(spawn)
    calls = driven.calls("destroy", spawn)
    assert len(calls) <= 12, calls
    assert not [call for call in calls if "FCMapping" in call]


def test_a_server_boots_from_a_volume(driven):
    plain = driven.plan(7)
    driven.simulator.mark()
    connect(driven, plain)
    boot = dataclasses.replace(VOLUME, boot=True)
    guest = dataclasses.replace(
        plain.guest, server=driven.server(plain), disks=(), volumes=(boot, OTHER)
    )
    spawn = dataclasses.replace(plain, guest=guest, image=None)
    driven.spawn(spawn)
    assert driven.simulator.guest(spawn.server.name)["state"] == "running"
    assert len(adapters(driven, spawn)) == 2
    driven.destroy(spawn)
    assert driven.simulator.compare() == []


def test_adapters_go_also_when_the_partition_is_gone(driven, spawn):
    connect(driven, spawn)
    guest = driven.guest(spawn)
    driven.backend.volumes.attach(guest, VOLUME)
    driven.backend.storage.release(driven.server(spawn), ())
    assert adapters(driven, spawn) == {}


def test_a_server_of_nova_powervm_keeps_its_wwpns(driven, spawn):
    pair = ("C05076079CFF0E56", "C05076079CFF0E57")
    driven.kept[spawn.server.uuid] = {
        "npiv_adpt_wwpns_A": ",".join(("10000090FA000200", *pair)),
        "npiv_adpt_wwpns_B": "10000090FA000101,C05076079CFF0E58,C05076079CFF0E59",
        "fabric_state_A": "inst_mapped",
    }
    assert connect(driven, spawn)["wwpns"] == [pair[0], "C05076079CFF0E58"]
    driven.backend.volumes.attach(driven.guest(spawn), VOLUME)
    assert adapters(driven, spawn)["vios2", "fcs0"] == pair


def test_a_server_from_another_host_keeps_its_wwpns_on_ports_of_this_one(driven, spawn):
    pair = ("C05076079CFF0E56", "C05076079CFF0E57")
    driven.kept[spawn.server.uuid] = {
        "npiv_adpt_wwpns_A": ",".join(("21000024FF649104", *pair)),
        "npiv_adpt_wwpns_B": "10000090FA000201,C05076079CFF0E58,C05076079CFF0E59",
    }
    assert connect(driven, spawn)["wwpns"] == [pair[0], "C05076079CFF0E58"]
    driven.backend.volumes.attach(driven.guest(spawn), VOLUME)
    assert adapters(driven, spawn)["vios1", "fcs0"] == pair


def test_servers_with_volumes_over_vscsi_keep_to_it(novalink):
    lun = novalink.admin("POST", "luns", {"size": 2048, "lun": 33})
    volume = dataclasses.replace(
        VOLUME, data={"target_wwn": lun["targets"], "target_lun": 33}
    )
    with powervm.running(novalink) as before:
        spawn = before.plan()
        before.spawn(spawn)
        before.backend.volumes.attach(before.guest(spawn), volume)
    with powervm.running(novalink, **FABRICS) as driven:
        ports = connect(driven, spawn)["wwpns"]
        assert len(ports) == 4
        assert driven.kept.get(spawn.server.uuid) is None
        driven.backend.volumes.detach(driven.guest(spawn), volume)
        storage = novalink.guest(spawn.server.name)["storage"]
        assert "PhysicalVolume" not in [one["kind"] for one in storage]
        # Its next volume may come the other way.
        assert len(connect(driven, spawn)["wwpns"]) == 2
        driven.backend.volumes.attach(driven.guest(spawn), VOLUME)
    with powervm.running(novalink) as after:
        # And that way it keeps when the option changes again.
        after.kept = driven.kept
        assert len(connect(after, spawn)["wwpns"]) == 2
        after.destroy(spawn)
        left = [one["name"] for one in novalink.admin("GET", "guests")]
        assert spawn.server.name not in left


def test_ten_servers_at_once_share_the_ports_evenly_and_never_meet_a_412(driven):
    plans = [driven.plan(number, vifs=0) for number in range(1, 11)]
    driven.simulator.mark()

    def build(spawn):
        connect(driven, spawn)
        driven.spawn(spawn)
        driven.backend.volumes.attach(driven.guest(spawn), VOLUME)

    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        list(pool.map(build, plans))
    found = [wwpn for spawn in plans for pair in adapters(driven, spawn).values()
             for wwpn in pair]  # fmt: skip
    assert len(found) == len(set(found)) == 40
    assert [r["key"] for r in driven.simulator.journal() if r["status"] == 412] == []
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        list(pool.map(driven.destroy, plans))
    assert driven.simulator.compare() == []


def test_a_port_is_promised_to_no_more_servers_than_it_takes(driven):
    """Each asks before another's adapters are mapped."""
    volumes, places = driven.backend.volumes, driven.backend.guests._topology
    places.fc_ports()
    places._known["fc_ports"] = {
        vios: tuple(dataclasses.replace(port, total=1) for port in ports)
        for vios, ports in places.fc_ports().items()
    }
    first, second, third = (driven.plan(number) for number in (1, 2, 3))
    driven.spawn(first)
    for spawn in (first, second):
        connect(driven, spawn)
    with pytest.raises(exceptions.OutOfResources):
        volumes.record(third.server)
    # Who asks again has its own places; mapped, each counts once.
    volumes.record(second.server)
    volumes.attach(driven.guest(first), VOLUME)
    with pytest.raises(exceptions.OutOfResources):
        volumes.record(third.server)
    driven.backend.storage.release(driven.server(second), ())
    connect(driven, third)
    driven.destroy(first)
    assert len(connect(driven, driven.plan(4))["wwpns"]) == 2


def test_several_ports_of_a_fabric(novalink):
    with powervm.running(novalink, **FABRICS, ports_per_fabric=5) as driven:
        spawn = driven.plan()
        driven.spawn(spawn)
        assert len(connect(driven, spawn)["wwpns"]) == 10
        assert "npiv_adpt_wwpns_A_2" in driven.kept[spawn.server.uuid]
        driven.backend.volumes.attach(driven.guest(spawn), VOLUME)
        found = driven.simulator.guest(spawn.server.name)["fibre_channel"]
        assert len(found) == 10
        assert {one["vios"] for one in found} == {"vios1", "vios2"}


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"fabric_A_port_wwpns": ""}, "fabric A: it has no ports"),
        ({"fabric_B_port_wwpns": "10000090FA"}, "fabric B: 10000090FA: no WWPN"),
        ({"fabrics": " , "}, "names no fabric"),
    ],
)
def test_wrong_fabrics_are_refused_when_the_service_starts(novalink, options, text):
    values = {**FABRICS, **options}
    if "fabrics" in options:
        values = {"fc_attach_strategy": "npiv", **options}
    with (
        pytest.raises(exceptions.InvalidRequest, match=text),
        powervm.running(novalink, **values),
    ):
        pass


def test_a_fabric_whose_ports_no_vios_has_is_named(novalink):
    options = {**FABRICS, "fabric_B_port_wwpns": "10000090FA000999"}
    with powervm.running(novalink, **options) as driven:
        spawn = driven.plan()
        with pytest.raises(exceptions.HypervisorError, match="fabric_B_port_wwpns"):
            connect(driven, spawn)


@pytest.mark.parametrize(("phase", "kind"), [("before", "refuse"), ("after", "drop")])
def test_any_one_call_of_an_attach_may_fail(driven, phase, kind):
    simulator = driven.simulator
    spawn = driven.plan()
    simulator.mark("empty")
    connect(driven, spawn)
    driven.spawn(spawn)
    simulator.mark()
    volumes, memento = driven.backend.volumes, f"attach_volume:{spawn.server.uuid}"

    def attach():
        with driven.operation("attach_volume", spawn.server):
            volumes.attach(driven.guest(spawn), VOLUME)

    attach()
    cells = [(r["key"], r["occurrence"]) for r in simulator.journal(memento=memento)]
    assert cells
    errors = []
    for key, occurrence in cells:
        simulator.reset()
        driven.backend.host._resynchronise()
        simulator.admin("DELETE", "journal")
        simulator.rule(
            match={"key": key, "occurrence": occurrence, "memento": memento},
            phase=phase,
            effect=powervm.fault(kind),
        )
        try:
            attach()
        except exceptions.IBMVirtError as error:
            errors.append(error)
        simulator.delete_rule()
        attach()
        assert len(adapters(driven, spawn)) == 2
    assert all(spawn.server.name in error.attempted for error in errors)
    driven.destroy(spawn)
    assert simulator.compare("empty") == []


def test_records_are_read_as_they_are_written():
    made = [
        wwpns.Adapter(f"{n:016X}", f"C0{n:014X}", f"C1{n:014X}") for n in range(1, 10)
    ]
    values = wwpns.record("A", made)
    assert sorted(values) == [
        "npiv_adpt_wwpns_A", "npiv_adpt_wwpns_A_2", "npiv_adpt_wwpns_A_3",
    ]  # fmt: skip
    assert all(len(value) <= 255 for value in values.values())
    other = {"image_os_distro": "aix", "fabric_state_A": "unmapped"}
    assert wwpns.parse({**values, **other}) == {"A": tuple(made)}
    assert wwpns.kept({**values, **other}) == values
