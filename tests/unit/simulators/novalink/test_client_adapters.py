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


"""The adapters of a partition, as resources that it links to."""

from __future__ import annotations

import pytest
from pypowervm import const
from pypowervm import exceptions as pvm_exc
from pypowervm.tasks import scsi_mapper
from pypowervm.wrappers import logical_partition as pvm_lpar
from pypowervm.wrappers import managed_system as pvm_ms
from pypowervm.wrappers import network as pvm_net
from pypowervm.wrappers import virtual_io_server as pvm_vios

from tests.unit.simulators.novalink import requests

COLLECTIONS = (
    "ClientNetworkAdapters",
    "VirtualSCSIClientAdapters",
    "VirtualFibreChannelClientAdapters",
)


def linked(lpar, tag):
    """What the links of a collection lead to, read through the links."""
    current = lpar.refresh()
    links = [
        link.get("href")
        for link in current.element.find(tag).iter()
        if link.get("href") is not None
    ]
    assert all(f"LogicalPartition/{lpar.uuid}/{tag[:-1]}/" in one for one in links)
    return [current.adapter.read_by_href(link).entry for link in links]


def test_every_link_of_a_partition_leads_to_its_adapter(adapter, simulator):
    lpar = requests.new_lpar(adapter)
    machine = pvm_ms.System.get(adapter)[0]
    switch = pvm_net.VSwitch.get(adapter, parent=machine)[0]
    pvm_net.CNA.bld(adapter, 7, switch.related_href).create(parent=lpar)
    unit, medium = requests.new_unit(adapter), requests.add_medium(adapter)
    for vios in pvm_vios.VIOS.get(adapter):
        scsi_mapper.add_vscsi_mapping(machine.uuid, vios.uuid, lpar.uuid, unit)
    # On the bus that is there.
    first = requests.vios_with(adapter).uuid
    scsi_mapper.add_vscsi_mapping(machine.uuid, first, lpar.uuid, medium)
    vios = requests.vios_with(adapter, const.XAG.VIO_FMAP)
    vios.vfc_mappings.append(pvm_vios.VFCMapping.bld(adapter, None, lpar.uuid, "fcs0"))
    vios.update()
    found = {tag: linked(lpar, tag) for tag in COLLECTIONS}
    assert [len(found[tag]) for tag in COLLECTIONS] == [1, 2, 1]
    slots = {
        entry.element.findtext("VirtualSlotNumber")
        for entries in found.values()
        for entry in entries
    }
    assert slots == {"2", "3", "4", "5"}
    owners = {
        entry.element.findtext("RemoteLogicalPartitionID")
        for entry in found["VirtualSCSIClientAdapters"]
    }
    assert owners == {"1", "2"}

    # They go with their mappings, and with the partition.
    scsi_mapper.remove_vopt_mapping(adapter, first, lpar.id)
    assert len(linked(lpar, "VirtualSCSIClientAdapters")) == 2
    scsi_mapper.remove_lu_mapping(adapter, first, lpar.id)
    (left,) = linked(lpar, "VirtualSCSIClientAdapters")
    assert left.element.findtext("RemoteLogicalPartitionID") == "2"
    path = left.self_link.split("?")[0]
    pvm_lpar.LPAR.get(adapter, uuid=lpar.uuid).delete()
    with pytest.raises(pvm_exc.HttpNotFound):
        adapter.read_by_href(path)
    paths = {change["path"] for change in simulator.compare()}
    assert not [path for path in paths if "ClientAdapter" in path]
