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

"""A platform that is away when the service starts, and comes back."""

from __future__ import annotations

import threading

import pytest
from nova import exception as nova
from nova.compute import power_state

from ibmvirt.common import availability, exceptions, periodic
from tests.support import nova_objects


class VirtAPI:
    def __init__(self):
        self.told = []

    def update_compute_provider_status(self, _context, _uuid, enabled):
        self.told.append(enabled)


class Service:
    """Stands where Nova keeps the service's record."""

    def __init__(self, **values):
        self.disabled, self.disabled_reason = False, None
        self.saves = 0
        self.__dict__.update(values)

    def save(self):
        self.saves += 1


@pytest.fixture
def record(monkeypatch):
    found = Service()
    monkeypatch.setattr(
        "nova.objects.Service.get_by_compute_host", lambda _context, _host: found
    )
    monkeypatch.setattr("nova.virt.node.get_local_node_uuid", lambda: "the-node")
    return found


@pytest.fixture
def seen(record):
    return availability.Availability(VirtAPI())


def test_nova_is_told_of_a_change_only(seen, record):
    for _ in range(3):
        seen.changed("gone " + "x" * 500)
    assert record.disabled
    assert record.disabled_reason.startswith("AUTO: gone")
    assert len(record.disabled_reason) <= 255
    for _ in range(3):
        seen.changed(None)
    assert (record.disabled, record.disabled_reason) == (False, None)
    assert record.saves == 2
    assert seen._virtapi.told == [False, True]


def test_what_an_operator_disabled_is_left(seen, record):
    record.disabled, record.disabled_reason = True, "maintenance"
    seen.changed("gone")
    seen.changed(None)
    assert (record.disabled_reason, record.saves) == ("maintenance", 0)
    assert seen._virtapi.told == []


def test_a_service_that_was_killed_while_it_was_away_is_enabled(seen, record):
    record.disabled, record.disabled_reason = True, "AUTO: gone"
    seen.changed(None)
    assert not record.disabled


def test_nova_that_cannot_be_told_is_told_later(seen, record, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(record, "save", lambda: 1 / 0)
        seen.changed("gone")
    record.disabled = False
    seen.changed("gone")
    assert record.disabled


def test_what_waits_is_done_once_and_a_failure_keeps_nothing(seen):
    done = []
    seen.when_available(lambda: 1 / 0)
    seen.when_available(lambda: done.append(1))
    seen.changed("gone")
    assert done == []
    seen.changed(None)
    seen.changed(None)
    assert done == [1]


class TestServiceStart:
    @pytest.fixture
    def server(self, driver, spawn, world, monkeypatch):
        """A server that ran, and a platform that does not answer."""
        found = spawn()
        driver.power_off(found)

        def away(_server):
            raise exceptions.HypervisorUnavailable("find a guest", "no answer")

        self.back = driver.backend.guests.find
        monkeypatch.setattr(driver.backend.guests, "find", away)
        driver.availability = availability.Availability(VirtAPI())
        return found

    def test_servers_are_passed_over_and_started_later(
        self, driver, server, world, record, monkeypatch
    ):
        assert driver.process_instances_at_startup(None, [server]) == [server]
        assert driver.get_info(server).state == power_state.NOSTATE
        driver.plug_vifs(server, nova_objects.ports())
        driver.resume_state_on_host_boot(nova_objects.request(), server, None, None)
        driver.get_available_nodes()
        monkeypatch.setattr(driver.backend.guests, "find", self.back)
        driver.availability.changed(None)
        assert world.guests[server.uuid].state == power_state.RUNNING

    def test_later_a_platform_that_is_away_is_an_error(self, driver, server):
        driver.process_instances_at_startup(None, [server])
        driver.get_available_nodes()
        with pytest.raises(nova.HypervisorUnavailable, match="no answer"):
            driver.get_info(server)
        with pytest.raises(nova.HypervisorUnavailable, match="no answer"):
            driver.plug_vifs(server, nova_objects.ports())


def test_periodic_work_goes_on_after_a_failure_and_ends():
    turns = []
    third = threading.Event()

    def action():
        turns.append(1)
        if len(turns) == 3:
            third.set()
        raise RuntimeError("a turn that fails")

    work = periodic.Periodic("work", lambda: 0.001, action)
    work.start()
    work.start()
    assert third.wait(60)
    work.stop()
    ended = len(turns)
    assert not [t for t in threading.enumerate() if t.name == "work"]
    work.stop()
    assert len(turns) == ended


def test_a_turn_that_outlasts_its_stop_is_the_last_of_its_thread(monkeypatch):
    """Also when the work has been started again meanwhile."""
    monkeypatch.setattr(periodic, "_JOIN", 0.01)
    slow, goes_on, again = (threading.Event() for _ in range(3))

    def action():
        if not slow.is_set():
            slow.set()
            goes_on.wait(60)
        else:
            again.set()

    work = periodic.Periodic("long-work", lambda: 0.001, action)
    work.start()
    assert slow.wait(60)
    (first,) = [t for t in threading.enumerate() if t.name == "long-work"]
    work.stop()
    work.start()
    assert again.wait(60)
    goes_on.set()
    first.join(60)
    assert not first.is_alive()
    monkeypatch.undo()
    work.stop()
    assert not [t for t in threading.enumerate() if t.name == "long-work"]
