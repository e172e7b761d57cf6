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
"""What the demo prints, and the image that it takes."""

from __future__ import annotations

import collections
import gzip
import hashlib
import io
import lzma
import os
import random
import struct
import threading

import pytest

from demo import __main__ as main
from demo import keep, picture, show
from tests.support import qcow2_images

DISK = random.Random(7).randbytes(300_000) + bytes(700_000)


@pytest.fixture(autouse=True)
def terminal(monkeypatch):
    """One that has colours, whatever the tests themselves are run in."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")


class Terminal(io.StringIO):
    def isatty(self):
        return True


def lines(stream):
    screen = show.Screen(stream)
    screen.heading("Boot")
    lane = show.Lane(screen, "PowerVM")
    lane.check("it runs", True)
    lane.check("it has two disks", False)
    lane.table(("", "Nova"), [("name", "a"), ("state", "ACTIVE")])
    lane.flush()
    return screen, stream.getvalue()


def test_it_is_plain_when_piped_and_coloured_on_a_terminal():
    screen, text = lines(io.StringIO())
    assert "\033" not in text
    assert "    [ok] it runs\n    [NO] it has two disks\n" in text
    assert "    name   a\n    state  ACTIVE\n" in text
    assert not screen.passed
    assert screen.summary().startswith("\n1 of 2 checks held")
    assert "\033[31;1m" in lines(Terminal())[1]


def test_no_colour_where_none_is_wanted(monkeypatch):
    for name, value in (("NO_COLOR", "1"), ("TERM", "dumb")):
        with monkeypatch.context() as one:
            one.setenv(name, value)
            assert "\033" not in lines(Terminal())[1]
    monkeypatch.setenv("NO_COLOR", "")
    assert "\033" in lines(Terminal())[1]


class Closed(io.StringIO):
    def write(self, _text):
        raise BrokenPipeError


def test_it_ends_when_nobody_reads_it():
    screen = show.Screen(Closed())
    shown = main.Show(screen, [Hypervisor("one")])
    with pytest.raises(KeyboardInterrupt):
        shown.section("First", lambda lane, at: lane.check("never", True))
    shown.close()
    assert screen.gone
    assert not screen.passed


@pytest.mark.parametrize(
    ("value", "kept"),
    [("1", True), ("yes", True), ("0", False), ("", False), ("no", False)],
)
def test_what_keep_may_be(monkeypatch, value, kept):
    monkeypatch.setenv("KEEP", value)
    assert keep.wanted() == kept


def test_nothing_checked_is_not_passed():
    assert not show.Screen(io.StringIO()).passed


def test_live_lines_name_their_hypervisor():
    stream = io.StringIO()
    show.Lane(show.Screen(stream), "z/VM", live=True).say("40 ms  power on")
    assert stream.getvalue() == "  z/VM     40 ms  power on\n"


class Hypervisor:
    def __init__(self, title, claims=()):
        self.title = title
        self.claims = claims
        self.stopped = False

    def has(self, operation):
        return operation in self.claims

    def stop(self):
        self.stopped = True

    def troubles(self):
        return [f"ERROR of {self.title}"]


def test_sections_run_at_once_and_a_failed_one_ends_its_hypervisor_only():
    stream = io.StringIO()
    screen = show.Screen(stream)
    both = threading.Barrier(2, timeout=60)
    good, bad = Hypervisor("good", {"snapshot"}), Hypervisor("bad", {"snapshot"})
    shown = main.Show(screen, [good, bad])

    def section(lane, at):
        both.wait()
        lane.say(f"line of {at.title}")
        if at is bad:
            raise LookupError("no guest")

    shown.section("First", section)
    shown.section("Second", lambda lane, at: lane.check("second", True), "snapshot")
    shown.section("Nobody has it", section, "volumes")
    shown.close()
    text = stream.getvalue()
    assert text.index("line of good") < text.index("line of bad")
    assert "[NO] this section went through\n" in text
    assert "LookupError: no guest" in text
    assert "ERROR of bad" in text
    assert "ERROR of good" not in text
    assert text.count("[ok] second") == 1
    assert "Nobody has it" not in text
    assert good.stopped
    assert bad.stopped
    assert not screen.passed


def test_a_qcow2_image_is_registered_as_it_is_and_known_as_raw(tmp_path, monkeypatch):
    path = tmp_path / "packed"
    path.write_bytes(qcow2_images.build(DISK, compress=True))
    monkeypatch.setenv("IMAGE", str(path))
    room = tmp_path / "room"
    room.mkdir()
    image = picture.take(room)
    assert (image.path, image.format, image.disk_gib) == (path, "qcow2", 1)
    assert image.raw.read_bytes()[: len(DISK)] == DISK
    assert picture.digest_of(image.raw.as_uri(), image.size) == image.digest
    first = hashlib.sha256(DISK[:1000]).hexdigest()
    assert picture.digest_of(image.raw.as_uri(), 1000) == first
    longer = hashlib.sha256(image.raw.read_bytes() + bytes(1000)).hexdigest()
    assert picture.digest_of(image.raw.as_uri(), image.size + 1000) == longer


def test_an_image_is_made_where_none_is_given(tmp_path, monkeypatch):
    monkeypatch.delenv("IMAGE", raising=False)
    image = picture.take(tmp_path)
    assert (image.format, image.size) == ("raw", 8 << 20)
    assert image.path.read_bytes()[510:512] == b"\x55\xaa"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "No such file"),
        (b"", "it is empty"),
        (b"QFI\xfb and no more", "it is not in the format qcow2"),
        (gzip.compress(DISK), "packed with gzip: unpack it"),
        (lzma.compress(DISK), "packed with xz: unpack it"),
        (b"KDMV" + struct.pack("<I", 1) + bytes(1 << 16), "of the format vmdk"),
        (b"How to make an image\n", "it is a text"),
    ],
)
def test_a_file_that_is_no_image_is_refused(tmp_path, monkeypatch, content, reason):
    path = tmp_path / "file"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setenv("IMAGE", str(path))
    with pytest.raises(picture.UnusableImageError, match=reason) as refused:
        picture.take(tmp_path)
    assert str(refused.value).startswith(f"IMAGE={path}: ")


@pytest.mark.parametrize(("free", "enough"), [(257 << 20, True), (255 << 20, False)])
def test_it_says_when_there_is_no_room(tmp_path, monkeypatch, free, enough):
    usage = collections.namedtuple("Usage", "free")
    monkeypatch.delenv("IMAGE", raising=False)
    monkeypatch.setattr(picture.shutil, "disk_usage", lambda _path: usage(free))
    if enough:
        assert picture.take(tmp_path).size == 8 << 20
        return
    with pytest.raises(picture.UnusableImageError, match="255 MiB free and 256 are"):
        picture.take(tmp_path)


@pytest.mark.parametrize(("more", "enough"), [(0, True), (-1, False)])
def test_an_image_needs_room_for_its_copies(tmp_path, monkeypatch, more, enough):
    path = tmp_path / "image"
    path.write_bytes(random.Random(8).randbytes(4 << 20))
    with path.open("rb") as file:
        # Some file systems give it its blocks only then.
        os.fsync(file.fileno())
    size = path.stat().st_blocks * 512
    assert size
    usage = collections.namedtuple("Usage", "free")
    free = usage((256 << 20) + picture._COPIES * size + more)
    monkeypatch.setattr(picture.shutil, "disk_usage", lambda _path: free)
    monkeypatch.setenv("IMAGE", str(path))
    if enough:
        assert picture.take(tmp_path).size == 4 << 20
        return
    with pytest.raises(picture.UnusableImageError, match="set TMPDIR"):
        picture.take(tmp_path)


def test_a_directory_is_no_image(tmp_path, monkeypatch):
    monkeypatch.setenv("IMAGE", str(tmp_path))
    with pytest.raises(picture.UnusableImageError, match="Is a directory"):
        picture.take(tmp_path)


def test_a_raw_disk_of_partitions_is_taken_as_it_is(tmp_path, monkeypatch):
    path = tmp_path / "disk"
    protective = bytes([0, 0, 2, 0, 0xEE, 255, 255, 255]) + struct.pack("<II", 1, 999)
    sector = bytes(446) + protective + bytes(48) + b"\x55\xaa"
    path.write_bytes(sector + b"EFI PART".ljust(512, b"\0") + DISK)
    monkeypatch.setenv("IMAGE", str(path))
    assert picture.take(tmp_path).format == "raw"


@pytest.mark.parametrize(
    ("other", "equal"),
    [
        (DISK, True),
        (DISK + bytes(2 << 20), True),
        (DISK.rstrip(b"\0"), True),
        (DISK[:-1] + b"x", False),
        (DISK + bytes(2 << 20) + b"x", False),
        (DISK[:300_000 - 5], False),
    ],
)  # fmt: skip
def test_disks_are_the_same_but_for_zeros_at_the_end(tmp_path, other, equal):
    paths = tmp_path / "one", tmp_path / "other"
    for path, content in zip(paths, (DISK, other), strict=True):
        path.write_bytes(content)
    one, two = paths
    assert picture.same(one, two.as_uri()) == equal
    assert picture.same(two, one.as_uri()) == equal
