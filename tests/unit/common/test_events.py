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


@pytest.fixture
def heard():
    return []


@pytest.fixture
def reporter(heard, fast_clock):
    told = threading.Event()

    def emit(event):
        heard.append((event.get_instance_uuid(), event.get_transition()))
        told.set()

    made = events.Reporter(emit)
    made.told = told
    made.start()
    yield made
    made.stop()


def test_a_start_is_reported_at_once(reporter, heard):
    reporter.changed(UUID, power_state.RUNNING)
    assert reporter.told.wait(10)
    assert heard == [(UUID, nova_event.EVENT_LIFECYCLE_STARTED)]


def test_a_stop_is_reported_when_it_lasts(reporter, heard):
    started = clock.now()
    reporter.changed(UUID, power_state.SHUTDOWN)
    assert reporter.told.wait(10)
    assert clock.now() - started >= events.SETTLE
    assert heard == [(UUID, nova_event.EVENT_LIFECYCLE_STOPPED)]


def test_a_restart_is_never_a_stop(reporter, heard):
    reporter.changed(UUID, power_state.SHUTDOWN)
    reporter.changed(UUID, power_state.RUNNING)
    assert reporter.told.wait(10)
    clock.sleep(events.SETTLE * 2)
    assert heard == [(UUID, nova_event.EVENT_LIFECYCLE_STARTED)]


def test_nothing_is_reported_of_our_own_operations(reporter, heard):
    reporter.changed(UUID, power_state.SHUTDOWN)
    with reporter.operating(UUID):
        reporter.changed(UUID, power_state.SHUTDOWN)
        reporter.changed(UUID, power_state.RUNNING)
    other = UUID[:-1] + "2"
    reporter.changed(other, power_state.PAUSED)
    assert reporter.told.wait(10)
    clock.sleep(events.SETTLE * 2)
    assert heard == [(other, nova_event.EVENT_LIFECYCLE_PAUSED)]


def test_unknown_states_are_not_reported(reporter, heard):
    reporter.changed(UUID, power_state.NOSTATE)
    reporter.changed(UUID, power_state.RUNNING)
    assert reporter.told.wait(10)
    assert len(heard) == 1


def test_stop_joins_and_reports_nothing_more(reporter, heard):
    reporter.changed(UUID, power_state.SHUTDOWN)
    reporter.stop()
    reporter.changed(UUID, power_state.RUNNING)
    assert not heard
