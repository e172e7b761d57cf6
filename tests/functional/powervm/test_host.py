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


"""What the node tells of itself: resources, traits, processors, diagnostics."""

from __future__ import annotations

import threading
import types

import pytest
from nova.compute import provider_tree
from nova.compute.monitors.cpu import virt_driver
from pypowervm.tasks import power

from ibmvirt.common import exceptions, inventory
from ibmvirt.powervm import metrics
from tests.functional.powervm import test_recovery
from tests.support import powervm

RATIOS = {"VCPU": 4.0, "MEMORY_MB": 1.0, "DISK_GB": 1.0}


@pytest.fixture
def driven(novalink):
    with powervm.running(novalink) as found:
        yield found


def own_calls(driven):
    found = driven.simulator.journal()
    return [r["key"] for r in found if r["memento"] != "bg:events"]


def tree_of(driven, prepare=lambda tree: None):
    """The provider tree as the driver leaves it."""
    tree = provider_tree.ProviderTree()
    tree.new_root("node", "0c2c5f0e-0000-4000-8000-000000000001")
    prepare(tree)
    host = driven.backend.host
    inventory.update_provider_tree(
        tree, "node", host.resources(), RATIOS, 0, host.trait_prefixes
    )
    return tree.data("node")


def test_the_inventory_is_in_integers_and_says_what_the_hypervisor_keeps(driven):
    found = tree_of(driven).inventory
    assert set(found) == {"VCPU", "MEMORY_MB", "DISK_GB"}
    for entry in found.values():
        assert all(
            isinstance(entry[name], int)
            for name in ("total", "reserved", "min_unit", "max_unit", "step_size")
        )
    assert found["VCPU"]["total"] == 256
    assert found["VCPU"]["allocation_ratio"] == 4.0
    assert found["MEMORY_MB"]["total"] == 1 << 20
    assert 0 < found["MEMORY_MB"]["reserved"] < 1 << 20
    assert found["DISK_GB"]["total"] == 4096


def test_a_sharing_provider_of_the_operator_is_respected(driven):
    def share(tree):
        tree.new_root("pool", "0c2c5f0e-0000-4000-8000-000000000002")
        tree.update_inventory("pool", {"DISK_GB": {"total": 4096}})
        tree.update_traits("pool", ["MISC_SHARES_VIA_AGGREGATE"])
        for name in ("pool", "node"):
            tree.update_aggregates(name, ["0c2c5f0e-0000-4000-8000-000000000003"])

    assert "DISK_GB" not in tree_of(driven, share).inventory


def test_traits_are_the_standards_where_it_has_them(driven):
    traits = tree_of(driven).traits
    assert "HW_CPU_PPC64LE_POWER8" in traits
    assert "HW_ARCH_PPC64LE" in traits
    assert {t for t in traits if t.startswith("CUSTOM_")} >= {
        "CUSTOM_POWERVM_COMPAT_POWER7"
    }
    assert not any("DEFAULT" in t for t in traits)


def test_a_resource_update_takes_at_most_three_calls(driven):
    driven.backend.host.resources()
    driven.simulator.admin("DELETE", "journal")
    driven.backend.host.resources()
    assert len(own_calls(driven)) <= 3, own_calls(driven)


def test_memory_and_processors_in_use_follow_the_partitions(driven):
    before = driven.backend.host.resources()
    driven.spawn(driven.plan())
    after = driven.backend.host.resources()
    assert after.memory_mib_used >= before.memory_mib_used + 512
    assert after.vcpus_used >= before.vcpus_used
    assert float(after.stats["proc_units_used"]) > float(
        before.stats["proc_units_used"]
    )


def test_processor_statistics_grow_with_the_load(driven):
    host, simulator = driven.backend.host, driven.simulator
    driven.spawn(driven.plan())
    first = dict(host.cpu_stats())
    simulator.clock(advance=61)
    second = dict(host.cpu_stats())
    for name in ("kernel", "user", "idle"):
        assert second[name] > first[name], name
    total = sum(second[n] - first[n] for n in ("kernel", "user", "idle"))
    # Two samples of 30 s, of 256 processors.
    assert total == pytest.approx(60 * 256 * 10**9, rel=0.01)
    assert second["iowait"] == 0
    assert isinstance(second["frequency"], int)


