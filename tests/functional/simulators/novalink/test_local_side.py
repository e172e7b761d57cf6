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

"""The local side of a NovaLink partition, through pypowervm's tasks."""

from __future__ import annotations

import base64
import io
import os
import pathlib
import socket
import struct
import subprocess

import pytest
from pypowervm import exceptions as pvm_exc
from pypowervm.tasks import scsi_mapper, vterm
from pypowervm.tasks import storage as pvm_tasks
from pypowervm.wrappers import storage as pvm_stor

from ibmvirt.simulators.core import handle
from ibmvirt.simulators.novalink import rfb
from tests.functional.simulators.novalink import support
from tests.unit.simulators.novalink import requests

CONTENT = bytes(range(256)) * 512


@pytest.fixture
def local(novalink, monkeypatch):
    """An adapter that logged on by file, with the programs in PATH."""
    system = novalink.systems[0]
    monkeypatch.setenv(
        "PATH", os.pathsep.join([system["local_bin"], os.environ["PATH"]])
    )
    session = support.logon(system, username=None, password=None)
    yield support.adapter_of(session)
    session._logoff()


@pytest.fixture
def root(novalink):
    return pathlib.Path(novalink.systems[0]["local_root"])


def test_this_partition(root):
    lines = (root / "proc/ppc64/lparcfg").read_text().splitlines()
    assert "partition_id=1" in lines


