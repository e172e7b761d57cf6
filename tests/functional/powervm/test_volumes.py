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


"""Fibre Channel volumes over virtual SCSI, on the simulator."""

from __future__ import annotations

import pytest
from pypowervm.wrappers import virtual_io_server

from ibmvirt.common import exceptions, plan
from ibmvirt.powervm import mappings
from tests.support import powervm


@pytest.fixture
def driven(novalink):
    with powervm.running(novalink) as found:
        yield found


@pytest.fixture
def guest(driven):
    spawn = driven.plan()
    driven.spawn(spawn)
    return driven.guest(spawn)


def a_volume(driven, number=201, **data):
    """A volume on a new LUN of the simulator's storage."""
    lun = driven.simulator.admin("POST", "luns", {"size": 2048, "lun": number})
    values = {"target_wwn": lun["targets"], "target_lun": lun["lun"], **data}
    volume = plan.Volume(id=f"volume-{number}", protocol="fibre_channel", data=values)
    return volume, lun


def disks(driven, guest):
    """(VIOS, UDID) of the guest's disks that are LUNs."""
    storage = driven.simulator.guest(guest.name)["storage"]
    return sorted(s["vios"] for s in storage if s["kind"] == "PhysicalVolume")


def test_the_connector_names_host_and_ports(driven, guest):
    server = plan.Server(uuid=guest.uuid, name="x")
    found = driven.backend.volumes.connector(server, guest)
    assert found["ip"] == "127.0.0.1"
    assert len(found["wwpns"]) >= 2
    driven.simulator.admin("DELETE", "journal")
    driven.backend.volumes.connector(server, guest)
    own = [r for r in driven.simulator.journal() if r["memento"] != "bg:events"]
    assert own == []


def test_attach_and_detach_while_it_runs(driven, guest):
    volumes = driven.backend.volumes
    volume, _lun = a_volume(driven)
    driven.simulator.mark()
    volumes.check((volume,))
    volumes.attach(guest, volume)
    assert disks(driven, guest) == ["vios1", "vios2"]
    volumes.attach(guest, volume)
    assert disks(driven, guest) == ["vios1", "vios2"]
    volumes.extend(guest, volume, 4 << 30)
    volumes.detach(guest, volume)
    assert disks(driven, guest) == []
    # The VIOSes have forgotten the disk too.
    assert driven.simulator.compare() == []
    volumes.detach(guest, volume)


def test_a_restarted_service_detaches_what_another_attached(driven, guest):
    volume, _lun = a_volume(driven)
    driven.simulator.mark()
    driven.backend.volumes.attach(guest, volume)
    with powervm.running(driven.simulator) as again:
        again.backend.volumes.detach(guest, volume)
    assert driven.simulator.compare() == []


def test_only_the_ports_that_the_map_names_are_asked(driven, guest):
    volume, lun = a_volume(driven)
    ports = driven.backend.volumes.connector(plan.Server("u", "n"), guest)["wwpns"]
    targets = {port.lower(): lun["targets"] for port in ports}
    mapped = plan.Volume(
        id=volume.id,
        protocol=volume.protocol,
        data={**volume.data, "initiator_target_map": targets},
    )
    driven.backend.volumes.attach(guest, mapped)
    assert disks(driven, guest) == ["vios1", "vios2"]


def test_one_vios_that_does_not_find_it_is_left_out(driven, guest):
    volume, _lun = a_volume(driven)
    driven.simulator.mark()
    driven.simulator.rule(
        match={"key": "PUT VirtualIOServer/{id}/do/LUARecovery"},
        on="job",
        effect={"kind": "job", "message": "VIOS0099 a broken path"},
    )
    driven.backend.volumes.attach(guest, volume)
    assert len(disks(driven, guest)) == 1
    driven.backend.volumes.detach(guest, volume)
    assert driven.simulator.compare() == []


def test_a_lun_that_no_vios_finds_is_an_error_that_says_so(driven, guest):
    volume, lun = a_volume(driven)
    driven.simulator.admin("DELETE", f"luns/{lun['number']}")
    with pytest.raises(exceptions.HypervisorError, match="find the volume volume-201"):
        driven.backend.volumes.attach(guest, volume)
    assert disks(driven, guest) == []


@pytest.mark.parametrize(
    "data",
    [{}, {"target_wwn": "50"}, {"target_wwn": ["50"], "target_lun": "x"}],
)
def test_connections_that_cannot_be_used_are_refused(driven, data):
    volume = plan.Volume(id="v", protocol="fibre_channel", data=data)
    with pytest.raises(exceptions.InvalidRequest, match="use the volume v"):
        driven.backend.volumes.check((volume,))


def test_an_unknown_protocol_is_refused(driven):
    volume = plan.Volume(id="v", protocol="nfs", data={})
    with pytest.raises(exceptions.InvalidRequest, match="its protocol is 'nfs'"):
        driven.backend.volumes.check((volume,))


def test_a_server_boots_from_a_volume_and_is_destroyed(driven):
    volume, _lun = a_volume(driven)
    other, _lun = a_volume(driven, 202)
    driven.simulator.mark()
    boot = plan.Volume(volume.id, volume.protocol, volume.data, boot=True)
    spawn = driven.plan(7)
    guest = plan.GuestSpec(
        server=spawn.server, vcpus=1, memory_mib=512, vifs=spawn.guest.vifs,
        volumes=(boot, other), platform=spawn.guest.platform,
    )  # fmt: skip
    driven.spawn(plan.Spawn(guest, None, config_drive=True))
    kinds = [s["kind"] for s in driven.simulator.guest(spawn.server.name)["storage"]]
    assert kinds.count("PhysicalVolume") == 4
    driven.destroy(plan.Spawn(guest, None, config_drive=True))
    assert driven.simulator.compare() == []


