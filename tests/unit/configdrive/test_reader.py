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


"""Reading images: what is there, safe extraction, hostile images."""

from __future__ import annotations

import io
import os
import pathlib
import struct

import pytest

from ibmvirt import configdrive

FILES = {
    "openstack/latest/meta_data.json": b'{"uuid": "1"}',
    "openstack/latest/user_data": b"u" * 3000,
    "openstack/2018-08-27/user_data": b"u" * 3000,
    "empty": b"",
    "nämé": "grün",
}
CONTENTS = {p: c.encode() if isinstance(c, str) else c for p, c in FILES.items()}


def built(files=FILES, **options) -> bytes:
    output = io.BytesIO()
    configdrive.build(files, output, time=1_000_000_000, **options)
    return output.getvalue()


def opened(data: bytes) -> configdrive.Image:
    return configdrive.Image(io.BytesIO(data))


def contents(image: configdrive.Image, view: str | None = None) -> dict[str, bytes]:
    return {
        entry.path: b"".join(image.chunks(entry))
        for entry in image.entries(view)
        if entry.kind == "file"
    }


def tree(directory: pathlib.Path) -> dict[str, bytes]:
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("view", [configdrive.ROCK_RIDGE, configdrive.JOLIET, None])
@pytest.mark.parametrize("deduplicate", [True, False])
def test_what_was_built_is_read(view, deduplicate):
    image = opened(built(deduplicate=deduplicate))
    assert contents(image, view) == CONTENTS


def test_description_of_an_image():
    image = opened(built(label="my-label", publisher="OpenStack Nova 34.0.0"))
    assert (image.label, image.joliet_label) == ("my-label", "my-label")
    assert image.publisher == "OpenStack Nova 34.0.0"
    assert (image.system, image.application) == ("LINUX", "ibmvirt")
    assert image.modified == 1_000_000_000
    assert image.declared_size == image.size
    assert image.views == ("rock_ridge", "joliet", "iso9660")
    assert image.rock_ridge == "RRIP_1991A"


def test_modes_owners_and_dates():
    for entry in opened(built()).entries():
        assert entry.mode == (0o555 if entry.kind == "directory" else 0o444)
        assert (entry.uid, entry.gid) == (0, 0)
        assert entry.modified == 1_000_000_000


def test_iso9660_names():
    names = {
        "a-b.c": b"1",
        "a_b.c": b"2",
        "A b.json": b"3",
        ".rc": b"4",
        "a.b.tar.gz": b"",
    }
    image = opened(built({**names, "2012-08-10/user_data": b"5"}))
    assert [entry.path for entry in image.entries("iso9660")] == [
        "2012_08_10", "A_B.C", "A_B.JSON", "A_B_1.C", "A_B_TAR.GZ", "_RC",
        "2012_08_10/USER_DATA",
    ]  # fmt: skip
    assert contents(image) == {**names, "2012-08-10/user_data": b"5"}


def test_a_hundred_long_names_that_differ_at_the_end():
    names = {
        f"{'long-name-' * 5}{number:03}.json": b"%d" % number for number in range(100)
    }
    image = opened(built(names))
    plain = [entry.path for entry in image.entries("iso9660")]
    assert len(set(plain)) == 100
    assert all(len(name) <= 30 for name in plain)
    assert contents(image) == names


def test_find_read_and_file():
    image = opened(built())
    assert image.read("openstack/latest/user_data") == b"u" * 3000
    assert image.read("/openstack/latest/user_data") == b"u" * 3000
    assert image.read("OPENSTACK/LATEST/USER_DATA", "iso9660") == b"u" * 3000
    with pytest.raises(configdrive.ConfigDriveInputError, match="not in"):
        image.read("openstack/latest/nothing")
    with pytest.raises(configdrive.ConfigDriveInputError, match="directory"):
        image.read("openstack")
    with pytest.raises(configdrive.ConfigDriveInputError, match="rock_ridge, joliet"):
        image.entries("udf")


def test_an_image_within_a_file():
    file = io.BytesIO(b"before" + built())
    file.seek(6)
    assert contents(configdrive.Image(file)) == CONTENTS


def test_a_closed_image_fails_with_our_error(tmp_path):
    path = tmp_path / "drive.iso"
    configdrive.build(FILES, path)
    with configdrive.Image(path) as image:
        entry = image.find("openstack/latest/user_data")
    image.close()
    with pytest.raises(configdrive.ConfigDriveReadError):
        list(image.chunks(entry))


def test_extract(tmp_path):
    written = opened(built()).extract(tmp_path / "out")
    assert tree(tmp_path / "out") == CONTENTS
    assert sorted(written) == sorted(CONTENTS)
    for path in (tmp_path / "out").rglob("*"):
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600)


