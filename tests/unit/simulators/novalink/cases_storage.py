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


"""Requests for storage, and for what is not there, that are refused."""

from __future__ import annotations

from ibmvirt.simulators.novalink.objects import volume_group
from ibmvirt.simulators.novalink.schema import table, xml
from tests.unit.simulators.novalink import support
from tests.unit.simulators.novalink.build import (
    adapter,
    disk,
    fc_mapping,
    lpar,
    medium,
    post_group,
    post_mappings,
    scsi_mapping,
    unit,
)
from tests.unit.simulators.novalink.cases import (
    FMAP,
    edit,
    group_of,
    lpars,
    refusal,
    vios1,
)

# -- storage ------------------------------------------------------------------


@refusal("lu_exists")
def _(system):
    unit(system, "disk")
    unit(system, "disk")


@refusal("pool_full")
def _(system):
    unit(system, "disk", size=5000, ThinDevice=False)


@refusal("pool_full")
def _(system):
    disk(system, group_of(system), "disk", 2000)


@refusal("lu_in_use")
def _(system):
    item = unit(system, "disk")
    post_mappings(system, vios1(system), [scsi_mapping(lpars(system)[0], item.element)])
    support.drop(system, system.get("LogicalUnit", item.uuid))


@refusal("lu_in_use")
def _(system):
    item = unit(system, "image", LogicalUnitType="VirtualIO_Image")
    unit(system, "clone", ClonedFrom=item.value("UniqueDeviceID"))
    support.drop(system, item)


@refusal("disk_shrink")
def _(system):
    item = unit(system, "image", size=10)
    unit(system, "clone", size=5, ClonedFrom=item.value("UniqueDeviceID"))


@refusal("disk_shrink")
def _(system):
    edit(system, unit(system, "disk", size=10), "UnitCapacity", 5)


@refusal("no_storage")
def _(system):
    unit(system, "clone", ClonedFrom="27ab")


@refusal("no_storage")
def _(system):
    disk(system, group_of(system), "copy", 1, BaseImage="absent")


@refusal("disk_name")
def _(system):
    disk(system, group_of(system), "a-name-that-is-too-long", 1)


@refusal("disk_name")
def _(system):
    medium(system, group_of(system), "m" * 38)


@refusal("disk_exists")
def _(system):
    disk(system, group_of(system), "disk", 1)
    disk(system, group_of(system, "datavg"), "disk", 1)


@refusal("disk_in_use")
def _(system):
    group = disk(system, group_of(system), "disk", 1)
    made = xml.find(group.element, "VirtualDisks/VirtualDisk")
    post_mappings(system, vios1(system), [scsi_mapping(lpars(system)[0], made)])
    view = xml.copy_of(group.element)
    xml.remove(view, "VirtualDisks/VirtualDisk")
    support.change(system, group, view)


@refusal("repository_exists")
def _(system):
    values = {"RepositoryName": "Second", "RepositorySize": 1}
    group = group_of(system, "datavg")
    view = xml.copy_of(group.element)
    xml.remove(view, "MediaRepositories")
    table.set_value(view, "MediaRepositories", {"VirtualMediaRepository": values})
    support.change(system, group, view)


@refusal("not_on_vios")
def _(system):
    absent = table.child("Storage", "PhysicalVolume", {"VolumeName": "hdisk77"})
    post_mappings(system, vios1(system), [scsi_mapping(lpars(system)[0], absent)])


@refusal("storage_mapped")
def _(system):
    group = disk(system, group_of(system), "disk", 1)
    made = xml.find(group.element, "VirtualDisks/VirtualDisk")
    first, second = lpars(system)
    post_mappings(system, vios1(system), [scsi_mapping(first, made)])
    post_mappings(system, vios1(system), [scsi_mapping(second, made)])


@refusal("storage_mapped")
def _(system):
    item = unit(system, "disk").element
    first, second = lpars(system)
    # Two partitions may share a unit; one of them has it once.
    post_mappings(system, vios1(system), [scsi_mapping(first, item)])
    post_mappings(system, vios1(system), [scsi_mapping(second, item)])
    post_mappings(system, vios1(system), [scsi_mapping(second, item)])


