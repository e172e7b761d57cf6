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

"""Uploads through pypowervm; what was uploaded can be read back."""

from __future__ import annotations

import concurrent.futures
import hashlib
import io

import pytest
from pypowervm import exceptions as pvm_exc
from pypowervm.tasks import storage as pvm_tasks
from pypowervm.wrappers import storage as pvm_stor
from pypowervm.wrappers import vios_file as pvm_vf

from tests.functional.simulators.novalink import support
from tests.unit.simulators.novalink import requests

CONTENT = bytes(range(256)) * 5000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def vios_uuid(adapter):
    return requests.vios_with(adapter).uuid


def tier(adapter):
    return pvm_stor.Tier.get(adapter)[0]


@pytest.fixture(autouse=True)
def nothing_stays_open(novalink):
    yield
    assert novalink.verify() == []


def test_an_image_and_its_linked_clone(novalink, adapter):
    image, _left = pvm_tasks.upload_new_lu(
        vios_uuid(adapter),
        tier(adapter),
        io.BytesIO(CONTENT),
        "image1",
        len(CONTENT),
        d_size=1 << 30,
        sha_chksum=SHA256,
    )
    assert novalink.disk("image1") == CONTENT
    clone = pvm_stor.LUEnt.bld(
        adapter, "boot1", 2, typ=pvm_stor.LUType.DISK, clone=image
    ).create(parent=tier(adapter))
    assert novalink.disk(clone.udid) == CONTENT
    assert novalink.disk("boot1") == CONTENT


def test_a_medium_of_the_repository(novalink, adapter):
    medium, _left = pvm_tasks.upload_vopt(
        adapter,
        vios_uuid(adapter),
        io.BytesIO(CONTENT),
        "cfg.iso",
        len(CONTENT),
        SHA256,
    )
    assert novalink.disk(medium.name) == CONTENT
    names = [
        m.name for m in requests.volume_group(adapter).vmedia_repos[0].optical_media
    ]
    assert names == ["cfg.iso"]


def test_a_virtual_disk_and_its_copy_by_the_server(novalink, adapter):
    group = requests.volume_group(adapter)
    uuid = vios_uuid(adapter)
    disk, _left = pvm_tasks.upload_new_vdisk(
        adapter, uuid, group.uuid, io.BytesIO(CONTENT), "disk1", len(CONTENT)
    )
    assert novalink.disk("disk1") == CONTENT
    pvm_tasks.crt_copy_vdisk(adapter, uuid, group.uuid, disk.udid, 1 << 30, "disk2")
    assert novalink.disk("disk2") == CONTENT


def make_file(adapter, **options):
    unit = pvm_stor.LUEnt.bld(adapter, "lu1", 1).create(parent=tier(adapter))
    values = {"f_size": len(CONTENT), "sha_chksum": SHA256, **options}
    return unit, pvm_vf.File.bld(
        adapter,
        "lu1",
        pvm_vf.FileType.DISK_IMAGE,
        vios_uuid(adapter),
        tdev_udid=unit.udid,
        **values,
    ).create()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"f_size": 17}, "REST0142"),
        ({"sha_chksum": "0" * 64}, "REST0141"),
        ({"f_size": None, "sha_chksum": hashlib.sha256(b"").hexdigest()}, "REST0141"),
    ],
)
def test_contents_that_are_not_what_was_announced(novalink, adapter, options, text):
    unit, file = make_file(adapter, **options)
    novalink.mark("before")
    with pytest.raises(pvm_exc.HttpError, match=text):
        adapter.upload_file(file.element, iter([CONTENT]))
    assert novalink.compare("before") == []
    file.delete()
    assert not unit.refresh().in_use


def test_an_announced_size_that_is_no_number(novalink, raw, adapter):
    body = (
        f'<File xmlns="{support.WEB}"><Filename>x</Filename><ExpectedFileSizeInBytes>'
        "many</ExpectedFileSizeInBytes><FileEnumType>BROKERED_MEDIA_ISO</FileEnumType>"
        f"<TargetVirtualIOServerUUID>{vios_uuid(adapter)}</TargetVirtualIOServerUUID>"
        "</File>"
    )
    status, _headers, answer = raw.ask("PUT", "web/File", body)
    assert (status, "'many' is no number" in support.message(answer)) == (400, True)


