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


"""pypowervm's tasks of partitions."""

from __future__ import annotations

import builtins
import pathlib

import pytest
from pypowervm import exceptions as pvm_exc
from pypowervm.tasks import (
    ibmi,
    management_console,
    memory,
    partition,
    power,
    power_opts,
    vterm,
)
from pypowervm.wrappers import base_partition as pvm_bp
from pypowervm.wrappers import logical_partition as pvm_lpar

from tests.functional.simulators.novalink.tasks.walk import walks
from tests.unit.simulators.novalink import requests


@pytest.fixture
def on_novalink(novalink, monkeypatch):
    """The process sees the management partition's /proc."""
    root = pathlib.Path(novalink.systems[0]["local_root"])
    real = builtins.open

    def fake(name, *rest, **options):
        if str(name).startswith("/proc/ppc64/"):
            name = f"{root}{name}"
        return real(name, *rest, **options)

    monkeypatch.setattr(builtins, "open", fake)


@walks(
    "partition.get_mgmt_partition",
    "partition.get_this_partition",
    "partition.get_partitions",
    "partition.get_active_vioses",
    "partition.validate_vios_ready",
    "partition.get_physical_wwpns",
    "partition.build_active_vio_feed_task",
    "partition.has_physical_io",
)
def test_who_is_there(adapter, lpar, vioses, on_novalink):
    mine = partition.get_mgmt_partition(adapter)
    assert mine.name == "vios1"
    assert partition.get_this_partition(adapter).uuid == mine.uuid
    named = {one.name for one in partition.get_partitions(adapter, mgmt=True)}
    assert named == {"vios1", "vios2", lpar.name}
    assert len(partition.get_active_vioses(adapter, find_min=2)) == 2
    partition.validate_vios_ready(adapter)
    wwpns = partition.get_physical_wwpns(adapter)
    assert len(set(wwpns)) == 4
    feed = partition.build_active_vio_feed_task(adapter)
    assert {vios.name for vios in feed.feed} == {"vios1", "vios2"}
    assert partition.has_physical_io(vioses["vios1"])
    assert not partition.has_physical_io(lpar)


@walks("power.power_on", "power.power_off", "power.power_off_progressive")
def test_power(novalink, adapter, lpar, machine):
    power.power_on(lpar, machine.uuid)
    assert lpar.refresh().state == pvm_bp.LPARState.RUNNING
    assert novalink.guest(lpar.uuid)["boots"] == 1
    power.power_off(lpar, machine.uuid, restart=True)
    assert lpar.refresh().state == pvm_bp.LPARState.RUNNING
    assert novalink.guest(lpar.uuid)["boots"] == 2
    power.power_off_progressive(lpar)
    assert lpar.refresh().state == pvm_bp.LPARState.NOT_ACTIVATED
    power.PowerOp.start(lpar, opts=power_opts.PowerOnOpts().bootmode("sms"))
    assert lpar.refresh().state == pvm_bp.LPARState.OPEN_FIRMWARE
    # The operating system cannot be asked; the service processor can.
    power.power_off(lpar, machine.uuid, force_immediate=power.Force.TRUE)
    assert lpar.refresh().state == pvm_bp.LPARState.NOT_ACTIVATED


@walks("ibmi.update_ibmi_settings", "ibmi.start_panel_job")
def test_ibm_i(adapter):
    lpar = requests.new_lpar(adapter, "ibmi1", "OS400")
    requests.map_storage(adapter, lpar, requests.new_unit(adapter))
    boot = pvm_lpar.BootStorageType.VSCSI
    lpar = ibmi.update_ibmi_settings(adapter, lpar.refresh(), boot).update()
    assert lpar.io_config.tagged_io.load_src == "2"
    power.PowerOp.start(lpar)
    with pytest.raises(pvm_exc.HttpError, match=r"REST0130.*PanelFunction "):
        ibmi.start_panel_job(lpar, opt=ibmi.IBMiPanelOperations.DUMPRESTART)


@walks("memory.calculate_memory_overhead_on_host")
def test_memory_overhead(adapter, machine):
    needed, free = memory.calculate_memory_overhead_on_host(
        adapter, machine.uuid, {"max_mem": 4096}
    )
    assert 0 < needed < free <= machine.memory_configurable


@walks(
    "management_console.get_public_key",
    "management_console.add_authorized_key",
    "management_console.get_authorized_keys",
)
def test_keys_for_migration(adapter):
    key = management_console.get_public_key(adapter)
    assert key.startswith("ssh-rsa ")
    management_console.add_authorized_key(adapter, key)
    assert key in management_console.get_authorized_keys(adapter)


@walks("vterm.close_vterm")
def test_a_console_is_closed_from_elsewhere(adapter, lpar):
    vterm.close_vterm(adapter, lpar.uuid)