def test_processor_statistics_take_two_calls(driven):
    driven.backend.host.cpu_stats()
    driven.simulator.admin("DELETE", "journal")
    driven.simulator.clock(advance=31)
    driven.backend.host.cpu_stats()
    assert len(own_calls(driven)) == 2


def test_a_partition_that_goes_does_not_turn_the_statistics_back(driven):
    host, simulator = driven.backend.host, driven.simulator
    spawn = driven.plan()
    driven.spawn(spawn)
    host.cpu_stats()
    simulator.clock(advance=61)
    before = dict(host.cpu_stats())
    driven.destroy(spawn)
    simulator.clock(advance=31)
    after = dict(host.cpu_stats())
    assert all(after[name] >= before[name] for name in after)


def test_novas_monitor_can_work_with_them(driven):
    """It divides by the difference of two readings, even of the same sample."""
    driver = types.SimpleNamespace(
        get_host_cpu_stats=lambda: dict(driven.backend.host.cpu_stats())
    )
    monitor = virt_driver.Monitor(types.SimpleNamespace(driver=driver))
    for _ in range(2):
        monitor._update_data()
        assert 0 <= monitor._data["cpu.percent"] <= 100


def test_metrics_that_are_not_given_are_named(driven):
    driven.simulator.rule(
        match={"key": "GET pcm/ManagedSystem/{id}/RawMetrics/LongTermMonitor"},
        effect={"kind": "refuse", "status": 500, "message": "REST0999 no metrics"},
    )
    with pytest.raises(exceptions.HypervisorError, match="read the system's metrics"):
        driven.backend.host.cpu_stats()


def test_the_frequency_is_that_of_the_machine(tmp_path, monkeypatch):
    path = tmp_path / "cpuinfo"
    monkeypatch.setattr(metrics, "_CPU_INFO", str(path))
    assert metrics._frequency() == 0
    path.write_text("processor\t: 0\nclock\t\t: 3425.000000MHz\n")
    assert metrics._frequency() == 3425
    path.write_text("vendor_id : GenuineIntel\ncpu MHz : 2200.0\n")
    assert metrics._frequency() == 0


def test_diagnostics_name_adapters_and_disks(driven):
    spawn = driven.plan(vifs=2)
    driven.spawn(spawn)
    found = driven.backend.guests.diagnostics(driven.guest(spawn))
    assert found["num_cpus"] == 1
    assert found["memory_max"] == 512
    # Mapped by two VIOSes, and one disk all the same.
    assert found["num_disks"] == 1
    assert {port.mac for port in spawn.guest.vifs} < set(found["nics"])
    assert len(found["nics"]) == 3


def test_a_pool_is_reported_up_to_the_share_of_the_node(novalink):
    with powervm.running(novalink, disk_capacity_gb=1000) as driven:
        assert tree_of(driven).inventory["DISK_GB"]["total"] == 1000
        found = driven.backend.host.resources()
        assert 0 <= found.disk_gb_used <= 1000
    with powervm.running(novalink, disk_capacity_gb=9999) as driven:
        assert tree_of(driven).inventory["DISK_GB"]["total"] == 4096


def test_the_service_waits_for_a_vios_and_stops_its_threads(novalink, fast_clock):
    with powervm.running(novalink) as driven:
        for name in ("vios1", "vios2"):
            test_recovery.stop(driven, name)
        names = [thread.name for thread in threading.enumerate()]
        assert "events" in names

        def begin():
            # Once the other service has looked in vain.
            novalink.wait_journal(key="GET VirtualIOServer", count=seen + 2)
            vios = test_recovery.vios(driven, "vios2")
            power.power_on(vios, None)

        seen = len(novalink.journal(key="GET VirtualIOServer"))
        thread = threading.Thread(target=begin)
        thread.start()
        with powervm.running(novalink, vios_wait_timeout=6000) as later:
            assert test_recovery.active(later) == ["vios2"]
        thread.join()
    assert "events" not in [thread.name for thread in threading.enumerate()]


def test_without_a_vios_the_service_does_not_start(novalink):
    with powervm.running(novalink) as driven:
        for name in ("vios1", "vios2"):
            test_recovery.stop(driven, name)
    with (
        pytest.raises(exceptions.HypervisorUnavailable, match="Start the VIOSes"),
        powervm.running(novalink),
    ):
        pass
