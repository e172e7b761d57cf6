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


"""pypowervm's tasks of storage: pools, volume groups, media, scrubbing."""

from __future__ import annotations

import io

import pytest
from pypowervm import const
from pypowervm import exceptions as pvm_exc
from pypowervm.tasks import cluster_ssp, partition, vopt
from pypowervm.tasks import storage as pvm_tasks
from pypowervm.wrappers import cluster as pvm_cluster
from pypowervm.wrappers import storage as pvm_stor

from tests.functional.simulators.novalink.tasks.walk import walks
from tests.unit.simulators.novalink import requests

IMAGE = bytes(range(256)) * 1000


@pytest.fixture
def tier(adapter):
    return pvm_stor.Tier.get(adapter)[0]


@walks("cluster_ssp.get_or_upload_image_lu")
def test_an_image_is_uploaded_once(novalink, adapter, tier, vioses):
    def get():
        return cluster_ssp.get_or_upload_image_lu(
            tier, "image1", vioses["vios1"].uuid, lambda: io.BytesIO(IMAGE), len(IMAGE)
        )

    first = get()
    assert get().udid == first.udid
    assert novalink.disk("image1") == IMAGE
    uploads = novalink.journal(key="PUT web/File/contents/{id}")
    assert len(uploads) == 1
    # The markers of uploads are gone.
    assert [unit.name for unit in pvm_stor.LUEnt.get(adapter, parent=tier)] == [
        "image1"
    ]


@walks(
    "storage.default_tier_for_ssp",
    "storage.crt_lu",
    "storage.upload_lu",
    "storage.upload_new_lu",
    "storage.crt_lu_linked_clone",
    "storage.rm_tier_storage",
    "storage.rm_ssp_storage",
)
def test_units_of_a_pool(novalink, adapter, tier, vioses):
    vios = vioses["vios1"].uuid
    pool = pvm_stor.SSP.get(adapter)[0]
    novalink.mark("before")
    assert pvm_tasks.default_tier_for_ssp(pool).uuid == tier.uuid
    image, _left = pvm_tasks.upload_new_lu(
        vios, tier, io.BytesIO(IMAGE), "image1", len(IMAGE)
    )
    cluster = pvm_cluster.Cluster.get(adapter)[0]
    _pool, clone = pvm_tasks.crt_lu_linked_clone(
        pool.refresh(), cluster, image, "boot1", lu_size_gb=2
    )
    assert novalink.disk("boot1") == IMAGE
    _tier, made = pvm_tasks.crt_lu(tier, "data1", 3, thin=True)
    pvm_tasks.upload_lu(vios, made, io.BytesIO(IMAGE[:512]), 512)
    assert novalink.disk("data1") == IMAGE[:512]
    # The image goes with its last clone.
    pvm_tasks.rm_tier_storage([clone], tier=tier)
    units = pvm_stor.LUEnt.get(adapter, parent=tier)
    assert [unit.name for unit in units] == ["data1"]
    pool = pool.refresh()
    pool, _made = pvm_tasks.crt_lu(pool, "data2", 1)
    assert [unit.name for unit in pool.logical_units] == ["data1", "data2"]
    pvm_tasks.rm_ssp_storage(pool, list(pool.logical_units))
    assert novalink.compare("before") == []


@walks(
    "storage.find_vg",
    "storage.crt_vdisk",
    "storage.crt_copy_vdisk",
    "storage.upload_new_vdisk",
    "storage.upload_vopt",
    "storage.rm_vg_storage",
    "vopt.validate_vopt_repo_exists",
)
def test_volume_groups(novalink, adapter):
    novalink.mark("before")
    vios, group = pvm_tasks.find_vg(adapter, "datavg", vios_name="vios2")
    vios_uuid, group_uuid = vios.uuid, group.uuid
    made, _left = pvm_tasks.upload_new_vdisk(
        adapter, vios_uuid, group_uuid, io.BytesIO(IMAGE), "disk1", len(IMAGE)
    )
    pvm_tasks.crt_copy_vdisk(
        adapter, vios_uuid, group_uuid, made.udid, 1 << 30, "copy1"
    )
    assert novalink.disk("copy1") == novalink.disk("disk1") == IMAGE
    pvm_tasks.crt_vdisk(adapter, vios_uuid, group_uuid, "disk2", 3)
    owner, home = vopt.validate_vopt_repo_exists(adapter)
    pvm_tasks.upload_vopt(adapter, owner, io.BytesIO(IMAGE), "one.iso")
    repository = pvm_stor.VG.get(
        adapter, uuid=home, parent_type="VirtualIOServer", parent_uuid=owner
    )
    media = repository.vmedia_repos[0].optical_media
    assert [one.name for one in media] == ["one.iso"]
    pvm_tasks.rm_vg_storage(repository, vopts=list(media))
    group = pvm_stor.VG.get(
        adapter, uuid=group_uuid, parent_type="VirtualIOServer", parent_uuid=vios_uuid
    )
    assert {disk.name: disk.capacity for disk in group.virtual_disks} == {
        "disk1": 1,
        "copy1": 1,
        "disk2": 3,
    }
    pvm_tasks.rm_vg_storage(group, vdisks=list(group.virtual_disks))
    assert novalink.compare("before") == []
    with pytest.raises(pvm_exc.VGNotFound):
        pvm_tasks.find_vg(adapter, "no such group")


@walks(
    "storage.find_stale_lpars",
    "storage.add_lpar_storage_scrub_tasks",
    "storage.add_orphan_storage_scrub_tasks",
)
def test_scrubbing(novalink, adapter, lpar):
    novalink.mark("before")
    gone = requests.new_lpar(adapter, "gone")
    for name, owner in (("disk1", gone), ("disk2", lpar)):
        requests.map_storage(adapter, owner, requests.add_disk(adapter, name))
    number = gone.id
    gone.delete()
    vios = requests.vios_with(adapter, const.XAG.VIO_SMAP, const.XAG.VIO_FMAP)
    assert pvm_tasks.find_stale_lpars(vios) == [number]
    for ids, options in (([number], {}), ([lpar.id], {"lpars_exist": True})):
        feed = partition.build_active_vio_feed_task(adapter)
        pvm_tasks.add_lpar_storage_scrub_tasks(ids, feed, **options)
        pvm_tasks.add_orphan_storage_scrub_tasks(feed)
        feed.execute()
    assert novalink.compare("before") == []
