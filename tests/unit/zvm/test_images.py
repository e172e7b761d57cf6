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


"""Image headers, releases, disk sizes and pools of z/VM, without a z/VM."""

from __future__ import annotations

import gzip
import json

import pytest
from nova import exception as nova

from ibmvirt.common import exceptions, plan
from ibmvirt.zvm import (
    files,
    imageformat,
    images,
    layout,
    pools,
    releases,
    validators,
)
from ibmvirt.zvm.client import errors

PACKED = gzip.compress(b"the tracks of a disk", mtime=0)
ECKD = imageformat.Disk("ECKD", 3338)


def header(label="xCAT CKD Disk Image:", size="3338 CYL", rest=" HLen: 0055 GZIP: 6"):
    return f"{label}{size:>16}{rest}".encode().ljust(512)


@pytest.mark.parametrize(
    ("first", "disk"),
    [
        (header() + PACKED, ECKD),
        (
            header("xCAT FBA Part Image:", "4194304 BLK") + PACKED,
            imageformat.Disk("FBA", 4194304),
        ),
        (
            header("xCAT FBA Disk Image:", "8 BLK", " HLen: 0055 GZIP: 0") + b"raw",
            imageformat.Disk("FBA", 8),
        ),
        # The first version of the header: no length, and no block.
        (header(rest="")[:36] + PACKED, ECKD),
    ],
)
def test_what_can_be_deployed_is_known(first, disk):
    assert imageformat.parse(first) == disk


@pytest.mark.parametrize(
    ("first", "shown"),
    [
        (b"", "does not begin"),
        (bytes(1024), "does not begin"),
        (b"QFI\xfb".ljust(1024), "does not begin"),
        # A disk of Fibre Channel cannot be written to a minidisk.
        (header("xCAT FCP Disk Image:", "8 BLK") + PACKED, "does not begin"),
        (header("z/VM CKD Disk Image:") + PACKED, "does not begin"),
        (header(size="3338 BLK") + PACKED, "in blocks"),
        (header("xCAT FBA Part Image:") + PACKED, "in blocks"),
        (header(size="0 CYL") + PACKED, "no size"),
        (header(size="") + PACKED, "does not begin"),
        (header() + b"not packed", "gzip"),
        (header()[:60], "gzip"),
        (header(rest="")[:36] + b"not packed", "gzip"),
    ],
)
def test_what_cannot_be_deployed_is_refused(first, shown):
    with pytest.raises(ValueError, match=shown):
        imageformat.parse(first)


def checked(content, size):
    """Bytes as they pass in parts of a size: what is told of them."""
    check = imageformat.Whole()
    for start in range(0, len(content), size):
        check.feed(content[start : start + size])
    check.finish()


@pytest.mark.parametrize("size", [1, 500, 512, 513, 100_000])
@pytest.mark.parametrize(
    "content",
    [
        header() + PACKED,
        header() + gzip.compress(bytes(5_000_000)),
        header(rest="")[:36] + PACKED,
        header(rest=" HLen: 0055 GZIP: 0") + b"a disk that is not packed",
        # What follows the packed disk does not matter.
        header() + PACKED + bytes(1000),
    ],
)
def test_a_disk_that_is_whole(content, size):
    checked(content, size)


@pytest.mark.parametrize("size", [1, 512, 100_000])
@pytest.mark.parametrize(
    ("content", "shown"),
    [
        (header() + PACKED[:-1], "cut off"),
        (header() + PACKED[:-20], "cut off"),
        (header(), "cut off"),
        (header(rest="")[:36] + PACKED[:-4], "cut off"),
        (header() + PACKED[:20] + b"x" + PACKED[21:], "broken"),
        (header() + PACKED[:-8] + bytes(8), "broken"),
        (b"", "does not begin"),
        (b"x" * 600, "does not begin"),
    ],
)
def test_a_disk_that_is_not_whole(content, shown, size):
    with pytest.raises(ValueError, match=shown):
        checked(content, size)


def test_a_record_of_the_connector():
    assert imageformat.of_record("3338:CYL") == ECKD
    assert str(ECKD) == "3338 cylinders (ECKD, 2.29 GiB)"
    with pytest.raises(ValueError, match="gives its size"):
        imageformat.of_record("3338:TRK")


def image(**properties):
    return plan.Image("the-id", "linux", "raw", "bare", 1, properties=properties)


