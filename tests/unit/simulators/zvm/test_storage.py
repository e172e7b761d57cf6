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

"""Volumes over FCP: devices, target ports, LUNs, and whom they are shown to."""

from __future__ import annotations

import base64

import pytest

from ibmvirt.simulators.zvm import events, generator, luns, storage

LUN = "0x0001000000000000"
PORTS = tuple(f"0x{port}" for port in generator.TARGETS)


@pytest.fixture
def guest(system):
    """T1 runs with an FCP device of each channel path."""
    system.user()
    system.ok("Image_Activate -T T1")
    for device in ("1A00", "1B00"):
        system.ok(f"Image_Device_Dedicate -T T1 -v {device} -r {device} -R 0")
    return system


def status(system, devices=("1A00", "1B00"), wwpns=PORTS, lun=LUN):
    """What an attach script ends with."""
    wanted = storage.Wanted(devices, wwpns, lun)
    seen = system.zvm.guests["T1"]
    return storage.attach(system.zvm, system.zvm.user("T1"), wanted, "sda", seen)


def detach(system, last=False, lun=LUN, devices=("1A00", "1B00")):
    """What a detach script ends with."""
    wanted = storage.Wanted(devices, PORTS, lun)
    seen = system.zvm.guests["T1"]
    return storage.detach(system.zvm, system.zvm.user("T1"), wanted, last, seen)


def paths(system):
    wanted = storage.Wanted(("1A00", "1B00"), PORTS, LUN)
    found = storage.paths(system.zvm, system.zvm.user("T1"), wanted)
    return [(device, port[-8:-4]) for device, port, _lun in found]


def lose(system, number, lost=True):
    device = system.zvm.devices[f"ZVMSIM1/{number}"]
    system.zvm.put_device(device.changed(offline=lost))


def test_the_script_ends_as_the_real_one(guest):
    assert status(guest) == 0
    assert status(guest, devices=()) == storage.WRONG_PARAMETERS
    assert status(guest, wwpns=("0x5005076802ffffff",)) == storage.NO_PORT
    assert status(guest, devices=("1A05",)) == storage.NO_PORT
    assert status(guest, lun="0x0077000000000000") == storage.NO_PATH


OTHER = "0x0002000000000000"


def test_a_detach_needs_what_it_takes_away(guest):
    # No attach script has set the devices online.
    assert detach(guest) == storage.NO_PORT
    assert status(guest) == 0
    # Linux finds every LUN by itself.
    assert detach(guest, lun=OTHER) == 0
    assert detach(guest, lun=OTHER) == storage.NO_PATH
    assert detach(guest) == 0
    assert detach(guest) == storage.NO_PATH
    # Each attach script lets it look again.
    assert status(guest, lun=OTHER) == 0
    assert detach(guest, last=True) == 0
    assert detach(guest, lun=OTHER) == storage.NO_PORT


def test_a_detach_that_fails_changes_nothing(guest):
    assert status(guest) == 0
    before = dict(guest.zvm.guests["T1"])
    assert detach(guest, last=True, devices=("1A05",)) == storage.NO_PORT
    assert guest.zvm.guests["T1"] == before


def test_a_script_needs_a_multipathd_that_runs(guest):
    """And a detach needs a map that can be flushed."""
    events.register(guest.zvm)
    act = guest.zvm.world.act
    act({"action": "multipath", "user": "T1", "running": False})
    assert status(guest) == detach(guest) == storage.NO_MULTIPATH
    act({"action": "multipath", "user": "T1", "running": True})
    assert status(guest) == 0
    act({"action": "multipath", "user": "t1", "flushes": False})
    assert status(guest) == 0
    before = dict(guest.zvm.guests["T1"])
    assert detach(guest) == storage.NOT_FLUSHED
    assert guest.zvm.guests["T1"] == before
    # What is not there needs no flush.
    assert detach(guest, lun="0x0077000000000000") == storage.NO_PATH
    act({"action": "multipath", "user": "T1", "running": False})
    assert detach(guest) == storage.NO_MULTIPATH
    act({"action": "multipath", "user": "T1", "running": True, "flushes": True})
    assert detach(guest) == 0


def test_a_device_that_comes_back_is_offline_until_a_script_or_a_boot(guest):
    assert status(guest) == 0
    for device in ("1A00", "1B00"):
        guest.ok(f"Image_Device_Undedicate -T T1 -v {device}")
    assert detach(guest) == storage.NO_PORT
    for device in ("1A00", "1B00"):
        guest.ok(f"Image_Device_Dedicate -T T1 -v {device} -r {device} -R 0")
    assert detach(guest) == storage.NO_PORT
    assert status(guest) == 0
    assert detach(guest) == 0


def test_a_boot_finds_the_luns_behind_devices_that_were_online(system):
    system.user("T1", "DEDICATE 1A00 1A00")
    system.ok("Image_Activate -T T1")
    assert detach(system) == storage.NO_PORT
    assert status(system) == 0
    assert detach(system) == 0
    system.ok("Image_Deactivate -T T1")
    system.ok("Image_Activate -T T1")
    assert detach(system, last=True) == 0
    system.ok("Image_Deactivate -T T1")
    system.ok("Image_Activate -T T1")
    assert detach(system) == storage.NO_PORT


