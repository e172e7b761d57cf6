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


"""pypowervm's tasks of mappings: virtual SCSI and Fibre Channel."""

from __future__ import annotations

from pypowervm import const
from pypowervm.tasks import client_storage, scsi_mapper, vfc_mapper
from pypowervm.tasks import storage as pvm_tasks
from pypowervm.tasks.hdisk import _fc, _iscsi
from pypowervm.wrappers import storage as pvm_stor
from pypowervm.wrappers import virtual_io_server as pvm_vios

from tests.functional.simulators.novalink.tasks.walk import walks
from tests.unit.simulators.novalink import requests

FMAP = [const.XAG.VIO_FMAP, const.XAG.VIO_STOR]


@walks(
    "scsi_mapper.add_vscsi_mapping",
    "scsi_mapper.build_vscsi_mapping",
    "scsi_mapper.add_map",
    "scsi_mapper.find_maps",
    "scsi_mapper.index_mappings",
    "scsi_mapper.gen_match_func",
    "scsi_mapper.detach_storage",
    "scsi_mapper.remove_maps",
    "scsi_mapper.remove_vdisk_mapping",
    "scsi_mapper.remove_lu_mapping",
    "scsi_mapper.remove_pv_mapping",
    "scsi_mapper.modify_vopt_mapping",
    "scsi_mapper.remove_vopt_mapping",
    "client_storage.udid_to_scsi_mapping",
)
def test_scsi(novalink, adapter, lpar):
    vios = requests.vios_with(adapter, const.XAG.VIO_SMAP, const.XAG.VIO_STOR)
    disk, unit = requests.add_disk(adapter), requests.new_unit(adapter, "unit1")
    volume = vios.phys_vols[0]
    media = [requests.add_medium(adapter, name) for name in ("one.iso", "two.iso")]
    novalink.mark("before")
    for storage in (disk, unit, volume):
        scsi_mapper.add_vscsi_mapping(None, vios.uuid, lpar.uuid, storage)
    vios = vios.refresh()
    made = scsi_mapper.build_vscsi_mapping(
        None, vios, lpar.uuid, media[0], lua="0x8700000000000000"
    )
    assert scsi_mapper.add_map(vios, made) is not None
    # Asked for once more, it is there.
    assert scsi_mapper.add_map(vios, made) is None
    vios = vios.update()
    maps = vios.scsi_mappings
    assert len(maps) == 4
    found = scsi_mapper.find_maps(maps, client_lpar_id=lpar.id, stg_elem=unit)
    assert [one.backing_storage.udid for one in found] == [unit.udid]
    index = scsi_mapper.index_mappings(maps)
    assert len(index["by-lpar-id"][str(lpar.id)]) == 4
    assert [
        one.backing_storage.name for one in index["by-storage-udid"][volume.udid]
    ] == [volume.name]
    assert client_storage.udid_to_scsi_mapping(vios, unit.udid, lpar.id) is not None

    # The medium in the drive is changed, the address of the drive is not.
    _vios, changed = scsi_mapper.modify_vopt_mapping(
        adapter, vios.uuid, lpar.id, media[1], media_name="one.iso"
    )
    assert changed.backing_storage.name == "two.iso"
    assert changed.target_dev.lua == "0x8700000000000000"

    # Detached, the bus stays without its storage.
    vios = requests.vios_with(adapter, const.XAG.VIO_SMAP)
    match = scsi_mapper.gen_match_func(pvm_stor.VDisk, names=["disk1"])
    assert len(scsi_mapper.detach_storage(vios, lpar.id, match_func=match)) == 1
    vios = vios.update()
    assert [one.backing_storage is None for one in vios.scsi_mappings].count(True) == 1
    empty = [one for one in vios.scsi_mappings if one.backing_storage is None]
    vios.scsi_mappings.remove(empty[0])
    vios.update()
    scsi_mapper.add_vscsi_mapping(None, vios.uuid, lpar.uuid, disk)

    for remove, named in (
        (scsi_mapper.remove_vdisk_mapping, {"disk_names": ["disk1"]}),
        (scsi_mapper.remove_lu_mapping, {"udids": [unit.udid]}),
        (scsi_mapper.remove_vopt_mapping, {"media_name": "two.iso"}),
    ):
        _vios, removed = remove(adapter, vios.uuid, lpar.id, **named)
        assert len(removed) == 1
    scsi_mapper.remove_pv_mapping(adapter, vios.uuid, lpar.id, volume.name)
    assert novalink.compare("before") == []
    vios = requests.vios_with(adapter, const.XAG.VIO_SMAP)
    assert scsi_mapper.remove_maps(vios, lpar.id) == []