class Viewer:
    """A VNC client."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        assert self.read(12) == b"RFB 003.008\n"
        self.socket.sendall(b"RFB 003.008\n")
        assert self.read(2) == b"\x01\x01"
        self.socket.sendall(b"\x01")
        assert self.read(4) == bytes(4)
        self.socket.sendall(b"\x01")
        self.width, self.height = struct.unpack(">HH", self.read(4))
        self.read(16)
        (length,) = struct.unpack(">I", self.read(4))
        self.name = self.read(length).decode()

    def read(self, length):
        collected = b""
        while len(collected) < length:
            piece = self.socket.recv(length - len(collected))
            if not piece:
                raise EOFError
            collected += piece
        return collected

    def type(self, text):
        for character in text:
            symbol = 0xFF0D if character == "\n" else ord(character)
            for down in (1, 0):
                self.socket.sendall(struct.pack(">BBxxI", 4, down, symbol))

    def picture(self):
        self.socket.sendall(struct.pack(">BBHHHH", 3, 0, 0, 0, self.width, self.height))
        self.read(16)
        return self.read(self.width * self.height * 4)


def test_a_console_echoes_and_logs(novalink, local):
    lpar = requests.new_lpar(local)
    port = vterm.open_localhost_vnc_vterm(local, lpar.uuid)
    # It is open already: the same port.
    assert vterm.open_localhost_vnc_vterm(local, lpar.uuid) == port
    viewer = Viewer(port)
    assert viewer.name == "test1"
    viewer.type("root\n")
    assert viewer.picture() == rfb.paint("root\n") != rfb.paint("")
    typed = novalink.admin("GET", f"consoles/sys1/{lpar.id}")["typed"]
    assert typed == "root\n"
    vterm.close_vterm(local, lpar.uuid)
    with pytest.raises((EOFError, ConnectionError)):
        viewer.read(1)
    assert vterm.open_localhost_vnc_vterm(local, lpar.uuid) not in (None, port)


def test_the_code_page_of_ibm_i(local):
    lpar = requests.new_lpar(local, "ibmi1", "OS400")
    first = vterm.open_localhost_vnc_vterm(local, lpar.uuid, codepage="037")
    assert vterm.open_localhost_vnc_vterm(local, lpar.uuid, codepage="037") == first
    listed = subprocess.run(
        ["pgrep", "mkvtermutil", "--list-full"], capture_output=True, text=True
    )
    assert f"--id {lpar.id} --vnc --local --codepage 037" in listed.stdout
    assert vterm.open_localhost_vnc_vterm(local, lpar.uuid, codepage="273") != first


def test_a_console_goes_with_its_partition(novalink, local):
    lpar = requests.new_lpar(local)
    port = vterm.open_localhost_vnc_vterm(local, lpar.uuid)
    viewer = Viewer(port)
    viewer.type("secret\n")
    viewer.picture()
    lpar.delete()
    with pytest.raises((EOFError, ConnectionError)):
        viewer.read(1)
    again = requests.new_lpar(local)
    assert again.id == lpar.id
    assert novalink.admin("GET", f"consoles/sys1/{again.id}")["typed"] == ""
    assert vterm.open_localhost_vnc_vterm(local, again.uuid) != port


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["mkvterm", "--id", "4711", "--vnc"], 1, "no partition 4711"),
        (["mkvterm"], 2, "--id"),
        (["rmvterm", "--id", "x"], 2, "--id"),
        (["rmvterm", "--id", "4711"], 0, ""),
        (["pgrep", "mkvtermutil"], 1, ""),
    ],
)
def test_programs_that_cannot(local, words, code, text):
    found = subprocess.run(words, capture_output=True, text=True)
    assert found.returncode == code
    assert text in found.stderr


def test_a_mapped_disk_is_a_readable_file(local, root):
    vioses = {vios.name: vios for vios in requests.pvm_vios.VIOS.get(local)}
    tier = pvm_stor.Tier.get(local)[0]
    unit, _left = pvm_tasks.upload_new_lu(
        vioses["vios1"].uuid,
        tier,
        io.BytesIO(CONTENT),
        "image1",
        len(CONTENT),
        d_size=1 << 30,
    )
    machine = requests.pvm_ms.System.get(local)[0]
    mgmt = vioses["vios1"].uuid
    scsi_mapper.add_vscsi_mapping(machine.uuid, vioses["vios2"].uuid, mgmt, unit)
    (link,) = (root / "dev/disk/by-id").glob(f"*{unit.udid[-32:]}")
    assert link.stat().st_size == 1 << 30
    with link.open("rb") as file:
        assert file.read(len(CONTENT)) == CONTENT
        assert file.read(16) == bytes(16)
    name = link.resolve().name
    assert (root / f"sys/block/{name}/device/delete").exists()
    assert list(root.glob("sys/bus/vio/devices/3*/host*/scsi_host/host*/scan"))
    scsi_mapper.remove_lu_mapping(local, vioses["vios2"].uuid, 1)
    # The kernel keeps an unmapped device until it is told to delete it.
    assert not link.is_symlink()
    device = root / "dev" / name
    assert device.exists()
    (root / f"sys/block/{name}/device/delete").write_text("1")
    support.until(lambda: not device.exists())
    assert not (root / "sys/block" / name).exists()


def test_a_deleted_device_comes_back_by_a_scan(local, root):
    machine = requests.pvm_ms.System.get(local)[0]
    vioses = {vios.name: vios for vios in requests.pvm_vios.VIOS.get(local)}
    unit = requests.new_unit(local)
    mgmt, vios2 = vioses["vios1"].uuid, vioses["vios2"].uuid
    scsi_mapper.add_vscsi_mapping(machine.uuid, vios2, mgmt, unit)
    (link,) = (root / "dev/disk/by-id").iterdir()
    name = link.resolve().name
    (root / f"sys/block/{name}/device/delete").write_text("1")
    support.until(lambda: not link.is_symlink())
    # Another change does not bring it back, a scan of its bus does.
    requests.new_lpar(local)
    assert not link.is_symlink()
    for scan in root.glob("sys/bus/vio/devices/3*/host*/scsi_host/host*/scan"):
        scan.write_text("- - -")
    support.until(link.exists)
    scsi_mapper.remove_lu_mapping(local, vios2, 1)
    assert not link.is_symlink()


def test_a_disk_that_the_partition_serves_itself(local, root):
    """What the BackingDeviceName of its VIOS names is a file."""
    lpar = requests.new_lpar(local)
    unit = requests.new_unit(local)
    pvm_tasks.upload_lu(
        requests.vios_with(local).uuid, unit, io.BytesIO(CONTENT), len(CONTENT)
    )
    disk = requests.add_disk(local, "disk1")
    for storage in (unit, disk, requests.add_medium(local)):
        vios = requests.map_storage(local, lpar, storage)
    names = [
        mapping.server_adapter.backing_dev_name
        for mapping in vios.refresh().scsi_mappings
    ]
    assert names[:2] == [
        str(root / "dev/ssp/disk1"),
        str(root / "dev/mapper/disk1"),
    ]
    with open(names[0], "rb") as file:
        assert file.read(len(CONTENT) + 1) == CONTENT + b"\0"
        assert file.seek(0, os.SEEK_END) == unit.capacity * (1 << 30)
    with open(names[1], "rb") as file:
        assert file.read(4096) == bytes(4096)
    scsi_mapper.remove_lu_mapping(local, vios.uuid, lpar.id)
    assert not os.path.exists(names[0])
    assert os.path.exists(names[1])


def test_a_disk_of_a_partition_is_mapped_to_the_management_partition(local, root):
    lpar = requests.new_lpar(local)
    unit = requests.new_unit(local)
    vios = requests.vios_with(local)
    machine = requests.pvm_ms.System.get(local)[0]
    scsi_mapper.add_vscsi_mapping(machine.uuid, vios.uuid, lpar.uuid, unit)
    scsi_mapper.add_vscsi_mapping(machine.uuid, vios.uuid, vios.uuid, unit)
    assert list((root / "dev/disk/by-id").glob(f"*{unit.udid[-32:]}"))
    with pytest.raises(pvm_exc.HttpError, match="VIOS00021"):
        requests.map_storage(local, lpar, unit)
    # In use as long as one of them has it.
    for owner in (lpar.id, vios.id):
        assert unit.refresh().in_use
        scsi_mapper.remove_lu_mapping(local, vios.uuid, owner)
    assert not unit.refresh().in_use


def test_a_lun_has_the_bytes_that_it_was_given(novalink, local, root):
    content = base64.b64encode(CONTENT).decode()
    lun = novalink.admin("PUT", "luns/1", {"content": content})
    assert novalink.disk(lun["udid"]) == CONTENT
    machine = requests.pvm_ms.System.get(local)[0]
    vioses = requests.pvm_vios.VIOS.get(local, xag=["ViosStorage", "ViosSCSIMapping"])
    second = next(vios for vios in vioses if vios.name == "vios2")
    volume = next(one for one in second.phys_vols if one.udid == lun["udid"])
    mgmt = requests.vios_with(local).uuid
    scsi_mapper.add_vscsi_mapping(machine.uuid, second.uuid, mgmt, volume)
    (link,) = (root / "dev/disk/by-id").iterdir()
    assert link.stat().st_size == volume.capacity << 20
    with link.open("rb") as file:
        assert file.read(len(CONTENT) + 1) == CONTENT + b"\0"
    for fields, text in (
        ({"content": "?"}, "content: must be base64"),
        ({"bytes": "x"}, "bytes: unknown field"),
        ({"size": 1}, "size: must be"),
    ):
        with pytest.raises(handle.SimulatorError, match=text):
            novalink.admin("PUT", "luns/1", fields)
