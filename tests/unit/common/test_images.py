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


"""Images: what comes from Glance is whole, raw, and never trusted."""

from __future__ import annotations

import io
import random

import cryptography.exceptions
import pytest
from nova import exception as nova

from ibmvirt.common import exceptions, image_format, images, planning, qcow2
from tests.support import nova_objects, qcow2_images

# Noise, zeros and text: clusters that do not compress, are not there, and do.
NOISE = random.Random(1).randbytes(300_000)
DISK = NOISE + bytes(1_000_000) + b"text " * 60_000 + NOISE[:70_001]


def image(**values):
    return planning.image(nova_objects.image_meta(**values), nova_objects.instance())


def unchecked(certs=None, **values):
    found = image(**values)
    return images.GlanceSource(None, found, certs, found.size)


def read(content, **options):
    reader = qcow2.Reader(io.BytesIO(content), "the image x", **options)
    with io.BufferedReader(reader, 4096) as stream:
        return stream.read()


class TestGlance:
    def test_all_bytes_come(self, glance):
        with unchecked().open() as stream:
            assert stream.read() == nova_objects.CONTENT

    def test_a_short_image_is_an_error(self, glance):
        glance.content = nova_objects.CONTENT[:-1]
        with (
            unchecked().open() as stream,
            pytest.raises(exceptions.ImageTransferFailed, match="bytes came"),
        ):
            stream.read()

    @pytest.mark.parametrize(
        ("error", "seen"),
        [
            (OSError("checksum"), exceptions.ImageTransferFailed),
            (nova.ImageNotFound(image_id="x"), exceptions.InvalidRequest),
            (
                nova.CertificateValidationFailed(cert_uuid="x", reason="old"),
                exceptions.InvalidRequest,
            ),
            # It has no text.
            (cryptography.exceptions.InvalidSignature(), exceptions.InvalidRequest),
        ],
    )
    def test_the_end_is_where_glance_complains(self, glance, error, seen):
        glance.error = error
        with unchecked().open() as stream, pytest.raises(seen):
            stream.read()

    def test_trusted_certificates_are_handed_on(self, glance):
        with unchecked("certificates").open() as stream:
            stream.read()
        assert glance.certs == "certificates"

    def test_memory_is_bounded_and_a_close_ends_the_transfer(self, glance):
        taken = []
        glance.chunk = taken.append
        glance.content = bytes(64 << 20)
        stream = unchecked(size=64 << 20).open()
        stream.read(1)
        stream.close()
        assert len(taken) * 65536 < 4 << 20


class TestQcow2:
    @pytest.mark.parametrize("version", [2, 3])
    @pytest.mark.parametrize("compress", [False, True])
    @pytest.mark.parametrize("bits", [9, 12, 16])
    def test_the_disk_comes_out(self, bits, compress, version):
        packed = qcow2_images.build(DISK, bits=bits, compress=compress, version=version)
        assert qcow2.header(packed).size == len(DISK)
        assert read(packed) == DISK

    def test_an_empty_disk(self):
        assert read(qcow2_images.build(bytes(200_000))) == bytes(200_000)

    def test_a_last_cluster_that_is_cut(self):
        packed = qcow2_images.build(NOISE)
        assert read(packed[: -(-len(NOISE) % 65536)]) == NOISE

    def test_disorder_within_the_limit(self):
        assert read(qcow2_images.build(DISK, late=True)) == DISK

    def test_disorder_beyond_the_limit_is_refused(self):
        packed = qcow2_images.build(DISK, late=True)
        with pytest.raises(exceptions.InvalidRequest, match="qemu-img convert"):
            read(packed, limit=200_000)

    def test_order_needs_little_memory(self):
        # Header, references and tables only.
        assert read(qcow2_images.build(DISK), limit=400_000) == DISK

    @pytest.mark.parametrize(
        ("fields", "reason"),
        [
            ({"magic": b"QFI\0"}, "not in the format"),
            ({"backing": 4096}, "backing file"),
            ({"crypt": 1}, "encrypted"),
            ({"features": 2}, "corrupt"),
            ({"features": 4}, "external data file"),
            ({"features": 8}, "newer kind"),
            ({"features": 16}, "newer kind"),
            ({"version": 4}, "version is 4"),
            ({"l1_entries": 0}, "do not fit"),
            ({"size": 1 << 62}, "do not fit"),
        ],
    )
    def test_what_is_not_read_is_refused(self, fields, reason):
        with pytest.raises(exceptions.InvalidRequest, match=reason):
            read(qcow2_images.build(DISK, **fields))

    def test_damage_is_an_error_and_never_anything_else(self):
        good = qcow2_images.build(DISK[:400_000], bits=12, compress=True)
        chance = random.Random(7)
        errors = []
        for _try in range(300):
            bad = bytearray(good)
            for _byte in range(4):
                bad[chance.randrange(min(len(bad), 60_000))] = chance.randrange(256)
            if int.from_bytes(bad[24:32], "big") > 1 << 24:
                continue
            try:
                read(bytes(bad[: chance.randrange(len(bad))]))
            except exceptions.InvalidRequest as error:
                errors.append(str(error))
        assert len(errors) > 50
        assert all("the image x" in error for error in errors)


