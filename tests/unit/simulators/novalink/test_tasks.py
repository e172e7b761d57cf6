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


"""pypowervm's own tasks, on what the simulator makes of their requests."""

from __future__ import annotations

import io

import pytest
from pypowervm import const
from pypowervm import exceptions as pvm_exc
from pypowervm.tasks import (
    cna,
    management_console,
    network_bridger,
    scsi_mapper,
    vfc_mapper,
    vopt,
)
from pypowervm.tasks import storage as pvm_tasks
from pypowervm.wrappers import managed_system as pvm_ms
from pypowervm.wrappers import network as pvm_net
from pypowervm.wrappers import storage as pvm_stor
from pypowervm.wrappers import virtual_io_server as pvm_vios

from tests.unit.simulators.novalink import requests


def host(adapter):
    return pvm_ms.System.get(adapter)[0]


def bridge(adapter):
    return pvm_net.NetBridge.get(adapter, parent=host(adapter))[0]


def test_vlans_of_a_bridge(adapter, simulator):
    before = bridge(adapter)
    network_bridger.ensure_vlans_on_nb(
        adapter, host(adapter).uuid, before.uuid, [500, 501]
    )
    seas = bridge(adapter).seas
    assert [sea.addl_adpts[0].tagged_vlans for sea in seas] == [
        [100, 101, 102, 500, 501]
    ] * 2
    networks = pvm_net.VNet.get(adapter, parent=host(adapter))
    assert {500, 501} <= {network.vlan for network in networks}
    for vlan in (500, 501):
        network_bridger.remove_vlan_from_nb(
            adapter, host(adapter).uuid, before.uuid, vlan
        )
    assert simulator.compare() == []


def test_an_adapter_with_its_own_trunk(adapter):
    lpar = requests.new_lpar(adapter)
    vios = requests.vios_with(adapter)
    made, trunks = cna.crt_p2p_cna(
        adapter,
        host(adapter).uuid,
        lpar.uuid,
        [vios.uuid],
        "OVS",
        crt_vswitch=True,
        mac_addr="fa163e112233",
        ovs_bridge="br-int",
        ovs_ext_ids="iface-id=1",
    )
    assert made.mac == "FA163E112233"
    assert [trunk.trunk_pri for trunk in trunks] == [1]
    assert trunks[0].ovs_bridge == "br-int"
    assert [one.uuid for one in cna.find_trunks(adapter, made)] == [trunks[0].uuid]
    made.delete()
    assert [t.uuid for t in cna.find_orphaned_trunks(adapter, "OVS")] == [
        trunks[0].uuid
    ]


def test_mappings_are_added_to_a_bus_and_removed(adapter, simulator):
    lpar = requests.new_lpar(adapter)
    vios = requests.vios_with(adapter)
    unit, medium = requests.new_unit(adapter), requests.add_medium(adapter)
    for storage in (unit, medium):
        scsi_mapper.add_vscsi_mapping(host(adapter).uuid, vios.uuid, lpar.uuid, storage)
    mapped = requests.vios_with(adapter, const.XAG.VIO_SMAP).scsi_mappings
    assert len({m.server_adapter.name for m in mapped}) == 1
    assert [m.target_dev.lua[:4] for m in mapped] == ["0x81", "0x82"]
    with pytest.raises(pvm_exc.HttpError, match="VIOS00010"):
        unit.refresh().delete()
    _, removed = scsi_mapper.remove_lu_mapping(
        adapter, vios.uuid, lpar.uuid, disk_names=[unit.name]
    )
    assert [one.udid for one in removed] == [unit.udid]
    scsi_mapper.remove_vopt_mapping(
        adapter, vios.uuid, lpar.uuid, media_name=medium.name
    )
    unit.refresh().delete()
    lpar.delete()
    pvm_tasks.rm_vg_storage(requests.volume_group(adapter), vopts=[medium])
    assert simulator.compare() == []


def test_fibre_channel_on_two_vioses(adapter):
    lpar = requests.new_lpar(adapter)

    def vioses():
        return pvm_vios.VIOS.get(adapter, xag=[const.XAG.VIO_STOR, const.XAG.VIO_FMAP])

    ports = [port.wwpn for vios in vioses() for port in vios.pfc_ports]
    assert len(set(ports)) == 4
    wwpns = vfc_mapper.build_wwpn_pair(adapter, host(adapter).uuid, pair_count=2)
    wanted = vfc_mapper.derive_npiv_map(vioses(), ports, wwpns)
    for port_map in wanted:
        vios = vfc_mapper.find_vios_for_port_map(vioses(), port_map)
        assert vfc_mapper.add_map(vios, host(adapter).uuid, lpar.uuid, port_map)
        vios.update()
    found = [mapping for vios in vioses() for mapping in vios.vfc_mappings]
    assert sorted(" ".join(m.client_adapter.wwpns) for m in found) == sorted(
        pair for _, pair in wanted
    )
    adapters = pvm_stor.VFCClientAdapter.get(adapter, parent=lpar)
    assert len(adapters) == 2


def test_growth_of_a_unit_through_its_pool(adapter):
    unit = requests.new_unit(adapter)
    pool = pvm_stor.SSP.get(adapter)[0]
    pool.logical_units[0]._capacity(5)
    pool.update()
    assert unit.refresh().capacity == 5


def test_authorized_keys(adapter):
    management_console.add_authorized_key(adapter, "ssh-rsa AAAA one")
    management_console.add_authorized_key(adapter, "ssh-rsa AAAA two")
    assert list(management_console.get_authorized_keys(adapter)) == [
        "ssh-rsa AAAA one",
        "ssh-rsa AAAA two",
    ]
    with pytest.raises(pvm_exc.HttpError, match="no ssh key"):
        management_console.add_authorized_key(adapter, "no key")


def test_media(adapter, simulator):
    vios_uuid, group_uuid = vopt.validate_vopt_repo_exists(adapter)
    assert requests.volume_group(adapter).uuid == group_uuid
    data = b"\0iso" * 1000
    medium, _ = pvm_tasks.upload_vopt(
        adapter, vios_uuid, io.BytesIO(data), "cfg.iso", len(data)
    )
    assert medium.name == "cfg.iso"
    assert simulator.disk("cfg.iso") == data


def test_a_copied_disk(adapter):
    image = requests.add_disk(adapter, "image")
    made = requests.add_disk(adapter, "copy", base_image=image.udid)
    assert made.udid.endswith(".2")
    assert made.capacity == 1


def test_scrubbing_after_a_partition_that_was_deleted_first(adapter, simulator):
    lpar = requests.new_lpar(adapter)
    disk, unit = requests.add_disk(adapter), requests.new_unit(adapter)
    requests.map_storage(adapter, lpar, disk)
    requests.map_storage(adapter, lpar, unit)
    lpar.delete()
    pvm_tasks.ComprehensiveScrub(adapter).execute()
    assert len(requests.vios_with(adapter, const.XAG.VIO_SMAP).scsi_mappings) == 0
    # It removes what only the VIOS has, and leaves the unit of the pool.
    assert not requests.volume_group(adapter).virtual_disks
    unit.refresh().delete()
    assert simulator.compare() == []
