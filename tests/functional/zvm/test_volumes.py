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

import pytest

from ibmvirt.common import exceptions, plan
from ibmvirt.zvm.client import errors
from tests.functional.zvm import fibre_channel as fc
from tests.support import zvm as support

driven, spawn = fc.driven, fc.spawn


def test_the_connector_is_the_same_until_the_volume_is_gone(driven, spawn):
    first = fc.connector(driven, spawn)
    assert len(first["zvm_fcp"]) == len(first["wwpns"]) == first["fcp_paths"] == 2
    assert first["multipath"] is True
    assert first["host"].endswith(driven.guest(spawn).id)
    assert fc.connector(driven, spawn) == first
    fc.attach(driven, spawn, support.volume(1))
    assert fc.connector(driven, spawn) == first
    with support.running(driven.simulator) as other:
        # A service that knows nothing of it gets the same of the Connector.
        server, guest = driven.server(spawn), driven.guest(spawn)
        assert other.backend.volumes.connector(server, guest) == first
    fc.detach(driven, spawn, support.volume(1))
    assert driven.simulator.compare() == []


def test_what_was_reserved_for_a_refused_volume_is_given_back(driven, spawn):
    volumes, guest = driven.backend.volumes, driven.guest(spawn)
    fc.connector(driven, spawn)
    assert driven.simulator.compare() != []
    volumes.decline(guest)
    assert driven.simulator.compare() == []
    volumes.decline(guest)
    # Not what another volume of the guest uses.
    fc.attach(driven, spawn, support.volume(1))
    driven.simulator.mark("attached")
    fc.connector(driven, spawn)
    volumes.decline(guest)
    assert driven.simulator.compare("attached") == []
    fc.detach(driven, spawn, support.volume(1))
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
    devices = sorted(d.upper() for d in fc.connector(driven, spawn)["zvm_fcp"])
    fc.attach(driven, spawn, one)
    fc.attach(driven, spawn, one)
    fc.attach(driven, spawn, two)
    if not running:
        assert fc.seen(driven, spawn) == ([], [])
        guests.power_on(driven.guest(spawn))
    assert fc.seen(driven, spawn) == (
        [(fc.LUN1, 2), (fc.LUN2, 2)],
        devices,
    )
    fc.detach(driven, spawn, one)
    fc.detach(driven, spawn, one)
    assert fc.seen(driven, spawn) == ([(fc.LUN2, 2)], devices)
    fc.detach(driven, spawn, two)
    assert fc.seen(driven, spawn) == ([], [])
    if running:
        assert driven.simulator.compare() == []
    assert fc.kept(driven) == []
    fc.detach(driven, spawn, two)


def test_detach_while_off_of_what_was_attached_while_off(driven, spawn):
    guests = driven.backend.guests
    guests.power_off(driven.guest(spawn), timeout=0, retry_interval=0)
    fc.attach(driven, spawn, support.volume(1))
    fc.detach(driven, spawn, support.volume(1))
    guests.power_on(driven.guest(spawn))
    assert fc.seen(driven, spawn) == ([], [])
    # The guest has run the scripts of its reader: nothing is left.
    assert driven.simulator.compare() == []


def test_how_many_calls(driven, spawn):
    assert driven.guest(spawn)
    driven.simulator.admin("DELETE", "journal")
    fc.attach(driven, spawn, support.volume(1))
    calls = driven.calls("attach_volume", spawn)
    first = ["GET /volumes/conn/{id}", "POST /guests/volumes"]
    # The Connector's report of the first one is checked.
    looks = ["GET /guests/{id}/power_state_real", "GET /volumes/fcptemplates/detail"]
    assert calls == [*first, *looks]
    driven.simulator.admin("DELETE", "journal")
    fc.attach(driven, spawn, support.volume(2))
    assert driven.calls("attach_volume", spawn) == first
    fc.detach(driven, spawn, support.volume(2))
    fc.detach(driven, spawn, support.volume(1))
    calls = driven.calls("detach_volume", spawn)
    # That the guest has the devices no more, in the directory or as it runs.
    last = ["GET /guests/{id}/user_direct", "GET /volumes/fcptemplates/detail"]
    detaches = ["DELETE /guests/volumes", "DELETE /guests/volumes"]
    assert calls == [*detaches, *last, "GET /volumes/conn/{id}"]


def test_a_server_boots_with_volumes_and_is_destroyed(driven):
    spawn = fc.with_volumes(driven, driven.plan(7), 1, 2)
    driven.spawn(spawn)
    found, devices = fc.seen(driven, spawn)
    assert found == [(fc.LUN1, 2), (fc.LUN2, 2)]
    assert len(devices) == 2
    driven.destroy(spawn)
    assert driven.simulator.compare() == []
    assert fc.kept(driven) == []
    driven.destroy(spawn)
    assert driven.simulator.compare() == []


def test_detach_by_a_service_that_knows_nothing(driven, spawn):
    fc.attach(driven, spawn, support.volume(1))
    with support.running(driven.simulator) as other:
        other.kept, other.launched = driven.kept, driven.launched
        fc.detach(other, spawn, support.volume(1))
    assert fc.seen(driven, spawn) == ([], [])
    assert driven.simulator.compare() == []