@pytest.mark.parametrize("what", ["delete", "reset"])
def test_contents_of_a_file_that_went_meanwhile(novalink, adapter, what):
    """They change nothing: not after a DELETE, and not in a world that was reset."""
    _unit, file = make_file(adapter)
    novalink.mark("before")
    rule = novalink.rule(
        match={"key": "PUT web/File/contents/*"}, effect={"kind": "delay", "seconds": 1}
    )
    novalink.clock(rate=0.0)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        late = pool.submit(adapter.upload_file, file.element, iter([CONTENT]))
        assert novalink.wait_parked(rule, timeout=60)
        if what == "delete":
            file.delete()
            novalink.clock(rate=1.0, advance=2.0)
            with pytest.raises(pvm_exc.HttpError, match="REST0012"):
                late.result(60)
        else:
            novalink.reset("before")
            novalink.clock(rate=1.0)
            with pytest.raises(pvm_exc.Error):
                late.result(60)
    assert novalink.compare("before") == []


def test_download(adapter):
    _unit, file = make_file(adapter)
    adapter.upload_file(file.element, iter([CONTENT[:1000], CONTENT[1000:]]))
    into = io.BytesIO()
    adapter.download_file(file.element, into)
    assert into.getvalue() == CONTENT
    file.delete()


def test_more_than_the_disk_holds(novalink, adapter):
    group = requests.volume_group(adapter)
    small = pvm_stor.VDisk.bld(adapter, "disk1", 1 / 1024)
    group.virtual_disks.append(small)
    group = group.update()
    (disk,) = [one for one in group.virtual_disks if one.name == "disk1"]
    too_long = (2 << 20) + 1
    file = pvm_vf.File.bld(
        adapter,
        "disk1",
        pvm_vf.FileType.DISK_IMAGE,
        vios_uuid(adapter),
        tdev_udid=disk.udid,
    ).create()
    pieces = (bytes(1 << 10) for _ in range(2048))
    with pytest.raises(pvm_exc.HttpError, match=f"REST0142 {too_long} bytes"):
        adapter.upload_file(file.element, _with_one_more(pieces))
    file.delete()


def _with_one_more(pieces):
    yield from pieces
    yield b"x"


def test_not_more_than_a_hundred_files(adapter):
    unit, first = make_file(adapter)
    open_files = [first]
    for _ in range(99):
        open_files.append(
            pvm_vf.File.bld(
                adapter,
                "lu1",
                pvm_vf.FileType.DISK_IMAGE,
                vios_uuid(adapter),
                tdev_udid=unit.udid,
            ).create()
        )
    with pytest.raises(pvm_exc.HttpError, match="REST0140"):
        pvm_vf.File.bld(
            adapter,
            "lu1",
            pvm_vf.FileType.DISK_IMAGE,
            vios_uuid(adapter),
            tdev_udid=unit.udid,
        ).create()
    for file in open_files:
        file.delete()


def test_an_upload_that_breaks_off_leaves_nothing(novalink, adapter):
    _unit, file = make_file(adapter)
    novalink.mark("before")

    def pieces():
        yield CONTENT[:4096]
        raise OSError("the source is gone")

    with pytest.raises(pvm_exc.ConnectionError, match="the source is gone"):
        adapter.upload_file(file.element, pieces())
    assert novalink.compare("before") == []
    file.delete()


def test_open_files_are_listed(adapter, raw):
    assert raw.ask("GET", "web/File")[0] == 204
    vios = requests.vios_with(adapter)
    made = pvm_vf.File.bld(
        adapter, "one.iso", pvm_vf.FileType.MEDIA_ISO, vios.uuid
    ).create()
    feed = adapter.read_by_path("/rest/api/web/File").feed
    listed = [pvm_vf.File.wrap(entry) for entry in feed.entries]
    assert [(one.uuid, one.file_name) for one in listed] == [(made.uuid, "one.iso")]
    made.delete()
