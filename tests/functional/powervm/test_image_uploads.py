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


"""Uploads of images into the pool: half ones, and those of other hosts."""

from __future__ import annotations

import concurrent.futures
import io
import threading

import pytest
from pypowervm.tasks import cluster_ssp
from pypowervm.wrappers import storage

from ibmvirt.common import clock, exceptions
from ibmvirt.powervm.disks import (
    image_upload,
    markers,
    ssp,
)
from tests.functional.powervm import image_cache
from tests.support import powervm

later = image_cache.later


class Other(markers.Own):
    """Another host of the pool."""

    def __init__(self, digits="000000"):
        super().__init__(lambda: "other")
        self._fixed = digits

    def _digits(self):
        return self._fixed


def pool_of(driven):
    return driven.backend.disks.configured._units


def prepare(driven, spawn):
    return driven.backend.disks.prepare_image(spawn.image, driven.source)


def test_the_own_half_upload_of_a_killed_service_is_cleared_at_once(novalink, later):
    novalink.rule(
        match={"key": "PUT web/File/contents/*"}, count=None, effect={"kind": "reset"}
    )
    # A killed process removes nothing.
    novalink.rule(
        match={"key": "DELETE Tier/{id}/LogicalUnit/{id}"},
        count=None,
        effect={"kind": "reset"},
    )
    with powervm.running(novalink) as driven:
        with pytest.raises(exceptions.IBMVirtError):
            driven.spawn(driven.plan())
        marker, image = sorted(
            image_cache.images(driven), key=lambda name: name == image_cache.IMAGE
        )
        assert image == image_cache.IMAGE
        assert markers.marks(marker, image_cache.IMAGE)
    novalink.delete_rule()
    started = later.ahead
    with powervm.running(novalink) as driven:
        spawn = driven.plan()
        driven.spawn(spawn)
        assert later.ahead - started < 60
        name = ssp.disk_name(spawn.server, spawn.guest.disks[0])
        assert novalink.disk(name) == powervm.IMAGE_BYTES
        assert image_cache.images(driven) == [image_cache.IMAGE]


def test_what_could_not_be_removed_is_tried_again(novalink):
    rules = [
        novalink.rule(match={"key": key}, count=None, effect={"kind": "reset"})
        for key in ("PUT web/File/contents/*", "DELETE Tier/{id}/LogicalUnit/{id}")
    ]
    with powervm.running(novalink) as driven:
        spawn = driven.plan()
        with pytest.raises(exceptions.IBMVirtError):
            driven.spawn(spawn)
        # The marker stays with what it marks.
        assert len(image_cache.images(driven)) == 2
        for rule in rules:
            novalink.delete_rule(rule)
        driven.destroy(spawn)
        assert image_cache.images(driven) == []
        assert novalink.compare() == []


def test_another_hosts_upload_is_waited_for(novalink, later):
    with powervm.running(novalink) as driven:
        pool, other = pool_of(driven), Other()
        marker = pool.put_marker(other.name(image_cache.IMAGE))
        image = pool.put_image(image_cache.IMAGE, 1)
        done = threading.Event()

        def finish(seconds):
            # It ends while this host waits.
            if not done.is_set() and later.ahead > 30:
                done.set()
                pool.delete(marker.uuid)

        later.sleep = _also(later.sleep, finish)
        assert prepare(driven, driven.plan()) == image.udid
        assert done.is_set()
        assert driven.source.opened == 0


def _also(sleep, action):
    def both(seconds):
        sleep(seconds)
        action(seconds)

    return both


def test_another_hosts_dead_upload_is_cleared_when_nothing_changes(novalink, later):
    with powervm.running(novalink) as driven:
        pool, other = pool_of(driven), Other()
        pool.put_marker(other.name(image_cache.IMAGE))
        dead = pool.put_image(image_cache.IMAGE, 1)
        # The pool lives on: other disks come and go.
        later.sleep = _also(
            later.sleep,
            lambda _s: pool.delete(pool.put_disk(f"busy{later.ahead}", 1).uuid),
        )
        started = later.ahead
        udid = prepare(driven, driven.plan())
        assert udid != dead.udid
        assert 3500 < later.ahead - started < 3700
        assert image_cache.images(driven) == [image_cache.IMAGE]


