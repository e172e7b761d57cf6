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


"""What happens to the system while the service runs, on the simulator."""

from __future__ import annotations

import concurrent.futures
import time

import pytest
from nova.compute import power_state
from pypowervm.tasks import power, power_opts
from pypowervm.wrappers import logical_partition, virtual_io_server

from ibmvirt.common import context, exceptions
from ibmvirt.powervm.rest import poller
from tests.support import powervm


@pytest.fixture
def driven(novalink):
    with powervm.running(novalink) as found:
        yield found


def until(condition, patience=60.0):
    """Wait for what an event brings about."""
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def vios(driven, name):
    adapter = driven.backend.guests._adapter
    return virtual_io_server.VIOS.search(adapter, name=name)[0]


def stop(driven, name):
    options = power_opts.PowerOffOpts().vsp_hard()
    power.PowerOp.stop(vios(driven, name), opts=options)
    until(lambda: name not in active(driven))


def start(driven, name):
    power.power_on(vios(driven, name), None)
    until(lambda: name in active(driven))


def active(driven):
    try:
        return [v.name for v in driven.backend.guests._topology.active_vioses()]
    except exceptions.HypervisorUnavailable:
        return []


def mapped(driven, spawn):
    storage = driven.simulator.guest(spawn.server.name)["storage"]
    return sorted((s["vios"], s["kind"]) for s in storage)


def test_a_vios_that_is_away_is_done_without(driven):
    stop(driven, "vios2")
    spawn = driven.plan()
    driven.spawn(spawn)
    assert mapped(driven, spawn) == [
        ("vios1", "LogicalUnit"),
        ("vios1", "VirtualOpticalMedia"),
    ]
    start(driven, "vios2")
    other = driven.plan(2)
    driven.spawn(other)
    assert ("vios2", "LogicalUnit") in mapped(driven, other)


def test_what_a_vios_missed_is_made_up_for_when_it_is_back(driven):
    spawn = driven.plan()
    driven.spawn(spawn)
    stop(driven, "vios2")
    # The VIOS still holds the disk; all else is removed.
    with pytest.raises(exceptions.HypervisorError, match="in use"):
        driven.destroy(spawn)
    assert stale(driven)
    start(driven, "vios2")
    until(lambda: not stale(driven))
    driven.destroy(spawn)
    # Only the VIOS itself shows that it was off.
    changed = [line["path"] for line in driven.simulator.compare()]
    assert [path for path in changed if "/VirtualIOServer/" not in path] == []


def stale(driven):
    """Mappings of vios2, as the platform has them."""
    return list(
        virtual_io_server.VIOS.get(
            driven.backend.guests._adapter,
            uuid=vios(driven, "vios2").uuid,
            xag=["ViosSCSIMapping"],
        ).scsi_mappings
    )


def test_without_any_vios_an_operation_says_so(driven):
    spawn = driven.plan()
    stop(driven, "vios2")
    stop(driven, "vios1")
    with pytest.raises(exceptions.HypervisorUnavailable, match="RMC connection"):
        driven.spawn(spawn)
    # The next one is refused before it begins.
    with pytest.raises(exceptions.HypervisorUnavailable, match="RMC connection"):
        driven.plan()


def test_lost_events_make_it_read_all(driven):
    spawn = driven.plan()
    driven.spawn(spawn)
    driven.simulator.admin("DELETE", "journal")
    driven.simulator.rule(
        match={"layer": "rest"},
        effect={"kind": "event", "event": "MISSING_EVENTS"},
    )
    driven.backend.host.resources()

    def read():
        keys = [record["key"] for record in driven.simulator.journal()]
        return "GET ManagedSystem/{id}/LogicalPartition/quick/All" in keys

    until(read)


def test_a_restart_is_followed_by_events_again(driven):
    spawn = driven.plan()
    driven.spawn(spawn)
    driven.simulator.rule(
        match={"key": "GET ManagedSystem"}, effect={"kind": "restart"}
    )
    with pytest.raises(exceptions.HypervisorUnavailable):
        driven.backend.host.resources()
    guest = driven.guest(spawn)
    guests = driven.backend.guests
    # Something happens beside the service, after the restart.
    until(lambda: guests._cache._following)
    found = logical_partition.LPAR.get(guests._adapter, uuid=guest.id)
    power.PowerOp.stop(found, opts=power_opts.PowerOffOpts().vsp_hard())
    until(lambda: guests._cache.get(guest.id).state == "not activated")
    assert driven.states[-1][1] == 4


