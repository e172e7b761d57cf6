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

"""What a guest does with its reader, and how it answers."""

from __future__ import annotations

import io
import tarfile

import pytest

from ibmvirt import configdrive
from ibmvirt.simulators.zvm import events, imagefile, inspection

AUTHORIZED = b"#!/bin/bash\necho -n ZCCUSER > /etc/iucv_authorized_userid\n"


def punch(system, name, content, spool_class="X", user="T1"):
    """A file goes into a guest's reader as the Connector brings it there."""
    path = system.directory / name
    path.write_bytes(content)
    number = system.run(f"vmur punch -r {path}").out.split()[-2]
    assert system.run(f"vmcp change rdr {number} class {spool_class}").rc == 0
    assert system.run(f"vmcp transfer '*' rdr {number} to {user} rdr").rc == 0
    return number


def drive(label="config-2"):
    output = io.BytesIO()
    meta = b'{"hostname": "web.example", "uuid": "the-server"}'
    files = {"openstack/latest/meta_data.json": meta}
    configdrive.build(files, output, time=0, label=label)
    return output.getvalue()


def doscript(**files):
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name.replace("_", "."))
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return output.getvalue()


@pytest.fixture
def guest(system):
    """T1 with an image on its disk; it is off."""
    system.user()
    system.disk()
    image = system.directory / "image"
    image.write_bytes(imagefile.write(b"Linux" * 100))
    system.run(f"unpackdiskimage T1 0100 {image}")
    return system


def seen(system):
    return system.zvm.guests["T1"]


@pytest.mark.parametrize(
    ("name", "spool_class", "taken"),
    [
        ("cfgdrive.iso", "X", True),
        ("CFGDRIVE.ISO", "X", True),
        ("cfgdrive.iso", "A", False),
        ("cfgdrive.tgz", "X", False),
        ("cfgdrive", "X", False),
        ("iucvauth.txt", "X", False),
    ],
)
def test_only_files_of_class_x_and_a_known_type_are_taken(
    guest, name, spool_class, taken
):
    punch(guest, name, drive(), spool_class)
    guest.ok("Image_Activate -T T1")
    assert (guest.zvm.reader("T1") == []) is taken
    assert bool(seen(guest).get("config_drive")) is taken
    assert seen(guest)["hostname"] == ("web.example" if taken else "t1")


def test_an_iso_of_another_name_or_label_is_no_config_drive(guest):
    punch(guest, "other.iso", drive())
    punch(guest, "cfgdrive.iso", drive(label="cidata"))
    guest.ok("Image_Activate -T T1")
    assert guest.zvm.reader("T1") == []
    assert not seen(guest)["config_drive"]
    punch(guest, "cfgdrive.iso", b"no filesystem at all")
    assert guest.run("iucvclnt T1 '/usr/bin/zvmguestconfigure start'").rc == 0


def test_scripts_of_the_connector_take_effect(guest):
    guest.disk(vdev="0101")
    punch(guest, "iucvauth.sh", AUTHORIZED)
    setup = "setupDisk 'action=addMdisk vaddr=0101 filesys=xfs mntdir=/mnt/data'"
    punch(guest, "aemod.doscript", doscript(invokeScript_sh=setup))
    missing = "setupDisk 'action=addMdisk vaddr=0107 filesys=xfs mntdir=/mnt/x'"
    punch(guest, "aemod.doscript", doscript(invokeScript_sh=missing))
    punch(guest, "broken.doscript", b"this is no tar")
    punch(guest, "empty.doscript", doscript(other_sh=""))
    guest.ok("Image_Activate -T T1")
    found = seen(guest)
    assert found["iucv_authorized"] == "ZCCUSER"
    assert found["mounts"] == [
        {"vdev": "0101", "file_system": "xfs", "directory": "/mnt/data"}
    ]
    assert guest.zvm.disk("T1", "0101").file_system == "xfs"
    console = "\n".join(guest.zvm.consoles["T1"])
    assert "there is no disk 0107" in console
    assert "a doscript is no tar" in console
    assert "a doscript has no invokeScript.sh" in console


def test_a_guest_answers_only_while_it_runs_and_whom_it_authorizes(guest):
    def iucv(command):
        return guest.run(f"iucvclnt T1 '{command}'")

    assert iucv("pwd").rc == 4
    guest.ok("Image_Activate -T T1")
    assert iucv("pwd").rc == 0
    guest.ok("Image_Pause -T T1 -k PAUSE=YES")
    assert iucv("pwd").rc == 4
    guest.ok("Image_Pause -T T1 -k PAUSE=NO")
    unknown = iucv("rm -rf /")
    assert (unknown.rc, unknown.unknown) == (8, "rm -rf /")
    punch(guest, "iucvauth.sh", AUTHORIZED.replace(b"ZCCUSER", b"OTHER"))
    assert iucv("systemctl start zvmguestconfigure.service").rc == 0
    refused = iucv("pwd")
    assert refused.rc == 1
    assert "UNAUTHORIZED_ERROR" in refused.out
    assert guest.run("iucvclnt T1").rc == 2
    assert guest.run("iucvclnt NONE pwd").rc == 4


def test_a_guest_without_a_system_does_not_answer(system):
    system.user()
    system.disk()
    system.ok("Image_Activate -T T1")
    assert system.run("iucvclnt T1 pwd").rc == 4


