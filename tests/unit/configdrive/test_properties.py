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


"""Properties that hold for any drive, and for any image however damaged."""

from __future__ import annotations

import concurrent.futures
import contextlib
import io
import random
import re
import tracemalloc

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ibmvirt import configdrive
from tests.unit.configdrive import strategies


def built(files, **options) -> bytes:
    output = io.BytesIO()
    configdrive.build(files, output, **options)
    return output.getvalue()


def contents(image, view):
    return {
        entry.path: b"".join(image.chunks(entry))
        for entry in image.entries(view)
        if entry.kind == "file"
    }


@settings(max_examples=150, deadline=None)
@given(strategies.drives(), st.booleans(), st.integers(0, 2**32))
@example({"A." + "b" * 60: b"x", "a_" + "b" * 60: b"x", "a." + "b" * 59: b""}, True, 0)
@example({"_/f": b"", " ": b""}, True, 0)
def test_any_drive_is_read_as_it_was_built(files, deduplicate, moment):
    data = built(files, deduplicate=deduplicate, time=moment)
    image = configdrive.Image(io.BytesIO(data))
    assert contents(image, configdrive.ROCK_RIDGE) == files
    assert contents(image, configdrive.JOLIET) == files
    plain = contents(image, configdrive.ISO9660)
    assert len(plain) == len(files)
    assert sorted(plain.values()) == sorted(files.values())
    for path in plain:
        for name in path.split("/"):
            assert re.fullmatch(r"[A-Z0-9_.]{1,30}", name)
    assert not configdrive.verify(image).problems
    entries = [e for view in image.views for e in image.entries(view)]
    assert {entry.modified for entry in entries} == {float(moment)}
    assert data == built(
        list(files.items())[::-1], deduplicate=deduplicate, time=moment
    )


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=80), st.binary(max_size=3))
def test_any_path_is_stored_as_it_is_or_refused(path, content):
    try:
        data = built({path: content})
    except configdrive.ConfigDriveInputError:
        return
    image = configdrive.Image(io.BytesIO(data))
    assert contents(image, None) == contents(image, "joliet") == {path: content}


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.text(max_size=16), st.binary(max_size=3), max_size=4))
def test_any_input_is_held_or_refused(files):
    output = io.BytesIO()
    try:
        configdrive.build(files, output)
    except configdrive.ConfigDriveInputError:
        assert output.getvalue() == b""
    else:
        assert contents(configdrive.Image(output), None) == files


BASE = built(
    {
        "openstack/latest/meta_data.json": b'{"uuid": "1"}',
        "openstack/latest/user_data": b"u" * 3000,
        "n" * 59 + ".json": b"n",
        "a/b/c/d/e/f/g/h": b"deep",
    },
    time=1_000_000_000,
)
# Descriptors and directories; what follows is content.
HEAD = 32768, len(BASE) - 4 * 2048


def use_all(data: bytes) -> None:
    """Use everything the reader offers; its own error is the only one."""
    with contextlib.suppress(configdrive.ConfigDriveError):
        image = configdrive.Image(io.BytesIO(data))
        configdrive.verify(image)
        for view in image.views:
            for entry in image.entries(view):
                for _ in image.chunks(entry):
                    pass


@settings(max_examples=400, deadline=2000)
@given(
    st.lists(
        st.tuples(st.integers(*HEAD), st.binary(min_size=1, max_size=8)), max_size=6
    ),
    st.one_of(st.none(), st.integers(0, len(BASE))),
)
def test_damaged_images_fail_with_the_readers_error_only(changes, end):
    data = bytearray(BASE)
    for offset, value in changes:
        data[offset : offset + len(value)] = value
    use_all(bytes(data[:end]))


@settings(max_examples=100, deadline=2000)
@given(st.binary(max_size=6000))
def test_anything_behind_a_descriptor_fails_with_the_readers_error_only(tail):
    use_all(BASE[: 18 * 2048] + tail + BASE[18 * 2048 + len(tail) :])
    use_all(tail)


def fields() -> list[int]:
    """Where the numbers of descriptors and directory records are."""
    places = [16 * 2048 + 156, 17 * 2048 + 156]
    for start in range(19 * 2048, HEAD[1], 2048):
        position = start
        while position < start + 2048 and BASE[position] >= 34:
            places.append(position)
            position += BASE[position]
    return places


@pytest.mark.parametrize("value", [0, 1, 19, 25, 0x7FFFFFFF, 0xFFFFFFFF])
@pytest.mark.parametrize("field", [0, 1, 2, 10, 25, 32])
def test_each_number_of_each_record_changed(field, value):
    width = 1 if field in (0, 1, 25, 32) else 4
    for place in fields():
        data = bytearray(BASE)
        data[place + field : place + field + width] = (value % 256**width).to_bytes(
            width, "little"
        )
        use_all(bytes(data))


def test_damaged_images_take_no_memory():
    rng = random.Random(7)
    tracemalloc.start()
    try:
        for _ in range(150):
            data = bytearray(BASE)
            for _ in range(rng.randrange(1, 5)):
                place = rng.choice(fields()) + rng.choice((0, 2, 5, 10, 13, 25, 32))
                data[place : place + 1] = rng.randbytes(1)
            use_all(bytes(data))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * 2**20


def test_sixteen_threads_read_one_image():
    image = configdrive.Image(io.BytesIO(BASE))
    expected = contents(configdrive.Image(io.BytesIO(BASE)), "joliet")
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        views = ["joliet", "rock_ridge"] * 16
        results = list(pool.map(lambda view: contents(image, view), views))
    assert all(result == expected for result in results)