def test_extract_some_from_another_view(tmp_path):
    image = opened(built())
    written = image.extract(tmp_path, ["OPENSTACK/LATEST", "EMPTY"], view="iso9660")
    assert sorted(written) == [
        "EMPTY",
        "OPENSTACK/LATEST/META_DATA.JSON",
        "OPENSTACK/LATEST/USER_DATA",
    ]
    assert sorted(tree(tmp_path)) == sorted(written)


def test_extract_adds_to_a_directory_but_replaces_nothing(tmp_path):
    (tmp_path / "openstack").mkdir()
    (tmp_path / "openstack" / "mine").write_bytes(b"mine")
    (tmp_path / "nämé").write_bytes(b"mine too")
    before = tree(tmp_path)
    with pytest.raises(configdrive.ConfigDriveWriteError, match="exists"):
        opened(built()).extract(tmp_path)
    assert tree(tmp_path) == before
    assert not (tmp_path / "openstack" / "latest").exists()
    (tmp_path / "nämé").unlink()
    opened(built()).extract(tmp_path)
    assert tree(tmp_path) == {**CONTENTS, "openstack/mine": b"mine"}


@pytest.mark.parametrize("link", ["openstack", "openstack/latest", "empty"])
def test_extract_follows_no_link_that_is_there(tmp_path, link):
    outside = tmp_path / "outside"
    outside.mkdir()
    target = tmp_path / "target"
    (target / link).parent.mkdir(parents=True, exist_ok=True)
    (target / link).symlink_to(outside)
    with pytest.raises(configdrive.ConfigDriveWriteError):
        opened(built()).extract(target)
    assert list(outside.iterdir()) == []
    assert tree(target) == {}


def test_interrupted_extraction_leaves_nothing(tmp_path):
    class Interrupted(BaseException):
        pass

    def interrupt(done, total):
        if done > 3000:
            raise Interrupted

    target = tmp_path / "target"
    with pytest.raises(Interrupted):
        opened(built()).extract(target, progress=interrupt)
    assert not target.exists()


def test_extract_keeps_to_the_limit(tmp_path):
    image = opened(built({f"{n}": b"x" * 100_000 for n in range(50)}))
    assert image.size < 300_000
    with pytest.raises(configdrive.ConfigDriveInputError, match="5000000 bytes"):
        image.extract(tmp_path, limit=4_999_999)
    assert tree(tmp_path) == {}
    assert len(image.extract(tmp_path, limit=5_000_000)) == 50


def test_two_extractions_at_once_do_not_mix(tmp_path):
    image = opened(built())
    inner = []

    def extract_again(done, total):
        if not inner:
            inner.append(image.extract(tmp_path / "inner"))

    image.extract(tmp_path / "outer", progress=extract_again)
    assert tree(tmp_path / "inner") == tree(tmp_path / "outer") == CONTENTS


# Hostile images: made by changing bytes of honest ones.


def renamed(old: str, new: str, files=None) -> bytes:
    """An image whose Rock Ridge has another name of equal length."""
    data = built(files or {old: b"evil", "zz": b"good"})
    assert len(old.encode()) == len(new.encode())
    before = b"NM" + bytes([5 + len(old.encode()), 1, 0])
    assert data.count(before + old.encode()) == 1
    return data.replace(before + old.encode(), before + new.encode())


@pytest.mark.parametrize(
    "name", ["..", ".", "../aa", "/etc/x", "a/../../b", "a\0b", "a/b", "/"]
)
def test_names_that_lead_outside_are_refused(tmp_path, name):
    image = opened(renamed("q" * len(name), name))
    assert any(entry.path == name and not entry.safe for entry in image.entries())
    target = tmp_path / "target"
    with pytest.raises(configdrive.ConfigDriveUnsafeName):
        image.extract(target)
    assert os.listdir(tmp_path) == []
    assert configdrive.verify(image).problems
    with pytest.raises(configdrive.ConfigDriveInputError):
        image.read(name)
    # What is asked for by name can still be had.
    assert image.extract(target, ["zz"]) == ["zz"]


def test_a_directory_that_leads_outside_is_refused(tmp_path):
    image = opened(renamed("qq", "..", {"qq/evil": b"evil"}))
    with pytest.raises(configdrive.ConfigDriveUnsafeName):
        image.extract(tmp_path / "target")
    assert os.listdir(tmp_path) == []


def test_names_that_are_there_twice_are_refused(tmp_path):
    image = opened(renamed("qq", "zz"))
    with pytest.raises(configdrive.ConfigDriveUnsafeName, match="twice"):
        image.extract(tmp_path / "target")
    assert any("twice" in problem for problem in configdrive.verify(image).problems)


def test_names_that_are_not_utf8_are_kept_as_they_are(tmp_path):
    data = renamed("qq", "zz", {"qq": b"evil"})
    data = data.replace(b"NM\x07\x01\x00zz", b"NM\x07\x01\x00\xff\xfe")
    opened(data).extract(tmp_path)
    assert os.listdir(os.fsencode(tmp_path)) == [b"\xff\xfe"]


