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

"""Formatting tools: each looks at what it works on."""

from __future__ import annotations

import re

import pytest

from ibmvirt.simulators.zvm import imagefile


def node_of(out):
    """The tenth word after Success:, as the Connector takes it."""
    return re.search(r"Success:(.+?)\n", out).group(1).split()[9]


@pytest.fixture
def linked(system):
    """T1 with an ECKD disk 0100 as dasdb and an FBA disk 0101 as dasdc."""
    system.user()
    system.disk()
    system.disk(vdev="0101", pool="POOL2", kind="9336", size="1000")
    for vdev, node in (("0100", "dasdb"), ("0101", "dasdc")):
        out = system.run(f"linkdiskandbringonline T1 {vdev} MR").out
        assert node_of(out) == node
    return system


def layout(system, vdev="0100"):
    disk = system.zvm.disk("T1", vdev)
    return disk.low_level, disk.partitions, disk.file_system


def test_an_eckd_disk_from_blank_to_file_system(linked):
    run = linked.run
    assert run("fdasd -a /dev/dasdb").rc != 0
    assert run("mkfs -F -t ext4 /dev/dasdb1").rc != 0
    assert run("dasdfmt -y -b 4096 -d cdl -v /dev/dasdb").rc == 0
    assert run("mkfs -F -t ext4 /dev/dasdb1").rc != 0
    assert run("fdasd -a /dev/dasdb").rc == 0
    assert layout(linked) == ("cdl", 1, "")
    assert run("mkfs -F -t ext4 /dev/dasdb1").rc == 0
    assert run("blockdev --flushbufs /dev/dasdb1").rc == 0
    assert layout(linked) == ("cdl", 1, "ext4")
    assert run("mkfs.xfs -f /dev/dasdb1").rc == 0
    assert layout(linked)[2] == "xfs"
    assert run("mkswap /dev/dasdb1").rc == 0
    assert layout(linked)[2] == "swap"


def test_an_fba_disk_gets_a_table_by_fdisks_input(linked):
    new, part = "g\nw\n", "n\np\n1\n\n\nw\n"
    assert linked.run("fdisk /dev/dasdc", stdin=part).rc != 0
    assert linked.run("fdisk /dev/dasdc", stdin="g\nq\n").rc != 0
    assert linked.run("fdisk /dev/dasdc", stdin=new).rc == 0
    assert linked.run("fdisk /dev/dasdc", stdin=part).rc == 0
    assert linked.run("fdisk /dev/dasdc", stdin=part).rc != 0
    assert layout(linked, "0101") == ("gpt", 1, "")
    assert linked.run("mkfs -F -t ext3 /dev/dasdc1").rc == 0


@pytest.mark.parametrize(
    "command",
    [
        "dasdfmt -y -b 4096 -d cdl -v /dev/dasdc",
        "dasdfmt -y -b 4000 -d cdl -v /dev/dasdb",
        "dasdfmt -y -b 4096 -d zdl -v /dev/dasdb",
        "dasdfmt -y --fast /dev/dasdb",
        "dasdfmt -y -b 4096 -d cdl -v /dev/dasdz",
        "dasdfmt -y -b 4096 -d cdl -v /dev/sda",
        "dasdfmt -y /dev/dasdb /dev/dasdc",
        "dasdfmt -y",
        "fdasd /dev/dasdb",
        "fdisk /dev/dasdb",
        "mkfs -F -t ext4 /dev/dasdb",
        "mkfs -F -t zfs /dev/dasdb1",
        "mkswap /dev/dasdz1",
        "blockdev --flushbufs /dev/dasdb1",
        "blockdev --setro /dev/dasdb",
        "offlinediskanddetach T1 0109",
        "offlinediskanddetach T1",
        "linkdiskandbringonline T1 0109 MR",
        "linkdiskandbringonline NONE 0100 MR",
        "linkdiskandbringonline T1 0100 MR",
        "linkdiskandbringonline T1",
    ],
)
def test_what_is_not_possible_is_refused_and_changes_nothing(linked, command):
    linked.zvm.world.mark()
    result = linked.run(command, stdin="g\nw\n")
    assert result.rc != 0
    assert (result.out + result.err).strip()
    assert linked.zvm.world.compare() == []


def test_links_are_a_members_own_and_are_given_back(linked):
    assert linked.run("dasdfmt -y /dev/dasdb", member="ZVMSIM2").rc != 0
    assert linked.run("offlinediskanddetach T1 0100", member="ZVMSIM2").rc != 0
    assert linked.run("offlinediskanddetach T1 0100").rc == 0
    assert [link.node for link in linked.zvm.links.values()] == ["dasdc"]
    out = linked.run("linkdiskandbringonline T1 0100 MR", member="ZVMSIM2").out
    assert node_of(out) == "dasdb"


def test_formatting_destroys_an_image_and_an_image_a_layout(linked):
    image = linked.directory / "image"
    image.write_bytes(imagefile.write(b"bytes" * 1000))
    assert linked.run(f"unpackdiskimage T1 0100 {image}").rc == 0
    assert linked.zvm.disk("T1", "0100").blob
    linked.run("dasdfmt -y -b 4096 -d cdl -v /dev/dasdb")
    assert not linked.zvm.disk("T1", "0100").blob
    assert linked.run(f"unpackdiskimage T1 0100 {image}").rc == 0
    assert layout(linked) == ("", 0, "")