def test_one_volume_on_two_servers(driven, spawn):
    """Each has FCP devices, and so WWPNs, of its own."""
    second = driven.plan(2)
    driven.spawn(second)
    shared = support.volume(1, multiattach=True)
    fc.attach(driven, spawn, shared)
    fc.attach(driven, second, shared)
    found, devices = fc.seen(driven, second)
    assert found == [(fc.LUN1, 2)]
    assert not set(devices) & set(fc.seen(driven, spawn)[1])
    fc.detach(driven, spawn, shared)
    assert fc.seen(driven, second) == (found, devices)
    driven.destroy(second)
    assert driven.simulator.compare() == []


def test_a_paused_guest_is_refused(driven, spawn):
    """Its Linux would neither take a volume nor give one up, and the Connector
    would wait for it, and all other volumes for the Connector."""
    guest, pause, volume = driven.guest(spawn), driven.backend.pause, support.volume(1)
    pause.pause(guest)
    with pytest.raises(exceptions.WrongState, match=f"{fc.LUN1}.*{guest.id} is paused"):
        fc.attach(driven, spawn, volume)
    # As Nova's rollback has it.
    fc.detach(driven, spawn, volume)
    pause.unpause(guest)
    assert driven.simulator.compare() == []
    fc.attach(driven, spawn, volume)
    pause.pause(guest)
    with pytest.raises(exceptions.WrongState, match=f"{fc.LUN1}.*{guest.id} is paused"):
        fc.detach(driven, spawn, volume)
    pause.unpause(guest)
    assert fc.seen(driven, spawn)[0] == [(fc.LUN1, 2)]
    fc.detach(driven, spawn, volume)
    assert driven.simulator.compare() == []


def test_a_path_that_is_lost_is_not_missed(driven, spawn):
    device = fc.connector(driven, spawn)["zvm_fcp"][0]
    driven.simulator.world("fcp_path", device=device, lost=True)
    driven.backend.guests.power_off(driven.guest(spawn), timeout=0, retry_interval=0)
    fc.attach(driven, spawn, support.volume(1))
    driven.backend.guests.power_on(driven.guest(spawn))
    assert fc.seen(driven, spawn)[0] == [(fc.LUN1, 1)]


def test_a_volume_that_the_guest_does_not_see_leaves_nothing(driven, spawn):
    devices = fc.connector(driven, spawn)["zvm_fcp"]
    for device in devices:
        driven.simulator.world("fcp_path", device=device, lost=True)
    with pytest.raises(errors.ConnectorError, match=fc.LUN1):
        fc.attach(driven, spawn, support.volume(1))
    fc.detach(driven, spawn, support.volume(1))
    for device in devices:
        driven.simulator.world("fcp_path", device=device, lost=False)
    assert driven.simulator.compare() == []


def test_extend(driven, spawn):
    volume = support.volume(1)
    fc.attach(driven, spawn, volume)
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
        fc.attach(driven, spawn, support.volume(1))
    assert driven.simulator.compare() == []


def test_a_template_by_name_and_by_id(driven, spawn):
    client = support.client(driven.simulator)
    client("create_fcp_template", "other", fcp_devices="1a04-1a05;1b04-1b05")
    listed = client("get_fcp_templates")["fcp_templates"]
    other = next(t["id"] for t in listed if t["name"] == "other")
    for wanted in ("other", other):
        with support.running(driven.simulator, fcp_template=wanted) as again:
            again.kept, again.launched = driven.kept, driven.launched
            found = fc.connector(again, spawn)
            assert found["fcp_template_id"] == other
            assert set(found["zvm_fcp"]) <= {"1a04", "1a05", "1b04", "1b05"}
            fc.attach(again, spawn, support.volume(1))
            fc.detach(again, spawn, support.volume(1))
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
        again.kept, again.launched = driven.kept, driven.launched
        fc.attach(again, spawn, support.volume(1))
        with pytest.raises(exceptions.OutOfResources, match="no free device"):
            fc.connector(again, second)
        fc.detach(again, spawn, support.volume(1))
        assert len(fc.connector(again, second)["zvm_fcp"]) == 2


def test_two_servers_at_once(driven):
    spawns = [driven.plan(number) for number in (1, 2, 3)]
    for one in spawns:
        driven.spawn(one)
    driven.simulator.mark()

    def both(one):
        fc.attach(driven, one, support.volume(1))
        fc.attach(driven, one, support.volume(2))

    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        list(pool.map(both, spawns))
        found = [fc.seen(driven, one) for one in spawns]
        assert all(luns == [(fc.LUN1, 2), (fc.LUN2, 2)] for luns, _devices in found)
        assert len({device for _luns, all_ in found for device in all_}) == 6
        for number in (1, 2):
            volume = support.volume(number)
            list(pool.map(lambda one, v=volume: fc.detach(driven, one, v), spawns))
    assert driven.simulator.compare() == []
