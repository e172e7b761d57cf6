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


"""Requests as elements, for tests of the objects without HTTP."""

from __future__ import annotations

from lxml import etree

from ibmvirt.simulators.novalink.objects import partition
from ibmvirt.simulators.novalink.schema import groups, table, xml
from tests.unit.simulators.novalink import support

SMAP = frozenset({"ViosSCSIMapping"})


def lpar(name, memory=512, units=0.5, virtual=1, dedicated=0, **values):
    """A partition with least, desired and most the same."""
    words = ("Minimum", "Desired", "Maximum")
    if dedicated:
        processors = {
            "HasDedicatedProcessors": True,
            "DedicatedProcessorConfiguration": {
                f"{word}Processors": dedicated for word in words
            },
            "SharingMode": "sre idle proces",
        }
    else:
        processors = {
            "HasDedicatedProcessors": False,
            "SharedProcessorConfiguration": {
                **{f"{word}ProcessingUnits": units for word in words},
                **{f"{word}VirtualProcessors": virtual for word in words},
            },
            "SharingMode": "capped",
        }
    return table.build(
        "LogicalPartition",
        {
            "PartitionName": name,
            "PartitionType": "AIX/Linux",
            "PartitionMemoryConfiguration": {f"{word}Memory": memory for word in words},
            "PartitionProcessorConfiguration": processors,
            **values,
        },
    )


def set_state(system, item, state, rmc="active"):
    with system.fabric.world.transaction():
        return system.replace(partition.with_state(item, state, rmc, ""))


def adapter(system, switch=0, **values):
    url = system.url_of(system.all("VirtualSwitch")[switch])
    return table.build(
        "ClientNetworkAdapter",
        {
            "PortVLANID": 1,
            "AssociatedVirtualSwitch": {"link": [xml.link(url)]},
            **values,
        },
    )


def bridge_trunk(system, vlan, tagged):
    """Add a trunk to both SEAs of the first bridge."""
    bridge = system.all("NetworkBridge")[0]
    view = xml.copy_of(bridge.element)
    path = "SharedEthernetAdapters/SharedEthernetAdapter"
    for sea in xml.findall(view, path):
        trunks = xml.find(sea, "TrunkAdapters")
        values = {"PortVLANID": vlan, "TaggedVLANIDs": tagged}
        trunks.append(table.child("TrunkAdapters", "TrunkAdapter", values))
    return support.change(system, bridge, view)


def trunks_of(item):
    return xml.findall(
        item.element,
        "SharedEthernetAdapters/SharedEthernetAdapter/TrunkAdapters/TrunkAdapter",
    )


def unit(system, name, size=1, **values):
    element = table.build(
        "LogicalUnit", {"UnitName": name, "UnitCapacity": size, **values}
    )
    return support.make(system, "LogicalUnit", element, system.all("Tier")[0])


def _add(system, group, path, child, values):
    view = xml.copy_of(group.element)
    home = xml.find(view, path)
    home.append(table.child(xml.name(home), child, values))
    return support.change(system, group, view)


def disk(system, group, name, size, **values):
    values = {"DiskName": name, "DiskCapacity": size, **values}
    return _add(system, group, "VirtualDisks", "VirtualDisk", values)


def medium(system, group, name):
    path = "MediaRepositories/VirtualMediaRepository/OpticalMedia"
    values = {"MediaName": name, "Size": "0.1"}
    return _add(system, group, path, "VirtualOpticalMedia", values)


def scsi_mapping(client, storage, slot=None, lua=None, target=None):
    """As pypowervm builds one: no ids, the next free slots."""
    adapter_values = {"AdapterType": "Client", "UseNextAvailableSlotID": True}
    if slot is not None:
        adapter_values = {"AdapterType": "Client", "VirtualSlotNumber": slot}
    values = {
        "AssociatedLogicalPartition": table.Href(
            f"http://host/rest/api/uom/LogicalPartition/{client.uuid}"
        ),
        "ClientAdapter": adapter_values,
        "ServerAdapter": {"AdapterType": "Server", "UseNextAvailableSlotID": True},
        "Storage": {xml.name(storage): xml.copy_of(storage)},
    }
    if lua or target:
        kind = "SharedStoragePoolLogicalUnitVirtualTargetDevice"
        asked = {"LogicalUnitAddress": lua, "TargetName": target}
        values["TargetDevice"] = {kind: asked}
    return table.child("VirtualSCSIMappings", "VirtualSCSIMapping", values)


def fc_mapping(client, port="fcs0", **values):
    return table.child(
        "VirtualFibreChannelMappings",
        "VirtualFibreChannelMapping",
        {
            "AssociatedLogicalPartition": table.Href(
                f"http://host/rest/api/uom/LogicalPartition/{client.uuid}"
            ),
            "ClientAdapter": {"AdapterType": "Client", **values},
            "Port": {"PortName": port},
            "ServerAdapter": {"AdapterType": "Server"},
        },
    )


def post_group(system, item, shown=None):
    view = etree.fromstring(etree.tostring(groups.view(item.element, shown)))
    return support.change(system, item, view, shown)


def post_mappings(system, vios, mappings, shown=SMAP):
    """Add mappings to a VIOS, as it is now."""
    current = system.get(vios.type, vios.uuid)
    view = etree.fromstring(etree.tostring(groups.view(current.element, shown)))
    fc = "ViosFCMapping" in shown
    home = xml.find(view, f"Virtual{'FibreChannel' if fc else 'SCSI'}Mappings")
    home.extend(mappings)
    return support.change(system, current, view, shown)


def remove_mappings(system, vios, keep=lambda mapping: False, shown=SMAP):
    current = system.get(vios.type, vios.uuid)
    view = etree.fromstring(etree.tostring(groups.view(current.element, shown)))
    fc = "ViosFCMapping" in shown
    home = xml.find(view, f"Virtual{'FibreChannel' if fc else 'SCSI'}Mappings")
    for mapping in list(home):
        if xml.name(mapping) != "Metadata" and not keep(mapping):
            home.remove(mapping)
    return support.change(system, current, view, shown)