def test_every_device_and_port_is_a_path_while_it_is_there(guest):
    assert len(paths(guest)) == 4
    lose(guest, "1A00")
    assert {device for device, _port in paths(guest)} == {"1B00"}
    assert status(guest) == 0
    lose(guest, "1B00")
    assert paths(guest) == []
    assert status(guest) == storage.NO_PORT
    lose(guest, "1A00", False)
    assert len(paths(guest)) == 2


def test_a_lun_is_shown_to_some_initiators_only(guest):
    admin = luns.Luns(guest.zvm)
    number = next(lun["number"] for lun in admin.all() if lun["lun"] == LUN)
    port = guest.zvm.devices["ZVMSIM1/1A00"].wwpn
    admin.change(str(number), {"initiators": [port]})
    assert {device for device, _port in paths(guest)} == {"1A00"}
    # The same device of another member has another port.
    other = guest.zvm.devices["ZVMSIM2/1A00"].wwpn
    assert other != port
    admin.change(str(number), {"initiators": [other]})
    assert status(guest) == storage.NO_PATH


def test_a_log_on_takes_devices_and_a_log_off_gives_them_back(system):
    user = system.user("T1", "DEDICATE 1A00 1A00", "DEDICATE 1B00 1B07")
    system.user("T2", "DEDICATE 1A00 1A00")
    system.ok("Image_Activate -T T1")
    owned = {d.number: d.vdev for d in system.zvm.dedicated(system.zvm.user(user))}
    assert owned == {"1A00": "1A00", "1B07": "1B00"}
    assert "Status: Active" in system.ok("System_WWPN_Query -T X '-k OWNER=YES'")
    assert "Active" not in system.ok("System_WWPN_Query -T X", "ZVMSIM2")
    system.ok("Image_Activate -T T2")
    assert "1A00 not attached" in "\n".join(system.zvm.consoles["T2"])
    # A member of its own has devices of its own.
    system.ok("Image_Deactivate -T T2 '-f IMMED'")
    system.ok("Image_Activate -T T2", "ZVMSIM2")
    assert [d.key for d in system.zvm.dedicated(system.zvm.user("T2"))] == [
        "ZVMSIM2/1A00"
    ]
    system.ok("Image_Deactivate -T T1")
    assert system.zvm.dedicated(system.zvm.user("T1")) == []


def test_luns_come_change_and_go(system):
    admin = luns.Luns(system.zvm)
    content = base64.b64encode(b"a boot volume").decode()
    made = admin.add(
        {"lun": 100, "targets": ["50:05:07:68:01:00:00:01"], "size": 2048,
         "content": content}
    )  # fmt: skip
    number = str(made["number"])
    assert made["lun"] == "0x0064000000000000"
    assert made["targets"] == ["5005076801000001"]
    assert admin.content(number).body.read() == b"a boot volume"
    assert admin.change(number, {"size": 4096})["size"] == 4096
    assert made["number"] in [lun["number"] for lun in admin.all()]
    admin.remove(number)
    with pytest.raises(KeyError, match=f"LUN {number}"):
        admin.remove(number)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"lun": LUN, "targets": []}, "targets"),
        ({"lun": LUN, "targets": "5005076802100c1b"}, "targets"),
        ({"lun": LUN, "targets": ["5005"]}, "targets"),
        ({"lun": LUN, "targets": list(PORTS)}, "lun"),
        ({"lun": "0x1", "targets": list(PORTS)}, "lun"),
        ({"lun": True, "targets": list(PORTS)}, "lun"),
        ({"targets": list(PORTS)}, "lun"),
        ({"lun": 99, "targets": list(PORTS), "size": 0}, "size"),
        ({"lun": 99, "targets": list(PORTS), "size": "1g"}, "size"),
        ({"lun": 99, "targets": list(PORTS), "initiators": ["x"]}, "initiators"),
        ({"lun": 99, "targets": list(PORTS), "content": "%"}, "content"),
        ({"lun": 99, "targets": list(PORTS), "colour": "red"}, "colour"),
    ],
)
def test_a_wrong_lun_is_refused_by_its_field(system, body, field):
    system.zvm.world.mark()
    with pytest.raises(ValueError, match=f"^{field}: "):
        luns.Luns(system.zvm).add(body)
    assert system.zvm.world.compare() == []


def test_a_boot_map_has_the_paths_of_free_devices(system):
    line = (
        "refresh_bootmap --fcpchannel={} --wwpn=5005076802100c1b,5005076802200c1b "
        "--lun=0001000000000000 --wwid= --minfcp={}"
    )
    out = system.run(line.format("1a00,1b00", 2)).out
    ports = "5005076802100c1b 5005076802200c1b"
    assert out == f"RESULT PATHS: 1A00:{ports},1B00:{ports}\n"
    lose(system, "1A00")
    result = system.run(line.format("1a00,1b00", 2))
    assert (result.rc, "Exit MSG:" in result.out) == (5, True)
    assert system.run(line.format("1a00,1b00", 1)).rc == 0
    assert system.run(line.format("7777", 0)).rc == 5
