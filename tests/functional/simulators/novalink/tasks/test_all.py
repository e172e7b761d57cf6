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


"""Every function of pypowervm's tasks is gone through, or has a reason."""

from __future__ import annotations

import importlib
import pathlib

import pytest
from pypowervm import exceptions as pvm_exc
from pypowervm.tasks import cluster_ssp, master_mode, migration, partition, sriov
from pypowervm.tasks.hdisk import _rbd
from pypowervm.wrappers import cluster as pvm_cluster
from pypowervm.wrappers import iocard as pvm_card
from pypowervm.wrappers import mtms as pvm_mtms
from pypowervm.wrappers import storage as pvm_stor

from tests.functional.simulators.novalink.tasks import walk
from tests.unit.simulators.novalink import requests

HERE = pathlib.Path(__file__).parent


def test_all():
    for path in HERE.glob("test_*.py"):
        importlib.import_module(f"{__package__}.{path.stem}")
    assert walk.functions() - walk.WALKED.keys() == set()


REFUSED = [
    (lambda lpar, machine: migration.migrate_lpar(lpar, "sys2"), "Migrate"),
    (lambda lpar, machine: migration.migrate_abort(lpar), "MigrateAbort"),
    (lambda lpar, machine: migration.migrate_recover(lpar), "MigrateRecover"),
    (lambda lpar, machine: master_mode.request_master(machine), "RequestMaster"),
    (lambda lpar, machine: master_mode.release_master(machine), "ReleaseMaster"),
    (
        lambda lpar, machine: partition.clone_uuid(lpar.adapter, lpar.uuid, "other"),
        "CloneUUID",
    ),
    (
        lambda lpar, machine: partition.ibmi_add_license_key(
            lpar.adapter, lpar.uuid, "0123"
        ),
        "AddLicense",
    ),
]


@walk.walks(
    "migration.migrate_lpar",
    "migration.migrate_abort",
    "migration.migrate_recover",
    "master_mode.request_master",
    "master_mode.release_master",
    "partition.clone_uuid",
    "partition.ibmi_add_license_key",
    "hdisk._rbd.rbd_exists",
    "cluster_ssp.crt_cluster_ssp",
)
def test_what_comes_later_is_refused_by_name(adapter, lpar, machine, vioses):
    for ask, name in REFUSED:
        with pytest.raises(pvm_exc.HttpError, match=f"REST0130.*do/{name} ") as raised:
            ask(lpar, machine)
        assert raised.value.response.status == 501
    vios = vioses["vios1"]
    with pytest.raises(pvm_exc.HttpError, match="RBDExists"):
        _rbd.rbd_exists(adapter, vios.uuid, "pool/image")
    image = pvm_stor.RBD.bld_ref(adapter, "pool/image", tag="image")
    with pytest.raises(pvm_exc.HttpError, match=r"REST0130.*VirtualDisk of type RBD"):
        requests.map_storage(adapter, lpar, image)
    node = pvm_cluster.Node.bld(
        adapter,
        hostname="vios1.sys1",
        lpar_id=1,
        mtms=pvm_mtms.MTMS.bld(adapter, mtms_str="8247-22L*210010A"),
        vios_uri=vios.href,
    )
    with pytest.raises(pvm_exc.HttpError, match=r"REST0130.*Cluster/do/Create "):
        cluster_ssp.crt_cluster_ssp(
            "two", "ssp2", vios.phys_vols[0], node, [vios.phys_vols[1]]
        )


@walk.walks(
    "sriov.get_lpar_vnics",
    "sriov.safe_update_pports",
    "sriov.find_pports_for_portlabel",
    "sriov.find_pport",
    "sriov.set_vnic_back_devs",
)
def test_there_are_no_sriov_adapters(adapter, lpar, machine):
    assert sriov.find_pports_for_portlabel("default", adapter) == []
    assert sriov.find_pport(machine, "U78AB.001-P1-C1-T1") is None
    assert sriov.safe_update_pports(machine, lambda _system: False).uuid == machine.uuid
    with pytest.raises(pvm_exc.HttpError, match="VirtualNICDedicated is not a"):
        sriov.get_lpar_vnics(adapter)
    # The machine says so itself: no client goes as far as to ask for a port.
    vnic = pvm_card.VNIC.bld(adapter, pvid=7)
    with pytest.raises(pvm_exc.SystemNotVNICCapable):
        sriov.set_vnic_back_devs(vnic, ["U78AB.001-P1-C1-T1"])
    assert len(vnic.back_devs) == 0
