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


"""The disks of this partition, seen below a directory."""

from __future__ import annotations

import pathlib

import nova.privsep
import pytest

from ibmvirt.common import exceptions
from ibmvirt.powervm import local_tools


class Denied(type(pathlib.Path())):
    """A file that the service's user may not open, the first time."""

    tries = 0

    def open(self, *args, **options):
        type(self).tries += 1
        if self.tries == 1:
            raise PermissionError(13, "Permission denied", str(self))
        return super().open(*args, **options)


@pytest.fixture(autouse=True)
def _no_daemon():
    """Nova's privileged calls are made in this process."""
    Denied.tries = 0
    nova.privsep.sys_admin_pctxt.set_client_mode(False)
    yield
    nova.privsep.sys_admin_pctxt.set_client_mode(True)


def test_a_disk_of_somebody_else_is_read_and_stays_theirs(tmp_path):
    device = tmp_path / "sda"
    device.write_bytes(b"disk")
    owner = device.stat().st_uid
    with local_tools.LocalTools().open(Denied(device), "read it") as file:
        assert file.read() == b"disk"
    assert Denied.tries == 2
    assert device.stat().st_uid == owner


def test_a_file_of_somebody_else_is_written(tmp_path):
    file = tmp_path / "scan"
    file.touch()
    local_tools._write(Denied(file), "- - -")
    assert file.read_text() == "- - -"


def test_the_bus_is_scanned_and_the_disk_found_by_the_end_of_its_id(tmp_path):
    scan = tmp_path / "sys/bus/vio/devices/30000005/host3/scsi_host/host3/scan"
    scan.parent.mkdir(parents=True)
    scan.touch()
    links = tmp_path / "dev/disk/by-id"
    links.mkdir(parents=True)
    (tmp_path / "dev/sdb").touch()
    udid = "27" + "a" * 32 + "0" * 31 + "7"
    (links / f"scsi-SAIX_{udid[-32:]}").symlink_to("../../sdb")
    tools = local_tools.LocalTools(str(tmp_path))
    found = tools.find_disk(5, udid, "take a snapshot")
    assert found == (tmp_path / "dev/sdb").resolve()
    assert scan.read_text() == "- - -"


def test_a_disk_is_forgotten_and_one_that_went_is_no_error(tmp_path):
    delete = tmp_path / "sys/block/sdb/device/delete"
    delete.parent.mkdir(parents=True)
    delete.touch()
    tools = local_tools.LocalTools(str(tmp_path))
    tools.forget(pathlib.Path("/dev/sdb"))
    tools.forget(pathlib.Path("/dev/sdc"))
    assert delete.read_text() == "1"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a=1\npartition_id=12\n", 12), ("partition_id=x\n", None), ("", None)],
)
def test_the_number_of_this_partition(tmp_path, text, expected):
    file = tmp_path / "proc/ppc64/lparcfg"
    file.parent.mkdir(parents=True)
    file.write_text(text)
    assert local_tools.LocalTools(str(tmp_path)).partition_id() == expected


def test_elsewhere_than_on_power_there_is_no_number(tmp_path):
    assert local_tools.LocalTools(str(tmp_path)).partition_id() is None


def test_a_disk_that_went_is_named(tmp_path):
    with pytest.raises(exceptions.HypervisorError, match="take a snapshot of web"):
        local_tools.LocalTools().open(tmp_path / "sdz", "take a snapshot of web")
