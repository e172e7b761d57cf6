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

"""Attaching and detaching on z/VM where a call fails, or the Connector ends."""

from __future__ import annotations

import concurrent.futures

import pytest

from ibmvirt.common import exceptions
from ibmvirt.zvm import holdings
from ibmvirt.zvm.client import errors
from tests.functional.zvm import fibre_channel as fc
from tests.support import zvm as support

driven, spawn = fc.driven, fc.spawn

COMMANDS = [
    "smcli Image_Device_Dedicate_DM",
    "smcli Image_Device_Dedicate",
    "vmur punch",
    "iucvclnt",
]


def killed(driven, act, at):
    """The Connector is killed at a command of an act, and started again.

    :param at: ``key`` of the command, and fields of the rule that holds it.
    """
    match = {"layer": "command", "key": at["key"], **at.get("match", {})}
    more = {name: at[name] for name in ("phase", "skip") if name in at}
    rule = driven.simulator.rule(match=match, effect={"kind": "hold"}, **more)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        done = pool.submit(act)
        assert driven.simulator.wait_parked(rule)
        driven.simulator.restart_connector()
        driven.simulator.delete_rule(rule)
        with pytest.raises(errors.ConnectorError):
            done.result(timeout=60)


@pytest.mark.parametrize(
    ("key", "others"),
    [
        *((key, 0) for key in COMMANDS),
        # A second volume comes on the devices of the first one.
        *((key, 1) for key in COMMANDS if "Dedicate" not in key),
    ],
)
def test_the_connector_is_killed_in_an_attach(driven, spawn, key, others):
    """Held at a command, killed, started again: a detach brings all back."""
    for number in range(others):
        fc.attach(driven, spawn, support.volume(9 - number))
    driven.simulator.mark()
    killed(driven, lambda: fc.attach(driven, spawn, support.volume(1)), {"key": key})
    # What the Connector had given to z/VM is carried out without it.
    driven.simulator.wait_journal(layer="command", key=key, done=True, count=1)
    fc.detach(driven, spawn, support.volume(1))
    assert fc.left(driven) == []
    luns = [f"0x{9 - n:04x}{0:012x}" for n in range(others)]
    assert [lun for lun, _paths in fc.seen(driven, spawn)[0]] == luns
    for number in range(others):
        fc.detach(driven, spawn, support.volume(9 - number))
    assert fc.seen(driven, spawn) == ([], [])
    driven.destroy(spawn)
    assert fc.left(driven, "clean-fcp") == []


@pytest.mark.parametrize(
    ("key", "others", "between"),
    [
        ("smcli Image_Device_Undedicate_DM", 0, False),
        ("smcli Image_Device_Undedicate", 0, False),
        # The script, after the one that looks whether the guest answers.
        ("iucvclnt", 1, False),
        # The other volume goes before the detach is tried again.
        ("iucvclnt", 1, True),
    ],
)
def test_the_connector_is_killed_in_a_detach(driven, spawn, key, others, between):
    """The guest has forgotten the LUN, which its script must find again."""
    for number in range(others):
        fc.attach(driven, spawn, support.volume(9 - number))
    driven.simulator.mark()
    fc.attach(driven, spawn, support.volume(1))
    driven.simulator.admin("DELETE", "journal")
    at = {"key": key, "phase": "after", "skip": others}
    killed(driven, lambda: fc.detach(driven, spawn, support.volume(1)), at)
    if between:
        fc.detach(driven, spawn, support.volume(9))
    fc.detach(driven, spawn, support.volume(1))
    stay = [] if between else [f"0x{9 - n:04x}{0:012x}" for n in range(others)]
    assert [lun for lun, _paths in fc.seen(driven, spawn)[0]] == stay
    if between:
        driven.destroy(spawn)
    assert fc.left(driven, "clean-fcp" if between else "mark") == []


def test_a_detach_that_failed_is_repeated_after_a_restart(driven, spawn):
    """The Connector ends in the detach; another service goes on."""
    one, two = support.volume(1), support.volume(2)
    fc.attach(driven, spawn, one)
    fc.attach(driven, spawn, two)
    killed(driven, lambda: fc.detach(driven, spawn, one), {"key": "vmur punch"})
    found = holdings.Holdings(fc.kept(driven)[0].parent).get(driven.guest(spawn).id)
    assert {v.state for v in found.volumes.values()} == {"going", "attached"}
    fc.detach(driven, spawn, two)
    assert [lun for lun, _paths in fc.seen(driven, spawn)[0]] == [fc.LUN1]
    fc.detach(driven, spawn, one)
    assert fc.seen(driven, spawn) == ([], [])
    assert fc.kept(driven) == []