class TestSpawn:
    def packed(self, glance, **fields):
        glance.content = qcow2_images.build(DISK, compress=True, **fields)
        return nova_objects.image_meta(disk_format="qcow2", size=len(glance.content))

    def test_a_server_from_qcow2_gets_the_raw_disk(self, spawn, world, glance):
        spawn(image=self.packed(glance))
        assert world.images[nova_objects.IMAGE_ID] == DISK

    def test_backing_files_are_refused_before_any_change(self, spawn, world, glance):
        with pytest.raises(nova.BuildAbortException, match="backing_file"):
            spawn(image=self.packed(glance, backing=4096))
        assert not world.calls

    def test_a_disk_larger_than_the_flavors(self, spawn, world, glance):
        with pytest.raises(nova.BuildAbortException, match="flavor"):
            spawn(image=self.packed(glance, size=(1 << 30) + 1, l1_entries=1 << 10))
        assert not world.calls

    def test_an_image_that_is_not_what_it_says(self, spawn, world, glance):
        meta = nova_objects.image_meta(disk_format="qcow2")
        with pytest.raises(nova.BuildAbortException, match="qcow2"):
            spawn(image=meta)
        assert not world.calls


def beginning(**bytes_at):
    """A megabyte of zeros with bytes at the offsets in the names."""
    content = bytearray(1 << 20)
    for name, value in bytes_at.items():
        offset = int(name.removeprefix("at"))
        content[offset : offset + len(value)] = value
    return bytes(content)


OTHERS = {
    "qcow2": beginning(at0=b"QFI\xfb\0\0\0\3"),
    "vmdk": beginning(at0=b"KDMV\1\0\0\0"),
    "vhd": beginning(at0=b"conectix"),
    "vhdx": beginning(at0=b"vhdxfile"),
    "vdi": beginning(at64=b"\x7f\x10\xda\xbe"),
    "qed": beginning(at0=b"QED\0"),
    "iso": beginning(at32768=b"\1CD001"),
    "luks": beginning(at0=b"LUKS\xba\xbe\0\1"),
    "gpt and iso": beginning(at32768=b"\1CD001", at510=b"\x55\xaa"),
}
RAW = {
    "partitions": beginning(at446=b"\x80" + bytes(3) + b"\x41", at510=b"\x55\xaa"),
    # GRUB on an unpartitioned disk.
    "a boot record": beginning(at510=b"\x55\xaa"),
    "AIX": beginning(at0=b"\xc9\xc2\xd4\xc1"),
    "small": b"a",
}


class TestFormat:
    """What an image is registered as is not believed."""

    @pytest.mark.parametrize(("name", "content"), OTHERS.items(), ids=list(OTHERS))
    def test_another_format_registered_as_raw(
        self, spawn, world, glance, name, content
    ):
        glance.content = content
        with pytest.raises(
            nova.BuildAbortException, match=f"registered as raw, its content is {name}"
        ):
            spawn(image=nova_objects.image_meta(size=len(content)))
        assert not world.calls

    @pytest.mark.parametrize("content", RAW.values(), ids=list(RAW))
    def test_disks_of_every_kind_are_raw(self, spawn, world, glance, content):
        glance.content = content
        spawn(image=nova_objects.image_meta(size=len(content)))
        assert world.images[nova_objects.IMAGE_ID] == content

    def test_no_byte_is_passed_on_of_another_format(self, glance):
        """Where Glance gives other bytes than it did before."""
        glance.content = OTHERS["vmdk"]
        with (
            unchecked(size=1 << 20).open() as stream,
            pytest.raises(exceptions.InvalidRequest, match="vmdk"),
        ):
            stream.read(1)

    def test_an_image_is_judged_once(self, spawn, glance, driver):
        spawn()
        assert glance.downloads == 2
        spawn()
        assert glance.downloads == 2, "it is there, and known"

    def test_what_is_remembered_is_bounded(self, glance, monkeypatch):
        monkeypatch.setattr(images, "_REMEMBERED", 2)
        known = images.Images(packed=False)
        for checksum in "abca":
            known.source(None, image(checksum=checksum))
        assert glance.downloads == 4

    def test_a_judgement_that_failed_is_not_remembered(self, glance):
        known = images.Images(packed=False)
        glance.error, good = OSError("connection reset"), glance.content
        glance.content = b""
        with pytest.raises(exceptions.ImageTransferFailed, match="reset"):
            known.source(None, image())
        glance.error, glance.content = None, good
        assert known.source(None, image()).size() == len(good)


