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

"""Power of guests on z/VM: their state, start, stop, restart and pause."""

from __future__ import annotations

import re

import pytest
from nova.compute import power_state

from ibmvirt.common import clock
from ibmvirt.zvm.client import errors
from tests.support import zvm as support


@pytest.fixture
def driven(zvm):
    with support.running(zvm) as found:
        yield found


def test_power_states_with_one_command_each(driven):
    spawn = driven.plan()
    driven.spawn(spawn)
    guest, guests = driven.guest(spawn), driven.backend.guests

    def state():
        return guests.state(guest, use_cache=True).power_state

    driven.simulator.admin("DELETE", "journal")
    with driven.operation("state", spawn.server):
        assert state() == power_state.RUNNING
    assert driven.calls("state", spawn) == ["GET /guests/{id}/power_state_real"]
    assert len(driven.calls("state", spawn, layer="command")) == 1
    driven.backend.pause.pause(guest)
    assert state() == power_state.PAUSED
    with support.running(driven.simulator) as other:
        # Another service knows nothing of it; ours remembers over a restart.
        assert other.backend.name == "z/VM"
    driven.backend.pause.unpause(guest)
    assert state() == power_state.RUNNING
    guests.power_off(guest, timeout=60, retry_interval=10)
    assert state() == power_state.SHUTDOWN
    guests.power_on(guest)
    guests.reboot(guest, hard=False)
    guests.reboot(guest, hard=True)
    assert state() == power_state.RUNNING
    guests.power_off(guest, timeout=0, retry_interval=0)
    assert state() == power_state.SHUTDOWN


def test_a_guest_that_was_started_without_us_is_not_paused(driven):
    spawn = driven.plan()
    driven.spawn(spawn)
    guest, guests = driven.guest(spawn), driven.backend.guests
    driven.backend.pause.pause(guest)
    # An operator of z/VM.
    driven.simulator.world("log_off", user=guest.id)
    assert guests.state(guest, use_cache=True).power_state == power_state.SHUTDOWN
    driven.simulator.world("log_on", user=guest.id)
    assert guests.state(guest, use_cache=True).power_state == power_state.RUNNING


@pytest.mark.parametrize("action", ["pause", "unpause", "start", "stop"])
def test_a_change_of_power_whose_answer_is_lost_is_made_again(driven, action):
    """It can be made twice, and so its end is known."""
    spawn = driven.plan()
    driven.spawn(spawn)
    guest, guests = driven.guest(spawn), driven.backend.guests
    if action == "unpause":
        driven.backend.pause.pause(guest)
    if action == "start":
        guests.power_off(guest, timeout=0, retry_interval=0)
    driven.simulator.rule(
        match={"key": f"POST /guests/{{id}}/action {action}"},
        phase="after",
        effect={"kind": "drop"},
    )
    act, state = {
        "pause": (driven.backend.pause.pause, power_state.PAUSED),
        "unpause": (driven.backend.pause.unpause, power_state.RUNNING),
        "start": (guests.power_on, power_state.RUNNING),
        "stop": (
            lambda guest: guests.power_off(guest, timeout=0, retry_interval=0),
            power_state.SHUTDOWN,
        ),
    }[action]
    act(guest)
    assert guests.state(guest, use_cache=True).power_state == state


def test_a_paused_guest_is_let_go_on_to_shut_down(driven):
    """As to shelve a server: stopped, its Linux would not even refuse."""
    spawn = driven.plan()
    driven.spawn(spawn)
    guest, guests = driven.guest(spawn), driven.backend.guests
    driven.backend.pause.pause(guest)
    driven.simulator.admin("DELETE", "journal")
    with driven.operation("power_off", spawn.server):
        guests.power_off(guest, timeout=60, retry_interval=10)
    calls = [key.split()[-1] for key in driven.calls("power_off", spawn)]
    assert calls == ["unpause", "softstop", "stop"]
    assert guests.state(guest, use_cache=True).power_state == power_state.SHUTDOWN


def test_a_paused_guest_that_does_not_stop_runs_on(driven):
    spawn = driven.plan()
    driven.spawn(spawn)
    guest, guests = driven.guest(spawn), driven.backend.guests
    driven.backend.pause.pause(guest)
    for act in ("softstop", "stop"):
        driven.simulator.rule(
            match={"key": f"POST /guests/{{id}}/action {act}"},
            effect=support.fault("refuse"),
            count=None,
        )
    with pytest.raises(errors.ConnectorError):
        guests.power_off(guest, timeout=60, retry_interval=10)
    assert guests.state(guest, use_cache=True).power_state == power_state.RUNNING


