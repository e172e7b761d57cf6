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

"""Fibre Channel volumes on z/VM, through the Connector's FCP templates."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import json
import pathlib

import pytest

from ibmvirt.common import exceptions, plan
from ibmvirt.zvm import holdings, identity
from ibmvirt.zvm.client import errors
from tests.support import zvm as support


@pytest.fixture
def driven(zvm):
    support.fcp_template(zvm)
    zvm.mark("clean-fcp")
    zvm.mark()
    with support.running(zvm) as found:
        yield found


@pytest.fixture
def spawn(driven):
    found = driven.plan()
    driven.spawn(found)
    driven.simulator.mark()
    return found


def seen(driven, spawn):
    """(LUNs with their number of paths, FCP devices) of the running guest."""
    guest = driven.simulator.guest(driven.kept[spawn.server.uuid][identity.KEY])
    found = sorted((v["lun"], len(v["fcp"])) for v in guest["volumes"])
    return found, guest["devices"]


def attach(driven, spawn, volume):
    with driven.operation("attach_volume", spawn.server):
        driven.backend.volumes.attach(driven.guest(spawn), volume)


def detach(driven, spawn, volume):
    with driven.operation("detach_volume", spawn.server):
        driven.backend.volumes.detach(driven.guest(spawn), volume)


def connector(driven, spawn):
    with driven.operation("connector", spawn.server):
        return driven.backend.volumes.connector(
            driven.server(spawn), driven.guest(spawn)
        )


def kept(driven):
    return list(pathlib.Path(driven.state_path).rglob("volumes/*.json"))


LUN1, LUN2 = "0x0001000000000000", "0x0002000000000000"


def test_the_connector_is_the_same_until_the_volume_is_gone(driven, spawn):
    first = connector(driven, spawn)
    assert len(first["zvm_fcp"]) == len(first["wwpns"]) == first["fcp_paths"] == 2
    assert first["multipath"] is True
    assert first["host"].endswith(driven.guest(spawn).id)
    assert connector(driven, spawn) == first
    attach(driven, spawn, support.volume(1))
    assert connector(driven, spawn) == first
    with support.running(driven.simulator) as other:
        # A service that knows nothing of it gets the same of the Connector.
        server, guest = driven.server(spawn), driven.guest(spawn)
        assert other.backend.volumes.connector(server, guest) == first
    detach(driven, spawn, support.volume(1))
    assert driven.simulator.compare() == []


def test_a_connector_for_a_guest_that_is_not_there_yet(driven):
    new = driven.plan(5)
    driven.kept[new.server.uuid] = dict(driven.backend.volumes.record(new.server))
    assert driven.backend.volumes.incomplete(new.server, None)
    found = driven.backend.volumes.connector(driven.server(new), None)
    assert len(found["zvm_fcp"]) == 2
    driven.backend.volumes.abandon(driven.server(new))
    assert driven.simulator.compare() == []


@pytest.mark.parametrize("running", [True, False])
def test_attach_and_detach(driven, spawn, running):
    guests = driven.backend.guests
    if not running:
        guests.power_off(driven.guest(spawn), timeout=0, retry_interval=0)
        driven.simulator.mark()
    one, two = support.volume(1), support.volume(2)
    devices = sorted(d.upper() for d in connector(driven, spawn)["zvm_fcp"])
    attach(driven, spawn, one)
    attach(driven, spawn, one)
    attach(driven, spawn, two)
    if not running:
        assert seen(driven, spawn) == ([], [])
        guests.power_on(driven.guest(spawn))
    assert seen(driven, spawn) == ([(LUN1, 2), (LUN2, 2)], devices)
    detach(driven, spawn, one)
    detach(driven, spawn, one)
    assert seen(driven, spawn) == ([(LUN2, 2)], devices)
    detach(driven, spawn, two)
    assert seen(driven, spawn) == ([], [])
    if running:
        assert driven.simulator.compare() == []
    assert kept(driven) == []
    detach(driven, spawn, two)


def test_detach_while_off_of_what_was_attached_while_off(driven, spawn):
    guests = driven.backend.guests
    guests.power_off(driven.guest(spawn), timeout=0, retry_interval=0)
    attach(driven, spawn, support.volume(1))
    detach(driven, spawn, support.volume(1))
    guests.power_on(driven.guest(spawn))
    assert seen(driven, spawn) == ([], [])
    # The guest has run the scripts of its reader: nothing is left.
    assert driven.simulator.compare() == []


def test_how_many_calls(driven, spawn):
    assert driven.guest(spawn)
    driven.simulator.admin("DELETE", "journal")
    attach(driven, spawn, support.volume(1))
    calls = driven.calls("attach_volume", spawn)
    first = ["GET /volumes/conn/{id}", "POST /guests/volumes"]
    # The Connector's report of the first one is checked.
    looks = ["GET /guests/{id}/power_state_real", "GET /volumes/fcptemplates/detail"]
    assert calls == [*first, *looks]
    driven.simulator.admin("DELETE", "journal")
    attach(driven, spawn, support.volume(2))
    assert driven.calls("attach_volume", spawn) == first
    detach(driven, spawn, support.volume(2))
    detach(driven, spawn, support.volume(1))
    calls = driven.calls("detach_volume", spawn)
    last = ["GET /guests/{id}/user_direct", "GET /volumes/conn/{id}"]
    assert calls == ["DELETE /guests/volumes", "DELETE /guests/volumes", *last]


def test_a_server_boots_with_volumes_and_is_destroyed(driven):
    spawn = with_volumes(driven, driven.plan(7), 1, 2)
    driven.spawn(spawn)
    found, devices = seen(driven, spawn)
    assert found == [(LUN1, 2), (LUN2, 2)]
    assert len(devices) == 2
    driven.destroy(spawn)
    assert driven.simulator.compare() == []
    assert kept(driven) == []
    driven.destroy(spawn)
    assert driven.simulator.compare() == []


def with_volumes(driven, planned, *numbers):
    guest = plan.GuestSpec(
        server=planned.server, vcpus=1, memory_mib=512, disks=planned.guest.disks,
        vifs=planned.guest.vifs, platform=planned.guest.platform,
        volumes=tuple(support.volume(number) for number in numbers),
    )  # fmt: skip
    return plan.Spawn(guest, planned.image, config_drive=True)


def test_a_build_whose_userid_was_taken_gives_its_devices_back(driven):
    """At once: the next try gets another userid, and other devices."""
    volumes = driven.backend.volumes
    spawn = driven.plan(6)
    driven.kept[spawn.server.uuid] = dict(volumes.record(spawn.server))
    server = driven.server(spawn)
    user = driven.kept[spawn.server.uuid][identity.KEY]
    support.client(driven.simulator)("guest_create", user, 1, 512, disk_list=[])
    driven.simulator.mark()
    volumes.connector(server, None)
    guest = dataclasses.replace(spawn.guest, server=server)
    with pytest.raises(exceptions.NameTaken, match=user):
        driven.spawn(dataclasses.replace(spawn, guest=guest))
    assert driven.simulator.compare() == []
    assert kept(driven) == []


def test_destroy_releases_what_only_nova_knows_of(driven):
    """The state path is new: nothing is kept of what the guest holds."""
    spawn = with_volumes(driven, driven.plan(8), 1)
    driven.spawn(spawn)
    for path in kept(driven):
        path.unlink()
    driven.destroy(spawn)
    assert driven.simulator.compare() == []


def test_detach_by_a_service_that_knows_nothing(driven, spawn):
    attach(driven, spawn, support.volume(1))
    with support.running(driven.simulator) as other:
        other.kept = driven.kept
        detach(other, spawn, support.volume(1))
    assert seen(driven, spawn) == ([], [])
    assert driven.simulator.compare() == []


def test_one_volume_on_two_servers(driven, spawn):
    """Each has FCP devices, and so WWPNs, of its own."""
    second = driven.plan(2)
    driven.spawn(second)
    shared = support.volume(1, multiattach=True)
    attach(driven, spawn, shared)
    attach(driven, second, shared)
    found, devices = seen(driven, second)
    assert found == [(LUN1, 2)]
    assert not set(devices) & set(seen(driven, spawn)[1])
    detach(driven, spawn, shared)
    assert seen(driven, second) == (found, devices)
    driven.destroy(second)
    assert driven.simulator.compare() == []


def test_a_path_that_is_lost_is_not_missed(driven, spawn):
    device = connector(driven, spawn)["zvm_fcp"][0]
    driven.simulator.world("fcp_path", device=device, lost=True)
    driven.backend.guests.power_off(driven.guest(spawn), timeout=0, retry_interval=0)
    attach(driven, spawn, support.volume(1))
    driven.backend.guests.power_on(driven.guest(spawn))
    assert seen(driven, spawn)[0] == [(LUN1, 1)]


def test_a_volume_that_the_guest_does_not_see_leaves_nothing(driven, spawn):
    devices = connector(driven, spawn)["zvm_fcp"]
    for device in devices:
        driven.simulator.world("fcp_path", device=device, lost=True)
    with pytest.raises(errors.ConnectorError, match=LUN1):
        attach(driven, spawn, support.volume(1))
    detach(driven, spawn, support.volume(1))
    for device in devices:
        driven.simulator.world("fcp_path", device=device, lost=False)
    assert driven.simulator.compare() == []


def test_extend(driven, spawn):
    volume = support.volume(1)
    attach(driven, spawn, volume)
    guest = driven.guest(spawn)
    with pytest.raises(exceptions.Unsupported, match="new size of the volume"):
        driven.backend.volumes.extend(guest, volume, 4 << 30)
    driven.backend.guests.power_off(guest, timeout=0, retry_interval=0)
    driven.backend.volumes.extend(guest, volume, 4 << 30)


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ({"protocol": "iscsi"}, "its protocol is 'iscsi'"),
        ({"boot": True}, "booting from a volume"),
        ({"data": {"target_lun": 1}}, "no list of WWPNs"),
        ({"data": {"target_wwn": "5005", "target_lun": 1}}, "no list of WWPNs"),
        ({"data": {"target_wwn": support.TARGETS}}, "target_lun is None"),
        (
            {"data": {"target_wwn": support.TARGETS, "target_luns": [1, 2]}},
            r"target_lun is \[1, 2\]",
        ),
    ],
)
def test_what_cannot_be_used_is_refused(driven, values, shown):
    volume = plan.Volume(**{
        "id": "v", "protocol": "fibre_channel", "data": {}, **values
    })  # fmt: skip
    with pytest.raises(exceptions.InvalidRequest, match=shown):
        driven.backend.volumes.check((volume,))


def test_a_release_without_scripts_for_volumes_is_refused(driven):
    """Before a device is reserved; the Connector would do so halfway through."""
    driven.image = {"properties": {"os_distro": "rhel", "os_version": "6.9"}}
    spawn = driven.plan()
    driven.spawn(spawn)
    driven.simulator.mark()
    with pytest.raises(exceptions.InvalidRequest, match=r"volume-1.*rhel6\.9"):
        attach(driven, spawn, support.volume(1))
    assert driven.simulator.compare() == []


def test_a_template_by_name_and_by_id(driven, spawn):
    client = support.client(driven.simulator)
    client("create_fcp_template", "other", fcp_devices="1a04-1a05;1b04-1b05")
    listed = client("get_fcp_templates")["fcp_templates"]
    other = next(t["id"] for t in listed if t["name"] == "other")
    for wanted in ("other", other):
        with support.running(driven.simulator, fcp_template=wanted) as again:
            again.kept = driven.kept
            found = connector(again, spawn)
            assert found["fcp_template_id"] == other
            assert set(found["zvm_fcp"]) <= {"1a04", "1a05", "1b04", "1b05"}
            attach(again, spawn, support.volume(1))
            detach(again, spawn, support.volume(1))
    with (
        support.running(driven.simulator, fcp_template="none") as again,
        pytest.raises(errors.NotFound, match=r"'none'.*'other'"),
    ):
        again.backend.volumes.connector(driven.server(spawn), driven.guest(spawn))


def test_a_template_without_a_free_device_is_named(driven, spawn):
    client = support.client(driven.simulator)
    client("create_fcp_template", "small", fcp_devices="1a06;1b06")
    second = driven.plan(2)
    driven.spawn(second)
    with support.running(driven.simulator, fcp_template="small") as again:
        again.kept = driven.kept
        attach(again, spawn, support.volume(1))
        with pytest.raises(exceptions.OutOfResources, match="no free device"):
            connector(again, second)
        detach(again, spawn, support.volume(1))
        assert len(connector(again, second)["zvm_fcp"]) == 2


# -- reservations nobody holds ----------------------------------------------


def age(driven, seconds):
    """Let everything that is kept be older."""
    for path in kept(driven):
        found = json.loads(path.read_text())
        found["since"] -= seconds
        path.write_text(json.dumps(found))


def test_the_sweep_releases_what_no_volume_came_for(driven, spawn):
    connector(driven, spawn)
    driven.backend.volumes.sweep()
    assert driven.simulator.compare() != []
    age(driven, 1801)
    driven.backend.volumes.sweep()
    assert driven.simulator.compare() == []
    assert kept(driven) == []


def test_the_sweep_waits_for_a_build_however_long_it_takes(driven):
    """A large image takes longer than a reservation may wait; storage has been
    told the WWPNs of these devices."""
    volumes = driven.backend.volumes
    spawn = driven.plan(5)
    driven.kept[spawn.server.uuid] = dict(volumes.record(spawn.server))
    server = driven.server(spawn)
    first = volumes.connector(server, None)
    # The image is imported; then the guest is there, and the image deployed.
    age(driven, 1801)
    volumes.sweep()
    assert volumes.connector(server, None) == first
    guest = dataclasses.replace(spawn.guest, server=server)
    driven.spawn(dataclasses.replace(spawn, guest=guest))
    age(driven, 1801)
    volumes.sweep()
    assert volumes.connector(server, None) == first
    driven.destroy(spawn)
    assert driven.simulator.compare() == []
    # One that never comes is not waited for by the service that starts next.
    volumes.connector(server, None)
    age(driven, 1801)
    with support.running(driven.simulator, state=driven.state_path) as again:
        again.backend.volumes.sweep()
    assert driven.simulator.compare() == []


def test_the_sweep_keeps_what_is_attached(driven, spawn):
    attach(driven, spawn, support.volume(1))
    age(driven, 9999)
    driven.backend.volumes.sweep()
    assert seen(driven, spawn)[0] == [(LUN1, 2)]
    detach(driven, spawn, support.volume(1))
    assert driven.simulator.compare() == []


def test_the_sweep_releases_what_a_guest_that_is_gone_held(driven):
    driven.simulator.mark()
    spawn = driven.plan(3)
    driven.spawn(spawn)
    attach(driven, spawn, support.volume(1))
    user = driven.guest(spawn).id
    # Somebody removes the guest without Nova.
    client = support.client(driven.simulator)
    client("guest_stop", user)
    client("guest_delete", user)
    age(driven, 1801)
    driven.backend.volumes.sweep()
    driven.backend.guests._names._at = float("-inf")
    driven.backend.volumes.sweep()
    assert kept(driven) == []


def test_the_sweep_keeps_what_a_guest_has_that_the_connector_lost(driven, spawn):
    """It is in the directory, with its devices."""
    attach(driven, spawn, support.volume(1))
    support.client(driven.simulator)("guest_deregister", driven.guest(spawn).id)
    driven.backend.guests._names._at = float("-inf")
    driven.simulator.mark()
    age(driven, 1801)
    driven.backend.volumes.sweep()
    assert driven.simulator.compare() == []
    assert len(kept(driven)) == 1


def test_a_detach_after_a_destroy_that_failed_without_notes(driven):
    """Nothing was kept; the destroy knew only that Nova knows of volumes."""
    spawn = with_volumes(driven, driven.plan(9), 1)
    driven.spawn(spawn)
    for path in kept(driven):
        path.unlink()
    driven.simulator.rule(
        match={"key": "DELETE /guests/{id}"},
        effect={"kind": "refuse", "overall": 8, "rc": 99, "rs": 99},
    )
    with pytest.raises(exceptions.HypervisorError):
        driven.destroy(spawn)
    driven.simulator.delete_rule()
    assert len(kept(driven)) == 1
    detach(driven, spawn, support.volume(1))
    name = driven.kept[spawn.server.uuid][identity.KEY]
    entry = driven.simulator.guest(name)["entry"]
    assert not [line for line in entry if line.startswith("DEDICATE")]
    driven.destroy(spawn)
    assert driven.simulator.compare() == []


def test_the_sweep_goes_on_after_a_failure(driven, spawn):
    second = driven.plan(2)
    driven.spawn(second)
    driven.simulator.mark()
    for one in (spawn, second):
        connector(driven, one)
    age(driven, 1801)
    driven.simulator.rule(
        match={"key": "GET /volumes/conn/{id}", "memento": "bg:fcp_sweep"},
        effect={"kind": "refuse", "overall": 8, "rc": 99, "rs": 99},
    )
    driven.backend.volumes.sweep()
    assert len(kept(driven)) == 1
    driven.backend.volumes.sweep()
    assert driven.simulator.compare() == []


# -- failures -----------------------------------------------------------------


def test_two_servers_at_once(driven):
    spawns = [driven.plan(number) for number in (1, 2, 3)]
    for one in spawns:
        driven.spawn(one)
    driven.simulator.mark()

    def both(one):
        attach(driven, one, support.volume(1))
        attach(driven, one, support.volume(2))

    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        list(pool.map(both, spawns))
        found = [seen(driven, one) for one in spawns]
        assert all(luns == [(LUN1, 2), (LUN2, 2)] for luns, _devices in found)
        assert len({device for _luns, all_ in found for device in all_}) == 6
        for number in (1, 2):
            volume = support.volume(number)
            list(pool.map(lambda one, v=volume: detach(driven, one, v), spawns))
    assert driven.simulator.compare() == []


COMMANDS = [
    "smcli Image_Device_Dedicate_DM",
    "smcli Image_Device_Dedicate",
    "vmur punch",
    "iucvclnt",
]


@pytest.mark.parametrize(
    ("key", "others"),
    [
        *((key, 0) for key in COMMANDS),
        # A second volume comes on the devices of the first one.
        *((key, 1) for key in COMMANDS if "Dedicate" not in key),
    ],
)
def test_the_connector_is_killed_in_an_attach(driven, spawn, key, others):
    """Held at a command, killed, started again: a detach brings all back."""
    for number in range(others):
        attach(driven, spawn, support.volume(9 - number))
    driven.simulator.mark()
    rule = driven.simulator.rule(
        match={"layer": "command", "key": key}, effect={"kind": "hold"}
    )
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        done = pool.submit(attach, driven, spawn, support.volume(1))
        assert driven.simulator.wait_parked(rule)
        driven.simulator.restart_connector()
        driven.simulator.delete_rule(rule)
        with pytest.raises(errors.ConnectorError):
            done.result(timeout=60)
    # What the Connector had given to z/VM is carried out without it.
    driven.simulator.wait_journal(layer="command", key=key, done=True, count=1)
    detach(driven, spawn, support.volume(1))
    assert left(driven) == []
    luns = [f"0x{9 - n:04x}{0:012x}" for n in range(others)]
    assert [lun for lun, _paths in seen(driven, spawn)[0]] == luns
    for number in range(others):
        detach(driven, spawn, support.volume(9 - number))
    assert seen(driven, spawn) == ([], [])
    driven.destroy(spawn)
    assert left(driven, "clean-fcp") == []


@pytest.mark.parametrize(
    ("key", "others", "between"),
    [
        ("smcli Image_Device_Undedicate_DM", 0, False),
        ("smcli Image_Device_Undedicate", 0, False),
        # The script, after the one that looks whether the guest answers.
        ("iucvclnt", 1, False),
        # The other volume goes before the detach is tried again.
        ("iucvclnt", 1, True),
    ],
)
def test_the_connector_is_killed_in_a_detach(driven, spawn, key, others, between):
    """The guest has forgotten the LUN, which its script must find again."""
    for number in range(others):
        attach(driven, spawn, support.volume(9 - number))
    driven.simulator.mark()
    attach(driven, spawn, support.volume(1))
    driven.simulator.admin("DELETE", "journal")
    rule = driven.simulator.rule(
        match={"layer": "command", "key": key},
        phase="after",
        skip=others,
        effect={"kind": "hold"},
    )
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        done = pool.submit(detach, driven, spawn, support.volume(1))
        assert driven.simulator.wait_parked(rule)
        driven.simulator.restart_connector()
        driven.simulator.delete_rule(rule)
        with pytest.raises(errors.ConnectorError):
            done.result(timeout=60)
    if between:
        detach(driven, spawn, support.volume(9))
    detach(driven, spawn, support.volume(1))
    stay = [] if between else [f"0x{9 - n:04x}{0:012x}" for n in range(others)]
    assert [lun for lun, _paths in seen(driven, spawn)[0]] == stay
    if between:
        driven.destroy(spawn)
    assert left(driven, "clean-fcp" if between else "mark") == []


def test_a_device_that_another_server_has_by_now_is_not_detached(driven, spawn):
    """A failed attach left it in the directory, and the Connector gave it away."""
    devices = connector(driven, spawn)["zvm_fcp"]
    user = driven.guest(spawn).id
    client = support.client(driven.simulator)
    refuse = {"kind": "refuse", "rc": 99, "rs": 99}
    for key in ("Image_Device_Dedicate", "Image_Device_Undedicate_DM"):
        match = {"layer": "command", "key": f"smcli {key}"}
        driven.simulator.rule(match=match, effect=refuse, count=None)
    with pytest.raises(errors.ConnectorError, match="attach the LUN"):
        attach(driven, spawn, support.volume(1))
    driven.simulator.delete_rule()
    second = driven.plan(2)
    driven.spawn(second)
    other = driven.guest(second).id
    template = client("get_fcp_templates")["fcp_templates"][0]["id"]
    for device in devices:
        client("set_fcp_usage", device, other, 1, 1, template)
    with pytest.raises(errors.ConnectorError, match=rf"given it to {other}.*{user}"):
        detach(driven, spawn, support.volume(1))
    assert client("get_fcp_usage", devices[0])[:3] == [other, 1, 1]


def left(driven, mark="mark"):
    """What is left, but for a file that stays in the Connector's own reader.

    The Connector ended between punching it and passing it on; it has no call
    that removes it.
    """
    return [
        difference
        for difference in driven.simulator.compare(mark)
        if (difference["is"] or {}).get("queue") != "ZCCUSER"
    ]


@pytest.mark.parametrize(("phase", "kind"), [("before", "refuse"), ("after", "drop")])
@pytest.mark.parametrize("others", [0, 1])
def test_any_one_call_of_an_attach_may_fail(driven, spawn, phase, kind, others):
    for number in range(others):
        attach(driven, spawn, support.volume(9 - number))
    driven.simulator.mark()
    volume = support.volume(1)
    memento = f"attach_volume:{spawn.server.uuid}"
    driven.simulator.admin("DELETE", "journal")
    attach(driven, spawn, volume)
    calls = [(r["key"], r["occurrence"]) for r in driven.simulator.journal(
        memento=memento, layer="rest"
    )]  # fmt: skip
    detach(driven, spawn, volume)
    assert driven.simulator.compare() == []
    for key, occurrence in calls:
        driven.simulator.admin("DELETE", "journal")
        driven.simulator.rule(
            match={"key": key, "occurrence": occurrence, "memento": memento},
            phase=phase,
            effect=support.fault(kind),
        )
        try:
            attach(driven, spawn, volume)
            done = True
        except exceptions.IBMVirtError:
            done = False
        if done:
            assert len(seen(driven, spawn)[0]) == others + 1
        driven.simulator.delete_rule()
        detach(driven, spawn, volume)
        assert driven.simulator.compare() == [], (key, occurrence)


@pytest.mark.parametrize(("phase", "kind"), [("before", "refuse"), ("after", "drop")])
@pytest.mark.parametrize("others", [0, 1])
def test_any_one_call_of_a_detach_may_fail(driven, spawn, phase, kind, others):
    for number in range(others):
        attach(driven, spawn, support.volume(9 - number))
    driven.simulator.mark()
    volume = support.volume(1)
    memento = f"detach_volume:{spawn.server.uuid}"
    for key in ("DELETE /guests/volumes", "GET /volumes/conn/{id}"):
        attach(driven, spawn, volume)
        driven.simulator.admin("DELETE", "journal")
        driven.simulator.rule(
            match={"key": key, "memento": memento},
            phase=phase,
            effect=support.fault(kind),
        )
        try:
            detach(driven, spawn, volume)
        except exceptions.IBMVirtError:
            driven.simulator.delete_rule()
            detach(driven, spawn, volume)
        driven.simulator.delete_rule()
        assert driven.simulator.compare() == [], key


def test_a_detach_that_failed_is_repeated_after_a_restart(driven, spawn):
    """The Connector ends in the detach; another service goes on."""
    one, two = support.volume(1), support.volume(2)
    attach(driven, spawn, one)
    attach(driven, spawn, two)
    rule = driven.simulator.rule(
        match={"layer": "command", "key": "vmur punch"}, effect={"kind": "hold"}
    )
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        done = pool.submit(detach, driven, spawn, one)
        assert driven.simulator.wait_parked(rule)
        driven.simulator.restart_connector()
        driven.simulator.delete_rule(rule)
        with pytest.raises(errors.ConnectorError):
            done.result(timeout=60)
    found = holdings.Holdings(kept(driven)[0].parent).get(driven.guest(spawn).id)
    assert {v.state for v in found.volumes.values()} == {"going", "attached"}
    detach(driven, spawn, two)
    assert [lun for lun, _paths in seen(driven, spawn)[0]] == [LUN1]
    detach(driven, spawn, one)
    assert seen(driven, spawn) == ([], [])
    assert kept(driven) == []
