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


"""Building: outputs, the result, time, refusal of bad input, failures."""

from __future__ import annotations

import concurrent.futures
import gc
import hashlib
import io
import os
import pathlib
import stat

import pytest

from ibmvirt import configdrive
from ibmvirt.configdrive.content import Content

FILES = {
    "openstack/latest/meta_data.json": '{"uuid": "b65cee2f-8c69-4aeb"}',
    "openstack/latest/user_data": b"#!/bin/sh\n",
    "openstack/2018-08-27/user_data": b"#!/bin/sh\n",
    "openstack/content/0000": b"x" * 5000,
    "openstack/content/0001": b"",
}
TIME = 1_700_000_000


def in_memory(files=FILES, **options):
    output = io.BytesIO()
    result = configdrive.build(files, output, **options)
    return result, output.getvalue()


def test_result_describes_what_was_written(tmp_path):
    path = tmp_path / "drive.iso"
    result = configdrive.build(FILES, path)
    written = path.read_bytes()
    assert result.size == len(written)
    assert result.size % 2048 == 0
    assert result.sha256 == hashlib.sha256(written).hexdigest()
    assert result.files == len(FILES)
    assert result.content_size == sum(map(len, FILES.values()))


def test_path_and_file_get_the_same_bytes(tmp_path):
    configdrive.build(FILES, tmp_path / "drive.iso", time=TIME)
    assert in_memory(time=TIME)[1] == (tmp_path / "drive.iso").read_bytes()


def test_order_and_kind_of_input_do_not_matter():
    pairs = [(path, FILES[path]) for path in sorted(FILES, reverse=True)]
    assert in_memory(pairs, time=TIME) == in_memory(iter(pairs), time=TIME)
    assert in_memory(pairs, time=TIME) == in_memory(FILES, time=TIME)


def test_time_zone_does_not_matter(monkeypatch):
    import time

    images = set()
    for zone in ("UTC", "Pacific/Kiritimati", "America/St_Johns"):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        images.add(in_memory(time=TIME)[1])
    monkeypatch.undo()
    time.tzset()
    assert len(images) == 1


def test_sixteen_threads_make_one_hash_at_one_time():
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        results = pool.map(lambda n: in_memory(time=TIME)[0].sha256, range(64))
    assert set(results) == {in_memory(time=TIME)[0].sha256}


def test_threads_with_different_times_do_not_mix():
    times = [TIME + 86400 * n for n in range(32)]
    alone = [in_memory(time=moment)[0].sha256 for moment in times]
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        together = list(pool.map(lambda t: in_memory(time=t)[0].sha256, times))
    assert together == alone
    assert len(set(alone)) == len(times)


def test_threads_that_lay_out_at_once_do_not_mix():
    def make(number: int) -> str:
        files = {f"{name}-{number}": data for name, data in FILES.items()}
        return in_memory(files, time=TIME, label=f"label-{number}")[0].sha256

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        together = list(pool.map(make, range(48)))
    assert together == [make(number) for number in range(48)]
    assert len(set(together)) == 48


def test_file_of_the_owner_alone_whatever_the_umask(tmp_path):
    previous = os.umask(0)
    try:
        configdrive.build(FILES, tmp_path / "drive.iso")
    finally:
        os.umask(previous)
    assert stat.S_IMODE((tmp_path / "drive.iso").stat().st_mode) == 0o600


def test_an_existing_file_is_replaced_and_made_private(tmp_path):
    path = tmp_path / "drive.iso"
    path.write_bytes(b"old" * 1_000_000)
    path.chmod(0o644)
    result = configdrive.build(FILES, path)
    assert path.stat().st_size == result.size
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_longer_file_object_is_cut_and_rewound():
    output = io.BytesIO(b"old" * 1_000_000)
    result = configdrive.build(FILES, output)
    assert output.tell() == 0
    assert len(output.read()) == result.size