@pytest.mark.parametrize(
    ("properties", "release"),
    [
        ({"os_distro": "rhel", "os_version": "9.4"}, "rhel9.4"),
        ({"os_distro": "RHEL9.4"}, "rhel9.4"),
        ({"os_distro": "sles", "os_version": "15 sp5"}, "sles15sp5"),
        ({"os_distro": "ubuntu", "os_version": "22.04.3"}, "ubuntu22.04.3"),
        ({"os_distro": "debian", "os_version": "12"}, "ubuntu22.04"),
        ({"os_distro": "rhel", "os_version": "10.1"}, "rhel9.4"),
        ({"os_distro": "rhel", "os_version": "10.0"}, "rhel9"),
    ],
)
def test_releases(properties, release):
    mapping = {"debian": "ubuntu22.04", "rhel10": "rhel9", "rhel10.1": "rhel9.4"}
    assert releases.os_version(image(**properties), mapping) == release


@pytest.mark.parametrize(
    ("release", "parts"),
    [
        ("rhel9.4", ("rhel", "9.4")),
        ("sles15sp5", ("sles", "15sp5")),
        ("sles15", ("sles", "15")),
        ("ubuntu22.04.3", ("ubuntu", "22.04.3")),
    ],
)
def test_a_release_is_taken_apart_and_joined_again(release, parts):
    assert releases.split(release) == parts
    both = dict(zip(("os_distro", "os_version"), parts, strict=True))
    assert releases.os_version(image(**both)) == release


def test_coreos_is_refused_by_name():
    with pytest.raises(exceptions.Unsupported, match="Ignition"):
        releases.os_version(image(os_distro="rhcos", os_version="4.12"))


def test_a_mapping_that_leads_nowhere_is_refused():
    with pytest.raises(exceptions.InvalidRequest, match=r"debian12.*os_version_map"):
        releases.check_mapping({"debian12": "ubuntu24.04"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("hw_architecture", "x86_64"),
        ("architecture", "ppc64le"),
        ("img_hv_type", "kvm"),
        ("hypervisor_type", "powervm"),
        ("vm_mode", "xen"),
    ],
)
def test_an_image_for_another_machine_is_refused(name, value):
    images.check_properties(image())
    with pytest.raises(exceptions.InvalidRequest, match=f"{name} is '{value}'"):
        images.check_properties(image(**{name: value}))


# -- disks --------------------------------------------------------------------


def sizes(*disks, pool=None, held=ECKD):
    made = layout.minidisks("web", disks, held, pool)
    return [disk.entry() for disk in made]


def test_the_disks_of_a_server():
    disks = (
        plan.DiskSpec("swap", 0, 512),
        plan.DiskSpec("ephemeral", 1, 2048, filesystem="xfs"),
        plan.DiskSpec("ephemeral", 0, 1024),
        plan.DiskSpec("root", 0, 10240),
    )
    pool = pools.Pool("ECKD", "FAST")
    assert sizes(*disks, pool=pool) == [
        {"size": "10240m", "is_boot_disk": True, "disk_pool": "ECKD:FAST"},
        {"size": "1024m", "format": "ext3", "disk_pool": "ECKD:FAST"},
        {"size": "2048m", "format": "xfs", "disk_pool": "ECKD:FAST"},
        {"size": "512m", "format": "swap", "disk_pool": "ECKD:FAST"},
    ]
    made = [
        plan.DiskRef("minidisk", str(n), str(n), d.role, {"format": "xfs"})
        for n, d in enumerate(layout.ordered(disks))
    ]
    assert layout.configurations(tuple(made)) == [
        {"format": "xfs", "mntdir": "/mnt/ephemeral0"},
        {"format": "xfs", "mntdir": "/mnt/ephemeral1"},
        {"format": "swap"},
    ]


def test_a_root_disk_of_0_has_exactly_the_images_size():
    assert sizes(plan.DiskSpec("root", 0, 0)) == [
        {"size": "3338", "is_boot_disk": True}
    ]


@pytest.mark.parametrize(
    ("disk", "shown"),
    [
        (plan.DiskSpec("root", 0, 2346), "2346 MiB and the image has 3338 cylinders"),
        (plan.DiskSpec("root", 0, 900_000_000), "can have"),
        (plan.DiskSpec("ephemeral", 0, 900_000_000), "can have"),
        (plan.DiskSpec("ephemeral", 0, 1, filesystem="vfat"), "vfat"),
        (plan.DiskSpec("ephemeral", 0, 1, filesystem="swap"), "swap"),
    ],
)
def test_a_disk_that_cannot_be_made_is_refused(disk, shown):
    with pytest.raises(exceptions.InvalidRequest, match=shown):
        sizes(disk)


# -- pools --------------------------------------------------------------------


def test_a_pool_is_chosen_by_the_flavor_or_by_the_images_type():
    two = pools.Pools(None, ["eckd:first", "FBA:second", "ECKD:third"])
    assert str(two.choose("web", None, "ECKD")) == "ECKD:FIRST"
    assert str(two.choose("web", None, "FBA")) == "FBA:SECOND"
    assert str(two.choose("web", None, None)) == "ECKD:FIRST"
    assert str(two.choose("web", "third", "ECKD")) == "ECKD:THIRD"
    assert str(two.choose("web", "eckd:third", "ECKD")) == "ECKD:THIRD"
    assert pools.Pools(None, []).choose("web", None, "ECKD") is None


