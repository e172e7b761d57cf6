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

"""The event queue: clients that fall behind, and those that wait at a restart."""

from __future__ import annotations

import threading

import pytest

from ibmvirt.simulators.novalink import events
from tests.unit.simulators.novalink import support

LIMIT = 60


@pytest.fixture
def queue(tmp_path):
    made = events.Queue(support.new_system(tmp_path))
    assert kinds(made) == ["NEW_CLIENT"]
    return made


def kinds(queue):
    return [one.kind for one in queue.poll("me", LIMIT)]


@pytest.mark.parametrize(
    ("count", "heard"), [(2000, ["MODIFY_URI"] * 2000), (2001, ["MISSING_EVENTS"])]
)
def test_a_client_that_falls_behind_is_told(queue, count, heard):
    for _ in range(count):
        queue.add("MODIFY_URI", "many")
    assert kinds(queue) == heard


def test_a_poll_that_waits_at_a_restart_does_not_keep_its_client(queue):
    answers = []
    thread = threading.Thread(target=lambda: answers.append(kinds(queue)))
    thread.start()
    pause = threading.Event()
    while not queue._condition._waiters:
        pause.wait(0.01)
    queue.forget_clients()
    thread.join(LIMIT)
    assert answers == [[]]
    assert kinds(queue) == ["NEW_CLIENT"]