def record_at(data: bytes, name: bytes) -> int:
    """Where the first directory record with this ISO 9660 name begins."""
    return data.index(bytes([len(name)]) + name) - 32


def patched(data: bytes, offset: int, value: bytes) -> bytes:
    return data[:offset] + value + data[offset + len(value) :]


def both(number: int) -> bytes:
    return struct.pack("<L", number) + struct.pack(">L", number)


def test_a_directory_that_contains_itself_is_refused():
    data = built({"dir/file": b""})
    root_block = data[16 * 2048 + 158 : 16 * 2048 + 166]
    with pytest.raises(configdrive.ConfigDriveReadError, match="twice"):
        opened(patched(data, record_at(data, b"DIR") + 2, root_block))


@pytest.mark.parametrize("size", [2**32 - 1, 2**31, 10**7])
def test_a_directory_of_impossible_size_is_refused(size):
    data = built({"dir/file": b""})
    with pytest.raises(configdrive.ConfigDriveReadError):
        opened(patched(data, record_at(data, b"DIR") + 10, both(size)))


@pytest.mark.parametrize("field", [2, 10])
def test_a_content_outside_of_the_image_is_reported_and_refused(tmp_path, field):
    data = built({"file.txt": b"x" * 100, "other": b""})
    data = patched(data, record_at(data, b"FILE.TXT;1") + field, both(90))
    if field == 10:
        data = data[:-2048]
    image = opened(data)
    problems = configdrive.verify(image).problems
    assert any("cut off" in problem for problem in problems)
    with pytest.raises(configdrive.ConfigDriveReadError):
        image.extract(tmp_path)
    assert os.listdir(tmp_path) == []


def test_a_file_larger_than_the_image_is_refused():
    data = built({"file.txt": b"x"})
    data = patched(data, record_at(data, b"FILE.TXT;1") + 10, both(2**32 - 1))
    with pytest.raises(configdrive.ConfigDriveReadError, match="larger"):
        opened(data)


def test_an_endless_continuation_is_refused():
    data = built(FILES)
    position = data.index(b"CE\x1c\x01")
    block, offset = struct.unpack_from("<L4xL", data, position + 4)
    start = block * 2048 + offset
    # Where the root's entry continues, it continues to the same place.
    evil = patched(data, start, b"CE\x1c\x01" + both(block) + both(offset) + both(28))
    evil = patched(evil, position + 20, both(28))
    with pytest.raises(configdrive.ConfigDriveReadError, match="continues"):
        opened(evil)


@pytest.mark.parametrize("keep", [0, 1, 2047, 32768, 34000, 36864, 50000, 60000])
def test_truncated_images(keep):
    data = built()[:keep]
    with pytest.raises(configdrive.ConfigDriveReadError):
        contents(opened(data))


def test_a_truncated_content_is_reported():
    problems = configdrive.verify(io.BytesIO(built()[:-2048])).problems
    assert any("truncated" in problem for problem in problems)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\x1f\x8b" + bytes(50_000), "gzip"),
        (bytes(54) + b"FAT16   " + bytes(448) + b"\x55\xaa" + bytes(50_000), "FAT"),
        (bytes(82) + b"FAT32   " + bytes(420) + b"\x55\xaa", "FAT"),
        (bytes(32769) + b"BEA01" + bytes(4096), "UDF"),
    ],
)
def test_other_formats_are_named(data, kind):
    with pytest.raises(configdrive.ConfigDriveUnsupportedFormat, match=kind):
        opened(data)


@pytest.mark.parametrize(
    "source", [io.StringIO("x"), 5, None, "/nonexistent", "\0", "/"]
)
def test_what_cannot_be_read_is_refused(source):
    with pytest.raises(configdrive.ConfigDriveReadError):
        configdrive.Image(source)


def test_a_pipe_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(configdrive.ConfigDriveReadError):
        configdrive.Image(tmp_path / "pipe")


@pytest.mark.parametrize("target", ["missing/out", "file", "file/out", "\0", ""])
def test_a_target_that_can_be_no_directory_is_refused(tmp_path, monkeypatch, target):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_bytes(b"mine")
    with pytest.raises(configdrive.ConfigDriveWriteError):
        opened(built()).extract(target)
    assert tree(tmp_path) == {"file": b"mine"}
    assert os.listdir(tmp_path) == ["file"]


def test_what_raises_in_progress_comes_out_as_it_is(tmp_path):
    def stop(done, total):
        raise OSError("mine")

    with pytest.raises(OSError, match=r"^mine$"):
        opened(built()).extract(tmp_path / "out", progress=stop)
    with pytest.raises(OSError, match=r"^mine$"):
        configdrive.build(FILES, tmp_path / "drive.iso", progress=stop)
    assert os.listdir(tmp_path) == []
