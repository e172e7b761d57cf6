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

"""All jobs through pypowervm's tasks, and their states."""

from __future__ import annotations

import pytest
from pypowervm import const
from pypowervm import exceptions as pvm_exc
from pypowervm.tasks import (
    hdisk,
    ibmi,
    memory,
    migration,
    power,
    power_opts,
    scsi_mapper,
    vfc_mapper,
    vterm,
)
from pypowervm.tasks import storage as pvm_tasks
from pypowervm.wrappers import base_partition as pvm_bp
from pypowervm.wrappers import job as pvm_job
from pypowervm.wrappers import logical_partition as pvm_lpar
from pypowervm.wrappers import managed_system as pvm_ms
from pypowervm.wrappers import virtual_io_server as pvm_vios

from ibmvirt.simulators.novalink import NovaLinkSimulator
from tests.functional.simulators.novalink import support
from tests.unit.simulators.novalink import requests


def state(lpar):
    return lpar.refresh().state


@pytest.fixture
def lpar(adapter):
    return requests.new_lpar(adapter)


@pytest.fixture(autouse=True)
def nothing_stays_open(novalink):
    yield
    assert novalink.verify() == []


# -- power -----------------------------------------------------------------------


def test_power_on_and_off(adapter, lpar):
    power.power_on(lpar, None)
    running = lpar.refresh()
    assert running.state == pvm_bp.LPARState.RUNNING
    assert running.rmc_state == pvm_bp.RMCState.ACTIVE
    power.PowerOp.stop(running, opts=power_opts.PowerOffOpts().os_normal())
    assert state(lpar) == pvm_bp.LPARState.NOT_ACTIVATED


def test_power_on_twice_and_off_twice(adapter, lpar):
    power.power_on(lpar, None)
    # The client takes these two refusals as done.
    power.power_on(lpar, None)
    power.PowerOp.stop(lpar, opts=power_opts.PowerOffOpts().vsp_hard())
    power.PowerOp.stop(lpar, opts=power_opts.PowerOffOpts().vsp_hard())
    assert state(lpar) == pvm_bp.LPARState.NOT_ACTIVATED


@pytest.mark.parametrize(
    "options",
    [
        power_opts.PowerOffOpts().os_normal(),
        power_opts.PowerOffOpts().os_immediate(),
        power_opts.PowerOffOpts().vsp_normal(),
        power_opts.PowerOffOpts().vsp_hard(),
    ],
)
def test_restarts(adapter, lpar, options):
    power.power_on(lpar, None)
    power.PowerOp.stop(lpar.refresh(), opts=options.restart())
    assert state(lpar) == pvm_bp.LPARState.RUNNING


def test_a_dump_restarts(adapter, lpar):
    power.power_on(lpar, None)
    options = power_opts.PowerOffOpts()
    options._parm_map["operation"] = "dumprestart"
    power.PowerOp.stop(lpar, opts=options)
    assert state(lpar) == pvm_bp.LPARState.RUNNING


@pytest.mark.parametrize(
    ("mode", "shown", "reached"),
    [
        (power_opts.BootMode.NORM, pvm_bp.BootMode.NORM, "running"),
        (power_opts.BootMode.SMS, pvm_bp.BootMode.SMS, "open firmware"),
        (power_opts.BootMode.OF, pvm_bp.BootMode.OF, "open firmware"),
        (power_opts.BootMode.DD, pvm_bp.BootMode.DD, "running"),
        (power_opts.BootMode.DS, pvm_bp.BootMode.DS, "running"),
    ],
)
def test_boot_modes(adapter, lpar, mode, shown, reached):
    power.power_on(lpar, None, add_parms=power_opts.PowerOnOpts().bootmode(mode))
    found = lpar.refresh()
    assert (found.bootmode, found.state) == (shown, reached)


def loading(adapter):
    """An IBM i partition that knows where it loads from."""
    made = requests.new_lpar(adapter, "ibmi1", "OS400")
    requests.map_storage(adapter, made, requests.add_medium(adapter))
    return ibmi.update_ibmi_settings(adapter, made.refresh(), "vscsi").update()


def test_ibm_i_needs_a_load_source(adapter):
    made = requests.new_lpar(adapter, "ibmi1", "OS400")
    with pytest.raises(pvm_exc.VMPowerOnFailure, match="HSCL0DB8"):
        power.power_on(made, None)
    assert state(made) == pvm_bp.LPARState.NOT_ACTIVATED


def test_a_keylock_changes_while_an_ibm_i_partition_runs(adapter):
    partition = loading(adapter)
    power.power_on(partition, None)
    options = power_opts.PowerOnOpts().ibmi_op_type(
        power_opts.IBMiOperationType.CHANGE_KEYLOCK
    )
    options.keylock_pos(power_opts.KeylockPos.MANUAL)
    power.power_on(partition, None, add_parms=options)
    found = partition.refresh()
    assert found.keylock_pos == pvm_bp.KeylockPos.MANUAL
    assert found.state == pvm_bp.LPARState.RUNNING


