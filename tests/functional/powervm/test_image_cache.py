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


"""Images that the platform keeps: shared among hosts, aged, and half uploads."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import hashlib
import io
import threading

import pytest
from pypowervm import const
from pypowervm.tasks import cluster_ssp
from pypowervm.wrappers import storage

from ibmvirt.common import clock, context, exceptions
from ibmvirt.powervm.disks import (
    image_upload,
    markers,
    pool_images,
    ssp,
    units,
    volume_images,
)
from tests.support import powervm

LOCAL = {
    "disk_driver": "localdisk",
    "volume_group_name": "datavg",
    "volume_group_vios_name": "vios2",
}
KINDS = pytest.mark.parametrize("options", [{}, LOCAL], ids=["ssp", "localdisk"])
AT_ONCE = {"remove_unused_original_minimum_age_seconds": 0}
IMAGE = f"image_small_{hashlib.md5(powervm.IMAGE_BYTES).hexdigest()}"


class Clock(clock.SystemClock):
    """The real clock, put forward by the test; a wait takes no time in it."""

    def __init__(self):
        super().__init__()
        self.ahead = 0.0

    def now(self):
        return super().now() + self.ahead

    def sleep(self, seconds):
        self.ahead += seconds
        super().sleep(0.001)


@pytest.fixture(autouse=True)
def later():
    found = Clock()
    former = clock.use(found)
    yield found
    clock.use(former)


def images(driven):
    """Names of what the platform keeps: images, and markers of uploads."""
    disks = driven.backend.disks.configured
    if isinstance(disks, ssp.SharedPool):
        return sorted(
            unit.name
            for unit in disks._units.all()
            if units.is_image(unit) or markers.is_marker(unit.name)
        )
    return sorted(
        disk.name
        for group in disks.groups()
        for disk in disks._read(group).virtual_disks
        if disk.name[:2] in ("i_", "p_")
    )


def age(driven, *used):
    with context.background("image_cache"):
        driven.backend.image_cache.age(frozenset(used))


# -- ageing ---------------------------------------------------------------------


@KINDS
def test_an_image_goes_when_nobody_has_used_it_for_long(novalink, later, options):
    with powervm.running(novalink, **options) as driven:
        spawn = driven.plan()
        driven.spawn(spawn)
        used = [spawn.image.id]
        for _day in range(3):
            later.ahead += 86400
            age(driven, *used)
            assert len(images(driven)) == 1
        driven.destroy(spawn)
        age(driven)
        later.ahead += 86000
        age(driven)
        assert len(images(driven)) == 1
        later.ahead += 1000
        age(driven)
        assert images(driven) == []
        assert novalink.compare() == []
        # The next server brings it back.
        again = driven.plan(2)
        driven.spawn(again)
        assert driven.source.opened == 2
        assert novalink.guest(again.server.name)["state"] == "running"


@KINDS
def test_a_use_in_between_starts_the_count_anew(novalink, later, options):
    with powervm.running(novalink, **options) as driven:
        spawn = driven.plan()
        driven.spawn(spawn)
        driven.destroy(spawn)
        age(driven)
        later.ahead += 80000
        driven.spawn(spawn)
        age(driven, spawn.image.id)
        driven.destroy(spawn)
        later.ahead += 80000
        age(driven)
        assert len(images(driven)) == 1


@KINDS
def test_images_stay_where_nova_says_so(novalink, later, options):
    never = {"remove_unused_base_images": False, **AT_ONCE}
    with powervm.running(novalink, image_cache=never, **options) as driven:
        spawn = driven.plan()
        driven.spawn(spawn)
        driven.destroy(spawn)
        later.ahead += 1e6
        age(driven)
        assert len(images(driven)) == 1


@KINDS
def test_an_image_that_a_build_asks_for_stays(novalink, later, options):
    with powervm.running(novalink, image_cache=AT_ONCE, **options) as driven:
        spawn = driven.plan()
        key = driven.backend.disks.prepare_image(spawn.image, driven.source)
        age(driven)
        made = driven.backend.disks.create(spawn.server, spawn.guest.disks, key)
        assert made
        driven.backend.disks.delete(made)


@KINDS
def test_images_of_others_stay(novalink, later, options):
    with powervm.running(novalink, image_cache=AT_ONCE, **options) as driven:
        disks = driven.backend.disks.configured
        if options:
            from pypowervm.wrappers import storage

            (group,) = disks.groups()
            wrapper = disks._read(group)
            for name in ("mine", "i_mine", "p_mine", "c_mine", "p_0000000"):
                disk = storage.VDisk.bld(wrapper.adapter, name, 1)
                wrapper.virtual_disks.append(disk)
            wrapper.update()
        else:
            disks._units.put_image("golden image", 1)
            disks._units.put_disk("partition", 1)
            disks._units.put_disk("part00000000data", 1)
        novalink.mark("before")
        later.ahead += 1e6
        age(driven)
        later.ahead += 1e6
        age(driven)
        assert novalink.compare("before") == []
        # Nor does a build or a removal take them.
        spawn = driven.plan()
        driven.spawn(spawn)
        driven.destroy(spawn)
        powervm.forget_images(driven)
        assert novalink.compare("before") == []


def test_an_image_that_another_host_clones_stays(novalink, later):
    with powervm.running(novalink, image_cache=AT_ONCE) as driven:
        spawn = driven.plan()
        driven.spawn(spawn)
        later.ahead += 1000
        # This host's Nova knows of no server of it.
        age(driven)
        age(driven)
        assert images(driven) == [IMAGE]


def test_an_image_that_another_host_removed_is_uploaded_again(novalink, later):
    with (
        powervm.running(novalink) as driven,
        powervm.running(novalink, image_cache=AT_ONCE) as other,
    ):
        first = driven.plan(1)
        driven.spawn(first)
        driven.destroy(first)
        later.ahead += 100
        age(other)
        assert images(other) == []
        second = driven.plan(2)
        driven.spawn(second)
        assert driven.source.opened == 2
        name = ssp.disk_name(second.server, second.guest.disks[0])
        assert novalink.disk(name) == powervm.IMAGE_BYTES


def test_an_image_is_cached_before_a_server_needs_it(novalink):
    with powervm.running(novalink) as driven:
        spawn = driven.plan()
        driven.backend.disks.prepare_image(spawn.image, driven.source)
        assert images(driven) == [IMAGE]
        driven.spawn(spawn)
        assert driven.source.opened == 1


# -- uploads into the pool --------------------------------------------------------


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
        marker, image = sorted(images(driven), key=lambda name: name == IMAGE)
        assert image == IMAGE
        assert markers.marks(marker, IMAGE)
    novalink.delete_rule()
    started = later.ahead
    with powervm.running(novalink) as driven:
        spawn = driven.plan()
        driven.spawn(spawn)
        assert later.ahead - started < 60
        name = ssp.disk_name(spawn.server, spawn.guest.disks[0])
        assert novalink.disk(name) == powervm.IMAGE_BYTES
        assert images(driven) == [IMAGE]


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
        assert len(images(driven)) == 2
        for rule in rules:
            novalink.delete_rule(rule)
        driven.destroy(spawn)
        assert images(driven) == []
        assert novalink.compare() == []


def test_another_hosts_upload_is_waited_for(novalink, later):
    with powervm.running(novalink) as driven:
        pool, other = pool_of(driven), Other()
        marker = pool.put_marker(other.name(IMAGE))
        image = pool.put_image(IMAGE, 1)
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
        pool.put_marker(other.name(IMAGE))
        dead = pool.put_image(IMAGE, 1)
        # The pool lives on: other disks come and go.
        later.sleep = _also(
            later.sleep,
            lambda _s: pool.delete(pool.put_disk(f"busy{later.ahead}", 1).uuid),
        )
        started = later.ahead
        udid = prepare(driven, driven.plan())
        assert udid != dead.udid
        assert 3500 < later.ahead - started < 3700
        assert images(driven) == [IMAGE]


def test_another_hosts_slow_upload_that_shows_its_life_is_waited_for(novalink, later):
    with powervm.running(novalink) as driven:
        pool, other = pool_of(driven), Other()
        state = {"unit": pool.put_marker(other.name(IMAGE)), "beat": 0, "at": 0.0}
        image = pool.put_image(IMAGE, 1)

        def live(_seconds):
            if later.ahead > 4 * 3600:
                pool.delete(state["unit"].uuid)
                later.sleep = plain
            elif later.ahead - state["at"] > image_upload.BEAT:
                state["at"] = later.ahead
                state["beat"] += 1
                former = state["unit"]
                state["unit"] = pool.put_marker(other.name(IMAGE, state["beat"]))
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
        assert images(driven) == [IMAGE]
        assert novalink.disk(IMAGE) == powervm.IMAGE_BYTES


def test_a_marker_left_beside_a_whole_image_costs_no_upload(novalink, later):
    """Its owner died between the two: the clones tell that it is whole."""
    with powervm.running(novalink) as driven:
        spawn = driven.plan(1)
        driven.spawn(spawn)
        pool_of(driven).put_marker(Other().name(IMAGE))
    with powervm.running(novalink) as driven:
        driven.spawn(driven.plan(2))
        assert driven.source.opened == 0
        assert images(driven) == [IMAGE]


def test_ageing_clears_dead_uploads_of_images_that_nobody_wants(novalink, later):
    with powervm.running(novalink) as driven:
        disks = driven.backend.disks.configured
        pool = pool_of(driven)
        own = disks.images._own
        pool.put_marker(own.name("image_a_" + "a" * 32))
        pool.put_image("image_a_" + "a" * 32, 1)
        pool.put_marker(Other().name("image_b_" + "b" * 32))
        pool.put_image("image_b_" + "b" * 32, 1)
        age(driven)
        assert [name for name in images(driven) if "_a_" in name] == []
        assert len(images(driven)) == 2
        later.ahead += 3601
        age(driven)
        assert images(driven) == []


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
            return image_upload.Upload(pool, sender, own, IMAGE, 3600).run(source)

        with concurrent.futures.ThreadPoolExecutor(2) as workers:
            udids = list(workers.map(run, hosts, sources))
        assert udids[0] == udids[1]
        assert images(driven) == [IMAGE]
        assert novalink.disk(IMAGE) == powervm.IMAGE_BYTES


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
        IMAGE,
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
            assert waits[second].wait(20)
            assert not waiting.done()
            novalink.delete_rule(rule)
            assert waiting.result(60) == uploading.result(60)
        assert images(driven) == [IMAGE]
        assert novalink.disk(IMAGE) == powervm.IMAGE_BYTES


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
            assert images(driven) == []
            driven.spawn(spawn)
        name = ssp.disk_name(spawn.server, spawn.guest.disks[0])
        assert novalink.disk(name) == powervm.IMAGE_BYTES


def test_a_delete_ends_the_wait_for_another_upload(novalink):
    with powervm.running(novalink) as driven:
        pool_of(driven).put_marker(Other().name(IMAGE))
        spawn = driven.plan()
        with driven.operation("spawn", spawn.server) as work:
            work.stop("the server is being deleted")
            with pytest.raises(exceptions.Cancelled):
                prepare(driven, spawn)
        assert len(images(driven)) == 1


# -- names ------------------------------------------------------------------------


def test_names_of_images_are_those_of_nova_powervm():
    from ibmvirt.common import plan

    image = plan.Image(
        "0c5a9f0e-6a4b-4b7e-8f43-0f6f1a3f7c11", "my image", "raw", "bare", 1,
        checksum="f" * 32,
    )  # fmt: skip
    assert pool_images.image_name(image) == "image_my_image_" + "f" * 32
    long = dataclasses.replace(image, name="x" * 100)
    # What pypowervm leaves of it, so that its marker's name has room.
    assert pool_images.image_name(long) == "image_" + "x" * 40 + "_" + "f" * 20
    assert volume_images.image_name(image.id) == "i_0c5a9f0e_6a4b"


def test_markers_tell_their_image_and_their_host():
    first, second = markers.Own(lambda: "one"), markers.Own(lambda: "two")
    name = first.name(IMAGE)
    assert markers.marks(name, IMAGE)
    assert not markers.marks(name, IMAGE + "2")
    assert markers.marked(name) == IMAGE
    assert first.name(IMAGE, 1) < name
    assert first.is_dead(name)
    assert not second.is_dead(name)
    with first.uploading(IMAGE):
        assert not first.is_dead(first.name(IMAGE, 3))
    long = "image_" + "x" * 40 + "_" + "a" * 20
    assert len(first.name(long)) == const.MaxLen.FILENAME_DEFAULT
    assert markers.marks(first.name(long), long)
    assert not markers.is_marker("partition_disk")
