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


"""A delete during a build: it stops, and nothing is left."""

from __future__ import annotations

import threading

import pytest
from nova import exception as nova

from ibmvirt.common import clock, context, exceptions
from tests.support import nova_objects

# The whole test's patience; a build that hangs would take an hour.
PATIENCE = 60


@pytest.fixture
def slow_image(glance):
    """An image of which a chunk comes only every ten minutes."""
    started = threading.Event()
    ended = threading.Event()

    def chunk(start):
        # Not while its first bytes are judged, before anything is built.
        if start and glance.downloads > 1:
            started.set()
            ended.wait(600)

    glance.chunk = chunk
    yield started
    ended.set()


def test_an_image_transfer_ends_with_the_build(spawn, world, slow_image, deleting):
    empty = world.kept()
    server = nova_objects.instance(config_drive="True")
    seen = []

    def build():
        try:
            spawn(server)
        except Exception as error:
            seen.append(error)

    builder = threading.Thread(target=build)
    builder.start()
    assert slow_image.wait(PATIENCE), "the transfer does not start"
    assert builder.is_alive()
    deleting.append("the server is being deleted")
    builder.join(PATIENCE)
    assert not builder.is_alive()
    assert isinstance(seen[0], nova.InstanceNotFound)
    assert world.kept() == empty
    assert nova_objects.IMAGE_ID not in world.images


def test_a_failure_ends_the_transfer_as_well(spawn, world, slow_image):
    error = exceptions.HypervisorError("define it", "it says no")
    world.faults["define"] = ("before", error)
    with pytest.raises(exceptions.HypervisorError) as caught:
        spawn()
    assert caught.value is error
    assert world.kept() == {"guests": [], "disks": [], "media": []}


def test_no_step_begins_after_a_delete(spawn, world, deleting):
    def delete():
        deleting.append("the server was deleted")
        # By then the next look is due.
        clock.sleep(6)

    world.passed["connect"] = delete
    with pytest.raises(nova.InstanceNotFound):
        spawn()
    assert "power_on" not in world.calls
    assert world.kept() == {"guests": [], "disks": [], "media": []}


def test_a_guest_that_vanishes_is_no_deleted_server(spawn, world):
    """Nova leaves a build alone whose server it takes for deleted, for good."""
    error = exceptions.GuestNotFound("map its disk", "somebody removed it")
    world.faults["connect"] = ("before", error)
    with pytest.raises(exceptions.GuestNotFound) as caught:
        spawn()
    assert caught.value is error
    assert world.kept() == {"guests": [], "disks": [], "media": []}


class TestOperation:
    def test_the_probe_is_asked_every_five_seconds_at_most(self, fast_clock):
        asked = []
        work = context.Operation("spawn", "u", probe=lambda: asked.append(1))
        with context.operation(work):
            context.wait(18)
        assert 1 < len(asked) <= 5

    def test_a_probe_that_fails_stops_nothing(self, fast_clock):
        reasons = iter([OSError("the database is away"), "the server was deleted"])

        def probe():
            found = next(reasons)
            if isinstance(found, Exception):
                raise found
            return found

        work = context.Operation("spawn", "u", probe=probe)
        with (
            context.operation(work),
            pytest.raises(exceptions.Cancelled, match="the server was deleted"),
        ):
            context.wait(3600)

    def test_a_revert_is_not_stopped(self):
        work = context.Operation("spawn", "u")
        work.stop("deleted")
        with context.operation(work):
            with context.reverting():
                context.check()
            with pytest.raises(exceptions.Cancelled, match="deleted"):
                context.check()

    def test_the_first_reason_stands(self):
        work = context.Operation("spawn", "u")
        work.stop("one")
        work.stop("two")
        assert work.stopped() == "one"

    def test_mementos(self):
        assert context.current_memento() == "bg:unknown"
        with context.background("resources"):
            assert context.current_memento() == "bg:resources"
            with context.operation(context.Operation("destroy", "u")):
                assert context.current_memento() == "destroy:u"
        assert context.current() is None