class TestUpload:
    def upload(self, content, size):
        images.upload(None, "image-1", io.BytesIO(content), size, {})

    def test_in_pieces(self, glance):
        self.upload(DISK, len(DISK))
        assert glance.uploaded["image-1"] == ({}, DISK)

    def test_bytes_that_glance_got_in_another_way(self, glance):
        glance.damage = b"x"
        with pytest.raises(exceptions.ImageTransferFailed, match="was sent"):
            self.upload(DISK, len(DISK))

    @pytest.mark.parametrize(("size", "what"), [(-1, "more"), (1, "less")])
    def test_a_disk_of_another_size_is_not_an_image(self, glance, size, what):
        with pytest.raises(exceptions.ImageTransferFailed, match=what):
            self.upload(DISK, len(DISK) + size)
        assert not glance.uploaded

    def test_glance_that_refuses(self, glance):
        glance.error = OSError("connection reset")
        with pytest.raises(exceptions.ImageTransferFailed, match="connection reset"):
            self.upload(DISK, len(DISK))


class TestCache:
    """Nova's request to have an image here before a server needs it."""

    def test_it_is_brought_once(self, driver, world, glance, spawn):
        request = nova_objects.request()
        assert driver.cache_image(request, nova_objects.IMAGE_ID) is True
        assert world.images == {nova_objects.IMAGE_ID: glance.content}
        assert driver.cache_image(request, nova_objects.IMAGE_ID) is False
        spawn()
        assert world.calls.count("store_image") == 1

    def test_qcow2_is_converted(self, driver, world, glance):
        glance.content = qcow2_images.build(DISK)
        glance.registered.update(disk_format="qcow2", size=len(glance.content))
        assert driver.cache_image(nova_objects.request(), nova_objects.IMAGE_ID)
        assert world.images[nova_objects.IMAGE_ID] == DISK

    def test_what_is_wrong_is_refused(self, driver, world, glance):
        glance.content = OTHERS["vmdk"]
        glance.registered["size"] = len(glance.content)
        with pytest.raises(exceptions.InvalidRequest, match="vmdk"):
            driver.cache_image(nova_objects.request(), nova_objects.IMAGE_ID)
        assert not world.images

    @pytest.mark.parametrize(
        ("error", "seen"),
        [
            (nova.ImageNotFound(image_id="x"), exceptions.InvalidRequest),
            (nova.ImageNotAuthorized(image_id="x"), exceptions.ImageTransferFailed),
        ],
    )
    def test_an_image_that_glance_does_not_give(self, driver, glance, error, seen):
        glance.error = error
        with pytest.raises(seen, match=nova_objects.IMAGE_ID):
            driver.cache_image(nova_objects.request(), nova_objects.IMAGE_ID)

    def test_disks_that_keep_no_images(self, driver, world, monkeypatch):
        monkeypatch.setattr(type(driver.backend.disks), "keeps_images", False)
        with pytest.raises(NotImplementedError, match="cache an image"):
            driver.cache_image(nova_objects.request(), nova_objects.IMAGE_ID)
        assert not world.calls


@pytest.mark.parametrize("version", [2, 3])
def test_a_header_that_is_cut_short_is_refused_wherever_it_ends(version):
    whole = qcow2_images.build(bytes(65536), version=version)[:112]
    for length in range(72 if version == 2 else 104):
        with pytest.raises(ValueError, match=r"qcow2|cut short"):
            qcow2.header(whole[:length])


def test_a_text_that_other_bytes_follow_is_no_vmdk():
    """So begin the images of z/VM's Connector."""
    head = b"xCAT CKD Disk Image:".ljust(512) + bytes(range(256)) * 8
    assert image_format.detect(head) == {"raw"}
    described = b'# Disk DescriptorFile\nversion=1\nCID=1\ncreateType="vmfs"\n'
    assert "vmdk" in image_format.detect(described.ljust(1024, b"\n"))
