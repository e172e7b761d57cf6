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


"""What holds after every change, and what the platform assigns."""

from __future__ import annotations

import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ibmvirt.simulators.novalink import refusals
from ibmvirt.simulators.novalink.objects import (
    scsi_mapping,
    usage,
)
from ibmvirt.simulators.novalink.schema import groups, table, xml
from tests.unit.simulators.novalink import build, support

FMAP = frozenset({"ViosFCMapping"})


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


def mappings(item):
    return xml.findall(item.element, scsi_mapping.PATH)


def changes(system):
    return system.fabric.world.compare("start")


# -- partitions ---------------------------------------------------------------


def test_free_memory_and_processors_follow_the_partitions(system):
    before = usage.free(system)
    item = support.make(system, "LogicalPartition", build.lpar("one", 2048, 1.5))
    assert usage.free(system) == (before[0] - 2048, before[1] - 1.5)
    view = xml.copy_of(item.element)
    for word in ("Minimum", "Desired", "Maximum"):
        table.set_value(view, f"PartitionMemoryConfiguration/{word}Memory", 1024)
    item = support.change(system, item, view)
    assert item.value("PartitionMemoryConfiguration/CurrentMemory") == "1024"
    assert usage.free(system)[0] == before[0] - 1024
    assert usage.drift(system) == []
    support.drop(system, item)
    assert usage.free(system) == before
    assert changes(system) == []


def test_dedicated_processors(system):
    before = usage.free(system)[1]
    item = support.make(system, "LogicalPartition", build.lpar("one", dedicated=3))
    assert usage.free(system)[1] == before - 3
    path = "PartitionProcessorConfiguration"
    assert item.value(f"{path}/CurrentHasDedicatedProcessors") == "true"
    current = f"{path}/CurrentDedicatedProcessorConfiguration/CurrentProcessors"
    assert item.value(current) == "3"
    shared = f"{path}/CurrentSharedProcessorConfiguration"
    assert xml.find(item.element, shared) is None


def test_an_ibm_i_partition_has_tagged_io(system):
    element = build.lpar("ibmi", PartitionType="OS400")
    item = support.make(system, "LogicalPartition", element)
    assert item.value("PartitionIOConfiguration/TaggedIO/LoadSource") == "NONE"
    assert item.value("DesignatedIPLSource") == "b"


def test_partition_ids_are_used_again(system):
    first = support.make(system, "LogicalPartition", build.lpar("one"))
    support.make(system, "LogicalPartition", build.lpar("two"))
    support.drop(system, first)
    third = support.make(system, "LogicalPartition", build.lpar("three"))
    assert third.value("PartitionID") == first.value("PartitionID")


def test_no_partition_is_lost_or_doubled_by_threads(system):
    """Names that threads ask for at once are given once."""
    outcomes = []

    def work():
        try:
            support.make(system, "LogicalPartition", build.lpar("same"))
            outcomes.append("made")
        except refusals.Refusal as refusal:
            outcomes.append(refusal.message.split()[0])

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(outcomes) == ["HSCL0D01"] * 7 + ["made"]
    assert usage.drift(system) == []


# -- slots and networks -------------------------------------------------------


def test_slots_low_and_high(system):
    item = client(system)
    first = build.adapter(system, VirtualSlotNumber=10)
    support.make(system, "ClientNetworkAdapter", first, item)
    high = support.make(
        system,
        "ClientNetworkAdapter",
        build.adapter(system, UseNextAvailableHighSlotID=True),
        item,
    )
    low = support.make(
        system,
        "ClientNetworkAdapter",
        build.adapter(system, UseNextAvailableSlotID=True),
        item,
    )
    assert (high.value("VirtualSlotNumber"), low.value("VirtualSlotNumber")) == (
        "11",
        "2",
    )
    code = high.value("LocationCode")
    assert code == f"U8247.22L.{system.serial}-V{item.value('PartitionID')}-C11"
    assert xml.find(high.element, "UseNextAvailableHighSlotID") is None