def test_another_hosts_slow_upload_that_shows_its_life_is_waited_for(novalink, later):
    with powervm.running(novalink) as driven:
        pool, other = pool_of(driven), Other()
        state = {
            "unit": pool.put_marker(other.name(image_cache.IMAGE)),
            "beat": 0,
            "at": 0.0,
        }
        image = pool.put_image(image_cache.IMAGE, 1)

        def live(_seconds):
            if later.ahead > 4 * 3600:
                pool.delete(state["unit"].uuid)
                later.sleep = plain
            elif later.ahead - state["at"] > image_upload.BEAT:
                state["at"] = later.ahead
                state["beat"] += 1
                former = state["unit"]
                state["unit"] = pool.put_marker(
                    other.name(image_cache.IMAGE, state["beat"])
                )
                pool.delete(former.uuid)

        plain = later.sleep
        later.sleep = _also(plain, live)
        assert prepare(driven, driven.plan()) == image.udid
        assert driven.source.opened == 0


def test_a_slow_upload_of_our_own_shows_its_life(novalink, later):
    class Slow(io.BytesIO):
        def read(self, size=-1):
            later.ahead += 400
            return super().read(size)

    with powervm.running(novalink) as driven:
        driven.source.open = lambda: Slow(powervm.IMAGE_BYTES)
        prepare(driven, driven.plan())
        made = [
            record
            for record in novalink.journal()
            if record["key"] == "PUT Tier/{id}/LogicalUnit"
        ]
        assert len(made) > 3
        assert image_cache.images(driven) == [image_cache.IMAGE]
        assert novalink.disk(image_cache.IMAGE) == powervm.IMAGE_BYTES


def test_a_marker_left_beside_a_whole_image_costs_no_upload(novalink, later):
    """Its owner died between the two: the clones tell that it is whole."""
    with powervm.running(novalink) as driven:
        spawn = driven.plan(1)
        driven.spawn(spawn)
        pool_of(driven).put_marker(Other().name(image_cache.IMAGE))
    with powervm.running(novalink) as driven:
        driven.spawn(driven.plan(2))
        assert driven.source.opened == 0
        assert image_cache.images(driven) == [image_cache.IMAGE]


def test_ageing_clears_dead_uploads_of_images_that_nobody_wants(novalink, later):
    with powervm.running(novalink) as driven:
        disks = driven.backend.disks.configured
        pool = pool_of(driven)
        own = disks.images._own
        pool.put_marker(own.name("image_a_" + "a" * 32))
        pool.put_image("image_a_" + "a" * 32, 1)
        pool.put_marker(Other().name("image_b_" + "b" * 32))
        pool.put_image("image_b_" + "b" * 32, 1)
        image_cache.age(driven)
        assert [name for name in image_cache.images(driven) if "_a_" in name] == []
        assert len(image_cache.images(driven)) == 2
        later.ahead += 3601
        image_cache.age(driven)
        assert image_cache.images(driven) == []


def test_two_hosts_upload_an_image_once(novalink):
    """Whose marker sorts first is the one."""
    with powervm.running(novalink) as driven:
        pool = pool_of(driven)
        sender = driven.backend.disks.configured.images._uploads
        sources = [powervm.driven.Source(powervm.IMAGE_BYTES) for _ in range(2)]
        hosts = [Other("000001"), Other("000002")]
        start = threading.Barrier(2, timeout=30)

        def run(own, source):
            start.wait()
            return image_upload.Upload(pool, sender, own, image_cache.IMAGE, 3600).run(
                source
            )

        with concurrent.futures.ThreadPoolExecutor(2) as workers:
            udids = list(workers.map(run, hosts, sources))
        assert udids[0] == udids[1]
        assert image_cache.images(driven) == [image_cache.IMAGE]
        assert novalink.disk(image_cache.IMAGE) == powervm.IMAGE_BYTES


