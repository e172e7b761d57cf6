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


"""Disks, their bytes and their capacity; pools that systems share."""

from __future__ import annotations

import pytest

from ibmvirt.simulators.novalink import refusals
from ibmvirt.simulators.novalink.objects import logical_unit, volume_group
from ibmvirt.simulators.novalink.schema import table, xml
from tests.unit.simulators.novalink import build, support


@pytest.fixture
def system(tmp_path):
    system = support.world(tmp_path, lpars=2)
    system.fabric.world.mark("start")
    return system


def vios(system, number=1):
    return system.all("VirtualIOServer")[number - 1]


def group_of(system, name="rootvg"):
    groups = system.all("VolumeGroup", vios(system).key)
    return next(one for one in groups if one.value("GroupName") == name)


def client(system, number=1):
    return system.all("LogicalPartition")[number - 1]


def changes(system):
    return system.fabric.world.compare("start")


def content(system, data):
    with system.fabric.blobs.writer() as writer:
        writer.write(data)
        return writer.commit()


def test_a_linked_clone_has_the_bytes_of_its_image(system):
    image = build.unit(system, "image", LogicalUnitType=logical_unit.IMAGE)
    blob = content(system, b"image")
    with system.fabric.world.transaction():
        image = system.replace(logical_unit.with_content(image, blob))
    clone = build.unit(system, "clone", ClonedFrom=image.value("UniqueDeviceID"))
    assert clone.blob == blob
    with system.fabric.world.transaction():
        written = content(system, b"changed")
        clone = system.replace(logical_unit.with_content(clone, written))
    assert system.get("LogicalUnit", image.uuid).blob == blob


def test_a_copy_of_a_base_image_has_its_bytes(system):
    group = build.disk(system, group_of(system), "image", 1)
    with system.fabric.world.transaction():
        blob = content(system, b"image")
        system.replace(volume_group.set_blob(group, "disk", "image", blob))
    (image,) = volume_group.disks_of(system.get(group.type, group.uuid))
    udid = xml.value(image, "UniqueDeviceID")
    group = build.disk(system, group_of(system, "datavg"), "copy", 2, BaseImage=udid)
    assert volume_group.blob_of(group, "disk", "copy") == blob
    disk = xml.find(group.element, "VirtualDisks/VirtualDisk")
    assert xml.find(disk, "BaseImage") is None
    udid, number = xml.value(disk, "UniqueDeviceID").split(".")
    assert (udid, number) == (f"03{group.value('GroupSerialID')}", "1")


def test_media_are_shown_by_the_vios(system):
    group = group_of(system)
    with system.fabric.world.transaction():
        blob = content(system, b"iso")
        volume_group.add_media(system, group, "cfg.iso", 1 << 20, blob)
    path = (
        "MediaRepositories/VirtualMediaRepository/OpticalMedia/"
        "VirtualOpticalMedia/MediaUDID"
    )
    assert xml.value(vios(system).element, path) == "0ecfg.iso"
    assert volume_group.blob_of(group_of(system), "media", "cfg.iso") == blob


def test_capacity_of_a_volume_group_follows_its_disks(system):
    free = float(group_of(system, "datavg").value("FreeSpace"))
    group = build.disk(system, group_of(system, "datavg"), "disk", 24)
    assert float(group.value("FreeSpace")) == free - 24
    assert float(group.value("AvailableSize")) == free - 24
    view = xml.copy_of(group.element)
    table.set_value(view, "VirtualDisks/VirtualDisk/DiskCapacity", 30)
    group = support.change(system, group, view)
    assert float(group.value("FreeSpace")) == free - 30
    view = xml.copy_of(group.element)
    xml.remove(view, "VirtualDisks/VirtualDisk")
    group = support.change(system, group, view)
    assert float(group.value("FreeSpace")) == free
    assert changes(system) == []


def test_the_pool_shows_its_units_and_what_is_free(system):
    pool = system.all("SharedStoragePool")[0]
    build.unit(system, "thick", 100, ThinDevice=False)
    build.unit(system, "thin", 50)
    pool = system.get(pool.type, pool.uuid)
    shown = support.rendered(system, pool)
    units = xml.findall(shown, "LogicalUnits/LogicalUnit")
    assert [xml.value(unit, "UnitName") for unit in units] == ["thick", "thin"]
    assert float(pool.value("FreeSpace")) == 4096 - 105
    assert float(pool.value("TotalLogicalUnitSize")) == 150


def test_systems_share_the_pool(tmp_path):
    first = support.world(tmp_path, systems=2, lpars=1)
    second = first.fabric.systems[1]
    item = build.unit(first, "disk")
    mapping = build.scsi_mapping(client(second), item.element)
    build.post_mappings(second, vios(second), [mapping])
    assert first.get("LogicalUnit", item.uuid).value("InUse") == "true"
    with pytest.raises(refusals.Refusal, match="VIOS00010"):
        support.drop(first, first.get("LogicalUnit", item.uuid))
    cluster = first.all("Cluster")[0]
    assert len(xml.findall(cluster.element, "Node/Node")) == 4
