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

"""The node that a z/VM is, and what is told of its guests."""

from __future__ import annotations

import pytest
from nova.compute import power_state

from ibmvirt.common import clock, context, diagnostics, exceptions, plan
from ibmvirt.zvm import identity
from tests.support import nova_objects
from tests.support import zvm as support


@pytest.fixture
def driven(zvm):
    with support.running(zvm) as found:
        yield found


def test_the_inventory_is_in_whole_numbers(driven):
    found = driven.backend.host.resources()
    assert (found.hypervisor_type, found.hypervisor_version) == ("zvm", 730)
    numbers = (
        found.vcpus, found.vcpus_used, found.memory_mib, found.memory_mib_used,
        found.disk_gb, found.disk_gb_used,
    )  # fmt: skip
    assert [type(number) for number in numbers] == [int] * 6
    assert found.memory_mib == 256 << 10
    assert found.supported == (("s390x", "zvm", "hvm"),)
    assert found.traits == {
        "CUSTOM_IBMVIRT_ZVM", "CUSTOM_HW_CPU_S390X_3931", "CUSTOM_ZVM_VERSION_7_3",
    }  # fmt: skip
    assert all(trait.startswith(driven.backend.host.trait_prefixes)
               for trait in found.traits)  # fmt: skip


def test_uptime_address_and_name(driven):
    host = driven.backend.host
    assert host.uptime() == "IPL at 01/09/26 11:00:00 EST"
    assert host.ip_address() == "127.0.0.1"
    assert host.node_name() == "ZVMSIM1"


def test_the_host_is_asked_once_a_period(driven):
    driven.simulator.admin("DELETE", "journal")
    host = driven.backend.host
    with context.background("resources"):
        for _ in range(3):
            host.resources()
            host.uptime()
    assert len(driven.simulator.journal(key="GET /host")) <= 1
    former = clock.use(clock.SystemClock(scale=0.001))
    try:
        host.resources()
    finally:
        clock.use(former)
    assert len(driven.simulator.journal(key="GET /host")) >= 1


def test_one_list_for_the_power_states_of_all(driven):
    spawns = [driven.plan(number) for number in (1, 2, 3)]
    for spawn in spawns:
        driven.spawn(spawn)
    with support.running(driven.simulator) as again:
        again.kept, again.launched = driven.kept, driven.launched
        driven.simulator.admin("DELETE", "journal")
        for spawn in spawns:
            with again.operation("state", spawn.server):
                again.backend.guests.state(again.guest(spawn), use_cache=True)
        calls = [call for spawn in spawns for call in again.calls("state", spawn)]
    assert calls.count("GET /guests") <= 1
    assert calls.count("GET /guests/{id}/power_state_real") == 3
    assert len(calls) <= 4


def test_no_operation_fetches_the_list_twice(driven):
    spawn = driven.plan()
    driven.spawn(spawn)
    guests = driven.backend.guests
    guests.power_off(driven.guest(spawn), timeout=0, retry_interval=0)
    guests._names._at = float("-inf")
    with driven.operation("get_info", spawn.server):
        guests.state(driven.guest(spawn), use_cache=False)
    guests._names._at = float("-inf")
    driven.destroy(spawn)
    driven.destroy(spawn)
    for operation in ("spawn", "get_info", "destroy"):
        calls = driven.calls(operation, spawn)
        # Two deletes are two operations.
        assert calls.count("GET /guests") <= 1 + (operation == "destroy"), calls


def test_diagnostics(driven):
    spawn = driven.plan()
    driven.spawn(spawn)
    guests, guest = driven.backend.guests, driven.guest(spawn)

    def told():
        state = guests.state(guest, use_cache=False)
        values = guests.diagnostics(guest)
        return values, diagnostics.of(nova_objects.instance(), "z/VM", state, values)

    values, found = told()
    assert found.state == "running"
    assert found.hypervisor_os.startswith("rhel9")
    assert (found.num_cpus, found.num_disks) == (1, 1)
    assert found.memory_details.maximum == 512
    assert 0 < found.memory_details.used <= 512
    assert [nic.mac_address for nic in found.nic_details] == ["02:00:00:00:01:00"]
    assert values["cpu_time_us"] > 0
    guests.power_off(guest, timeout=0, retry_interval=0)
    values, found = told()
    assert found.state == "shutdown"
    assert found.num_disks == 1
    # What nobody counts is the flavor's.
    assert found.memory_details.maximum == 512
    assert "cpu_time_us" not in values


def test_a_guest_that_is_gone_is_told_apart_from_one_that_is_off(driven):
    spawn = driven.plan()
    driven.spawn(spawn)
    guest, guests = driven.guest(spawn), driven.backend.guests
    assert guests.state(guest, use_cache=True).power_state == power_state.RUNNING
    guests.power_off(guest, timeout=0, retry_interval=0)
    assert guests.state(guest, use_cache=True).power_state == power_state.SHUTDOWN
    # Somebody deletes it; it is still on the list of a while ago.
    support.client(driven.simulator)("guest_delete", guest.id)
    assert driven.guest(spawn) is not None
    guests._names._at -= 2
    with pytest.raises(exceptions.GuestNotFound, match=guest.id):
        guests.state(guest, use_cache=False)
    assert driven.guest(spawn) is None
    driven.destroy(spawn)
    other = plan.Server("u", "x", system_metadata={identity.KEY: "NOBODY"})
    assert guests.find(other) is None