def test_a_new_guest_is_not_paused_as_one_that_had_its_userid_was(driven):
    spawn = driven.plan()
    driven.spawn(spawn)
    driven.backend.pause.pause(driven.guest(spawn))
    user = driven.guest(spawn).id
    # Not by this service.
    with support.running(driven.simulator) as other:
        other.backend.guests.undefine(driven.guest(spawn))
    driven.spawn(spawn)
    assert driven.guest(spawn).id == user
    state = driven.backend.guests.state(driven.guest(spawn), use_cache=True)
    assert state.power_state == power_state.RUNNING


def test_nothing_is_asked_of_a_paused_guests_linux(driven):
    spawn = driven.plan()
    driven.spawn(spawn)
    guest = driven.guest(spawn)
    driven.backend.pause.pause(guest)
    with driven.operation("diagnostics", spawn.server):
        found = driven.backend.guests.diagnostics(guest)
    assert found == {"num_disks": 1}
    commands = driven.calls("diagnostics", spawn, layer="command")
    assert "iucvclnt" not in commands


def test_a_hard_stop_asks_nobody(driven):
    spawn = driven.plan()
    driven.spawn(spawn)
    driven.simulator.admin("DELETE", "journal")
    with driven.operation("power_off", spawn.server):
        guest = driven.guest(spawn)
        driven.backend.guests.power_off(guest, timeout=0, retry_interval=0)
    calls = driven.calls("power_off", spawn)
    assert "POST /guests/{id}/action stop" in calls
    assert "POST /guests/{id}/action softstop" not in calls


class Steps:
    """A clock that only sleeping moves on."""

    def __init__(self):
        self.at = 0.0

    def now(self):
        return self.at

    def sleep(self, seconds):
        self.at += seconds

    def wait(self, condition, seconds):
        self.at += seconds


@pytest.fixture
def steps():
    former = clock.use(Steps())
    yield
    clock.use(former)


ASK, RESET = "POST /guests/{id}/action reboot", "POST /guests/{id}/action reset"


def _iucv(rc, count=None):
    """iucvclnt ends with that code, so many times."""
    match = {"layer": "command", "key": "iucvclnt"}
    return {
        "match": match, "effect": {"kind": "refuse", "rc": rc, "rs": 111}, "count": count
    }  # fmt: skip


def _silent(count=None):
    """The guest took the command and said nothing for the Connector's minute."""
    effect = {"kind": "refuse", "overall": 5, "rc": 1, "rs": 501}
    return {"match": {"key": ASK}, "effect": effect, "count": count}


@pytest.mark.parametrize(
    ("rules", "asked", "resets", "told"),
    [
        # No agent: it is asked for two minutes.
        ([_iucv(4)], 13, 1, "rc 4.*iucvserd"),
        # It was just starting.
        ([_iucv(4, count=2)], 3, 0, ""),
        # It says that it is restarting already.
        ([_iucv(8, count=2)], 3, 0, ""),
        # It takes no command of this Connector, and will not.
        ([_iucv(1)], 1, 1, "rc 1.*iucv_authorized_userid"),
        # It took the command, and goes down without a word.
        ([_silent(count=1), _iucv(4)], 2, 0, ""),
        # It hangs.
        ([_silent()], 13, 1, "rs 501"),
    ],
)
def test_a_guest_that_heeds_no_soft_reboot_is_reset(
    driven, steps, caplog, rules, asked, resets, told
):
    """As with libvirt; one on its way down or up is not."""
    spawn = driven.plan()
    driven.spawn(spawn)
    driven.simulator.admin("DELETE", "journal")
    for rule in rules:
        driven.simulator.rule(**rule)
    driven.backend.guests.reboot(driven.guest(spawn), hard=False)
    assert len(driven.simulator.journal(key=ASK)) == asked
    assert len(driven.simulator.journal(key=RESET)) == resets
    name = driven.guest(spawn).id
    assert driven.simulator.guest(name)["state"] == "on"
    warnings = [
        record.getMessage()
        for record in caplog.records
        if (record.name, record.levelname) == ("ibmvirt.zvm.power", "WARNING")
    ]
    assert len(warnings) == resets
    for text in warnings:
        assert re.search(rf"{name} is reset instead of a soft reboot.*{told}", text)


def test_a_connector_that_fails_resets_no_guest(driven):
    """What failed is not the guest: it runs."""
    spawn = driven.plan()
    driven.spawn(spawn)
    driven.simulator.rule(match={"key": ASK}, effect=support.fault("refuse"))
    with pytest.raises(errors.ConnectorError, match="reboot the guest"):
        driven.backend.guests.reboot(driven.guest(spawn), hard=False)
    assert driven.simulator.journal(key=RESET) == []
