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


"""Images that the platform keeps: shared among hosts, aged, and their names."""

from __future__ import annotations

import dataclasses

from pypowervm import const

from ibmvirt.powervm.disks import (
    markers,
    pool_images,
    ssp,
    volume_images,
)
from tests.functional.powervm import image_cache
from tests.support import powervm

later = image_cache.later


@image_cache.KINDS
def test_an_image_goes_when_nobody_has_used_it_for_long(novalink, later, options):
    with powervm.running(novalink, **options) as driven:
        spawn = driven.plan()
        driven.spawn(spawn)
        used = [spawn.image.id]
        for _day in range(3):
            later.ahead += 86400
            image_cache.age(driven, *used)
            assert len(image_cache.images(driven)) == 1
        driven.destroy(spawn)
        image_cache.age(driven)
        later.ahead += 86000
        image_cache.age(driven)
        assert len(image_cache.images(driven)) == 1
        later.ahead += 1000
        image_cache.age(driven)
        assert image_cache.images(driven) == []
        assert novalink.compare() == []
        # The next server brings it back.
        again = driven.plan(2)
        driven.spawn(again)
        assert driven.source.opened == 2
        assert novalink.guest(again.server.name)["state"] == "running"


@image_cache.KINDS
def test_a_use_in_between_starts_the_count_anew(novalink, later, options):
    with powervm.running(novalink, **options) as driven:
        spawn = driven.plan()
        driven.spawn(spawn)
        driven.destroy(spawn)
        image_cache.age(driven)
        later.ahead += 80000
        driven.spawn(spawn)
        image_cache.age(driven, spawn.image.id)
        driven.destroy(spawn)
        later.ahead += 80000
        image_cache.age(driven)
        assert len(image_cache.images(driven)) == 1


@image_cache.KINDS
def test_images_stay_where_nova_says_so(novalink, later, options):
    never = {"remove_unused_base_images": False, **image_cache.AT_ONCE}
    with powervm.running(novalink, image_cache=never, **options) as driven:
        spawn = driven.plan()
        driven.spawn(spawn)
        driven.destroy(spawn)
        later.ahead += 1e6
        image_cache.age(driven)
        assert len(image_cache.images(driven)) == 1


@image_cache.KINDS
def test_an_image_that_a_build_asks_for_stays(novalink, later, options):
    with powervm.running(
        novalink, image_cache=image_cache.AT_ONCE, **options
    ) as driven:
        spawn = driven.plan()
        key = driven.backend.disks.prepare_image(spawn.image, driven.source)
        image_cache.age(driven)
        made = driven.backend.disks.create(spawn.server, spawn.guest.disks, key)
        assert made
        driven.backend.disks.delete(made)


@image_cache.KINDS
def test_images_of_others_stay(novalink, later, options):
    with powervm.running(
        novalink, image_cache=image_cache.AT_ONCE, **options
    ) as driven:
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
        image_cache.age(driven)
        later.ahead += 1e6
        image_cache.age(driven)
        assert novalink.compare("before") == []
        # Nor does a build or a removal take them.
        spawn = driven.plan()
        driven.spawn(spawn)
        driven.destroy(spawn)
        powervm.forget_images(driven)
        assert novalink.compare("before") == []


def test_an_image_that_another_host_clones_stays(novalink, later):
    with powervm.running(novalink, image_cache=image_cache.AT_ONCE) as driven:
        spawn = driven.plan()
        driven.spawn(spawn)
        later.ahead += 1000
        # This host's Nova knows of no server of it.
        image_cache.age(driven)
        image_cache.age(driven)
        assert image_cache.images(driven) == [image_cache.IMAGE]


def test_an_image_that_another_host_removed_is_uploaded_again(novalink, later):
    with (
        powervm.running(novalink) as driven,
        powervm.running(novalink, image_cache=image_cache.AT_ONCE) as other,
    ):
        first = driven.plan(1)
        driven.spawn(first)
        driven.destroy(first)
        later.ahead += 100
        image_cache.age(other)
        assert image_cache.images(other) == []
        second = driven.plan(2)
        driven.spawn(second)
        assert driven.source.opened == 2
        name = ssp.disk_name(second.server, second.guest.disks[0])
        assert novalink.disk(name) == powervm.IMAGE_BYTES


def test_an_image_is_cached_before_a_server_needs_it(novalink):
    with powervm.running(novalink) as driven:
        spawn = driven.plan()
        driven.backend.disks.prepare_image(spawn.image, driven.source)
        assert image_cache.images(driven) == [image_cache.IMAGE]
        driven.spawn(spawn)
        assert driven.source.opened == 1


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
    name = first.name(image_cache.IMAGE)
    assert markers.marks(name, image_cache.IMAGE)
    assert not markers.marks(name, image_cache.IMAGE + "2")
    assert markers.marked(name) == image_cache.IMAGE
    assert first.name(image_cache.IMAGE, 1) < name
    assert first.is_dead(name)
    assert not second.is_dead(name)
    with first.uploading(image_cache.IMAGE):
        assert not first.is_dead(first.name(image_cache.IMAGE, 3))
    long = "image_" + "x" * 40 + "_" + "a" * 20
    assert len(first.name(long)) == const.MaxLen.FILENAME_DEFAULT
    assert markers.marks(first.name(long), long)
    assert not markers.is_marker("partition_disk")