def test_the_partition_links_to_its_adapters(system):
    item = client(system)
    made = support.make(system, "ClientNetworkAdapter", build.adapter(system), item)
    links = xml.findall(client(system).element, "ClientNetworkAdapters/link")
    assert [link.get("href") for link in links] == [system.url_of(made)]
    support.drop(system, made)
    assert changes(system) == []


def test_a_network_exists_as_long_as_an_adapter_uses_its_vlan(system):
    def vlans():
        return {n.value("NetworkVLANID") for n in system.all("VirtualNetwork")}

    made = [
        support.make(
            system,
            "ClientNetworkAdapter",
            build.adapter(system, PortVLANID=77),
            client(system, number),
        )
        for number in (1, 2)
    ]
    assert "77" in vlans()
    support.drop(system, made[0])
    assert "77" in vlans()
    support.drop(system, made[1])
    assert "77" not in vlans()
    assert changes(system) == []


def test_a_trunk_with_open_vswitch(system):
    values = {
        "TrunkPriority": 1,
        "OvsBridge": "br-int",
        "OvsPortExternalIds": "iface-id=1,iface-status=active",
        "ConfiguredMTU": 1500,
        "DeviceName": "tap1",
    }
    element = build.adapter(system, switch=3, PortVLANID=9, **values)
    made = support.make(system, "ClientNetworkAdapter", element, vios(system))
    assert {tag: made.value(tag) for tag in values} == {
        tag: str(value) for tag, value in values.items()
    }
    other = build.adapter(system, switch=3, PortVLANID=9, DeviceName="tap2")
    made = support.make(system, "ClientNetworkAdapter", other, client(system))
    assert made.value("DeviceName") == ""


def test_a_vlan_on_a_bridge_reaches_load_groups_networks_and_vioses(system):
    bridge = build.bridge_trunk(system, "4000", "300 301")
    groups = xml.findall(bridge.element, "LoadGroups/LoadGroup")
    assert [xml.value(one, "PortVLANID") for one in groups] == ["1", "4094", "4000"]
    assert len(xml.findall(groups[2], "VirtualNetworks/link")) == 3
    assert len(xml.findall(groups[2], "TrunkAdapters/TrunkAdapter")) == 2
    for number in (1, 2):
        item = vios(system, number)
        slots = [xml.value(t, "VirtualSlotNumber") for t in build.trunks_of(item)]
        assert len(slots) == len(set(slots)) == 5
        tags = [xml.value(t, "TaggedVLANIDs") for t in build.trunks_of(item)]
        assert "300 301" in tags
        new = build.trunks_of(item)[tags.index("300 301")]
        assert xml.value(new, "TrunkPriority") == str(number)
        assert len(xml.value(new, "MACAddress")) == 12
    found = {n.value("NetworkVLANID") for n in system.all("VirtualNetwork")}
    assert {"300", "301", "4000"} <= found
    view = xml.copy_of(bridge.element)
    path = "SharedEthernetAdapters/SharedEthernetAdapter"
    for sea in xml.findall(view, path):
        trunks = xml.find(sea, "TrunkAdapters")
        trunks.remove(trunks[-1])
    support.change(system, bridge, view)
    assert changes(system) == []


# -- mappings -----------------------------------------------------------------


def test_use_of_units_follows_the_mappings(system):
    item = build.unit(system, "disk")
    for number in (1, 2):
        mapping = build.scsi_mapping(client(system), item.element)
        build.post_mappings(system, vios(system, number), [mapping])
    assert system.get("LogicalUnit", item.uuid).value("InUse") == "true"
    build.remove_mappings(system, vios(system, 1))
    assert system.get("LogicalUnit", item.uuid).value("InUse") == "true"
    build.remove_mappings(system, vios(system, 2))
    assert system.get("LogicalUnit", item.uuid).value("InUse") == "false"
    support.drop(system, system.get("LogicalUnit", item.uuid))
    assert changes(system) == []


