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

"""What the system refuses, by its codes; unknown arguments by their names."""

from __future__ import annotations

import pathlib
import re

import pytest
import smtLayer
import zvmsdk

from ibmvirt.simulators.zvm import codes
from ibmvirt.simulators.zvm.commands import base

DISK = "Image_Disk_Create_DM -T T1 -a AUTOG -u 1 -f 1 -m MR"
SWITCH = "Virtual_Network_Vswitch"
NIC = "Virtual_Network_Adapter"
KEY = "-k image_device_number=1000 -k adapter_type=QDIO"


# What was done before, the command, its codes.
REFUSALS = [
    ("", "Image_Create_DM -T T1 -f {T1}", "exists"),
    ("", "Image_Create_DM -T T2 -f {T1}", "bad_entry"),
    ("", "Image_Create_DM -T T2 -f /absent", "bad_argument"),
    ("", "Image_Create_DM -T T3 -f {T3}", "no_profile"),
    ("", "Image_Create_DM -T T3", "no_argument"),
    ("", "Image_Query_DM -T NONE", "no_user"),
    ("", "Image_Delete_DM -T NONE -e 0", "no_user"),
    ("Image_Activate -T T1", "Image_Delete_DM -T T1 -e 0", "already_on"),
    ("Image_Lock_DM -T T1", "Image_Delete_DM -T T1 -e 0", "locked"),
    ("Image_Lock_DM -T T1", "Image_Lock_DM -T T1", "locked"),
    ("", "Image_Unlock_DM -T T1", "not_locked"),
    ("", "Image_Replace_DM -T T1 -f {T1}", "not_locked"),
    ("Image_Lock_DM -T T1", "Image_Replace_DM -T T1 -f {T3}", "bad_entry"),
    ("Image_Activate -T T1", "Image_Activate -T T1", "already_on"),
    ("", "Image_Activate -T NONE", "no_user"),
    ("", "Image_Deactivate -T T1", "not_on"),
    ("", "Image_Pause -T T1 -k PAUSE=YES", "not_on"),
    ("Image_Activate -T T1", "Image_Pause -T T1 -k PAUSE=MAYBE", "bad_argument"),
    ("Image_Activate -T T1", "Image_Pause -T T1", "no_argument"),
    ("", "Image_Console_Get -T T1", "no_console"),
    ("", f"{DISK} -v 0100 -t 3390 -r POOL1 -z 1", "disk_exists"),
    ("", f"{DISK} -v 0101 -t 3390 -r NONE -z 1", "no_pool"),
    ("", f"{DISK} -v 0101 -t 9336 -r POOL1 -z 1", "wrong_type"),
    ("", f"{DISK} -v 0101 -t 3390 -r POOL1 -z 0", "bad_size"),
    ("", f"{DISK} -v 0101 -t 3390 -r POOL1 -z big", "bad_size"),
    ("", f"{DISK} -v 0101 -t 3390 -r POOL1 -z 999999g", "pool_full"),
    ("", f"{DISK} -v XYZ -t 3390 -r POOL1 -z 1", "bad_argument"),
    ("Image_Lock_DM -T T1", f"{DISK} -v 0101 -t 3390 -r POOL1 -z 1", "locked"),
    ("", "Image_Disk_Create -T T1 -v 0100 -m MR", "not_on"),
    ("Image_Activate -T T1", "Image_Disk_Create -T T1 -v 0105 -m MR", "no_disk"),
    ("", "Image_Disk_Delete_DM -T T1 -v 0105 -e 0", "no_disk"),
    ("", "Image_Definition_Delete_DM -T T1 -k CPU=CPUADDR=05", "no_statement"),
    ("", "Image_Definition_Update_DM -T T1 -k CPU=FAST", "bad_argument"),
    ("", "Image_Definition_Update_DM -T T1", "no_argument"),
    ("", f"{SWITCH}_Query_Extended -T X -k switch_name=NONE", "no_vswitch"),
    ("", f"{SWITCH}_Create_Extended -T X -k switch_name=DEFAULT", "vswitch_exists"),
    (
        "",
        f"{SWITCH}_Create_Extended -T X -k switch_name=NEW -k vlan_id=9999",
        "bad_vlan",
    ),
    ("", f"{SWITCH}_Delete_Extended -T X -k switch_name=NONE", "no_vswitch"),
    (
        "",
        f"{SWITCH}_Set_Extended -T X -k switch_name=VSWFLAT -k grant_userid=T1 "
        "-k user_vlan_id=5",
        "vlan_unaware",
    ),
    (
        "",
        f"{SWITCH}_Set_Extended -T X -k switch_name=DEFAULT -k grant_userid=T1 "
        "-k user_vlan_id=0",
        "bad_vlan",
    ),
    ("", f"{NIC}_Create_Extended_DM -T T1 {KEY} -k mac_id=12", "bad_argument"),
    (
        f"{NIC}_Create_Extended_DM -T T1 {KEY}",
        f"{NIC}_Create_Extended_DM -T T1 {KEY}",
        "nic_exists",
    ),
    ("", f"{NIC}_Delete_DM -T T1 -v 1000", "no_nic"),
    ("", f"{NIC}_Disconnect_DM -T T1 -v 1000", "no_nic"),
    (
        f"{NIC}_Create_Extended_DM -T T1 {KEY}",
        f"{NIC}_Disconnect_DM -T T1 -v 1000",
        "not_coupled",
    ),
    ("", f"{NIC}_Create_Extended -T T1 {KEY}", "not_on"),
    ("Image_Activate -T T1", f"{NIC}_Delete -T T1 -v 1000", "no_active_nic"),
    (
        f"Image_Activate -T T1; {NIC}_Create_Extended -T T1 {KEY}",
        f"{NIC}_Create_Extended -T T1 {KEY}",
        "active_nic_exists",
    ),
    (
        f"Image_Activate -T T1; {NIC}_Create_Extended -T T1 {KEY}",
        f"{NIC}_Connect_Vswitch -T T1 -v 1000 -n DEFAULT",
        "not_granted",
    ),
    (
        f"Image_Activate -T T1; {NIC}_Create_Extended -T T1 {KEY}",
        f"{NIC}_Connect_Vswitch -T T1 -v 1000 -n NONE",
        "no_vswitch",
    ),
    (
        f"Image_Activate -T T1; {NIC}_Create_Extended -T T1 {KEY}; "
        f"{SWITCH}_Set_Extended -T X -k switch_name=DEFAULT -k grant_userid=T1; "
        f"{NIC}_Connect_Vswitch -T T1 -v 1000 -n DEFAULT",
        f"{NIC}_Connect_Vswitch -T T1 -v 1000 -n DEFAULT",
        "already_connected",
    ),
    (
        f"Image_Activate -T T1; {NIC}_Create_Extended -T T1 {KEY}",
        f"{NIC}_Disconnect -T T1 -v 1000",
        "not_connected",
    ),
    (
        f"{NIC}_Create_Extended_DM -T T1 {KEY} -k mac_id=0000AA; "
        f"{NIC}_Create_Extended_DM -T T2 {KEY} -k mac_id=0000AA; "
        f"Image_Activate -T T2; Image_Activate -T T1",
        f"{NIC}_Create_Extended -T T1 {KEY}",
        "mac_in_use",
    ),
    ("", "Image_Device_Undedicate_DM -T T1 -v 1A00", "no_device"),
    (
        "Image_Device_Dedicate_DM -T T1 -v 1A00 -r 1A00 -R 0",
        "Image_Device_Dedicate_DM -T T1 -v 1a00 -r 1a01 -R 0",
        "device_exists",
    ),
    ("", "Image_Device_Dedicate -T T1 -v 1A00 -r 1A00 -R 0", "not_on"),
    (
        "Image_Activate -T T1",
        "Image_Device_Dedicate -T T1 -v 1A00 -r 7777 -R 0",
        "no_real_device",
    ),
    (
        "Image_Activate -T T1; Image_Device_Dedicate -T T1 -v 1A00 -r 1A00",
        "Image_Device_Dedicate -T T1 -v 1A01 -r 1A00",
        "device_taken",
    ),
    (
        "Image_Activate -T T1; Image_Device_Dedicate -T T1 -v 1A00 -r 1A00",
        "Image_Device_Dedicate -T T1 -v 1A00 -r 1A01",
        "active_device_exists",
    ),
    (
        "Image_Activate -T T1",
        "Image_Device_Undedicate -T T1 -v 1A00",
        "no_active_device",
    ),
    ("", "VMRELOCATE -T T1 -k action=MOVE -k destination=ZVMSIM2", "cannot_relocate"),
    ("", "VMRELOCATE -T T1 -k action=JUMP -k destination=ZVMSIM2", "bad_argument"),
    (
        "Image_Activate -T T1",
        "VMRELOCATE -T T1 -k action=TEST -k destination=NOWHERE",
        "cannot_relocate",
    ),
    (
        "Image_Activate -T T1; Image_Device_Dedicate -T T1 -v 1A00 -r 1A00",
        "VMRELOCATE -T T1 -k action=TEST -k destination=ZVMSIM2",
        "cannot_relocate",
    ),
    (
        "",
        "VMRELOCATE -T T1 -k action=TEST -k destination=ZVMSIM2 -k max_total=soon",
        "bad_argument",
    ),
    ("", "System_RDR_File_Manage -T NONE -k spoolids=all", "no_user"),
    ("", "System_RDR_File_Manage -T T1 -k spoolids=1", "bad_argument"),
    ("", "Image_Volume_Space_Query_DM -T X -q 9 -e 3 -n POOL1", "bad_argument"),
]