def test_a_paused_guest_is_refused_before_anything_is_counted(driven, spawn):
    """What a killed attach may have left is not looked for in a guest that waits."""
    fc.attach(driven, spawn, support.volume(9))
    at = {"key": "iucvclnt"}
    killed(driven, lambda: fc.attach(driven, spawn, support.volume(1)), at)
    driven.simulator.wait_journal(layer="command", done=True, count=1, **at)
    guest, volumes = driven.guest(spawn), driven.backend.volumes
    before = sorted(volumes._held(guest.id), key=lambda device: device.number)
    driven.backend.pause.pause(guest)
    with pytest.raises(exceptions.WrongState, match="is paused"):
        fc.detach(driven, spawn, support.volume(1))
    assert sorted(volumes._held(guest.id), key=lambda one: one.number) == before
    driven.backend.pause.unpause(guest)
    fc.detach(driven, spawn, support.volume(1))
    assert [lun for lun, _paths in fc.seen(driven, spawn)[0]] == ["0x0009" + "0" * 12]


def test_a_killed_attach_that_cannot_be_undone_yet_is_undone_later(driven, spawn):
    """Nova took it for failed: the volume must not count as attached again."""
    user, volume = driven.guest(spawn).id, support.volume(1)
    fc.attach(driven, spawn, volume)
    # The service was killed before it noted that.
    (path,) = fc.kept(driven)
    path.write_text(path.read_text().replace(holdings.ATTACHED, holdings.COMING))
    driven.simulator.world("multipath", user=user, flushes=False)
    fc.sweep(driven, spawn, volume)
    assert fc.seen(driven, spawn)[0] == [(fc.LUN1, 2)]
    driven.simulator.world("multipath", user=user, flushes=True)
    fc.sweep(driven, spawn, volume)
    assert fc.seen(driven, spawn) == ([], [])
    assert driven.simulator.compare() == []


DEDICATE, UNDEDICATE = "Image_Device_Dedicate_DM", "Image_Device_Undedicate_DM"


@pytest.mark.parametrize(
    ("fails", "nth", "killed_at", "time", "end"),
    [
        # The guest has a device as it runs, of which the directory knows nothing.
        ("iucvclnt", 2, f"smcli {UNDEDICATE}", 2, fc.detach),
        (f"smcli {DEDICATE}", 2, f"smcli {UNDEDICATE}", 1, fc.sweep),
        # A script stays in its reader, until it runs or starts.
        (f"smcli {DEDICATE}", 1, "vmcp transfer", 1, fc.detach),
    ],
)
def test_an_attach_fails_and_the_connector_is_killed_in_its_rollback(
    driven, spawn, fails, nth, killed_at, time, end
):
    memento = f"attach_volume:{spawn.server.uuid}"
    driven.simulator.rule(
        match={
            "layer": "command", "key": fails, "occurrence": nth, "memento": memento
        },
        effect=support.fault("refuse"),
    )  # fmt: skip
    at = {
        "key": killed_at,
        "match": {"occurrence": time, "memento": memento},
        "phase": "after",
    }
    killed(driven, lambda: fc.attach(driven, spawn, support.volume(1)), at)
    driven.simulator.wait_journal(layer="command", key=killed_at, done=True, count=time)
    end(driven, spawn, support.volume(1))
    left = fc.left(driven)
    if killed_at == "vmcp transfer":
        assert [d["is"]["name"] for d in left] == ["devol"]
        fc.attach(driven, spawn, support.volume(1))
        assert fc.seen(driven, spawn)[0] == [(fc.LUN1, 2)]
        fc.detach(driven, spawn, support.volume(1))
        left = fc.left(driven)
    assert left == []
    assert fc.kept(driven) == []


@pytest.mark.parametrize(
    ("trouble", "shown"),
    [
        ({"running": False}, "multipathd service is not active"),
        ({"flushes": False}, "flush"),
    ],
)
def test_a_guest_whose_multipath_fails_keeps_its_volume(driven, spawn, trouble, shown):
    """What fails is told with the remedy; once it is mended the detach goes on."""
    user, volume = driven.guest(spawn).id, support.volume(1)
    mended = dict.fromkeys(trouble, True)
    if "running" in trouble:
        driven.simulator.world("multipath", user=user, **trouble)
        with pytest.raises(
            errors.ConnectorError, match=f"{shown}.*multipathd must run"
        ):
            fc.attach(driven, spawn, volume)
        fc.detach(driven, spawn, volume)
        driven.simulator.world("multipath", user=user, **mended)
        assert driven.simulator.compare() == []
    fc.attach(driven, spawn, volume)
    driven.simulator.world("multipath", user=user, **trouble)
    with pytest.raises(errors.ConnectorError, match=f"{shown}.*multipathd must run"):
        fc.detach(driven, spawn, volume)
    assert fc.seen(driven, spawn)[0] == [(fc.LUN1, 2)]
    driven.simulator.world("multipath", user=user, **mended)
    fc.detach(driven, spawn, volume)
    assert driven.simulator.compare() == []


