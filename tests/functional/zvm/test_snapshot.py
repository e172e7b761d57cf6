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

"""Snapshots: a guest captured by the real Connector, and booted again."""

from __future__ import annotations

import concurrent.futures
import hashlib

import pytest
from nova.compute import power_state

from ibmvirt.common import exceptions
from ibmvirt.simulators.zvm import imagefile
from ibmvirt.zvm import identity, snapshots
from tests.support import zvm as support


@pytest.fixture
def driven(zvm):
    zvm.clock(rate=500.0)
    with support.running(zvm) as found:
        yield found


def guest_name(driven, spawn):
    return driven.kept[spawn.server.uuid][identity.KEY]


def state(driven, spawn):
    guest = driven.guest(spawn)
    return driven.backend.guests.state(guest, use_cache=False).power_state


def bring(driven, spawn, wanted):
    guest = driven.guest(spawn)
    if wanted == power_state.SHUTDOWN:
        driven.backend.guests.power_off(guest, timeout=0, retry_interval=0)
    elif wanted == power_state.PAUSED:
        driven.backend.pause.pause(guest)


@pytest.mark.parametrize(
    "wanted", [power_state.RUNNING, power_state.SHUTDOWN, power_state.PAUSED]
)
def test_a_server_booted_from_a_snapshot_has_the_same_bytes(driven, wanted):
    spawn = driven.plan()
    driven.spawn(spawn)
    bring(driven, spawn, wanted)
    content, captured = support.snapshot(driven, spawn)
    assert state(driven, spawn) == wanted
    assert imagefile.read(content)[0] == support.RAW
    assert captured.size == len(content)
    assert (captured.disk_format, captured.container_format) == ("raw", "bare")
    assert captured.properties == {
        "os_distro": "rhel",
        "os_version": "9.4",
        "architecture": "s390x",
        "hypervisor_type": "zvm",
    }
    assert driven.left() == []
    # The properties are enough for a boot, by their own.
    driven.source.content = content
    driven.image = {"properties": dict(captured.properties)}
    driven.image_id = f"snapshot-{hashlib.md5(content).hexdigest()}"
    second = driven.plan(2)
    driven.spawn(second)
    name = guest_name(driven, second)
    assert driven.simulator.disk(f"{name}/0100") == (
        driven.simulator.disk(f"{guest_name(driven, spawn)}/0100")
    )


def test_a_snapshot_takes_few_calls(driven):
    spawn = driven.plan()
    driven.spawn(spawn)
    driven.simulator.admin("DELETE", "journal")
    support.snapshot(driven, spawn)
    calls = driven.calls("snapshot", spawn)
    # The list of guests is as old as it may be, or read once.
    assert calls.count("GET /guests") <= 1
    assert [call for call in calls if call != "GET /guests"] == [
        "DELETE /images/{id}",
        "GET /guests/{id}/power_state_real",
        "POST /guests/{id}/action capture",
        "POST /guests/{id}/action start",
        "PUT /images/{id}",
        "DELETE /images/{id}",
    ]


def test_an_upload_that_fails_leaves_nothing(driven):
    spawn = driven.plan()
    driven.spawn(spawn)
    driven.simulator.mark()
    with (
        pytest.raises(exceptions.ImageTransferFailed),
        driven.operation("snapshot", spawn.server),
        driven.backend.snapshots.open(spawn.server, driven.guest(spawn)),
    ):
        raise exceptions.ImageTransferFailed("upload the image", "Glance is full")
    assert driven.left() == []
    assert state(driven, spawn) == power_state.RUNNING


def test_bytes_that_changed_on_their_way_are_refused(driven):
    spawn = driven.plan()
    driven.spawn(spawn)
    with (
        pytest.raises(exceptions.ImageTransferFailed, match="MD5"),
        driven.operation("snapshot", spawn.server),
        driven.backend.snapshots.open(spawn.server, driven.guest(spawn)) as captured,
    ):
        (path,) = support.files(driven)
        path.write_bytes(path.read_bytes()[:-1])
        captured.stream.read()
    assert driven.left() == []


def test_what_a_killed_service_left_is_removed(driven):
    """As if killed after the capture: the next start takes it away."""
    spawn = driven.plan()
    driven.spawn(spawn)
    context = driven.backend.snapshots.open(spawn.server, driven.guest(spawn))
    rule = driven.simulator.rule(
        match={"layer": "rest", "key": "DELETE /images/{id}"},
        skip=1,
        count=None,
        effect={"kind": "refuse", "status": 500, "message": "gone"},
    )
    with context:
        # The snapshot is whole, whatever becomes of the Connector's image.
        pass
    driven.simulator.delete_rule(rule)
    assert [n for n in driven.left() if n.startswith(snapshots.PREFIX)] != []
    with support.running(driven.simulator) as restarted:
        assert restarted.left() == []


def test_the_connector_killed_in_the_middle(driven):
    """The guest is started again; the next snapshot is whole."""
    spawn = driven.plan()
    driven.spawn(spawn)
    driven.simulator.mark("before")
    rule = driven.simulator.rule(
        match={"layer": "command", "key": "creatediskimage"},
        phase="after",
        effect={"kind": "hold"},
    )
    import threading

    errors = []

    def work():
        try:
            support.snapshot(driven, spawn)
        except exceptions.IBMVirtError as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    assert driven.simulator.wait_parked(rule)
    driven.simulator.restart_connector()
    driven.simulator.delete_rule()
    thread.join(60)
    assert errors
    assert not thread.is_alive()
    assert state(driven, spawn) == power_state.RUNNING
    content, _captured = support.snapshot(driven, spawn)
    assert imagefile.read(content)[0] == support.RAW
    # The Connector's next capture of the guest cleans what the killed one left.
    assert driven.left() == []
    assert driven.simulator.compare("before") == []


def test_an_image_that_could_not_be_deleted_goes_with_its_guest(driven):
    spawn = driven.plan()
    driven.spawn(spawn)
    rule = driven.simulator.rule(
        match={"layer": "rest", "key": "DELETE /images/{id}"},
        skip=1,
        count=None,
        effect={"kind": "refuse", "status": 500, "message": "gone"},
    )
    content, _captured = support.snapshot(driven, spawn)
    assert imagefile.read(content)[0] == support.RAW
    driven.simulator.delete_rule(rule)
    assert driven.left() != []
    driven.destroy(spawn)
    assert driven.left() == []


def test_two_snapshots_at_once(driven):
    plans = [driven.plan(number) for number in (1, 2)]
    for spawn in plans:
        driven.spawn(spawn)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda spawn: support.snapshot(driven, spawn), plans))
    assert all(imagefile.read(content)[0] == support.RAW for content, _taken in found)
    assert [state(driven, spawn) for spawn in plans] == [power_state.RUNNING] * 2
    assert driven.left() == []


@pytest.mark.parametrize("phase", ["before", "after"])
def test_a_server_that_is_deleted_during_its_snapshot(driven, phase):
    driven.simulator.mark()
    spawn = driven.plan()
    driven.spawn(spawn)
    rule = driven.simulator.rule(
        match={"layer": "command", "key": "creatediskimage"},
        phase=phase,
        effect={"kind": "hold"},
    )
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        taken = pool.submit(support.snapshot, driven, spawn)
        assert driven.simulator.wait_parked(rule)
        driven.destroy(spawn)
        driven.simulator.delete_rule(rule)
        assert isinstance(taken.exception(60), exceptions.IBMVirtError)
    assert driven.left() == []
    assert driven.simulator.compare() == []