def test_a_partition_that_was_renamed_is_still_ours(driven):
    spawn = driven.plan()
    driven.simulator.mark()
    driven.spawn(spawn)
    adapter = driven.backend.guests._adapter
    found = logical_partition.LPAR.get(adapter, uuid=driven.guest(spawn).id)
    found.name = "renamed-by-hand"
    found.update()
    with powervm.running(driven.simulator) as later:
        guest = later.guest(spawn)
        assert guest.name == "renamed-by-hand"
        later.destroy(spawn)
    left = [guest["name"] for guest in driven.simulator.admin("GET", "guests")]
    assert left == []


@pytest.mark.parametrize("what", ["removed", "stopped"])
def test_an_answer_that_was_overtaken_brings_nothing_back(driven, what):
    spawn = driven.plan()
    driven.spawn(spawn)
    guest, guests = driven.guest(spawn), driven.backend.guests
    held = driven.simulator.rule(
        match={"key": "GET LogicalPartition/{id}/quick/All", "memento": "late:1"},
        phase="after",
        effect={"kind": "hold"},
    )

    def look():
        with context.operation(context.Operation("late", "1")):
            return guests._cache.get(guest.id, use_cache=False)

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        late = pool.submit(look)
        assert driven.simulator.wait_parked(held, 60)
        guests.power_off(guest, timeout=0, retry_interval=0)
        if what == "removed":
            guests.undefine(guest)
        driven.simulator.delete_rule(held)
        found = late.result(60)
    cached = guests._cache.get(guest.id)
    if what == "removed":
        assert cached is None
        assert guest.id not in {one.id for one in guests.list()}
    else:
        assert found.state == cached.state == "not activated"


@pytest.mark.parametrize("what", ["events", "partitions"])
def test_a_lost_answer_about_events_is_made_up_for(driven, monkeypatch, what):
    """Of the events themselves, or of what is read since some were lost."""
    monkeypatch.setattr(poller, "_AGAIN", 0.05)
    cache, simulator = driven.backend.guests._cache, driven.simulator
    until(lambda: cache._following)
    key = "GET Event"
    if what == "partitions":
        key = "GET ManagedSystem/{id}/LogicalPartition/quick/All"
        event = {"kind": "event", "event": "MISSING_EVENTS"}
        simulator.rule(match={"key": "PUT Event"}, effect=event)
    lost = simulator.rule(
        match={"key": key, "memento": "bg:events"},
        phase="after",
        effect={"kind": "drop"},
    )
    spawn = driven.plan()
    driven.spawn(spawn)
    until(lambda: _hits(simulator, lost))
    # It follows the events again, and has read what they would have told.
    until(lambda: cache._following and cache._fresh)
    guest = driven.guest(spawn)
    until(lambda: cache.get(guest.id).state == "running")
    hard = power_opts.PowerOffOpts().vsp_hard()
    adapter = driven.backend.guests._adapter
    found = logical_partition.LPAR.get(adapter, uuid=guest.id)
    power.PowerOp.stop(found, opts=hard)
    until(lambda: cache._following and cache.get(guest.id).state == "not activated")


def test_a_change_of_state_is_told_of_the_server_alone(driven):
    """Its partition's UUID, without bit 0, could be another server's, too."""
    spawn = driven.plan()
    driven.spawn(spawn)
    guest = driven.guest(spawn)
    until(lambda: driven.backend.guests._cache._following)
    driven.states.clear()
    adapter = driven.backend.guests._adapter
    found = logical_partition.LPAR.get(adapter, uuid=guest.id)
    power.PowerOp.stop(found, opts=power_opts.PowerOffOpts().vsp_hard())
    until(lambda: (spawn.server.uuid, power_state.SHUTDOWN) in driven.states)
    assert {server for server, _state in driven.states} == {spawn.server.uuid}
    assert driven.backend.guests.uuids().count(spawn.server.uuid) == 1
    mine = set(driven.backend.guests.uuids())
    driven.destroy(spawn)
    assert mine - set(driven.backend.guests.uuids()) == {spawn.server.uuid}


def test_a_partition_that_nova_has_not_named_may_be_two_servers(driven, novalink):
    spawn = driven.plan()
    driven.spawn(spawn)
    with powervm.running(novalink) as later:
        both = set(later.backend.guests.uuids())
        assert spawn.server.uuid in both
        assert driven.guest(spawn).id.lower() in both
        later.guest(spawn)
        known = set(later.backend.guests.uuids())
        assert both - known == {driven.guest(spawn).id.lower()}


def _hits(simulator, number):
    return next(rule["hits"] for rule in simulator.rules() if rule["id"] == number)