def test_use_of_volumes_follows_the_mappings(system):
    def available():
        path = "PhysicalVolumes/PhysicalVolume"
        volume = xml.findall(vios(system).element, path)[0]
        return xml.value(volume, "AvailableForUsage")

    volume = xml.findall(vios(system).element, "PhysicalVolumes/PhysicalVolume")[0]
    mapping = build.scsi_mapping(client(system), volume)
    build.post_mappings(system, vios(system), [mapping])
    assert available() == "false"
    build.remove_mappings(system, vios(system))
    assert available() == "true"
    assert changes(system) == []


def test_both_ends_of_a_mapping_agree(system):
    item = build.unit(system, "disk")
    mapping = build.scsi_mapping(client(system), item.element)
    stored = mappings(build.post_mappings(system, vios(system), [mapping]))[0]
    ends = {
        tag: (
            xml.value(stored, f"{tag}/LocalPartitionID"),
            xml.value(stored, f"{tag}/VirtualSlotNumber"),
            xml.value(stored, f"{tag}/RemoteLogicalPartitionID"),
            xml.value(stored, f"{tag}/RemoteSlotNumber"),
        )
        for tag in ("ClientAdapter", "ServerAdapter")
    }
    first, second = ends.values()
    assert first[:2] == second[2:]
    assert first[2:] == second[:2]
    assert xml.value(stored, "ServerAdapter/AdapterName") == "vhost0"
    assert xml.value(stored, "ServerAdapter/BackingDeviceName") == "disk"
    target = xml.find(stored, "TargetDevice")[0]
    assert xml.value(target, "TargetName") == "vtscsi0"
    assert xml.value(target, "LogicalUnitAddress") == "0x8100000000000000"


def test_mappings_of_one_slot_share_one_bus(system):
    asked = [
        build.scsi_mapping(client(system), build.unit(system, name).element, slot=20)
        for name in ("one", "two")
    ]
    build.post_mappings(system, vios(system), asked)
    third = build.scsi_mapping(
        client(system), build.unit(system, "three").element, slot=20
    )
    stored = mappings(build.post_mappings(system, vios(system), [third]))
    assert {xml.value(m, "ServerAdapter/AdapterName") for m in stored} == {"vhost0"}
    addresses = [
        xml.value(xml.find(m, "TargetDevice")[0], "LogicalUnitAddress") for m in stored
    ]
    assert [text[:4] for text in addresses] == ["0x81", "0x82", "0x83"]
    bus = system.all("VirtualSCSIBus", vios(system).key)
    assert len(bus) == 1
    path = "AssociatedMappings/VirtualSCSIStorageAndTargetDevice"
    assert len(xml.findall(bus[0].element, path)) == 3


def test_a_known_mapping_cannot_be_changed(system):
    item = build.unit(system, "disk")
    mapping = build.scsi_mapping(client(system), item.element)
    stored = build.post_mappings(system, vios(system), [mapping])
    view = xml.copy_of(stored.element)
    path = "VirtualSCSIMappings/VirtualSCSIMapping/ClientAdapter/VirtualSlotNumber"
    table.set_value(view, path, 60)
    table.set_value(
        view, "VirtualSCSIMappings/VirtualSCSIMapping/ServerAdapter/AdapterName", "x"
    )
    posted = support.change(system, stored, view, build.SMAP)
    assert [support.canonical(m) for m in mappings(posted)] == [
        support.canonical(m) for m in mappings(stored)
    ]


def test_fibre_channel_ports_count_their_clients(system):
    def left():
        ports = vios(system).element.iter(f"{{{xml.UOM}}}PhysicalFibreChannelPort")
        return {xml.value(p, "PortName"): xml.value(p, "AvailablePorts") for p in ports}

    stale = groups.view(vios(system).element, build.SMAP)
    mapping = build.fc_mapping(client(system))
    stored = build.post_mappings(system, vios(system), [mapping], FMAP)
    # What a client read before is not taken for the count of now.
    support.change(system, stored, stale, build.SMAP)
    path = "VirtualFibreChannelMappings/VirtualFibreChannelMapping"
    made = xml.findall(stored.element, path)[0]
    wwpns = xml.value(made, "ClientAdapter/WWPNs").split()
    assert len(set(wwpns)) == 2
    assert all(name.startswith("c0507606") for name in wwpns)
    assert left() == {"fcs0": "63", "fcs1": "64"}
    adapters = system.all("VirtualFibreChannelClientAdapter", client(system).key)
    assert adapters[0].value("WWPNs").split() == wwpns
    tag = "VirtualFibreChannelClientAdapters/link"
    assert len(xml.findall(client(system).element, tag)) == 1
    build.remove_mappings(system, vios(system), shown=FMAP)
    assert left() == {"fcs0": "64", "fcs1": "64"}
    assert changes(system) == []


