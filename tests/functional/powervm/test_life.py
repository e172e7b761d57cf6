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

"""Spawn and destroy on the simulator: results, call counts, failures."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import json
import urllib.parse

import pytest
from nova.compute import power_state
from pypowervm.wrappers import event as event_wrapper

from ibmvirt.common import engine, exceptions, plan
from ibmvirt.common.flows import destroy as destroy_flow
from ibmvirt.powervm.disks import ssp
from tests.support import powervm


@pytest.fixture
def driven(novalink):
    with powervm.running(novalink) as found:
        yield found


def warm(driven):
    """Fill the caches: one server is built and deleted."""
    first = driven.plan(99)
    driven.spawn(first)
    driven.destroy(first)
    driven.simulator.admin("DELETE", "journal")


def test_spawn_builds_what_was_planned(driven):
    spawn = driven.plan(vifs=2)
    driven.spawn(spawn)
    guest = driven.simulator.guest(spawn.server.name)
    assert guest["state"] == "running"
    assert guest["memory_mib"] == 512
    # PowerVM keeps bit 0 of the UUID zero.
    assert guest["uuid"].lower()[1:] == spawn.server.uuid[1:]
    assert int(guest["uuid"][0], 16) < 8
    adapters = {(a["mac"], a["vlan"], a["switch"]) for a in guest["adapters"]}
    assert ("FA163E000100", 100, "ETHERNET0") in adapters
    assert ("FA163E000101", 101, "ETHERNET0") in adapters
    assert sum(switch == "MGMTSWITCH" for _m, _v, switch in adapters) == 1
    mapped = sorted((s["vios"], s["kind"]) for s in guest["storage"])
    assert mapped == [
        ("vios1", "LogicalUnit"),
        ("vios1", "VirtualOpticalMedia"),
        ("vios2", "LogicalUnit"),
    ]
    name = ssp.disk_name(spawn.server, spawn.guest.disks[0])
    assert driven.simulator.disk(name) == powervm.IMAGE_BYTES
    media = [s["id"] for s in guest["storage"] if s["kind"] == "VirtualOpticalMedia"]
    assert driven.simulator.disk(media[0]) == b"drive" * 1000


def test_a_boot_unit_has_the_size_of_the_flavor_and_the_images_at_least(driven):
    spawn = driven.plan()
    sizes = {}
    for number, mib in ((1, 0), (2, 1024), (3, 5 * 1024)):
        disk = plan.DiskSpec("root", 0, mib, image=spawn.image)
        server = driven.plan(number).server
        key = driven.backend.disks.prepare_image(spawn.image, driven.source)
        (made,) = driven.backend.disks.create(server, (disk,), key)
        unit = driven.backend.disks.configured._units.named(made.name)
        sizes[mib] = unit.capacity
        assert driven.simulator.disk(made.name) == powervm.IMAGE_BYTES
    assert sizes == {0: 1.0, 1024: 1.0, 5 * 1024: 5.0}


def test_a_vios_outside_of_the_cluster_maps_no_unit(driven):
    places = driven.backend.disks.configured._topology
    tier = places.tier()
    vioses = {vios.name: vios.uuid for vios in places.active_vioses()}
    assert tier.nodes == set(vioses.values())
    places._known["tier"] = dataclasses.replace(
        tier, nodes=frozenset((vioses["vios2"],))
    )
    spawn = driven.plan()
    driven.spawn(spawn)
    storage = driven.simulator.guest(spawn.server.name)["storage"]
    assert [s["vios"] for s in storage if s["kind"] == "LogicalUnit"] == ["vios2"]


def test_destroy_leaves_nothing_and_may_be_repeated(driven):
    spawn = driven.plan()
    driven.spawn(spawn)
    driven.destroy(spawn)
    assert driven.simulator.compare() == []
    driven.destroy(spawn)
    assert driven.simulator.compare() == []
    assert driven.simulator.verify() == []


def test_spawn_with_the_image_there_takes_at_most_14_calls(driven):
    warm(driven)
    spawn = driven.plan()
    driven.spawn(spawn)
    calls = driven.calls("spawn", spawn)
    assert len(calls) <= 14, calls


def test_spawn_with_an_upload_takes_at_most_20_calls(driven):
    warm(driven)
    # Another image, so that it is uploaded with all other caches warm.
    spawn = driven.plan()
    image = plan.Image(
        id="7a", name="other", disk_format="raw", container_format="bare",
        size=len(driven.source.content), checksum="f" * 32,
    )  # fmt: skip
    disks = (plan.DiskSpec("root", 0, 2048, image=image),)
    guest = plan.GuestSpec(
        server=spawn.server, vcpus=1, memory_mib=512, disks=disks,
        vifs=spawn.guest.vifs, platform=spawn.guest.platform,
    )  # fmt: skip
    driven.spawn(plan.Spawn(guest, image, config_drive=True))
    calls = driven.calls("spawn", spawn)
    assert len(calls) <= 20, calls


def test_destroy_takes_at_most_12_calls(driven):
    warm(driven)
    spawn = driven.plan()
    driven.spawn(spawn)
    driven.destroy(spawn)
    calls = driven.calls("destroy", spawn)
    assert len(calls) <= 12, calls


def test_ten_builds_at_once_upload_the_image_once_and_never_meet_a_412(driven):
    plans = [driven.plan(number) for number in range(1, 11)]
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        list(pool.map(driven.spawn, plans))
    assert driven.source.opened == 1
    journal = driven.simulator.journal()
    assert [r["key"] for r in journal if r["status"] == 412] == []
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        list(pool.map(driven.destroy, plans))
    assert driven.simulator.compare() == []


def test_power_states_follow_events_without_a_call(driven):
    spawn = driven.plan()
    driven.spawn(spawn)
    guest = driven.guest(spawn)
    driven.simulator.admin("DELETE", "journal")
    for _ in range(5):
        state = driven.backend.guests.state(guest, use_cache=True)
        assert state.power_state == power_state.RUNNING
    own = [r for r in driven.simulator.journal() if r["memento"] != "bg:events"]
    assert own == []


def test_stop_start_restart_and_dump(driven):
    spawn = driven.plan()
    driven.spawn(spawn)
    guest, guests = driven.guest(spawn), driven.backend.guests

    def state():
        return guests.state(guest, use_cache=False).power_state

    with driven.operation("power_off", spawn.server):
        guests.power_off(guest, timeout=60, retry_interval=10)
        assert state() == power_state.SHUTDOWN
        guests.power_off(guest, timeout=0, retry_interval=0)
        guests.power_on(guest)
        assert state() == power_state.RUNNING
        guests.power_on(guest)
        guests.reboot(guest, hard=False)
        guests.reboot(guest, hard=True)
        driven.backend.crash_dump.trigger(guest)
        assert state() == power_state.RUNNING
    jobs = [
        record
        for record in driven.simulator.journal(memento="power_off:*")
        if record["key"].startswith("PUT") and "/do/" in record["key"]
    ]
    assert all(record["status"] == 200 for record in jobs)


@pytest.mark.parametrize(("lost", "goes_on"), [(2, True), (3, False)])
def test_a_job_goes_on_although_answers_about_it_are_lost(
    driven, fast_clock, lost, goes_on
):
    spawn = driven.plan()
    driven.spawn(spawn)
    guests, guest = driven.backend.guests, driven.guest(spawn)
    guests.power_off(guest, timeout=0, retry_interval=0)
    driven.simulator.transitions(
        **{"job:PowerOn": {"progression": "manual", "times": 5}}
    )
    driven.simulator.rule(
        match={"key": "GET jobs/{id}"}, count=lost, effect={"kind": "drop"}
    )
    if goes_on:
        guests.power_on(guest)
        assert driven.simulator.guest(guest.name)["state"] == "running"
    else:
        with pytest.raises(exceptions.HypervisorUnavailable, match="start the part"):
            guests.power_on(guest)


def test_without_rmc_the_partition_is_stopped_all_the_same(driven):
    spawn = driven.plan()
    driven.spawn(spawn)
    driven.simulator.rule(
        match={"key": "PUT LogicalPartition/{id}/do/PowerOff"},
        on="job",
        effect={"kind": "job", "message": "HSCL0DB4 RMC is not active"},
    )
    guest = driven.guest(spawn)
    with driven.operation("power_off", spawn.server):
        driven.backend.guests.power_off(guest, timeout=60, retry_interval=10)
    state = driven.backend.guests.state(guest, use_cache=False)
    assert state.power_state == power_state.SHUTDOWN


def test_attach_and_detach_a_port_while_it_runs(driven):
    spawn = driven.plan()
    driven.spawn(spawn)
    guest = driven.guest(spawn)
    port = plan.Vif(id="9d0f", mac="fa:16:3e:aa:00:01", type="pvm_sea", vlan=300)
    networks = driven.backend.networks
    networks.plug(guest, (port,))
    networks.plug(guest, (port,))
    macs = [a["mac"] for a in driven.simulator.guest(guest.name)["adapters"]]
    assert macs.count("FA163EAA0001") == 1
    networks.unplug(guest, (port,))
    networks.unplug(guest, (port,))
    macs = [a["mac"] for a in driven.simulator.guest(guest.name)["adapters"]]
    assert "FA163EAA0001" not in macs


def test_the_agent_is_told_of_a_port(driven):
    spawn = driven.plan()
    driven.spawn(spawn)
    assert driven.calls("spawn", spawn).count("PUT Event") == 1


@pytest.mark.parametrize(
    ("vif_type", "vlan"), [("bridge", 100), ("pvm_sea", 0), ("pvm_sea", 4095)]
)
def test_a_port_that_cannot_be_plugged_is_refused_before_anything(
    driven, vif_type, vlan
):
    port = plan.Vif(id="p", mac="fa:16:3e:00:00:01", type=vif_type, vlan=vlan)
    with pytest.raises(exceptions.InvalidRequest, match="plug the port p"):
        driven.backend.networks.check((port,))


def test_too_few_slots_are_refused_before_anything(novalink):
    with powervm.running(novalink, maximum_io_slots=16) as driven:
        more = tuple(plan.DiskSpec("ephemeral", n, 1024) for n in range(5))
        # A disk takes a slot for each VIOS, a port one.
        driven.plan(1, vifs=2, further=more)
        with pytest.raises(exceptions.InvalidRequest) as raised:
            driven.plan(2, vifs=3, further=more)
        text = str(raised.value)
        assert "need 15 virtual slots and there are 14" in text
        assert "maximum_io_slots" in text


@pytest.mark.parametrize(
    ("specs", "named"),
    [
        ({"expansion_factor": "0.5"}, "Active memory expansion"),
        ({"processor_compatibility": "POWER77"}, "'POWER77'"),
        ({"min_proc_units": "0.5", "proc_units": "0.2"}, "Desired Proc Units"),
        ({"max_proc_units": "0.1", "proc_units": "0.2"}, "Desired Proc Units"),
        ({"proc_units": "1.5"}, "1 VCPUs use no more"),
        ({"max_mem": "600"}, "600"),
        ({"min_mem": "300"}, "300"),
        ({"min_vcpu": "2"}, "min_vcpu"),
    ],
)
def test_what_the_platform_would_not_build_is_refused_by_name(driven, specs, named):
    extra = {f"powervm:{name}": value for name, value in specs.items()}
    driven.simulator.mark()
    with pytest.raises(exceptions.InvalidRequest) as raised:
        driven.plan(extra_specs=extra)
    text = str(raised.value)
    assert named in text
    assert "Correct the flavor" in text
    assert driven.simulator.compare() == []


def test_what_does_not_fit_is_refused_and_leaves_nothing(driven):
    spawn = driven.plan()
    big = plan.GuestSpec(
        server=spawn.server, vcpus=1, memory_mib=512, vifs=(),
        disks=(plan.DiskSpec("root", 0, 1 << 30, image=spawn.image),),
        platform=spawn.guest.platform,
    )  # fmt: skip
    with pytest.raises(exceptions.OutOfResources, match="create the disk"):
        driven.spawn(plan.Spawn(big, spawn.image, config_drive=True))
    assert driven.simulator.compare() == []


def test_a_lost_token_is_replaced(driven):
    driven.simulator.rule(match={"layer": "rest"}, effect={"kind": "expire_token"})
    spawn = driven.plan()
    driven.spawn(spawn)
    assert driven.simulator.guest(spawn.server.name)["state"] == "running"


def test_a_restart_of_novalink_is_survived(driven):
    spawn = driven.plan()
    driven.spawn(spawn)
    driven.simulator.rule(
        match={"key": "GET ManagedSystem"}, effect={"kind": "restart"}
    )
    with pytest.raises(exceptions.HypervisorUnavailable):
        driven.backend.host.resources()
    assert driven.backend.host.resources().memory_mib > 0
    driven.destroy(spawn)
    assert driven.simulator.compare() == []


def test_no_password_is_shown(driven, caplog):
    caplog.set_level("DEBUG")
    spawn = driven.plan()
    driven.spawn(spawn)
    secret = driven.simulator.systems[0]["password"]
    assert secret not in caplog.text
    records = driven.simulator.journal()
    assert secret not in repr(records)


def test_the_flow_does_not_hide_the_first_error(driven):
    driven.simulator.rule(
        match={"key": "PUT Tier/{id}/LogicalUnit"},
        count=None,
        effect={"kind": "refuse", "status": 500, "message": "VIOS0099 no pool"},
    )
    driven.simulator.rule(
        match={"verb": "DELETE"}, count=None, effect={"kind": "refuse", "status": 500}
    )
    with pytest.raises(exceptions.HypervisorError, match="VIOS0099 no pool"):
        driven.spawn(driven.plan())


def test_a_wrong_password_is_named():
    from ibmvirt.simulators.novalink import NovaLinkSimulator

    with NovaLinkSimulator("--tls") as simulator:
        url = urllib.parse.urlsplit(simulator.systems[0]["url"])
        assert url.scheme == "https"
        with powervm.running(simulator) as found:
            assert found.backend.host.node_name().startswith("8247-22L*")
        with (
            pytest.raises(exceptions.HypervisorUnavailable, match="log on to NovaLink"),
            powervm.running(simulator, novalink_password="wrong"),
        ):
            pass
        # The certificate is nobody's but the simulator's own.
        with (
            pytest.raises(exceptions.HypervisorUnavailable, match="certificate"),
            powervm.running(simulator, novalink_ca_file=None),
        ):
            pass


def test_an_unknown_processor_pool_is_refused_by_name(driven):
    with pytest.raises(exceptions.InvalidRequest, match="pool nowhere"):
        driven.plan(extra_specs={"powervm:shared_proc_pool_name": "nowhere"})
    spawn = driven.plan(extra_specs={"powervm:shared_proc_pool_name": "DefaultPool"})
    driven.spawn(spawn)
    found = driven.backend.guests._read(driven.guest(spawn).id)
    assert found.proc_config.shared_proc_cfg.pool_id == 0


def test_ports_of_a_stopped_server(driven):
    spawn = driven.plan()
    driven.spawn(spawn)
    guest, networks = driven.guest(spawn), driven.backend.networks
    driven.backend.guests.power_off(guest, timeout=0, retry_interval=0)
    driven.simulator.mark()
    ports = (
        plan.Vif(id="9d0f", mac="fa:16:3e:aa:00:01", type="pvm_sea", vlan=300),
        plan.Vif(id="9d10", mac="fa:16:3e:aa:00:02", type="ovs", bridge="br-int"),
    )
    networks.check(ports)
    networks.plug(guest, ports)
    macs = {a["mac"] for a in driven.simulator.guest(guest.name)["adapters"]}
    assert {"FA163EAA0001", "FA163EAA0002"} <= macs
    networks.unplug(guest, ports)
    left = [d["path"] for d in driven.simulator.compare()]
    # The switch for Open vSwitch is made once.
    assert [p for p in left if "ClientNetworkAdapter" in p] == []


def test_the_agent_is_told_what_nova_powervm_told_it(driven):
    """By a custom event, with the port in its data."""
    adapter = driven.backend.guests._adapter
    path = (
        "/rest/api/uom/Event?QUEUE_CLIENTKEY_METHOD=USE_APPLICATIONID"
        "&QUEUE_APPLICATIONID=the-agent&group=None"
    )
    adapter.read_by_path(path)
    spawn = driven.plan()
    driven.spawn(spawn)
    driven.destroy(spawn)
    (port,) = spawn.guest.vifs
    events = [
        (event.data, json.loads(event.detail))
        for event in event_wrapper.Event.wrap(adapter.read_by_path(path))
        if event.etype == "CUSTOM_CLIENT_EVENT"
    ]
    assert events == [
        (
            port.id,
            {
                "provider": "NOVA_PVM_VIF",
                "action": action,
                "mac": port.mac,
                "type": "pvm_sea",
            },
        )
        for action in ("plug", "unplug")
    ]


def test_disks_are_kept_when_nova_wants_that(driven):
    spawn = driven.plan()
    driven.spawn(spawn)
    what = plan.Destroy(driven.server(spawn), spawn.guest.vifs, destroy_disks=False)
    with driven.operation("destroy", spawn.server):
        engine.run(destroy_flow.build(what, driven.backend))
    name = ssp.disk_name(spawn.server, spawn.guest.disks[0])
    assert driven.simulator.disk(name) == powervm.IMAGE_BYTES
    assert driven.guest(spawn) is None
    assert driven.backend.disks.leftovers(driven.server(spawn))
    driven.destroy(spawn)
    assert driven.simulator.compare() == []


def test_a_server_that_is_built_stopped(driven):
    spawn = dataclasses.replace(driven.plan(), power_on=False)
    driven.spawn(spawn)
    assert driven.simulator.guest(spawn.server.name)["state"] == "not activated"
    assert len(driven.simulator.guest(spawn.server.name)["storage"]) == 3
