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


"""World files, and worlds that are dumped and loaded again."""

from __future__ import annotations

import json

import pytest

from ibmvirt.simulators.core import worldfile
from ibmvirt.simulators.novalink import generator, world_file
from ibmvirt.simulators.novalink.objects import usage
from tests.unit.simulators.novalink import build, support

WORLD = """
vioses: 1
ssp: true
rmc: no
ssp_gb: 100
units:
  - {name: image, gb: 2, image: true}
  - {name: boot, gb: 4, clone_of: image}
lpars:
  - name: web
    memory_mib: 2048
    vcpus: 2
    units: 0.5
    state: running
    disks: [boot]
    adapters:
      - {vlan: 7, mac: "FA163E000001"}
      - {switch: MGMTSWITCH}
  - {name: ibmi, type: OS400}
"""


def make(path, text):
    document = worldfile.loads(text, world_file.ROOT, "world.yaml")
    chosen = world_file.options(document, generator.Options(lpars=1))
    system = support.new_system(path, chosen.systems)
    generator.populate(system.fabric, chosen)
    world_file.apply(system.fabric, document)
    return system


def test_a_world_from_a_file(tmp_path):
    system = make(tmp_path, WORLD)
    assert len(system.all("VirtualIOServer")) == 1
    lpars = {one.value("PartitionName"): one for one in system.all("LogicalPartition")}
    assert set(lpars) == {"lpar0001", "web", "ibmi"}
    web = lpars["web"]
    assert web.value("PartitionState") == "running"
    assert web.value("ResourceMonitoringControlState") == "inactive"
    adapters = system.all("ClientNetworkAdapter", web.key)
    assert [one.value("PortVLANID") for one in adapters] == ["7", "1"]
    assert adapters[0].value("MACAddress") == "FA163E000001"
    in_use = {u.value("UnitName"): u.value("InUse") for u in system.all("LogicalUnit")}
    assert in_use == {"image": "false", "boot": "true"}
    assert system.all("SharedStoragePool")[0].value("Capacity") == "100"
    assert usage.drift(system) == []


def test_the_same_file_gives_the_same_world(tmp_path):
    first, second = (make(tmp_path / name, WORLD) for name in ("one", "two"))
    assert first.fabric.world.state() == second.fabric.world.state()


@pytest.mark.parametrize(
    ("text", "line", "field", "message"),
    [
        ("vioses: many", 1, "vioses", "whole number"),
        ("lpars:\n  - {name: a, mem: 7}", 2, r"lpars\[0\].mem", "unknown field"),
        ("lpars:\n  - {memory_mib: 512}", 2, r"lpars\[0\].name", "missing"),
        ("lpars:\n  - {name: a}\n  - {name: a}", 3, r"lpars\[1\].name", "twice"),
        ("lpars:\n  - {name: a, system: x}", 2, r"lpars\[0\].system", "no such system"),
        ("lpars:\n  - {name: vios1}", 2, r"lpars\[0\]", "HSCL0D01"),
        ("lpars:\n  - {name: a, memory_mib: 1000}", 2, r"lpars\[0\]", "HSCL0390"),
        ("lpars:\n  - {name: a, disks: [b]}", 2, r"lpars\[0\].disks", "no unit 'b'"),
        ("units:\n  - {name: a, gb: 50000, thin: no}", 2, r"units\[0\]", "VIOS00012"),
        ("ssp: no\nunits:\n  - {name: a}", 3, r"units\[0\].name", "no shared storage"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path, text, line, field, message):
    pattern = f"^world.yaml:{line}: {field}: .*{message}"
    with pytest.raises(worldfile.WorldFileError, match=pattern):
        make(tmp_path, text)


def test_a_dumped_world_is_loaded_again(tmp_path):
    system = make(tmp_path, WORLD)
    world = system.fabric.world
    dumped = json.loads(json.dumps(world.dump()))
    world.mark("dumped")
    build.unit(system, "more")
    for lpar in system.all("LogicalPartition")[:1]:
        support.drop(system, lpar)
    assert world.compare("dumped") != []
    world.load(dumped)
    assert world.compare("dumped") == []
    lpar = system.all("LogicalPartition")[0]
    assert support.rendered(system, lpar) is not None
    assert usage.drift(system) == []


def test_what_is_no_dump_is_refused(tmp_path):
    system = support.world(tmp_path)
    dumped = system.fabric.world.dump()
    key = next(iter(dumped["shared"]))
    dumped["shared"][key]["xml"] = "<Wrong/>"
    system.fabric.world.mark("before")
    with pytest.raises(ValueError, match=f"shared/{key}: "):
        system.fabric.world.load(dumped)
    assert system.fabric.world.compare("before") == []