@pytest.mark.parametrize("nth", [1, 2])
def test_a_guest_that_is_taken_for_off_in_a_detach_gives_its_devices_up(
    driven, spawn, nth
):
    """The Connector takes the device from the directory alone, and says well done.

    The running guest would see the volumes of whoever gets the device next.
    """
    fc.attach(driven, spawn, support.volume(1))
    driven.simulator.rule(
        match={
            "layer": "command",
            "key": "vmcp query",
            "occurrence": nth,
            "memento": f"detach_volume:{spawn.server.uuid}",
        },
        effect=support.fault("refuse"),
    )
    fc.detach(driven, spawn, support.volume(1))
    assert driven.simulator.compare() == []


def test_a_device_that_another_server_has_by_now_is_not_detached(driven, spawn):
    """A failed attach left it in the directory, and the Connector gave it away."""
    devices = fc.connector(driven, spawn)["zvm_fcp"]
    user = driven.guest(spawn).id
    client = support.client(driven.simulator)
    refuse = {"kind": "refuse", "rc": 99, "rs": 99}
    for key in ("Image_Device_Dedicate", "Image_Device_Undedicate_DM"):
        match = {"layer": "command", "key": f"smcli {key}"}
        driven.simulator.rule(match=match, effect=refuse, count=None)
    with pytest.raises(errors.ConnectorError, match="attach the LUN"):
        fc.attach(driven, spawn, support.volume(1))
    driven.simulator.delete_rule()
    second = driven.plan(2)
    driven.spawn(second)
    other = driven.guest(second).id
    template = client("get_fcp_templates")["fcp_templates"][0]["id"]
    for device in devices:
        client("set_fcp_usage", device, other, 1, 1, template)
    with pytest.raises(errors.ConnectorError, match=rf"given it to {other}.*{user}"):
        fc.detach(driven, spawn, support.volume(1))
    assert client("get_fcp_usage", devices[0])[:3] == [other, 1, 1]


@pytest.mark.parametrize(("phase", "kind"), [("before", "refuse"), ("after", "drop")])
@pytest.mark.parametrize("others", [0, 1])
def test_any_one_call_of_an_attach_may_fail(driven, spawn, phase, kind, others):
    for number in range(others):
        fc.attach(driven, spawn, support.volume(9 - number))
    driven.simulator.mark()
    volume = support.volume(1)
    memento = f"attach_volume:{spawn.server.uuid}"
    driven.simulator.admin("DELETE", "journal")
    fc.attach(driven, spawn, volume)
    calls = [(r["key"], r["occurrence"]) for r in driven.simulator.journal(
        memento=memento, layer="rest"
    )]  # fmt: skip
    fc.detach(driven, spawn, volume)
    assert driven.simulator.compare() == []
    for key, occurrence in calls:
        driven.simulator.admin("DELETE", "journal")
        driven.simulator.rule(
            match={"key": key, "occurrence": occurrence, "memento": memento},
            phase=phase,
            effect=support.fault(kind),
        )
        try:
            fc.attach(driven, spawn, volume)
            done = True
        except exceptions.IBMVirtError:
            done = False
        if done:
            assert len(fc.seen(driven, spawn)[0]) == others + 1
        driven.simulator.delete_rule()
        fc.detach(driven, spawn, volume)
        assert driven.simulator.compare() == [], (key, occurrence)


@pytest.mark.parametrize(("phase", "kind"), [("before", "refuse"), ("after", "drop")])
@pytest.mark.parametrize("others", [0, 1])
def test_any_one_call_of_a_detach_may_fail(driven, spawn, phase, kind, others):
    for number in range(others):
        fc.attach(driven, spawn, support.volume(9 - number))
    driven.simulator.mark()
    volume = support.volume(1)
    memento = f"detach_volume:{spawn.server.uuid}"
    for key in ("DELETE /guests/volumes", "GET /volumes/conn/{id}"):
        fc.attach(driven, spawn, volume)
        driven.simulator.admin("DELETE", "journal")
        driven.simulator.rule(
            match={"key": key, "memento": memento},
            phase=phase,
            effect=support.fault(kind),
        )
        try:
            fc.detach(driven, spawn, volume)
        except exceptions.IBMVirtError:
            driven.simulator.delete_rule()
            fc.detach(driven, spawn, volume)
        driven.simulator.delete_rule()
        assert driven.simulator.compare() == [], key