@refusal("no_client")
def _(system):
    mapping = scsi_mapping(lpars(system)[0], unit(system, "disk").element)
    xml.remove(mapping, "AssociatedLogicalPartition")
    post_mappings(system, vios1(system), [mapping])


@refusal("no_adapter")
def _(system):
    mapping = scsi_mapping(lpars(system)[0], unit(system, "disk").element)
    table.set_value(mapping, "ServerAdapter/UniqueDeviceID", "1eabsent")
    post_mappings(system, vios1(system), [mapping])


@refusal("slot")
def _(system):
    client = lpars(system)[0]
    support.make(
        system, "ClientNetworkAdapter", adapter(system, VirtualSlotNumber=9), client
    )
    item = unit(system, "disk").element
    post_mappings(system, vios1(system), [scsi_mapping(client, item, slot=9)])


@refusal("address")
def _(system):
    client = lpars(system)[0]
    for name in ("one", "two"):
        item = unit(system, name).element
        mapping = scsi_mapping(client, item, slot=9, lua="0x8800000000000000")
        post_mappings(system, vios1(system), [mapping])


@refusal("target_name")
def _(system):
    for name in ("one", "two"):
        item = unit(system, name).element
        mapping = scsi_mapping(lpars(system)[0], item, target="mine")
        post_mappings(system, vios1(system), [mapping])


@refusal("bus_full")
def _(system):
    client = lpars(system)[0]
    mappings = [
        scsi_mapping(client, unit(system, f"disk{number}").element, slot=9)
        for number in range(128)
    ]
    post_mappings(system, vios1(system), mappings)


@refusal("no_port")
def _(system):
    mapping = fc_mapping(lpars(system)[0], port="fcs9")
    post_mappings(system, vios1(system), [mapping], FMAP)


@refusal("port_full")
def _(system):
    mappings = [
        fc_mapping(lpars(system)[0], VirtualSlotNumber=number + 2)
        for number in range(60)
    ]
    post_mappings(system, vios1(system), mappings, FMAP)
    mappings = [fc_mapping(lpars(system)[1]) for _ in range(5)]
    post_mappings(system, vios1(system), mappings, FMAP)


@refusal("wwpn")
def _(system):
    names = "c0507600000000a1 c0507600000000a2"
    for item in lpars(system):
        post_mappings(system, vios1(system), [fc_mapping(item, WWPNs=names)], FMAP)


@refusal("malformed")
def _(system):
    mapping = fc_mapping(lpars(system)[0], WWPNs="c0507600000000a1")
    post_mappings(system, vios1(system), [mapping], FMAP)


@refusal("no_repository")
def _(system):
    volume_group.find_with_repository(system, system.all("VirtualIOServer")[1])


@refusal("not_found")
def _(system):
    system.get("LogicalPartition", "00000000-0000-0000-0000-000000000000")


@refusal("unknown_type")
def _(system):
    support.make(system, "Toaster", lpar("new"))


@refusal("verb")
def _(system):
    support.drop(system, vios1(system))


@refusal("verb")
def _(system):
    post_group(system, system.all("Tier")[0])


@refusal("not_supported")
def _(system):
    item = group_of(system)
    view = xml.copy_of(item.element)
    home = xml.find(view, "PhysicalVolumes")
    home.remove(xml.find(home, "PhysicalVolume"))
    support.change(system, item, view)


@refusal("malformed")
def _(system):
    item = unit(system, "disk")
    edit(system, item, "UnitCapacity", "NaN")


@refusal("storage_name")
def _(system):
    unit(system, "../../../../tmp/x")


@refusal("storage_name")
def _(system):
    edit(system, unit(system, "disk"), "UnitName", "..")


@refusal("storage_name")
def _(system):
    disk(system, group_of(system), "../disk", 1)


@refusal("storage_name")
def _(system):
    medium(system, group_of(system), "a\u2028b")


@refusal("storage_name")
def _(system):
    volume_group.add_media(system, group_of(system), "a/b", 1, "0")