@pytest.mark.parametrize(("phase", "kind"), [("before", "refuse"), ("after", "drop")])
def test_any_one_call_of_an_attach_may_fail(driven, guest, phase, kind):
    volumes, simulator = driven.backend.volumes, driven.simulator
    server = plan.Server(uuid=guest.uuid, name=guest.name)
    volume, _lun = a_volume(driven)
    simulator.mark()
    with driven.operation("attach_volume", server):
        volumes.attach(guest, volume)
    memento = f"attach_volume:{guest.uuid}"
    cells = [(r["key"], r["occurrence"]) for r in simulator.journal(memento=memento)]
    volumes.detach(guest, volume)
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
            with driven.operation("attach_volume", server):
                volumes.attach(guest, volume)
        except exceptions.IBMVirtError as error:
            errors.append(error)
        simulator.delete_rule()
        volumes.detach(guest, volume)
        assert simulator.compare() == [], (key, occurrence)
    assert all(error.attempted for error in errors)


def slots(driven, guest):
    """Client slots of the guest's storage, a VIOS at a time."""
    found = {}
    for wrapper in virtual_io_server.VIOS.get(
        driven.backend.guests._adapter, xag=[mappings.GROUP]
    ):
        for mapping in mappings.of(wrapper, guest.id):
            slot = mapping.client_adapter.lpar_slot_num
            found.setdefault(wrapper.name, []).append(slot)
    return found


def test_volumes_share_the_adapters_that_the_partition_has(driven, guest):
    before = slots(driven, guest)
    driven.simulator.mark()
    some = [a_volume(driven, number)[0] for number in range(301, 305)]
    for volume in some:
        driven.backend.volumes.attach(guest, volume)
    after = slots(driven, guest)
    for name, there in before.items():
        assert set(after[name]) == set(there)
        assert len(after[name]) == len(there) + len(some)
    for volume in some:
        driven.backend.volumes.detach(guest, volume)
    assert slots(driven, guest) == before


def test_a_pair_of_adapters_has_not_more_devices_than_its_driver_serves(
    driven, guest, monkeypatch
):
    monkeypatch.setattr(mappings, "_DEVICES", 3)
    for number in range(301, 306):
        driven.backend.volumes.attach(guest, a_volume(driven, number)[0])
    for there in slots(driven, guest).values():
        assert max(there.count(slot) for slot in there) == 3


def test_a_volume_comes_to_a_system_that_runs_without_rmc(driven, guest):
    driven.simulator.world("rmc", partition=guest.name, state="inactive")
    volume, _lun = a_volume(driven)
    driven.backend.volumes.attach(guest, volume)
    assert disks(driven, guest) == ["vios1", "vios2"]


def left_by_a_partition_that_is_gone(driven, volume):
    """It had the volume, and was deleted beside Nova."""
    spawn = driven.plan(9)
    driven.spawn(spawn)
    other = driven.guest(spawn)
    driven.backend.volumes.attach(other, volume)
    driven.backend.guests.power_off(other, timeout=0, retry_interval=0)
    driven.backend.guests.undefine(other)
    return spawn


def nobodys(driven):
    wrappers = virtual_io_server.VIOS.get(
        driven.backend.guests._adapter, xag=[mappings.GROUP]
    )
    return [m for w in wrappers for m in w.scsi_mappings if m.client_adapter is None]


def test_a_volume_that_a_gone_partition_kept_in_use_is_freed_first(driven, guest):
    volume, _lun = a_volume(driven)
    left_by_a_partition_that_is_gone(driven, volume)
    assert nobodys(driven)
    driven.backend.volumes.attach(guest, volume)
    assert nobodys(driven) == []
    assert disks(driven, guest) == ["vios1", "vios2"]


def test_a_discovery_that_failed_is_repeated_when_something_was_in_its_way(
    driven, guest
):
    volume, _lun = a_volume(driven, 201)
    left_by_a_partition_that_is_gone(driven, a_volume(driven, 202)[0])
    for vios in driven.backend.guests._topology.active_vioses():
        driven.simulator.rule(
            match={
                "key": "PUT VirtualIOServer/{id}/do/LUARecovery",
                "target": vios.uuid,
            },
            on="job",
            effect={"kind": "job", "message": "VIOS0099 an ITL error"},
        )
    with driven.operation("attach_volume", plan.Server(guest.uuid, guest.name)):
        driven.backend.volumes.attach(guest, volume)
    assert disks(driven, guest) == ["vios1", "vios2"]
    assert nobodys(driven) == []
    jobs = driven.simulator.journal(memento=f"attach_volume:{guest.uuid}")
    # Of each VIOS one that failed and one that found it.
    assert [r["key"].endswith("/do/LUARecovery") for r in jobs].count(True) == 4


def test_what_each_vios_says_is_told(driven, guest, caplog):
    volume, _lun = a_volume(driven)
    driven.simulator.rule(
        match={"key": "POST VirtualIOServer/{id}?group=ViosSCSIMapping"},
        count=None,
        effect=powervm.fault("refuse"),
    )
    with pytest.raises(exceptions.HypervisorError, match="on vios1: HSCL9999"):
        driven.backend.volumes.attach(guest, volume)
    assert "on vios2: HSCL9999" in caplog.text