def test_of_two_hosts_that_begin_at_once_the_slower_waits(novalink, fast_clock):
    """Each has looked before the other made its marker, or the image."""
    with powervm.running(novalink) as driven:
        pool = pool_of(driven)
        sender = driven.backend.disks.configured.images._uploads

        def run(digits):
            source = powervm.driven.Source(powervm.IMAGE_BYTES)
            upload = image_upload.Upload(
                pool, sender, Other(digits), image_cache.IMAGE, 3600
            )
            return upload.run(source), source.opened

        def hold(occurrence):
            key = {"key": "PUT Tier/{id}/LogicalUnit", "occurrence": occurrence}
            return novalink.rule(match=key, effect={"kind": "hold"})

        first_marker, second_image = hold(1), hold(3)
        with concurrent.futures.ThreadPoolExecutor(2) as workers:
            first = workers.submit(run, "000001")
            assert novalink.wait_parked(first_marker)
            second = workers.submit(run, "000002")
            assert novalink.wait_parked(second_image)
            novalink.delete_rule(first_marker)
            udid, opened = first.result(60)
            novalink.delete_rule(second_image)
            assert second.result(60) == (udid, 0)
        assert opened == 1
        assert image_cache.images(driven) == [image_cache.IMAGE]
        assert novalink.disk(image_cache.IMAGE) == powervm.IMAGE_BYTES


def pypowervm_upload(driven):
    """The image's UDID as a host of nova-powervm gets it."""
    places = driven.backend.disks.configured._topology
    tier = storage.Tier.get(
        driven.backend.guests._adapter,
        parent_type=storage.SSP,
        parent_uuid=places.tier().pool_uuid,
    )[0]
    return cluster_ssp.get_or_upload_image_lu(
        tier,
        image_cache.IMAGE,
        places.active_vioses()[0].uuid,
        lambda: io.BytesIO(powervm.IMAGE_BYTES),
        len(powervm.IMAGE_BYTES),
    ).udid


@pytest.mark.parametrize("first", ["ours", "pypowervm"])
def test_a_host_of_nova_powervm_and_ours_wait_for_each_other(
    novalink, later, monkeypatch, first
):
    waits = {"ours": threading.Event(), "pypowervm": threading.Event()}
    later.sleep = _also(later.sleep, lambda _s: waits["ours"].set())

    def sleep_for_upload():
        waits["pypowervm"].set()
        clock.SystemClock().sleep(0.01)

    monkeypatch.setattr(cluster_ssp, "_sleep_for_upload", sleep_for_upload)
    with powervm.running(novalink) as driven:
        hosts = {
            "ours": lambda: prepare(driven, driven.plan()),
            "pypowervm": lambda: pypowervm_upload(driven),
        }
        (second,) = hosts.keys() - {first}
        rule = novalink.rule(
            match={"key": "PUT web/File/contents/*"}, effect={"kind": "hold"}
        )
        with concurrent.futures.ThreadPoolExecutor(2) as workers:
            uploading = workers.submit(hosts[first])
            assert novalink.wait_parked(rule)
            waiting = workers.submit(hosts[second])
            assert waits[second].wait(60)
            assert not waiting.done()
            novalink.delete_rule(rule)
            assert waiting.result(60) == uploading.result(60)
        assert image_cache.images(driven) == [image_cache.IMAGE]
        assert novalink.disk(image_cache.IMAGE) == powervm.IMAGE_BYTES


@pytest.mark.parametrize("kind", ["refuse", "drop"])
def test_an_image_whose_making_was_answered_wrongly_is_not_taken(novalink, kind):
    """It was made, and holds nothing."""
    novalink.rule(
        match={"key": "PUT Tier/{id}/LogicalUnit"}, skip=1, phase="after",
        effect=powervm.fault(kind),
    )  # fmt: skip
    with powervm.running(novalink) as driven:
        spawn = driven.plan()
        try:
            driven.spawn(spawn)
        except exceptions.HypervisorError:
            assert image_cache.images(driven) == []
            driven.spawn(spawn)
        name = ssp.disk_name(spawn.server, spawn.guest.disks[0])
        assert novalink.disk(name) == powervm.IMAGE_BYTES


def test_a_delete_ends_the_wait_for_another_upload(novalink):
    with powervm.running(novalink) as driven:
        pool_of(driven).put_marker(Other().name(image_cache.IMAGE))
        spawn = driven.plan()
        with driven.operation("spawn", spawn.server) as work:
            work.stop("the server is being deleted")
            with pytest.raises(exceptions.Cancelled):
                prepare(driven, spawn)
        assert len(image_cache.images(driven)) == 1
