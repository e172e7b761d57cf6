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

"""Spawn and destroy on z/VM, with the real Cloud Connector in between."""

from __future__ import annotations

import concurrent.futures

import pytest
from nova.compute import power_state

from ibmvirt.common import exceptions, plan
from ibmvirt.zvm import identity
from ibmvirt.zvm.client import errors
from tests.support import zvm as support


@pytest.fixture
def driven(zvm):
    with support.running(zvm) as found:
        yield found


def guest_name(driven, spawn):
    return driven.kept[spawn.server.uuid][identity.KEY]


def files_left(driven):
    return support.files(driven)


def test_the_guest_has_what_was_planned(driven):
    spawn = driven.plan(vifs=2)
    driven.spawn(spawn)
    guest = driven.simulator.guest(guest_name(driven, spawn))
    assert guest["state"] == "on"
    assert guest["memory_mib"] == 512
    assert guest["hostname"] == "small"
    assert {n["address"] for n in guest["networks"]} == {"10.0.0.1", "10.1.0.1"}
    assert [(a["vdev"], a["vlan"]) for a in guest["adapters"]] == [
        ("1000", 100),
        ("1003", 101),
    ]
    assert all(a["granted"] for a in guest["adapters"])
    assert driven.simulator.disk(f"{guest['name']}/0100")[: len(support.RAW)] == (
        support.RAW
    )
    # The drive holds passwords: it is gone as soon as the reader has it.
    assert files_left(driven) == []


def test_destroy_leaves_nothing_and_may_be_repeated(driven):
    spawn = driven.plan()
    driven.spawn(spawn)
    driven.destroy(spawn)
    assert driven.simulator.compare() == []
    driven.destroy(spawn)
    assert driven.simulator.compare() == []


@pytest.mark.parametrize("vifs", [0, 1, 3])
def test_spawn_takes_at_most_6_calls_and_2_a_nic(driven, vifs):
    first = driven.plan(99)
    driven.spawn(first)
    spawn = driven.plan(vifs=vifs)
    driven.spawn(spawn)
    calls = driven.calls("spawn", spawn)
    assert len(calls) <= 6 + 2 * vifs, calls


def test_ten_builds_at_once_import_the_image_once(driven):
    # Whatever was imported before, this image is new.
    driven.source.content = support.IMAGE_BYTES + b"\0"
    plans = [driven.plan(number) for number in range(1, 11)]
    image = plan.Image(
        id=f"new-{id(driven):x}", name="new", disk_format="raw",
        container_format="bare", size=1, properties=plans[0].image.properties,
    )  # fmt: skip
    plans = [
        plan.Spawn(
            plan.GuestSpec(
                server=p.server, vcpus=1, memory_mib=512,
                disks=(plan.DiskSpec("root", 0, 2048, image=image),),
                vifs=p.guest.vifs, platform=p.guest.platform,
            ),
            image, config_drive=True,
        )
        for p in plans
    ]  # fmt: skip
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        list(pool.map(driven.spawn, plans))
    imports = driven.simulator.journal(key="POST /images")
    assert len(imports) == 1
    assert len({guest_name(driven, p) for p in plans}) == 10
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        list(pool.map(driven.destroy, plans))
    assert driven.simulator.compare() == []


def test_console(driven):
    spawn = driven.plan()
    driven.spawn(spawn)
    assert "login:" in driven.backend.consoles.log(driven.guest(spawn))


@pytest.mark.parametrize(
    ("properties", "shown"),
    [
        ({}, "nothing"),
        ({"os_distro": "debian", "os_version": "12"}, "debian12"),
        ({"os_distro": "ubuntu", "os_version": "24.04"}, "ubuntu24.04"),
    ],
)
def test_a_release_that_is_not_accepted_is_refused(driven, properties, shown):
    driven.image = {"properties": properties}
    with pytest.raises(exceptions.InvalidRequest, match=shown):
        driven.plan()
    assert driven.simulator.compare() == []


@pytest.mark.parametrize(
    "values", [{"type": "ovs"}, {"type": "zvm", "physical_network": "toolongname"}]
)
def test_a_port_that_cannot_be_plugged_is_refused(driven, values):
    driven.vif = values
    with pytest.raises(exceptions.InvalidRequest, match="plug the port"):
        driven.plan()


def test_an_unknown_vswitch_is_named_and_nothing_is_left(driven):
    driven.vif = {"type": "zvm", "physical_network": "nowhere"}
    with pytest.raises(errors.NotFound, match="NOWHERE"):
        driven.spawn(driven.plan())
    assert driven.simulator.compare() == []
    assert files_left(driven) == []


def test_a_connector_that_is_away_is_named(zvm):
    with (
        support.running(zvm, url="http://127.0.0.1:9") as driven,
        pytest.raises(exceptions.HypervisorUnavailable, match="Cloud Connector"),
    ):
        driven.backend.host.resources()


def test_the_connector_is_killed_and_started_again(driven):
    spawn = driven.plan()
    driven.spawn(spawn)
    driven.simulator.restart_connector()
    guest = driven.guest(spawn)
    state = driven.backend.guests.state(guest, use_cache=True)
    assert state.power_state == power_state.RUNNING
    driven.destroy(spawn)
    assert driven.simulator.compare() == []


# -- one fault at a time ---------------------------------------------------


def cells(driven, layer):
    spawn = driven.plan()
    driven.spawn(spawn)
    driven.destroy(spawn)
    memento = f"spawn:{spawn.server.uuid}"
    records = driven.simulator.journal(memento=memento, layer=layer)
    return [(record["key"], record["occurrence"]) for record in records]


@pytest.mark.parametrize(
    ("layer", "phase", "kind", "part", "parts"),
    [
        ("rest", "before", "refuse", 0, 1),
        ("rest", "after", "drop", 0, 1),
        *[("command", "before", "refuse", part, 4) for part in range(4)],
    ],
)
def test_spawn_with_any_one_call_failing_leaks_nothing(
    zvm, layer, phase, kind, part, parts
):
    with support.running(zvm) as driven:
        found = cells(driven, layer)
    assert len(found) >= (7 if layer == "rest" else 15)
    for key, occurrence in found[part::parts]:
        zvm.reset("clean")
        zvm.mark()
        with support.running(zvm) as driven:
            spawn = driven.plan()
            zvm.rule(
                match={
                    "layer": layer,
                    "key": key,
                    "occurrence": occurrence,
                    "memento": f"spawn:{spawn.server.uuid}",
                },
                phase=phase,
                effect=support.fault(kind),
            )
            try:
                driven.spawn(spawn)
                built = True
            except exceptions.IBMVirtError:
                built = False
            zvm.delete_rule()
            if built or zvm.compare():
                driven.destroy(spawn)
            assert zvm.compare() == [], (key, occurrence)
            assert files_left(driven) == [], (key, occurrence)
