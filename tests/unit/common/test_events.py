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


"""Lifecycle events: what Nova hears, and what it must not hear."""

from __future__ import annotations

import threading

import pytest
from nova.compute import power_state
from nova.virt import event as nova_event

from ibmvirt.common import clock, events

UUID = "8f2c3c1e-0000-4000-8000-000000000001"
STOPPED = (UUID, nova_event.EVENT_LIFECYCLE_STOPPED)
STARTED = (UUID, nova_event.EVENT_LIFECYCLE_STARTED)
# A test that hangs would wait for ever.
PATIENCE = 60


class Hands:
    """A clock that the test moves; who waits on it looks again all the time."""

    def __init__(self):
        self.time = 1000.0

    def now(self):
        return self.time

    def sleep(self, seconds):
        self.time += seconds

    def wait(self, condition, seconds):
        condition.wait(0.001)


@pytest.fixture
def hands():
    made = Hands()
    former = clock.use(made)
    yield made
    clock.use(former)


class Heard(list):
    """What Nova heard: pairs of a server and a transition."""

    def __init__(self):
        super().__init__()
        self.told = threading.Condition()

    def emit(self, event):
        with self.told:
            self.append((event.get_instance_uuid(), event.get_transition()))
            self.told.notify_all()

    def wait_for(self, event):
        with self.told:
            assert self.told.wait_for(lambda: event in self, PATIENCE), list(self)


@pytest.fixture
def heard():
    return Heard()


@pytest.fixture
def reporter(heard, hands):
    made = events.Reporter(heard.emit)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def catch_up(reporter, heard):
    """Wait until the reporter has looked at all that is due by now."""
    others = (f"other-{number}" for number in range(100))

    def call():
        other = (next(others), nova_event.EVENT_LIFECYCLE_STARTED)
        reporter.changed(other[0], power_state.RUNNING)
        heard.wait_for(other)
        return [event for event in heard if event[0] == UUID]

    return call


def test_a_start_is_reported_at_once(reporter, heard):
    reporter.changed(UUID, power_state.RUNNING)
    heard.wait_for(STARTED)


def test_a_stop_is_reported_when_it_lasts(reporter, heard, hands, catch_up):
    reporter.changed(UUID, power_state.SHUTDOWN)
    hands.sleep(events.SETTLE - 0.1)
    assert catch_up() == []
    hands.sleep(0.2)
    heard.wait_for(STOPPED)


def test_a_restart_is_never_a_stop(reporter, heard, hands, catch_up):
    reporter.changed(UUID, power_state.SHUTDOWN)
    reporter.changed(UUID, power_state.RUNNING)
    heard.wait_for(STARTED)
    hands.sleep(events.SETTLE * 2)
    assert catch_up() == [STARTED]


def test_a_guest_on_its_way_is_never_a_stop(reporter, hands, catch_up):
    reporter.changed(UUID, power_state.SHUTDOWN)
    reporter.changed(UUID, power_state.NOSTATE)
    hands.sleep(events.SETTLE * 2)
    assert catch_up() == []


def test_nothing_is_reported_of_our_own_operations(reporter, hands, catch_up):
    reporter.changed(UUID, power_state.SHUTDOWN)
    with reporter.operating(UUID):
        reporter.changed(UUID, power_state.SHUTDOWN)
        hands.sleep(events.SETTLE * 2)
        reporter.changed(UUID, power_state.RUNNING)
        assert catch_up() == []
    hands.sleep(events.SETTLE * 2)
    assert catch_up() == []


def test_a_stop_before_a_look_at_the_guest_is_reported_after_it(
    reporter, heard, hands, catch_up
):
    reporter.changed(UUID, power_state.SHUTDOWN)
    with reporter.operating(UUID, changes=False):
        hands.sleep(events.SETTLE * 2)
        assert catch_up() == []
    assert catch_up() == []
    hands.sleep(events.SETTLE)
    heard.wait_for(STOPPED)


def test_a_stop_while_a_volume_is_attached_is_reported_after_it(reporter, heard, hands):
    with reporter.operating(UUID, changes=False):
        reporter.changed(UUID, power_state.SHUTDOWN)
    hands.sleep(events.SETTLE)
    heard.wait_for(STOPPED)


def test_what_an_operation_does_is_not_reported_after_a_look(reporter, hands, catch_up):
    with reporter.operating(UUID, changes=False), reporter.operating(UUID):
        reporter.changed(UUID, power_state.SHUTDOWN)
    hands.sleep(events.SETTLE * 2)
    assert catch_up() == []


def test_unknown_states_are_not_reported(reporter, catch_up):
    reporter.changed(UUID, power_state.NOSTATE)
    assert catch_up() == []


def test_stop_joins_and_reports_nothing_more(reporter, heard):
    reporter.changed(UUID, power_state.SHUTDOWN)
    reporter.stop()
    reporter.changed(UUID, power_state.RUNNING)
    assert not heard