def test_a_restart_is_silent_for_a_moment_and_a_shutdown_ends_it(guest):
    guest.ok("Image_Activate -T T1")
    assert guest.run("iucvclnt T1 'shutdown -r now'").rc == 0
    assert guest.run("iucvclnt T1 'echo ping'").rc == 4
    assert guest.run("iucvclnt T1 'echo ping'").out == "ping\n"
    assert guest.run("iucvclnt T1 'shutdown -h now'").rc == 0
    assert guest.run("vmcp query user T1").rc != 0


def test_cp_tells_who_is_on_where(guest):
    assert "HCPCQU045E" in guest.run("vmcp q T1").out
    assert "HCPCQV003E" in guest.run("vmcp q NONE").out
    # QUERY USER does not tell one that is not there from one that is off.
    assert "HCPCQU045E" in guest.run("vmcp query user NONE").out
    guest.ok("Image_Activate -T T1", "ZVMSIM2")
    assert guest.run("vmcp q T1", "ZVMSIM2").out.split() == ["T1", "-", "DSC"]
    assert guest.run("vmcp q T1").out.split() == ["T1", "-", "SSI"]
    # What another member runs is not to be ended, paused or started here.
    assert guest.codes("Image_Deactivate -T T1") == (8, 200, 12)
    assert guest.codes("Image_Pause -T T1 -k PAUSE=YES") == (8, 200, 12)
    assert guest.codes("Image_Activate -T T1") == (8, 200, 8)
    assert guest.codes("Image_Delete_DM -T T1 -e 0") == (8, 200, 8)
    move = "VMRELOCATE -T T1 -k action=MOVE -k destination=ZVMSIM1"
    assert guest.codes(move) == (8, 8, 3000)
    guest.ok(f"{move} -k immediate=YES '-k max_total=10'", "ZVMSIM2")
    assert guest.run("vmcp q T1").out.split() == ["T1", "-", "DSC"]


def test_two_running_guests_never_have_one_address(system):
    line = "NICDEF 1000 TYPE QDIO MACID 0000AA"
    system.user("T1", line)
    system.user("T2", line, "NICDEF 1100 TYPE QDIO LAN SYSTEM VSWFLAT VLAN 5")
    system.ok("Image_Activate -T T1")
    system.ok("Image_Activate -T T2")
    assert [nic.vdev for nic in system.zvm.user("T2").active_nics] == ["1100"]
    console = "\n".join(system.zvm.consoles["T2"])
    assert "0200000000AA is T1's" in console
    assert "1100 not coupled to VSWFLAT" in console


def test_counters_grow_with_the_clock_and_begin_at_log_on(guest):
    def used():
        out = guest.ok("Image_Performance_Query -T ZCCUSER -T 'T1 T2' -c 2")
        lines = [line for line in out.splitlines() if "Used CPU time" in line]
        return int(lines[0].split('"')[1].split()[0]) if lines else None

    assert used() is None
    guest.instruments.clock.advance(1000)
    guest.ok("Image_Activate -T T1")
    assert used() == 0
    guest.instruments.clock.advance(10)
    assert used() == 1_000_000
    guest.ok("Image_Deactivate -T T1")
    guest.ok("Image_Activate -T T1")
    assert used() == 0
    memory = guest.ok("System_Performance_Information_Query -T X")
    guest.ok("Image_Deactivate -T T1")
    assert guest.ok("System_Performance_Information_Query -T X") != memory


def test_the_invariants_name_what_is_wrong(guest):
    events.register(guest.zvm)
    assert guest.zvm.world.verify() == []
    guest.run("linkdiskandbringonline T1 0100 MR")
    assert guest.zvm.world.verify() == ["T1 0100 is still linked as dasdb"]
    guest.run("offlinediskanddetach T1 0100")
    disk = guest.zvm.disk("T1", "0100")
    guest.user("T2")
    guest.zvm.put_disk(disk.changed(owner="T2"))
    assert guest.zvm.world.verify() == [
        "POOL1: T1 0100 and T2 0100 overlap",
        "T2 has no statement for minidisk 0100",
    ]


def test_statements_that_nobody_understands_do_no_harm(system):
    path = system.directory / "T1"
    path.write_text(
        "USER T1 LBYONLY\nINCLUDE OSDFLT\nIPL LINUX1\nDEDICATE 1A00\nNICDEF\n"
        "NICDEF ABCDE TYPE QDIO\nCPU\nMACHINE\nSHARE\n"
    )
    system.ok(f"Image_Create_DM -T T1 -f {path}")
    system.ok("Image_Activate -T T1")
    console = "\n".join(system.zvm.consoles["T1"])
    assert "00: IPL LINUX1" in console
    assert "Invalid operand - DEDICATE 1A00" in console
    assert system.zvm.user("T1").active_nics == ()
    system.ok("Image_Device_Undedicate_DM -T T1 -v 1A00")
    for command in ("lsmem", "lscpu --parse=ADDRESS", "vmcp def cpu 01"):
        assert system.run(f"iucvclnt T1 '{command}'").rc in (0, 4, 8)


def test_a_guest_that_is_deleted_while_all_are_told_of_is_no_error(system, monkeypatch):
    names = [system.user(name) for name in ("T1", "T2")]
    values = system.zvm.users.values

    def one_goes():
        for user in list(values()):
            if user.name == "T2":
                system.ok("Image_Delete_DM -T T2 -e 0")
            yield user

    monkeypatch.setattr(system.zvm.users, "values", one_goes)
    assert {found["name"] for found in inspection.guests(system.zvm)} >= set(names)
    assert system.zvm.users.get("T2") is None