@pytest.mark.parametrize(("before", "command", "key"), REFUSALS)
def test_a_refusal_has_its_codes_and_changes_nothing(system, before, command, key):
    system.user()
    system.disk()
    if "T2" in before:
        system.user("T2")
    entries = {name: system.directory / name for name in ("T1", "T3")}
    system.entry("T3", "INCLUDE NOPROF")
    for line in filter(None, before.split("; ")):
        system.ok(line)
    system.zvm.world.mark()
    entry = codes.TABLE[key]
    expected = (entry.overall, entry.rc, entry.rs)
    assert system.codes(command.format(**entries)) == expected
    assert system.zvm.world.compare() == []


def test_every_refusal_is_shown_somewhere():
    """But those that this table cannot bring about."""
    shown = {key for _before, _command, key in REFUSALS}
    elsewhere = {"no_osa", "not_ssi", "unknown_api", "unknown_argument"}
    assert set(codes.TABLE) - shown == elsewhere


def test_a_system_without_osa_and_cluster_tells_so(system):
    for device in system.zvm.real_devices("ZVMSIM1", "osa"):
        del system.zvm.devices[device.key]
    assert system.codes("Virtual_Network_OSA_Query -T X") == (8, 4, 4)
    assert "0440" in system.ok("Virtual_Network_OSA_Query -T X", "ZVMSIM2")
    system.zvm.members = ["ZVMSIM1"]
    assert system.codes("SSI_Query") == (8, 4, 3008)


