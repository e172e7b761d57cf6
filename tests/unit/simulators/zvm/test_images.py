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

"""Images: the file format, and disks made of them and read back."""

from __future__ import annotations

import concurrent.futures
import gzip

import pytest

from ibmvirt.simulators.core import process
from ibmvirt.simulators.zvm import imagefile, machine, model

RAW = bytes(range(256)) * 5000


@pytest.mark.parametrize(("kind", "size"), [("ECKD", 2), ("FBA", 2500)])
def test_bytes_come_back(kind, size):
    image = imagefile.write(RAW, kind)
    assert imagefile.read(image) == (RAW, size, kind)
    # As the Connector finds the size: columns 20 to 32 of the header.
    assert int(image[20:32]) == size
    assert image[33:36] == (b"CYL" if kind == "ECKD" else b"BLK")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"QFI\xfb" + bytes(1000),
        b"xCAT CKD Disk Image:         abc CYL HLen: 0055 GZIP: 6".ljust(512),
        b"xCAT CKD Disk Image:           0 CYL HLen: 0055 GZIP: 6".ljust(512),
        imagefile.write(RAW)[:512] + b"no gzip",
        imagefile.write(RAW)[:2000],
    ],
)
def test_what_is_no_image_is_refused(system, content):
    with pytest.raises(imagefile.NoImage):
        imagefile.read(content)
    system.user()
    system.disk()
    path = system.directory / "image"
    path.write_bytes(content)
    system.zvm.world.mark()
    result = system.run(f"unpackdiskimage T1 0100 {path}")
    assert result.rc == 3
    assert "ERROR:" in result.out
    assert system.zvm.world.compare() == []


def test_an_image_that_is_not_packed_and_one_of_the_first_version():
    head = imagefile.Head(2, "ECKD")
    assert imagefile.read(head.to_bytes(0) + RAW) == (RAW, 2, "ECKD")
    old = b"xCAT CKD Disk Image:           2 CYL" + gzip.compress(RAW)
    assert imagefile.read(old) == (RAW, 2, "ECKD")


@pytest.mark.parametrize("level", [0, 1, 6])
def test_a_captured_disk_gives_its_bytes_and_its_size(system, level):
    system.user()
    system.disk(size="10")
    image, captured = system.directory / "image", system.directory / "captured"
    image.write_bytes(imagefile.write(RAW))
    system.run(f"unpackdiskimage T1 0100 {image}")
    line = f"creatediskimage T1 0100 {captured} --compression {level}"
    assert system.run(line).rc == 0
    assert imagefile.read(captured.read_bytes()) == (RAW, 10, "ECKD")
    # It is not written over, nor while its system runs.
    assert "already exists" in system.run(line).out
    captured.unlink()
    system.ok("Image_Activate -T T1")
    assert "running" in system.run(line).out
    assert not captured.exists()


def test_an_image_fits_its_disk_or_is_refused(system):
    system.user()
    system.disk(size="1")
    system.disk(vdev="0101", pool="POOL2", kind="9336", size="9999")
    path = system.directory / "image"
    path.write_bytes(imagefile.write(RAW))
    assert "2 units" in system.run(f"unpackdiskimage T1 0100 {path}").out
    assert "ECKD" in system.run(f"unpackdiskimage T1 0101 {path}").out
    assert "no disk" in system.run(f"unpackdiskimage T1 0107 {path}").out
    assert "ERROR:" in system.run("unpackdiskimage T1 0100 /absent").out
    assert "ERROR:" in system.run(f"creatediskimage T1 0107 {path}x").out
    line = f"creatediskimage T1 0100 {path}x --compression 99"
    assert "not 0 to 9" in system.run(line).out


def test_an_image_is_unpacked_once_until_it_changes(system):
    system.user()
    for number in range(4):
        system.disk(vdev=f"010{number}")
    path = system.directory / "image"
    path.write_bytes(imagefile.write(RAW))

    def unpack(number):
        return system.run(f"unpackdiskimage T1 010{number} {path}").rc

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert list(pool.map(unpack, range(4))) == [0, 0, 0, 0]
    blobs = {system.zvm.disk("T1", f"010{n}").blob for n in range(4)}
    assert len(blobs) == 1
    path.write_bytes(imagefile.write(RAW[::-1]))
    assert unpack(0) == 0
    assert system.zvm.disk("T1", "0100").blob not in blobs


def test_contents_stay_as_long_as_anybody_names_them(tmp_path):
    """A disk, a mark, a spool file, a LUN, a config drive, an image file."""
    directory = process.StateDirectory(str(tmp_path / "state"))
    made = machine.Machine(machine.Options(), directory)
    zvm = made.zvm
    names = {name: zvm.blobs.put(name.encode()) for name in ["disk", "mark", "spool"]}
    disk = model.Minidisk("T1", "0100", "3390", 1, 1, "POOL1", blob=names["mark"])
    zvm.disks["T1/0100"] = disk
    zvm.world.mark()
    zvm.disks["T1/0100"] = disk.changed(blob=names["disk"])
    zvm.spool["1"] = model.SpoolFile(
        "0001", "T1", "T1", "X", "cfgdrive", "iso", names["spool"]
    )
    zvm.guests["T1"] = {"config_drive": zvm.blobs.put(b"drive")}
    image = tmp_path / "image"
    image.write_bytes(imagefile.write(b"image" * 100))
    _head, unpacked = zvm.unpacker.unpack(image)
    zvm.blobs.put(b"nobody's")

    def there():
        return {path.name for path in (directory.path / "blobs").iterdir()}

    kept = {*names.values(), zvm.guests["T1"]["config_drive"], unpacked}
    made.collector.collect(grace=0)
    assert there() == kept
    image.unlink()
    made.collector.collect(grace=0)
    assert there() == kept - {unpacked}
    made.stop()
    directory.close()