def test_an_os_shutdown_needs_rmc(adapter, lpar):
    power.power_on(lpar, None)
    before = lpar.refresh()
    power.PowerOp.stop(before, opts=power_opts.PowerOffOpts().vsp_hard())
    firmware = power_opts.PowerOnOpts().bootmode(power_opts.BootMode.OF)
    power.power_on(lpar, None, add_parms=firmware)
    # The client asks for it because it knows a state of before.
    with pytest.raises(pvm_exc.VMPowerOffFailure, match="HSCL0DB4"):
        power.PowerOp.stop(before, opts=power_opts.PowerOffOpts().os_normal())
    assert state(lpar) == pvm_bp.LPARState.OPEN_FIRMWARE
    power.power_off_progressive(lpar.refresh())
    assert state(lpar) == pvm_bp.LPARState.NOT_ACTIVATED


def test_ibm_i_is_shut_down_without_rmc(adapter):
    partition = loading(adapter)
    power.power_on(partition, None)
    running = partition.refresh()
    assert running.rmc_state == pvm_bp.RMCState.INACTIVE
    power.PowerOp.stop(running, opts=power_opts.PowerOffOpts().os_normal())
    assert state(partition) == pvm_bp.LPARState.NOT_ACTIVATED


def test_a_medium_is_unmapped_some_time_after_the_start(novalink, adapter, lpar):
    medium = requests.add_medium(adapter)
    requests.map_storage(adapter, lpar, medium)
    options = power_opts.PowerOnOpts().remove_optical(medium.name, time=10)
    power.power_on(lpar, None, add_parms=options)
    assert len(novalink.guest("test1")["storage"]) == 1
    novalink.clock(advance=599)
    assert len(novalink.guest("test1")["storage"]) == 1
    novalink.clock(advance=2)
    support.until(lambda: novalink.guest("test1")["storage"] == [])


def test_unknown_options_of_power_jobs_fail_and_change_nothing(adapter, lpar):
    options = power_opts.PowerOnOpts()
    options._parm_map["bootmode"] = "sideways"
    with pytest.raises(pvm_exc.VMPowerOnFailure, match="HSCL0DB6"):
        power.power_on(lpar, None, add_parms=options)
    assert state(lpar) == pvm_bp.LPARState.NOT_ACTIVATED


def test_close_vterm(adapter, lpar):
    vterm.close_vterm(adapter, lpar.uuid)


# -- of the system ---------------------------------------------------------------


def test_memory_overhead(adapter):
    machine = pvm_ms.System.get(adapter)[0]
    overhead, free = memory.calculate_memory_overhead_on_host(
        adapter, machine.uuid, {"max_mem": 65536}
    )
    assert overhead == 1024
    assert free == machine.memory_free


def test_wwpns_never_come_twice(adapter):
    uuid = pvm_ms.System.get(adapter)[0].uuid
    first = vfc_mapper.build_wwpn_pair(adapter, uuid, pair_count=3)
    second = vfc_mapper.build_wwpn_pair(adapter, uuid)
    assert len(set(first + second)) == 8


def test_migrate_validate_needs_another_system(adapter, lpar):
    with pytest.raises(pvm_exc.JobRequestFailed, match="HSCL2000"):
        migration.migrate_lpar(lpar, "elsewhere", validate_only=True)
    with pytest.raises(pvm_exc.JobRequestFailed, match="HSCLA21C"):
        migration.migrate_lpar(lpar, "sys1", validate_only=True)


def test_other_jobs_are_refused_loudly(adapter, lpar):
    with pytest.raises(pvm_exc.HttpError, match="REST0130"):
        migration.migrate_lpar(lpar, "sys2")


# -- of a VIOS -------------------------------------------------------------------


def vios_of(adapter):
    return requests.vios_with(adapter, const.XAG.VIO_STOR, const.XAG.VIO_SMAP)


def ports(vios):
    return [port.wwpn for port in vios.pfc_ports]


def test_a_new_lun_is_discovered_once_and_removed(novalink, adapter):
    lun = novalink.admin("POST", "luns", {"size": 20480, "lun": 77})
    vios = vios_of(adapter)
    before = {pv.udid for pv in vios.phys_vols}
    assert lun["udid"] not in before
    itls = hdisk.build_itls(ports(vios), lun["targets"], 77)
    status, name, udid = hdisk.discover_hdisk(adapter, vios.uuid, itls)
    assert (status, name, udid) == ("3", "hdisk9", lun["udid"])
    assert hdisk.discover_hdisk(adapter, vios.uuid, itls) == (status, name, udid)
    (volume,) = [pv for pv in vios_of(adapter).phys_vols if pv.udid == udid]
    assert (volume.name, volume.capacity) == ("hdisk9", 20480)
    assert hdisk.get_pg83_via_job(adapter, vios.uuid, udid) == volume._get_val_str(
        "DescriptorPage83"
    )
    hdisk.remove_hdisk(adapter, "sys1", name, vios.uuid)
    assert {pv.udid for pv in vios_of(adapter).phys_vols} == before