base.load()


@pytest.mark.parametrize("name", sorted(base.APIS))
def test_an_argument_that_an_api_does_not_know_is_refused_and_named(system, name):
    for arguments, unknown in (
        ("-k no_such_key=1", "-k no_such_key"),
        ("-Z 1", "-Z"),
        ("--no-such-option", "--no-such-option"),
        ("word", "word"),
    ):
        result = system.smcli(f"{name} {arguments}")
        assert result.rc != 0
        assert result.out.startswith("24 13 0 ")
        assert unknown in result.out
        assert result.unknown == f"{name} {unknown}"


def test_an_unknown_api_or_tool_is_refused_and_named(system):
    result = system.smcli("No_Such_API -T X")
    assert result.out.startswith("24 11 0 ")
    assert result.unknown == "No_Such_API No_Such_API"
    result = system.run("no-such-tool --now")
    assert (result.rc, result.unknown) == (127, "no-such-tool")
    result = system.run("vmcp shutdown system")
    assert result.rc != 0
    assert "HCPCMD001E" in result.out
    assert result.unknown == "vmcp shutdown system"
    assert system.run("vmur order").unknown == "vmur order"
    assert system.run("unpackdiskimage a b c d").unknown is not None
    assert system.run("creatediskimage a b c --fast 1").unknown is not None
    assert system.run("refresh_bootmap --fast").unknown is not None
    assert system.run("udevadm trigger").unknown == "udevadm trigger"


_CALLED = re.compile(r"API (\w+)|invokeSMCLI\(\s*rh,\s*[\"'](\w+)", re.MULTILINE)
_NAME = re.compile(r"[A-Z][A-Za-z]+(?:_\w+)+|VMRELOCATE")
# Of the layer below: nothing in zvmsdk gives a request that leads there.
_UNREACHED = {
    "Image_IPL_Delete_DM",
    "Image_IPL_Set_DM",
    "Image_SCSI_Characteristics_Define_DM",
    "VMRELOCATE_Modify",
    "VMRELOCATE_Status",
}


def test_every_api_that_the_installed_connector_calls_is_known():
    called = set()
    for package in (zvmsdk, smtLayer):
        for path in pathlib.Path(package.__path__[0]).glob("*.py"):
            if path.name != "smtTest.py":
                for found in _CALLED.findall(path.read_text(errors="replace")):
                    called |= {name for name in found if _NAME.fullmatch(name)}
    assert "Image_Create_DM" in called
    assert called - set(base.APIS) == _UNREACHED