@walks(
    "vfc_mapper.build_wwpn_pair",
    "vfc_mapper.derive_base_npiv_map",
    "vfc_mapper.derive_npiv_map",
    "vfc_mapper.find_vios_for_wwpn",
    "vfc_mapper.find_vios_for_vfc_wwpns",
    "vfc_mapper.find_vios_for_port_map",
    "vfc_mapper.find_pfc_wwpn_by_name",
    "vfc_mapper.intersect_wwpns",
    "vfc_mapper.add_map",
    "vfc_mapper.find_maps",
    "vfc_mapper.remove_maps",
    "vfc_mapper.has_client_wwpns",
    "vfc_mapper.build_migration_mappings_for_fabric",
    "vfc_mapper.build_migration_mappings",
    "client_storage.c_wwpn_to_vfc_mapping",
)
def test_fibre_channel(novalink, adapter, machine, lpar):
    def wraps():
        return pvm_vios.VIOS.get(adapter, xag=FMAP)

    novalink.mark("before")
    ports = [port.wwpn for vios in wraps() for port in vios.pfc_ports]
    vios, port = vfc_mapper.find_vios_for_wwpn(wraps(), ports[0])
    assert vfc_mapper.find_pfc_wwpn_by_name(vios, port.name) == ports[0]
    assert vfc_mapper.intersect_wwpns(ports, [ports[1].lower()]) == [ports[1]]
    # The platform chooses the client's WWPNs.
    base = vfc_mapper.derive_base_npiv_map(wraps(), ports, 2)
    for wanted in base:
        vios = vfc_mapper.find_vios_for_port_map(wraps(), wanted)
        assert vfc_mapper.add_map(vios, None, lpar.uuid, wanted)
        vios.update()
    pairs = [
        mapping.client_adapter.wwpns
        for vios in wraps()
        for mapping in vfc_mapper.find_maps(vios.vfc_mappings, lpar.id)
    ]
    assert len(pairs) == 2
    found, mapping = vfc_mapper.has_client_wwpns(wraps(), pairs[0])
    assert mapping.client_adapter.wwpns == pairs[0]
    assert client_storage.c_wwpn_to_vfc_mapping(found, pairs[0][0]) is not None
    for pair in pairs:
        assert vfc_mapper.find_vios_for_vfc_wwpns(wraps(), pair)[0] is not None
    slots = [
        mapping.server_adapter.lpar_slot_num
        for vios in wraps()
        for mapping in vios.vfc_mappings
    ]
    assert len(
        vfc_mapper.build_migration_mappings_for_fabric(wraps(), ports, slots)
    ) == len(slots)
    data = {"A": {"slots": slots, "p_port_wwpns": ports}}
    assert len(vfc_mapper.build_migration_mappings(wraps(), data, [slots])) == 2
    for vios in wraps():
        assert len(vfc_mapper.remove_maps(vios, lpar.id)) == 1
        vios.update()
    # These are asked for by name.
    wwpns = vfc_mapper.build_wwpn_pair(adapter, machine.uuid, pair_count=1)
    (wanted,) = vfc_mapper.derive_npiv_map(wraps(), ports, wwpns)
    vios = vfc_mapper.find_vios_for_port_map(wraps(), wanted)
    vfc_mapper.add_map(vios, None, lpar.uuid, wanted)
    vios = vios.update()
    made = vios.vfc_mappings[0]
    assert set(made.client_adapter.wwpns) == set(wwpns)
    assert len(vfc_mapper.remove_maps(vios, lpar.id, port_map=wanted)) == 1
    vios.update()
    assert novalink.compare("before") == []


@walks(
    "hdisk._fc.normalize_lun",
    "hdisk._fc.build_itls",
    "hdisk._fc.discover_hdisk",
    "hdisk._fc.lua_recovery",
    "hdisk._fc.good_discovery",
    "hdisk._fc.get_pg83_via_job",
    "hdisk._fc.remove_hdisk",
    "storage.rescan_vstor",
)
def test_a_disk_over_fibre_channel(novalink, adapter, vioses):
    vios = vioses["vios1"]
    made = novalink.admin("POST", "luns", {"size": 2048, "lun": 258})
    own = [port.wwpn for port in vios.pfc_ports]
    assert _fc.normalize_lun(258) == "102000000000000"
    itls = _fc.build_itls(own, made["targets"], 258)
    novalink.mark("before")
    status, name, udid = _fc.discover_hdisk(adapter, vios.uuid, itls)
    assert _fc.good_discovery(status, name)
    assert udid == made["udid"]
    assert _fc.lua_recovery(adapter, vios.uuid, itls)[1] == name
    assert _fc.get_pg83_via_job(adapter, vios.uuid, udid)
    volume = next(one for one in vios.refresh().phys_vols if one.name == name)
    lpar = requests.new_lpar(adapter)
    requests.map_storage(adapter, lpar, volume)
    pvm_tasks.rescan_vstor(vios, udid)
    scsi_mapper.remove_pv_mapping(adapter, vios.uuid, lpar.id, name)
    _fc.remove_hdisk(adapter, "host", name, vios.uuid)
    lpar.delete()
    assert novalink.compare("before") == []


@walks(
    "hdisk._iscsi.discover_iscsi_initiator",
    "hdisk._iscsi.discover_iscsi",
    "hdisk._iscsi.good_discovery",
    "hdisk._iscsi.remove_iscsi",
)
def test_a_disk_over_iscsi(novalink, adapter, vioses):
    vios = vioses["vios2"]
    assert _iscsi.discover_iscsi_initiator(adapter, vios.uuid).startswith("iqn.")
    iqn, portal = "iqn.2016-06.world.srv:target00", "192.0.2.10:3260"
    novalink.admin("POST", "luns", {"targets": [iqn], "portal": portal, "lun": 1})
    novalink.mark("before")
    name, udid = _iscsi.discover_iscsi(
        adapter, portal, None, None, iqn, vios.uuid, lunid=1
    )
    assert name == "hdisk9"
    assert [one.udid for one in vios.refresh().phys_vols].count(udid) == 1
    _iscsi.remove_iscsi(adapter, iqn, vios.uuid, lun=1)
    assert novalink.compare("before") == []
