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


"""Requests for partitions and networks that are refused."""

from __future__ import annotations

from ibmvirt.simulators.novalink.objects import partition
from ibmvirt.simulators.novalink.schema import table, xml
from tests.unit.simulators.novalink import support
from tests.unit.simulators.novalink.build import (
    adapter,
    bridge_trunk,
    fc_mapping,
    lpar,
    post_mappings,
    set_state,
)
from tests.unit.simulators.novalink.cases import (
    FMAP,
    edit,
    lpars,
    machine,
    refusal,
    vios1,
)

# -- partitions ---------------------------------------------------------------


@refusal("duplicate_name")
def _(system):
    support.make(system, "LogicalPartition", lpar("lpar0001"))


@refusal("duplicate_name")
def _(system):
    edit(system, lpars(system)[0], "PartitionName", "vios1")


@refusal("duplicate_uuid")
def _(system):
    uuid = lpars(system)[0].uuid
    support.make(system, "LogicalPartition", lpar("new", PartitionUUID=uuid.lower()))


@refusal("duplicate_id")
def _(system):
    support.make(system, "LogicalPartition", lpar("new", PartitionID=1))


@refusal("malformed")
def _(system):
    support.make(system, "LogicalPartition", lpar("new", PartitionType="zOS"))


@refusal("malformed")
def _(system):
    support.make(system, "LogicalPartition", lpar("new", PartitionUUID="no-uuid"))


@refusal("memory")
def _(system):
    support.make(system, "LogicalPartition", lpar("new", memory=1 << 20))


@refusal("memory")
def _(system):
    item = lpars(system)[0]
    view = xml.copy_of(item.element)
    for tag in ("DesiredMemory", "MaximumMemory"):
        table.set_value(view, f"PartitionMemoryConfiguration/{tag}", 1 << 20)
    support.change(system, item, view)


@refusal("memory_limits")
def _(system):
    support.make(system, "LogicalPartition", lpar("new", memory=1000))


@refusal("processors")
def _(system):
    support.make(system, "LogicalPartition", lpar("new", units=400.0, virtual=400))


@refusal("processors")
def _(system):
    support.make(system, "LogicalPartition", lpar("new", dedicated=300))


@refusal("processor_limits")
def _(system):
    support.make(system, "LogicalPartition", lpar("new", units=0.0))


@refusal("no_id")
def _(system):
    item = machine(system)
    element = xml.copy_of(item.element)
    table.set_value(element, "MaximumPartitions", 4)
    system.replace(item.changed(element))
    support.make(system, "LogicalPartition", lpar("new"))


@refusal("no_id")
def _(system):
    support.make(system, "LogicalPartition", lpar("new", PartitionID=2001))


@refusal("partition_name")
def _(system):
    support.make(system, "LogicalPartition", lpar("n" * 32))


@refusal("compatibility")
def _(system):
    mode = {"PendingProcessorCompatibilityMode": "POWER99"}
    support.make(system, "LogicalPartition", lpar("new", **mode))


@refusal("compatibility")
def _(system):
    edit(system, lpars(system)[0], "PendingProcessorCompatibilityMode", "Z16")


@refusal("partition_name")
def _(system):
    edit(system, lpars(system)[0], "PartitionName", "n" * 32)


@refusal("running")
def _(system):
    support.drop(system, set_state(system, lpars(system)[0], partition.RUNNING))


@refusal("no_rmc")
def _(system):
    item = set_state(system, lpars(system)[0], partition.RUNNING, rmc="inactive")
    path = "PartitionProcessorConfiguration/SharedProcessorConfiguration"
    view = xml.copy_of(item.element)
    table.set_value(view, f"{path}/DesiredProcessingUnits", 0.5)
    table.set_value(view, f"{path}/MaximumProcessingUnits", 0.5)
    support.change(system, item, view)


@refusal("no_rmc")
def _(system):
    item = set_state(system, lpars(system)[0], partition.RUNNING, rmc="inactive")
    support.make(system, "ClientNetworkAdapter", adapter(system), item)


@refusal("no_rmc")
def _(system):
    vios = set_state(system, vios1(system), partition.RUNNING, rmc="inactive")
    post_mappings(system, vios, [fc_mapping(lpars(system)[0])], FMAP)


# -- networks -----------------------------------------------------------------


@refusal("no_switch")
def _(system):
    element = adapter(system)
    xml.remove(element, "AssociatedVirtualSwitch")
    support.make(system, "ClientNetworkAdapter", element, lpars(system)[0])


@refusal("duplicate_mac")
def _(system):
    for item in lpars(system):
        element = adapter(system, MACAddress="fa:16:3e:00:00:01")
        support.make(system, "ClientNetworkAdapter", element, item)


@refusal("slot")
def _(system):
    for _ in range(2):
        element = adapter(system, VirtualSlotNumber=5)
        support.make(system, "ClientNetworkAdapter", element, lpars(system)[0])


@refusal("slot")
def _(system):
    element = adapter(system, VirtualSlotNumber=64)
    support.make(system, "ClientNetworkAdapter", element, lpars(system)[0])


@refusal("no_slot")
def _(system):
    for _ in range(63):
        support.make(system, "ClientNetworkAdapter", adapter(system), lpars(system)[0])


@refusal("vlan")
def _(system):
    element = adapter(system, PortVLANID=4095)
    support.make(system, "ClientNetworkAdapter", element, lpars(system)[0])


@refusal("vlan_twice")
def _(system):
    element = adapter(system, PortVLANID=7, TaggedVLANIDs="7 8")
    support.make(system, "ClientNetworkAdapter", element, lpars(system)[0])


@refusal("vlan_limit")
def _(system):
    tags = " ".join(str(number) for number in range(200, 221))
    element = adapter(system, TaggedVLANIDs=tags)
    support.make(system, "ClientNetworkAdapter", element, lpars(system)[0])


@refusal("trunk")
def _(system):
    for _ in range(2):
        element = adapter(system, TrunkPriority=1, PortVLANID=9)
        support.make(system, "ClientNetworkAdapter", element, vios1(system))


@refusal("switch_exists")
def _(system):
    element = table.build("VirtualSwitch", {"SwitchName": "ETHERNET0"})
    support.make(system, "VirtualSwitch", element, machine(system))


@refusal("switch_limit")
def _(system):
    for number in range(20):
        element = table.build("VirtualSwitch", {"SwitchName": f"switch{number}"})
        support.make(system, "VirtualSwitch", element, machine(system))


@refusal("switch_in_use")
def _(system):
    support.drop(system, system.all("VirtualSwitch")[0])


@refusal("switch_in_use")
def _(system):
    ovs = system.all("VirtualSwitch")[3]
    support.make(
        system, "ClientNetworkAdapter", adapter(system, switch=3), lpars(system)[0]
    )
    support.drop(system, ovs)


@refusal("vlan_twice")
def _(system):
    bridge_trunk(system, "4093", "100")


@refusal("trunk_limit")
def _(system):
    for number in range(16):
        bridge_trunk(system, str(4093 - number), str(200 + number))


@refusal("not_supported")
def _(system):
    item = system.all("NetworkBridge")[0]
    view = xml.copy_of(item.element)
    home = xml.find(view, "SharedEthernetAdapters")
    home.append(xml.copy_of(xml.find(home, "SharedEthernetAdapter")))
    support.change(system, item, view)