@pytest.mark.parametrize(
    ("configured", "wanted", "kind", "shown"),
    [
        (["ECKD:A"], None, "FBA", "image is of an FBA disk"),
        (["ECKD:A"], "A", "FBA", "names ECKD:A"),
        (["ECKD:A"], "B", "ECKD", "has ECKD:A"),
        ([], "B", "ECKD", "has none"),
    ],
)
def test_a_pool_that_cannot_be_used_is_refused(configured, wanted, kind, shown):
    with pytest.raises(exceptions.InvalidRequest, match=shown):
        pools.Pools(None, configured).choose("web", wanted, kind)


@pytest.mark.parametrize("text", ["POOL", "SCSI:POOL", "ECKD:", "ECKD:A B"])
def test_what_is_no_pool_is_refused_at_start(text):
    with pytest.raises(exceptions.InvalidRequest, match="disk_pools"):
        pools.Pools(None, [text])


@pytest.mark.parametrize(
    ("value", "good"), [("POOL1", True), ("ECKD:POOL1", True), ("SCSI:A", False)]
)
def test_the_api_refuses_what_is_no_pool(value, good):
    (validator,) = validators.register()
    if good:
        validator.validate("zvm:disk_pool", value)
    else:
        with pytest.raises(nova.ValidationError):
            validator.validate("zvm:disk_pool", value)


class Volumes:
    """A Connector whose own pool has these volumes."""

    def __init__(self, device):
        self.device = device
        self.calls = 0

    def pool_volumes(self):
        self.calls += 1
        return ["VOL001"]

    def volume_type(self, volume):
        assert volume == "VOL001"
        return self.device


def test_the_type_of_the_connectors_own_pool_is_asked_once():
    calls = Volumes("9336-32")
    own = pools.Pools(calls, [])
    own.learn()
    own.learn()
    assert calls.calls == 1
    assert own.choose("web", None, "FBA") is None
    with pytest.raises(exceptions.InvalidRequest, match="pools are FBA"):
        own.choose("web", None, "ECKD")


class Away(Volumes):
    """A Connector that does not answer at first, and then refuses."""

    def __init__(self, *failures):
        super().__init__("3390-09")
        self.failures = list(failures)

    def pool_volumes(self):
        found = super().pool_volumes()
        if self.failures:
            raise self.failures.pop(0)
        return found


def test_a_connector_that_was_away_is_asked_again_about_its_pool():
    own = pools.Pools(calls := Away(errors.ConnectorUnreachable("ask", "away")), [])
    own.learn()
    own.learn()
    assert calls.calls == 2
    with pytest.raises(exceptions.InvalidRequest, match="pools are ECKD"):
        own.choose("web", None, "FBA")


def test_a_pool_whose_type_is_not_told_is_taken_for_any():
    own = pools.Pools(calls := Away(errors.ConnectorError("ask", "refused")), [])
    own.learn()
    own.learn()
    assert calls.calls == 1
    assert own.choose("web", None, "FBA") is None


# -- the ledger, and the transport's address ------------------------------------


def test_the_ledger_is_kept_over_a_restart(tmp_path):
    path = tmp_path / "zvm" / "images.json"
    ledger = images.Ledger(path)
    ledger.want("used")
    ledger.want("ours", imported=True)
    again = images.Ledger(path)
    assert again.imported() == {"ours"}
    assert again.wanted("ours") > 0
    assert again.wanted("used") == 0
    again.forget({"ours", "other"})
    assert json.loads(path.read_text()) == {}


@pytest.mark.parametrize("text", ["{", "[1]", "3"])
def test_a_ledger_that_is_broken_is_empty(tmp_path, text):
    path = tmp_path / "images.json"
    path.write_text(text)
    assert images.Ledger(path).imported() == frozenset()


@pytest.mark.parametrize(
    "address",
    ["nova", "nova@fe80::1", "nova@host", "no va@10.0.0.1", "nova@10.0.0.1:/"],
)
def test_an_address_that_the_connector_refuses_is_refused_at_start(tmp_path, address):
    with pytest.raises(exceptions.InvalidRequest, match="scp_remote_host"):
        files.SecureCopy(tmp_path, address)


def test_a_ledger_that_cannot_be_written_stops_nobody(tmp_path, caplog):
    (tmp_path / "zvm").write_text("a file in the directory's place")
    ledger = images.Ledger(tmp_path / "zvm" / "images.json")
    ledger.want("ours", imported=True)
    assert ledger.imported() == {"ours"}
    assert "cannot be written" in caplog.text
