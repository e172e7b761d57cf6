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

"""Network adapters of z/VM guests, with the real Cloud Connector."""

from __future__ import annotations

import dataclasses

import pytest

from ibmvirt.common import exceptions, plan
from ibmvirt.zvm import identity
from tests.support import zvm as support

V4 = plan.Address("10.3.0.5", 4, "10.3.0.0/24", "10.3.0.1", ("10.3.0.2", "fd00::2"))
V4_ALONE = plan.Address("10.4.0.5", 4, "10.4.0.0/24")
V6 = plan.Address("fd00::5", 6, "fd00::/64", "fd00::1", ("fd00::2",))
UBUNTU = {"properties": {"os_distro": "ubuntu", "os_version": "22.04"}}


@pytest.fixture
def driven(zvm):
    with support.running(zvm) as found:
        yield found


def spawned(driven, *addresses):
    """A server with a port for each tuple of addresses."""
    planned = driven.plan(vifs=len(addresses))
    vifs = tuple(
        dataclasses.replace(vif, addresses=found)
        for vif, found in zip(planned.guest.vifs, addresses, strict=True)
    )
    guest = dataclasses.replace(planned.guest, vifs=vifs)
    spawn = dataclasses.replace(planned, guest=guest)
    driven.spawn(spawn)
    return spawn


def seen(driven, spawn):
    return driven.simulator.guest(driven.kept[spawn.server.uuid][identity.KEY])


def coupled(driven, spawn):
    adapters = seen(driven, spawn)["adapters"]
    return [(a["vdev"], a["vlan"], a["switch"], a["granted"]) for a in adapters]


@pytest.mark.parametrize(
    ("addresses", "expected"),
    [
        ((V4,), ("10.3.0.5", 24, "10.3.0.1", ["10.3.0.2"], 1450)),
        ((V4_ALONE,), ("10.4.0.5", 24, "", [], 1450)),
        # The first IPv4 address is what the Connector takes.
        ((V6, V4), ("10.3.0.5", 24, "10.3.0.1", ["10.3.0.2"], 1450)),
        ((V4, V4_ALONE), ("10.3.0.5", 24, "10.3.0.1", ["10.3.0.2"], 1450)),
    ],
)
def test_what_the_guest_configures(driven, addresses, expected):
    spawn = spawned(driven, addresses)
    (found,) = seen(driven, spawn)["networks"]
    assert found["vdev"] == "1000"
    assert (
        found["address"], found["prefix"], found["gateway"] or "",
        found["dns"], found["mtu"],
    ) == expected  # fmt: skip


@pytest.mark.parametrize("addresses", [(V6,), ()])
def test_a_port_without_an_ipv4_address_is_coupled_all_the_same(driven, addresses):
    """Its addresses are in the config drive."""
    spawn = spawned(driven, addresses)
    assert seen(driven, spawn)["networks"] == []
    assert coupled(driven, spawn) == [("1000", 100, "DEFAULT", True)]


def test_ubuntu_gets_the_adapter_that_its_file_can_hold(driven):
    """The Connector would write the last one alone, and fail without a gateway."""
    driven.image = UBUNTU
    spawn = spawned(driven, (V4_ALONE,), (V4,), (V6,))
    (found,) = seen(driven, spawn)["networks"]
    assert (found["vdev"], found["address"], found["mtu"]) == ("1000", "10.3.0.5", 1450)
    assert sorted(coupled(driven, spawn)) == [
        ("1000", 101, "DEFAULT", True),
        ("1003", 100, "DEFAULT", True),
        ("1006", 102, "DEFAULT", True),
    ]
    driven.destroy(spawn)
    assert driven.simulator.compare() == []


@pytest.mark.parametrize("running", [True, False])
@pytest.mark.parametrize("image", [None, UBUNTU])
def test_a_port_comes_and_goes(driven, running, image):
    driven.image = image or driven.image
    spawn = spawned(driven, (V4,))
    guest, networks = driven.guest(spawn), driven.backend.networks
    if not running:
        driven.backend.guests.power_off(guest, timeout=0, retry_interval=0)
    port = driven.plan(vifs=6).guest.vifs[5]
    for _ in range(2):
        networks.plug(guest, (port,))
        assert coupled(driven, spawn) == [
            ("1000", 100, "DEFAULT", True),
            ("1003", 105, "DEFAULT", True),
        ]
    for _ in range(2):
        networks.unplug(guest, (port,))
        assert coupled(driven, spawn) == [("1000", 100, "DEFAULT", True)]
    driven.destroy(spawn)
    assert driven.simulator.compare() == []


def test_a_paused_guest_is_refused(driven):
    """Its Linux would not be told of the adapter, nor that it goes."""
    spawn = spawned(driven, (V4,))
    guest, networks = driven.guest(spawn), driven.backend.networks
    port = driven.plan(vifs=6).guest.vifs[5]
    driven.backend.pause.pause(guest)
    driven.simulator.mark()
    with pytest.raises(exceptions.WrongState, match=f"{port.id}.*{guest.id} is paused"):
        networks.plug(guest, (port,))
    networks.unplug(guest, (port,))
    with pytest.raises(exceptions.WrongState, match=f"{guest.id} is paused"):
        networks.unplug(guest, spawn.guest.vifs)
    assert driven.simulator.compare() == []


def test_an_adapter_that_a_killed_service_left_loose_is_coupled(driven):
    spawn = spawned(driven, (V4,))
    guest, networks = driven.guest(spawn), driven.backend.networks
    port = driven.plan(vifs=6).guest.vifs[5]
    client = support.client(driven.simulator)
    client("guest_create_nic", guest.id, nic_id=port.id, mac_addr=port.mac, active=True)
    assert coupled(driven, spawn)[1][2] == ""
    networks.plug(guest, (port,))
    assert coupled(driven, spawn)[1] == ("1003", 105, "DEFAULT", True)


def test_an_agent_couples_where_the_driver_shall_not(zvm):
    with support.running(zvm, grant_vswitch=False) as driven:
        spawn = spawned(driven, (V4,))
        assert coupled(driven, spawn) == [("1000", 0, "", False)]
        calls = driven.calls("spawn", spawn)
        assert not [call for call in calls if "vswitch" in call]
        driven.backend.networks.unplug(driven.guest(spawn), spawn.guest.vifs)
        assert coupled(driven, spawn) == []
        driven.destroy(spawn)
        assert zvm.compare() == []
