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


"""How many calls the driver makes: limits that must not be passed.

Of the operation's memento only, with warm caches; job polls do not occur here.
"""

from __future__ import annotations

import dataclasses

import pytest
from nova.compute import power_state

from ibmvirt.common import plan
from ibmvirt.powervm.guests import identities
from ibmvirt.simulators.novalink import NovaLinkSimulator
from tests.functional.powervm import test_npiv, test_ovs
from tests.support import powervm

MANY = 1000


@pytest.fixture
def driven(novalink):
    with powervm.running(novalink) as found:
        warm(found, found.plan(98))
        yield found


def warm(driven, spawn):
    """Fill the caches: a server is built and deleted."""
    driven.spawn(spawn)
    driven.destroy(spawn)
    driven.simulator.admin("DELETE", "journal")


def own_calls(driven):
    """All but the long poll for events, and what follows from events."""
    found = driven.simulator.journal()
    return [r["key"] for r in found if r["memento"] != "bg:events"]


def uploaded(driven, spawn):
    """The same build with an image that is not there yet."""
    image = dataclasses.replace(spawn.image, id="7a", checksum="f" * 32)
    disks = tuple(dataclasses.replace(d, image=image) for d in spawn.guest.disks)
    guest = dataclasses.replace(spawn.guest, disks=disks)
    return dataclasses.replace(spawn, guest=guest, image=image)


def test_a_build_with_ovs_and_an_upload_takes_at_most_24_calls(driven):
    warm(driven, test_ovs.ovs_plan(driven, 97))
    spawn = uploaded(driven, test_ovs.ovs_plan(driven))
    driven.spawn(spawn)
    calls = driven.calls("spawn", spawn)
    assert len(calls) <= 24, calls


@pytest.mark.parametrize("ovs", [False, True])
def test_a_further_port_of_a_build_takes_a_few_calls(driven, ovs):
    def build(number, vifs):
        made = test_ovs.ovs_plan if ovs else type(driven).plan
        spawn = made(driven, number, vifs=vifs)
        driven.spawn(spawn)
        # What the disks take meanwhile depends on when the events of these come.
        of_ports = ("ClientNetworkAdapter", "VirtualNetwork")
        return sum(call.endswith(of_ports) for call in driven.calls("spawn", spawn))

    build(1, 1)
    assert build(3, 4) - build(2, 1) <= 3 * (4 if ovs else 2)


def test_a_volume_takes_a_few_calls(driven):
    """vSCSI: a job (2 calls) and a write a VIOS; by NPIV nothing at all."""
    spawn = driven.plan()
    driven.spawn(spawn)
    lun = driven.simulator.admin("POST", "luns", {"size": 1024, "lun": 9})
    data = {"target_wwn": lun["targets"], "target_lun": 9}
    volume = plan.Volume(id="v", protocol="fibre_channel", data=data)
    guest, volumes = driven.guest(spawn), driven.backend.volumes
    volumes.attach(guest, volume)
    volumes.detach(guest, volume)
    driven.simulator.admin("DELETE", "journal")
    volumes.attach(guest, volume)
    assert len(own_calls(driven)) <= 6, own_calls(driven)
    driven.simulator.admin("DELETE", "journal")
    volumes.detach(guest, volume)
    assert len(own_calls(driven)) <= 6, own_calls(driven)


def test_a_first_volume_by_npiv_takes_a_few_calls(novalink):
    with powervm.running(novalink, **test_npiv.FABRICS) as driven:
        for number in (1, 2):
            spawn = driven.plan(number)
            driven.spawn(spawn)
            driven.simulator.admin("DELETE", "journal")
            test_npiv.connect(driven, spawn)
            driven.backend.volumes.attach(driven.guest(spawn), test_npiv.VOLUME)
        # Its mappings once, WWPNs of two fabrics, a write of each VIOS, and
        # whether it has volumes the other way.
        assert len(own_calls(driven)) <= 8, own_calls(driven)


@pytest.fixture(scope="module")
def crowd():
    """A system with many partitions."""
    with NovaLinkSimulator("--lpars", str(MANY), timeout=180) as simulator:
        simulator.mark()
        yield simulator


def test_power_states_of_1000_partitions_take_no_call_while_events_flow(crowd):
    with powervm.running(crowd) as driven:
        guests = driven.backend.guests
        crowd.admin("DELETE", "journal")
        found = guests.list()
        assert len(found) == MANY
        # Each partition may be that of two servers.
        assert len(guests.uuids()) == 2 * MANY
        states = {guests.state(one, use_cache=True).power_state for one in found}
        assert states == {power_state.SHUTDOWN}
        assert own_calls(driven) == []


def test_power_states_of_1000_partitions_take_one_call_without_events(crowd):
    with powervm.running(crowd) as driven:
        guests = driven.backend.guests
        found = guests.list()
        # As after events were lost.
        guests._cache.lost()
        crowd.admin("DELETE", "journal")
        for one in found:
            guests.state(one, use_cache=True)
        assert own_calls(driven) == [
            "GET ManagedSystem/{id}/LogicalPartition/quick/All"
        ]


def test_a_start_takes_as_many_calls_for_1000_partitions_as_for_none(crowd, novalink):
    def start(simulator):
        simulator.admin("DELETE", "journal")
        with powervm.running(simulator) as driven:
            guests, networks = driven.backend.guests, driven.backend.networks
            # What Nova asks of each server when its service starts.
            for guest in guests.list():
                if guest.id >= "8":
                    # A server's partition has that bit cleared.
                    continue
                server = plan.Server(guest.id.lower(), guest.name)
                assert guests.find(server) is not None
                networks.ensure(guest, ())
                guests.state(guest, use_cache=True)
            return sorted(r["key"] for r in simulator.journal())

    few, many = start(novalink), start(crowd)
    feeds = [key for key in many if "quick/All" in key]
    assert len(feeds) == 1
    assert [key for key in many if key != "GET Event"] == [
        key for key in few if key != "GET Event"
    ]
    assert len(many) <= 12


def test_a_server_that_is_not_there_takes_one_call(crowd):
    with powervm.running(crowd) as driven:
        crowd.admin("DELETE", "journal")
        server = plan.Server("0c2c5f0e-0000-4000-8000-00000000abcd", "none")
        assert driven.backend.guests.find(server) is None
        assert len(own_calls(driven)) == 1
        assert identities.uuid_of(server.uuid)
