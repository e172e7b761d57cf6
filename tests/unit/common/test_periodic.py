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


"""Work that is done again and again: after its interval, or when woken."""

from __future__ import annotations

import threading

from ibmvirt.common import periodic

_PATIENCE = 60


def test_a_turn_comes_when_it_is_woken_and_after_one_that_failed():
    turns = threading.Semaphore(0)

    def turn():
        turns.release()
        raise OSError("the next one comes")

    work = periodic.Periodic("test", lambda: 3600, turn)
    work.start()
    try:
        for _turn in range(2):
            work.wake()
            assert turns.acquire(timeout=_PATIENCE)
    finally:
        work.stop()
    # Nobody is left to be woken.
    work.wake()
    assert not turns.acquire(blocking=False)


def test_who_is_woken_in_a_turn_has_another():
    begun, go_on, again = (threading.Event() for _ in range(3))

    def turn():
        if begun.is_set():
            again.set()
        begun.set()
        go_on.wait(_PATIENCE)

    work = periodic.Periodic("test", lambda: 3600, turn)
    work.start()
    try:
        work.wake()
        assert begun.wait(_PATIENCE)
        work.wake()
        go_on.set()
        assert again.wait(_PATIENCE)
    finally:
        work.stop()


def test_turns_come_after_the_interval_and_it_starts_again():
    turned = threading.Event()
    work = periodic.Periodic("test", lambda: 0.001, turned.set)
    for _start in range(2):
        turned.clear()
        work.start()
        work.start()
        assert turned.wait(_PATIENCE)
        work.stop()
