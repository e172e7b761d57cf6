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

"""Preferences and long term metrics through pypowervm's readers."""

from __future__ import annotations

import pytest
from pypowervm.tasks import power
from pypowervm.tasks.monitor import util as monitor
from pypowervm.wrappers import managed_system as pvm_ms
from pypowervm.wrappers import monitor as pvm_mon

from tests.functional.simulators.novalink import support
from tests.unit.simulators.novalink import requests


@pytest.fixture
def uuid(adapter):
    return pvm_ms.System.get(adapter)[0].uuid


def preferences(adapter, uuid):
    href = adapter.build_href(
        "ManagedSystem", root_id=uuid, child_type="preferences", service="pcm"
    )
    return pvm_mon.PcmPref.wrap(adapter.read_by_href(href))[0]


def test_preferences(novalink, adapter, uuid):
    before = preferences(adapter, uuid)
    assert before.system_name == "sys1"
    assert not before.ltm_enabled
    monitor.ensure_ltm_monitors(adapter, uuid, override_to_default=True)
    after = preferences(adapter, uuid)
    assert after.ltm_enabled
    assert after.aggregation_enabled
    assert not after.compute_ltm_enabled
    novalink.reset("clean")
    assert not preferences(adapter, uuid).ltm_enabled


def test_without_monitoring_there_are_no_metrics(adapter, uuid, raw):
    path = f"pcm/ManagedSystem/{uuid}/RawMetrics/LongTermMonitor"
    assert raw.ask("GET", path)[0] == 204


def test_metrics_move_with_the_time(novalink, adapter, uuid):
    lpar = requests.new_lpar(adapter)
    idle = requests.new_lpar(adapter, "idle")
    requests.map_storage(adapter, lpar, requests.new_unit(adapter))
    power.power_on(lpar, None)
    monitor.ensure_ltm_monitors(adapter, uuid)
    date, first, vioses, lpars = monitor.latest_stats(adapter, uuid)
    assert date
    assert monitor.latest_stats(adapter, uuid, second_latest=True)[1] is not None
    novalink.clock(advance=60)
    _date, second, _vioses, _lpars = monitor.latest_stats(adapter, uuid)

    def of(sample, partition):
        (found,) = (one for one in sample.sample.lpars if one.uuid == partition.uuid)
        return found

    grown = (
        of(second, lpar).processor.util_cap_proc_cycles
        - of(first, lpar).processor.util_cap_proc_cycles
    )
    entitled = (
        of(second, lpar).processor.entitled_proc_cycles
        - of(first, lpar).processor.entitled_proc_cycles
    )
    # Half a processing unit for a minute, of which it uses a part.
    assert entitled == 0.5 * 60 * second.sample.processor.proc_cycles_per_sec
    assert 0.1 * entitled <= grown <= 0.6 * entitled
    assert of(second, idle).processor.util_cap_proc_cycles == 0
    assert of(second, idle).state == "Not Activated"
    assert second.sample.time_based_cycles > first.sample.time_based_cycles
    machine = pvm_ms.System.get(adapter)[0]
    assert second.sample.memory.available_mem == machine.memory_free
    assert second.sample.processor.available_proc_units == machine.proc_units_avail
    assert [vios.sample.name for vios in vioses] == ["vios1", "vios2"]
    assert lpars.find(lpar.uuid).memory.real_mem_size_bytes == 1 << 30
    assert lpars.find(idle.uuid) is None
    assert len(of(second, lpar).storage.v_stor_adpts) == 1


def test_the_cache_that_agents_use(novalink, adapter, uuid):
    lpar = requests.new_lpar(adapter)
    power.power_on(lpar, None)
    cache = monitor.LparMetricCache(adapter, uuid)
    date, metric = cache.get_latest_metric(lpar.uuid)
    assert date
    assert metric.processor.util_cap_proc_cycles > 0
    assert cache.get_previous_metric(lpar.uuid)[1] is not None


@pytest.mark.parametrize(
    ("verb", "path", "status"),
    [
        ("GET", "preferences/more", 404),
        ("DELETE", "preferences", 405),
        ("GET", "RawMetrics", 404),
        ("GET", "RawMetrics/ShortTermMonitor", 404),
        ("GET", "RawMetrics/LongTermMonitor/none.json", 404),
        ("POST", "RawMetrics/LongTermMonitor", 405),
    ],
)
def test_what_there_is_not(raw, uuid, verb, path, status):
    found, _headers, body = raw.ask(verb, f"pcm/ManagedSystem/{uuid}/{path}")
    assert (found, bool(support.message(body))) == (status, True)
