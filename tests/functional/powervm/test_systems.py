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


"""IBM i, AIX and Linux partitions, on the simulator."""

from __future__ import annotations

import dataclasses

import pytest
from nova.compute import power_state
from pypowervm.wrappers import logical_partition

from ibmvirt.common import exceptions, plan
from tests.functional.powervm import test_npiv
from tests.support import powervm

IBM_I = {"os_distro": "ibmi"}


@pytest.fixture
def driven(novalink):
    with powervm.running(novalink) as found:
        yield found


def planned(driven, distro="ibmi", **values):
    """A plan of a server with an image of this system."""
    found = driven.plan(**values)
    image = dataclasses.replace(found.image, properties={"os_distro": distro})
    disks = tuple(dataclasses.replace(d, image=image) for d in found.guest.disks)
    flavor = {"name": "f", "vcpus": 1, "memory_mb": 512, "extra_specs": {}}
    platform = driven.backend.guests.platform(found.server, flavor, image)
    guest = dataclasses.replace(found.guest, disks=disks, platform=platform)
    driven.backend.guests.check(guest)
    settles = driven.backend.guests.settles(guest)
    return dataclasses.replace(found, guest=guest, image=image, settles=settles)


def lpar(driven, spawn):
    adapter = driven.backend.guests._adapter
    return logical_partition.LPAR.get(adapter, uuid=driven.guest(spawn).id)


def slots(driven, spawn, kind="LogicalUnit"):
    """Slots of the client adapters that map a kind of storage, by VIOS."""
    from pypowervm.wrappers import virtual_io_server

    number = lpar(driven, spawn).id
    found = {}
    for vios in virtual_io_server.VIOS.get(
        driven.backend.guests._adapter, xag=["ViosSCSIMapping", "ViosFCMapping"]
    ):
        mappings = vios.vfc_mappings if kind == "port" else vios.scsi_mappings
        for mapping in mappings:
            if mapping.server_adapter.lpar_id == number and (
                kind == "port" or mapping.backing_storage.schema_type == kind
            ):
                found[vios.name] = str(mapping.client_adapter.lpar_slot_num)
    return found


def test_ibm_i_loads_from_its_root_disk_over_both_vioses(driven):
    spawn = planned(driven)
    driven.spawn(spawn)
    found, disk = lpar(driven, spawn), slots(driven, spawn)
    tagged = found.io_config.tagged_io
    assert (tagged.load_src, tagged.alt_load_src) == (disk["vios1"], disk["vios2"])
    # Not the drive, which has an adapter as well.
    assert disk["vios1"] not in slots(driven, spawn, "VirtualOpticalMedia").values()
    assert tagged.console == "HMC"
    assert found.desig_ipl_src == logical_partition.IPLSrc.B
    assert found.keylock_pos == "normal"
    assert found.env == "OS400"
    assert found.state == "running"
    driven.destroy(spawn)
    assert driven.simulator.compare() == []


def test_ibm_i_with_one_path_has_it_twice():
    from ibmvirt.simulators.novalink import NovaLinkSimulator

    with (
        NovaLinkSimulator("--vioses", "1") as simulator,
        powervm.running(simulator) as driven,
    ):
        spawn = planned(driven)
        driven.spawn(spawn)
        (slot,) = slots(driven, spawn).values()
        tagged = lpar(driven, spawn).io_config.tagged_io
        assert (tagged.load_src, tagged.alt_load_src) == (slot, slot)


def test_ibm_i_boots_from_a_volume(driven):
    lun = driven.simulator.admin("POST", "luns", {"size": 2048, "lun": 77})
    volume = plan.Volume(
        id="volume-1",
        protocol="fibre_channel",
        data={"target_wwn": lun["targets"], "target_lun": 77},
        boot=True,
    )
    planned_ = planned(driven)
    guest = dataclasses.replace(planned_.guest, disks=(), volumes=(volume,))
    spawn = dataclasses.replace(planned_, guest=guest, image=None)
    driven.spawn(spawn)
    disk = slots(driven, spawn, "PhysicalVolume")
    tagged = lpar(driven, spawn).io_config.tagged_io
    assert (tagged.load_src, tagged.alt_load_src) == (disk["vios1"], disk["vios2"])


def test_ibm_i_boots_from_a_volume_by_npiv(novalink):
    with powervm.running(novalink, **test_npiv.FABRICS) as driven:
        planned_ = planned(driven)
        test_npiv.connect(driven, planned_)
        volume = dataclasses.replace(test_npiv.VOLUME, boot=True)
        guest = dataclasses.replace(
            planned_.guest,
            server=driven.server(planned_),
            disks=(),
            volumes=(volume,),
        )
        spawn = dataclasses.replace(planned_, guest=guest, image=None)
        driven.spawn(spawn)
        ports = slots(driven, spawn, "port")
        tagged = lpar(driven, spawn).io_config.tagged_io
        assert (tagged.load_src, tagged.alt_load_src) == (
            ports["vios1"],
            ports["vios2"],
        )


def test_ibm_i_is_shut_down_by_its_own_means_first(driven):
    spawn = planned(driven)
    driven.spawn(spawn)
    guest = driven.guest(spawn)
    # Each orderly way is refused, to see what comes after it.
    driven.simulator.rule(
        match={"key": "PUT LogicalPartition/{id}/do/PowerOff"},
        on="job",
        count=3,
        effect={"kind": "job", "message": "HSCL9999 no"},
    )
    driven.simulator.admin("DELETE", "journal")
    with driven.operation("power_off", spawn.server):
        driven.backend.guests.power_off(guest, timeout=600, retry_interval=10)
    asked = [c for c in driven.calls("power_off", spawn) if "do/PowerOff" in c]
    assert asked.count("PUT LogicalPartition/{id}/do/PowerOff") == 4
    state = driven.backend.guests.state(guest, use_cache=False)
    assert state.power_state == power_state.SHUTDOWN
    driven.backend.guests.power_on(guest)
    driven.backend.guests.reboot(guest, hard=False)
    state = driven.backend.guests.state(guest, use_cache=False)
    assert state.power_state == power_state.RUNNING


@pytest.mark.parametrize("distro", ["aix", "rhel", ""])
def test_others_start_their_system_whatever_boot_mode_was_left(driven, distro):
    spawn = planned(driven, distro)
    driven.spawn(spawn)
    assert lpar(driven, spawn).env == "AIX/Linux"
    guest = driven.guest(spawn)
    driven.backend.guests.power_off(guest, timeout=0, retry_interval=0)
    found = lpar(driven, spawn)
    found.bootmode = "System_Management_Services"
    found.update()
    driven.backend.guests.power_on(guest)
    assert lpar(driven, spawn).state == "running"


def test_the_load_source_is_set_again_after_a_lost_answer(driven):
    spawn = planned(driven)
    driven.simulator.rule(
        match={"key": "POST LogicalPartition/{id}*"},
        phase="after",
        effect={"kind": "drop"},
    )
    driven.spawn(spawn)
    assert lpar(driven, spawn).state == "running"


def test_a_boot_disk_that_nobody_maps_is_named(driven):
    spawn = planned(driven)
    other = driven.plan(2)
    driven.spawn(other)
    with pytest.raises(exceptions.HypervisorError, match="load source"):
        driven.backend.guests.settle(driven.guest(other), spawn.guest, ())