def test_mappings_of_a_deleted_partition_are_left_without_a_client(system):
    """As recorded: scrubbing finds those with a server adapter alone."""
    item = support.make(system, "LogicalPartition", build.lpar("gone"))
    unit = build.unit(system, "disk")
    mapping = build.scsi_mapping(item, unit.element)
    build.post_mappings(system, vios(system), [mapping])
    build.post_mappings(system, vios(system), [build.fc_mapping(item)], FMAP)
    support.drop(system, system.get(item.type, item.uuid))
    left = mappings(vios(system))[0]
    tags = [xml.name(part) for part in left if xml.name(part) != "Metadata"]
    assert tags == ["ServerAdapter", "Storage", "TargetDevice"]
    assert system.all("VirtualFibreChannelClientAdapter") == []
    assert system.get("LogicalUnit", unit.uuid).value("InUse") == "true"
    # The id is free again, and so are its slots.
    again = support.make(system, "LogicalPartition", build.lpar("again"))
    assert again.value("PartitionID") == item.value("PartitionID")
    assert system.used_slots(again) == {0, 1}
    build.remove_mappings(system, vios(system))
    build.remove_mappings(system, vios(system), shown=FMAP)
    support.drop(system, again)
    support.drop(system, system.get("LogicalUnit", unit.uuid))
    assert changes(system) == []


# -- anything, then back ------------------------------------------------------

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["lpar", "unit", "disk", "adapter", "map", "fc"]),
        st.integers(1, 2),
        st.integers(1, 4),
    ),
    max_size=12,
)


@given(steps=STEPS)
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_what_is_undone_leaves_nothing(tmp_path_factory, steps):
    system = support.world(tmp_path_factory.mktemp("world"), lpars=2)
    world = system.fabric.world
    world.mark("start")
    undo: list = []
    refused: list = []
    for kind, number, amount in steps:
        try:
            _step(system, undo, kind, number, amount)
        except refusals.Refusal as refusal:
            refused.append(refusal.status)
        assert usage.drift(system) == []
    assert set(refused) <= {400, 500}
    for number in (1, 2):
        build.remove_mappings(system, vios(system, number))
        build.remove_mappings(system, vios(system, number), shown=FMAP)
    for item in reversed(undo):
        support.drop(system, system.get(item.type, item.uuid))
    for group in system.all("VolumeGroup"):
        view = xml.copy_of(group.element)
        for disk in xml.findall(view, "VirtualDisks/VirtualDisk"):
            xml.find(view, "VirtualDisks").remove(disk)
        support.change(system, group, view)
    assert world.compare("start") == []


def _step(system, undo, kind, number, amount):
    name = f"{kind}{amount}"
    if kind == "lpar":
        undo.append(support.make(system, "LogicalPartition", build.lpar(name)))
    elif kind == "unit":
        undo.append(build.unit(system, name, amount))
    elif kind == "disk":
        build.disk(system, group_of(system), name, amount)
    elif kind == "adapter":
        element = build.adapter(system, PortVLANID=amount + 40)
        undo.append(
            support.make(
                system, "ClientNetworkAdapter", element, client(system, number)
            )
        )
    elif kind == "map":
        units = system.all("LogicalUnit")
        if units:
            unit = units[amount % len(units)]
            mapping = build.scsi_mapping(client(system, number), unit.element)
            build.post_mappings(system, vios(system, number), [mapping])
    else:
        mapping = build.fc_mapping(client(system, number), f"fcs{amount % 3}")
        build.post_mappings(system, vios(system, number), [mapping], FMAP)