def test_a_file_object_is_written_from_its_position():
    output = io.BytesIO(b"before")
    output.seek(0, io.SEEK_END)
    result = configdrive.build(FILES, output, time=TIME)
    assert output.read() == in_memory(time=TIME)[1]
    assert len(output.getvalue()) == 6 + result.size


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({}, "no file"),
        ([("a", b""), ("a", b"")], "twice"),
        ([("a", b""), ("a/b", b"")], "both a file and a directory"),
        ([("a/b", b""), ("a", b"")], "both a file and a directory"),
        ({"A": b"", "a": b""}, "only in case"),
        ({"d/x": b"", "D/y": b""}, "only in case"),
        ({"/a": b""}, "empty component"),
        ({"a//b": b""}, "empty component"),
        ({"a/": b""}, "empty component"),
        ({"": b""}, "empty component"),
        ({"../a": b""}, "not a name"),
        ({"a/./b": b""}, "not a name"),
        ({"a\0b": b""}, "Windows"),
        ({"a:b": b""}, "Windows"),
        ({"a\\b": b""}, "Windows"),
        ({"é" * 33: b""}, "66 bytes"),
        ({"a\udc80": b""}, "not valid Unicode"),
        ({"\U0001f600": b""}, "UCS-2"),
        ({"1/2/3/4/5/6/7/8/f": b""}, "8 directories deep"),
        ({"rr_moved/a": b""}, "reserved"),
        ({"a": 5}, "type int"),
        ({"a": None}, "type NoneType"),
        ({"a": "\udc80"}, "not valid Unicode"),
        ({5: b""}, "type int"),
        ([("a", b"", 1)], "not a pair"),
        (["ab"], "not a pair"),
        (7, "no pairs"),
        ({"a": pathlib.Path("/nonexistent")}, "cannot be read"),
        ({"a": pathlib.Path("/dev/zero")}, "not a regular file"),
    ],
)
def test_bad_files_are_refused_before_anything_is_written(tmp_path, files, reason):
    path = tmp_path / "drive.iso"
    path.write_bytes(b"old")
    with pytest.raises(configdrive.ConfigDriveInputError, match=reason):
        configdrive.build(files, path)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["drive.iso"]


@pytest.mark.parametrize(
    "options",
    [
        {"label": ""},
        {"label": "x" * 17},
        {"label": "é"},
        {"label": "a\nb"},
        {"label": 5},
        {"publisher": None},
        {"time": -1},
        {"time": 5_869_584_000},
        {"time": float("nan")},
        {"time": "now"},
        {"time": True},
    ],
)
def test_bad_options_are_refused(options):
    with pytest.raises(configdrive.ConfigDriveInputError):
        in_memory(**options)


@pytest.mark.parametrize("publisher", ["", "x" * 300, "Ünïcode\n", "_FILE", "a" * 64])
def test_any_publisher_is_taken(publisher):
    assert in_memory(publisher=publisher)[0].size


@pytest.mark.parametrize("moment", [0, 0.999, 951782400, 5_869_583_999.5])
def test_any_time_that_an_image_can_hold_is_taken(moment):
    assert in_memory(time=moment) == in_memory(time=moment)


def test_the_same_names_with_other_contents():
    """Layouts are kept by name; contents, sizes and sharing are not."""
    for number in range(5):
        files = dict.fromkeys(FILES, b"%d" % number * 3000 * number)
        files["openstack/content/0000"] = b"other"
        _, data = in_memory(files, time=TIME + number)
        with configdrive.Image(io.BytesIO(data)) as image:
            assert {path: image.read(path) for path in files} == files
            assert image.modified == TIME + number
            assert image.declared_size == len(data)


def test_label_and_publisher_are_not_mixed_up_between_builds():
    for name in ("one", "two", "one"):
        _, data = in_memory(label=name, publisher=name)
        with configdrive.Image(io.BytesIO(data)) as image:
            assert (image.label, image.joliet_label, image.publisher) == (name,) * 3


def test_no_content_is_kept_after_a_build():
    in_memory()
    gc.collect()
    assert not [found for found in gc.get_objects() if isinstance(found, Content)]


def test_more_files_than_layouts_are_kept_for():
    files = {f"d{n % 7}/file-{n}": b"%d" % n for n in range(400)}
    _, data = in_memory(files)
    with configdrive.Image(io.BytesIO(data)) as image:
        assert {e.path for e in image.entries() if e.kind == "file"} == set(files)
        assert image.read("d0/file-399") == b"399"