def test_a_mapped_lun_is_in_use(adapter, lpar):
    vios = vios_of(adapter)
    volume = vios.phys_vols[0]
    requests.map_storage(adapter, lpar, volume)
    itls = hdisk.build_itls(ports(vios)[:1], ["5005076801000001"], 1)
    assert (
        hdisk.lua_recovery(adapter, vios.uuid, itls)[0] == hdisk.LUAStatus.DEVICE_IN_USE
    )
    with pytest.raises(pvm_exc.JobRequestFailed, match="VIOS00053"):
        hdisk.remove_hdisk(adapter, "sys1", volume.name, vios.uuid)
    pvm_tasks.rescan_vstor(vios.uuid, volume.udid, adapter=adapter)


def test_a_lun_that_grew_is_seen_after_a_rescan(novalink, adapter, lpar):
    vios = vios_of(adapter)
    volume = vios.phys_vols[0]
    requests.map_storage(adapter, lpar, volume)
    (lun,) = [x for x in novalink.admin("GET", "luns") if x["udid"] == volume.udid]
    novalink.admin("PUT", f"luns/{lun['number']}", {"size": 20480})
    assert vios_of(adapter).phys_vols[0].capacity == lun["size"]
    pvm_tasks.rescan_vstor(vios.uuid, volume.udid, adapter=adapter)
    assert vios_of(adapter).phys_vols[0].capacity == 20480
    (disk,) = novalink.guest(lpar.name)["storage"]
    assert disk["size_mib"] == 20480
    with pytest.raises(Exception, match="at least 20480 MiB"):
        novalink.admin("PUT", f"luns/{lun['number']}", {"size": 1})


def test_paths_that_lead_nowhere(adapter):
    vios = vios_of(adapter)
    good = hdisk.build_itls(ports(vios)[:1], ["5005076801000001"], 2)
    bad = hdisk.build_itls(ports(vios)[:1], ["50050768010000ff"], 2)
    assert (
        hdisk.lua_recovery(adapter, vios.uuid, bad)[0] == hdisk.LUAStatus.INCORRECT_ITL
    )
    status, name, _udid = hdisk.lua_recovery(adapter, vios.uuid, good + bad)
    assert (status, name) == (hdisk.LUAStatus.FOUND_ITL_ERR, "hdisk2")
    foreign = hdisk.build_itls(["10000090fa999999"], ["5005076801000001"], 2)
    assert hdisk.lua_recovery(adapter, vios.uuid, foreign)[1] is None


def test_jobs_of_devices_that_do_not_exist(adapter):
    vios = vios_of(adapter)
    with pytest.raises(pvm_exc.JobRequestFailed, match="VIOS00052"):
        hdisk.remove_hdisk(adapter, "sys1", "hdisk4711", vios.uuid)
    with pytest.raises(pvm_exc.VstorNotFound):
        pvm_tasks.rescan_vstor(vios.uuid, "0123456789", adapter=adapter)


def test_iscsi(novalink, adapter, lpar):
    iqn, portal = "iqn.2016-06.world.srv:target00", "192.0.2.10:3260"
    lun = novalink.admin(
        "POST",
        "luns",
        {
            "targets": [iqn],
            "portal": portal,
            "lun": 1,
            "user": "chap",
            "password": "secret",
        },
    )
    assert "password" not in lun
    vios = vios_of(adapter)
    name = hdisk.discover_iscsi_initiator(adapter, vios.uuid)
    assert name == "iqn.1993-08.org.ibmvirt:sys1-vios1"

    def discover(password, target=iqn):
        return hdisk.discover_iscsi(
            adapter, portal, "chap", password, target, vios.uuid, lunid=1
        )

    with pytest.raises(pvm_exc.ISCSIDiscoveryFailed, match="24"):
        discover("wrong")
    with pytest.raises(pvm_exc.ISCSIDiscoveryFailed, match="21"):
        discover("secret", "iqn.elsewhere")
    device, udid = discover("secret")
    assert (device, udid) == ("hdisk9", lun["udid"])
    assert discover("secret") == (device, udid)
    (volume,) = [pv for pv in vios_of(adapter).phys_vols if pv.udid == udid]
    requests.map_storage(adapter, lpar, volume)
    with pytest.raises(pvm_exc.ISCSIRemoveFailed):
        hdisk.remove_iscsi(adapter, iqn, vios.uuid, lun=1, portal=portal)
    scsi_mapper.remove_pv_mapping(adapter, vios.uuid, lpar.uuid, device, udid=udid)
    hdisk.remove_iscsi(adapter, iqn, vios.uuid, lun=1, portal=portal)
    assert udid not in {pv.udid for pv in vios_of(adapter).phys_vols}
    # A second removal finds nothing, which the client accepts.
    hdisk.remove_iscsi(adapter, iqn, vios.uuid, lun=1, portal=portal)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"size": 0}, "size"),
        ({"targets": []}, "targets"),
        ({"lun": 1}, "lun: 1 exists"),
        ({"colour": "red"}, "colour: unknown"),
    ],
)
def test_luns_that_cannot_be(novalink, fields, text):
    with pytest.raises(Exception, match=text):
        novalink.admin("POST", "luns", fields)


