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


"""Servers that nova-powervm deployed, taken over as they are.

They are made here by pypowervm's own tasks, under nova-powervm's names: the
partition of the server's name and UUID, boot_<name> or b_<name[:8]>_<uuid[:4]>
as its disk, cfg_<UUID>.iso, one client adapter a port and one for RMC.
"""

from __future__ import annotations

import io

import pytest
from nova.compute import power_state
from pypowervm import const
from pypowervm import util as pvm_util
from pypowervm.tasks import cluster_ssp, cna, scsi_mapper
from pypowervm.tasks import power as power_tasks
from pypowervm.tasks import storage as storage_tasks
from pypowervm.utils import lpar_builder
from pypowervm.utils import uuid as pvm_uuid
from pypowervm.wrappers import managed_system, storage, virtual_io_server

from ibmvirt.common import context
from tests.support import powervm

CONTENT = powervm.IMAGE_BYTES
DRIVE = b"config drive" * 1000
LOCAL = {"disk_driver": "localdisk", "volume_group_name": "datavg"}
BOTH = pytest.mark.parametrize(
    "taken", [{}, LOCAL], ids=["ssp", "localdisk"], indirect=True
)


def adapter_of(driven):
    return driven.backend.disks.configured._adapter


def vioses(adapter):
    return virtual_io_server.VIOS.get(adapter, xag=[const.XAG.VIO_SMAP])


def shared_disk(adapter, server):
    """An image's linked clone, and the VIOSes that map it: all."""
    pool = storage.SSP.get(adapter)[0]
    tier = storage.Tier.get(adapter, parent_type=storage.SSP, parent_uuid=pool.uuid)[0]
    all_of_them = vioses(adapter)
    image = cluster_ssp.get_or_upload_image_lu(
        tier,
        "image_small_" + "0" * 32,
        all_of_them[0].uuid,
        lambda: io.BytesIO(CONTENT),
        len(CONTENT),
    )
    name = pvm_util.sanitize_file_name_for_api(server.name, prefix="boot_")
    _pool, disk = storage_tasks.crt_lu_linked_clone(pool, tier, image, name, 2)
    return disk, all_of_them


def local_disk(adapter, server):
    """The VIOS's copy of an image's virtual disk, and that VIOS."""
    for vios in vioses(adapter):
        for group in storage.VG.get(adapter, parent=vios):
            if group.name != LOCAL["volume_group_name"]:
                continue
            image, _file = storage_tasks.upload_new_vdisk(
                adapter,
                vios.uuid,
                group.uuid,
                io.BytesIO(CONTENT),
                "i_3d1b2f5e_9a0c",
                len(CONTENT),
            )
            disk = storage_tasks.crt_copy_vdisk(
                adapter,
                vios.uuid,
                group.uuid,
                image.udid,
                image.capacity,
                f"b_{server.name[:8]}_{server.uuid[:4]}",
                2 << 30,
            )
            return disk, [vios]
    raise AssertionError("no such volume group")


def deploy(adapter, spawn, options):
    """As nova-powervm's driver did."""
    server, vif = spawn.server, spawn.guest.vifs[0]
    machine = managed_system.System.get(adapter)[0]
    values = {
        "name": pvm_util.sanitize_partition_name_for_api(server.name),
        "uuid": pvm_uuid.convert_uuid_to_pvm(server.uuid).upper(),
        "env": "AIX/Linux",
        "memory": spawn.guest.memory_mib,
        "vcpu": spawn.guest.vcpus,
        "proc_units": 0.5,
    }
    lpar = lpar_builder.LPARBuilder(
        adapter, values, lpar_builder.DefaultStandardize(machine)
    ).build()
    lpar = lpar.create(parent=machine)
    cna.crt_cna(
        adapter, None, lpar.uuid, vif.vlan, vswitch="ETHERNET0",
        mac_addr=vif.mac.replace(":", "").upper(),
    )  # fmt: skip
    cna.crt_cna(adapter, None, lpar.uuid, 1, vswitch="MGMTSWITCH", crt_vswitch=True)
    disk, homes = (local_disk if options else shared_disk)(adapter, server)
    for vios in homes:
        scsi_mapper.add_map(
            vios, scsi_mapper.build_vscsi_mapping(None, vios, lpar.uuid, disk)
        )
        vios.update()
    home, _group = storage_tasks.find_vg(adapter, "rootvg")
    drive, _file = storage_tasks.upload_vopt(
        adapter,
        home.uuid,
        io.BytesIO(DRIVE),
        f"cfg_{server.uuid.replace('-', '')[:29]}.iso",
        len(DRIVE),
    )
    home = next(vios for vios in vioses(adapter) if vios.uuid == home.uuid)
    scsi_mapper.add_map(
        home, scsi_mapper.build_vscsi_mapping(None, home, lpar.uuid, drive)
    )
    home.update()
    power_tasks.power_on(lpar.refresh(), None)


@pytest.fixture
def taken(request, novalink):
    """A restarted compute service that finds such a server."""
    options = request.param
    with powervm.running(novalink, **options) as former:
        spawn = former.plan()
        deploy(adapter_of(former), spawn, options)
    ageing = {"remove_unused_original_minimum_age_seconds": 0}
    with powervm.running(novalink, image_cache=ageing, **options) as driven:
        yield driven, spawn


@BOTH
def test_it_is_found_in_its_state(taken):
    driven, spawn = taken
    storage_before = driven.simulator.guest(spawn.server.name)["storage"]
    assert {one["kind"] for one in storage_before} > {"VirtualOpticalMedia"}
    guest = driven.guest(spawn)
    assert guest.name == spawn.server.name
    guests = driven.backend.guests
    assert guests.state(guest, use_cache=True).power_state == power_state.RUNNING
    assert [found.name for found in guests.list()] == [spawn.server.name]


@BOTH
def test_its_power_and_networks_are_managed(taken):
    driven, spawn = taken
    guest, guests = driven.guest(spawn), driven.backend.guests
    with driven.operation("power_off", spawn.server):
        guests.power_off(guest, timeout=0, retry_interval=0)
    assert guests.state(guest, use_cache=False).power_state == power_state.SHUTDOWN
    with driven.operation("power_on", spawn.server):
        guests.power_on(guest)
    assert guests.state(guest, use_cache=False).power_state == power_state.RUNNING
    # The start of the service plugs what is missing: nothing is.
    before = driven.simulator.guest(guest.name)["adapters"]
    driven.backend.networks.ensure(guest, spawn.guest.vifs)
    assert driven.simulator.guest(guest.name)["adapters"] == before


@BOTH
def test_a_snapshot_is_taken_of_its_disk(taken):
    driven, spawn = taken
    with (
        driven.operation("snapshot", spawn.server),
        driven.backend.snapshots.open(spawn.server, driven.guest(spawn)) as captured,
    ):
        assert captured.stream.read(len(CONTENT)) == CONTENT


@BOTH
def test_nothing_stays_of_it(taken):
    driven, spawn = taken
    driven.destroy(spawn)
    # The image stays for others, until it has aged.
    with context.background("image_cache"):
        driven.backend.image_cache.age(frozenset())
    assert driven.simulator.compare() == []