# -- states of jobs ----------------------------------------------------------------


def start(adapter, lpar, **options):
    found = adapter.read(
        pvm_lpar.LPAR.schema_type,
        lpar.uuid,
        suffix_type=const.SUFFIX_TYPE_DO,
        suffix_parm="PowerOn",
    )
    job = pvm_job.Job.wrap(found)
    job.run_job(lpar.uuid, **options)
    return job


def test_a_job_runs_until_it_is_let_go(novalink, adapter, lpar, quick_polls):
    """The rule parks the job before its effect; the client polls meanwhile."""
    novalink.latency("realistic")
    novalink.clock(rate=1000)
    try:
        rule = novalink.rule(
            match={"key": "PUT LogicalPartition/{id}/do/PowerOn"},
            on="job",
            phase="before",
            effect={"kind": "hold"},
        )
        job = start(adapter, lpar, synchronous=False)
        assert novalink.wait_parked(rule)
        assert lpar.refresh().state == pvm_bp.LPARState.NOT_ACTIVATED
        status = adapter.read("jobs", job.job_id)
        assert pvm_job.Job.wrap(status).job_status == pvm_job.JobStatus.RUNNING
        novalink.delete_rule(rule)
        support.until(lambda: novalink.verify() == [])
        assert state(lpar) == pvm_bp.LPARState.RUNNING
    finally:
        novalink.clock(rate=1)


def test_a_job_that_takes_too_long_is_cancelled(novalink, adapter, lpar, quick_polls):
    never = {"progression": "manual", "times": 1_000_000}
    novalink.transitions(**{"job:PowerOn": never})
    with pytest.raises(pvm_exc.JobRequestTimedOut):
        start(adapter, lpar, timeout=0.1)
    support.until(lambda: novalink.verify() == [])
    assert state(lpar) == pvm_bp.LPARState.NOT_ACTIVATED


@pytest.mark.parametrize("phase", ["before", "after"])
def test_a_rule_fails_a_job(novalink, adapter, lpar, phase):
    novalink.rule(
        match={"key": "PUT LogicalPartition/{id}/do/PowerOn"},
        on="job",
        phase=phase,
        effect={"kind": "job", "message": "HSCL9999 It failed."},
    )
    with pytest.raises(pvm_exc.VMPowerOnFailure, match="HSCL9999"):
        power.power_on(lpar, None)
    reached = {
        "before": pvm_bp.LPARState.NOT_ACTIVATED,
        "after": pvm_bp.LPARState.RUNNING,
    }
    assert state(lpar) == reached[phase]


def test_validate_between_two_systems_that_share_a_pool():
    with NovaLinkSimulator("--systems", "2") as simulator:
        session = support.logon(simulator.systems[0])
        try:
            adapter = support.adapter_of(session)
            lpar = requests.new_lpar(adapter)
            unit = requests.new_unit(adapter)
            requests.map_storage(adapter, lpar, unit)
            migration.migrate_lpar(lpar, "sys2", validate_only=True)
            disk = requests.add_disk(adapter)
            requests.map_storage(adapter, lpar, disk)
            with pytest.raises(pvm_exc.JobRequestFailed, match="HSCLA27C"):
                migration.migrate_lpar(lpar, "sys2", validate_only=True)
            assert pvm_vios.VIOS.get(adapter)
        finally:
            session._logoff()


def test_a_job_that_is_done_at_the_third_question(novalink, adapter, lpar, quick_polls):
    """Polling is tested without time: the client asks until it is done."""
    novalink.transitions(**{"job:PowerOn": {"progression": "manual", "times": 3}})
    novalink.admin("DELETE", "journal")
    power.power_on(lpar, None)
    assert state(lpar) == "running"
    polls = [r for r in novalink.journal() if r["key"] == "GET jobs/{id}"]
    assert len(polls) == 3
