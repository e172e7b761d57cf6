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

"""Each effect of a fault rule at both phases, on a call that creates."""

from __future__ import annotations

import concurrent.futures

import pytest
import requests as http
from pypowervm import adapter as pvm_adapter
from pypowervm import exceptions as pvm_exc
from pypowervm.helpers import vios_busy
from pypowervm.wrappers import event as pvm_event
from pypowervm.wrappers import network as pvm_net

from tests.functional.simulators.novalink import support
from tests.unit.simulators.novalink import requests

KEY = "PUT ManagedSystem/{id}/VirtualSwitch"


def create(adapter):
    machine = requests.pvm_ms.System.get(adapter)[0]
    return pvm_net.VSwitch.bld(adapter, "NEWSWITCH").create(parent=machine)


def switches(adapter):
    machine = requests.pvm_ms.System.get(adapter)[0]
    return {one.name for one in pvm_net.VSwitch.get(adapter, parent=machine)}


@pytest.mark.parametrize("phase", ["before", "after"])
@pytest.mark.parametrize(
    ("effect", "status"),
    [
        ({"kind": "refuse", "status": 500, "message": "HSCL1234 No."}, 500),
        ({"kind": "refuse", "status": 404}, 404),
        ({"kind": "busy"}, 503),
        ({"kind": "etag"}, 412),
        ({"kind": "reset"}, None),
        ({"kind": "drop"}, None),
        ({"kind": "truncate"}, None),
    ],
)
def test_a_call_that_fails(novalink, adapter, phase, effect, status):
    novalink.rule(match={"key": KEY}, phase=phase, effect=effect, count=1)
    with pytest.raises((pvm_exc.Error, http.exceptions.RequestException)) as caught:
        create(adapter)
    if status is not None:
        assert caught.value.response.status == status
    assert ("NEWSWITCH" in switches(adapter)) == (phase == "after")
    if phase == "before":
        create(adapter)


@pytest.mark.parametrize("phase", ["before", "after"])
def test_a_call_that_is_held(novalink, adapter, phase):
    rule = novalink.rule(match={"key": KEY}, phase=phase, effect={"kind": "hold"})
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(create, adapter)
        assert novalink.wait_parked(rule)
        other = support.Raw(novalink.systems[0])
        assert other.ask("GET", "uom/ManagedSystem")[0] == 200
        other.close()
        assert ("NEWSWITCH" in switches(adapter)) == (phase == "after")
        novalink.delete_rule(rule)
        assert waiting.result(60).name == "NEWSWITCH"


def test_a_call_under_way_does_not_change_a_world_that_was_reset(novalink, adapter):
    """It is in no rule's hands: it takes its time."""
    machine = requests.pvm_ms.System.get(adapter)[0]
    novalink.mark()
    novalink.latency("realistic")
    novalink.clock(rate=0.0)
    wanted = pvm_net.VSwitch.bld(adapter, "NEWSWITCH")
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        late = pool.submit(wanted.create, parent=machine)
        assert novalink.wait_journal(timeout=60, key=KEY)
        novalink.reset()
        novalink.clock(rate=1000.0)
        with pytest.raises(pvm_exc.ConnectionError):
            late.result(60)
    novalink.latency("none")
    assert novalink.compare() == []


def test_a_busy_vios_is_asked_again(novalink, session, monkeypatch):
    monkeypatch.setattr(vios_busy, "SLEEP", lambda _seconds: None)
    adapter = pvm_adapter.Adapter(session, helpers=vios_busy.vios_busy_retry_helper)
    novalink.rule(match={"key": KEY}, effect={"kind": "busy"}, count=2)
    assert create(adapter).name == "NEWSWITCH"


def test_a_call_that_waits(novalink, adapter):
    novalink.rule(match={"key": KEY}, effect={"kind": "delay", "seconds": 3600})
    novalink.clock(rate=36000)
    try:
        assert create(adapter).name == "NEWSWITCH"
    finally:
        novalink.clock(rate=1)


def polled(adapter, client):
    feed = adapter.read(f"Event?QUEUE_APPLICATIONID={client}", xag=[]).feed
    return [pvm_event.Event.wrap(entry).etype for entry in feed.entries]


@pytest.mark.parametrize("phase", ["before", "after"])
def test_all_tokens_expire_at_a_call(novalink, adapter, raw, phase):
    novalink.rule(match={"key": KEY}, phase=phase, effect={"kind": "expire_token"})
    assert create(adapter).name == "NEWSWITCH"
    assert raw.ask("GET", "uom/ManagedSystem")[0] == 401
    # The client logs on again by itself.
    assert "NEWSWITCH" in switches(adapter)


@pytest.mark.parametrize("phase", ["before", "after"])
def test_the_service_restarts_at_a_call(novalink, adapter, raw, phase):
    novalink.rule(match={"key": KEY}, phase=phase, effect={"kind": "restart"})
    with pytest.raises(pvm_exc.Error):
        create(adapter)
    assert raw.ask("GET", "uom/ManagedSystem")[0] == 401
    assert ("NEWSWITCH" in switches(adapter)) == (phase == "after")


@pytest.mark.parametrize("phase", ["before", "after"])
def test_an_event_comes_at_a_call(novalink, adapter, phase):
    client = f"event-{phase}"
    assert polled(adapter, client) == ["NEW_CLIENT"]
    effect = {"kind": "event", "event": "CACHE_CLEARED"}
    novalink.rule(match={"key": KEY}, phase=phase, effect=effect)
    create(adapter)
    order = ["CACHE_CLEARED", "ADD_URI"]
    if phase == "after":
        order.reverse()
    assert polled(adapter, client) == order


@pytest.mark.parametrize("phase", ["before", "after"])
def test_the_world_changes_at_a_call(novalink, adapter, phase):
    novalink.rule(
        match={"key": "POST VirtualIOServer/*"},
        phase=phase,
        effect={
            "kind": "world",
            "action": "rmc",
            "partition": "vios1",
            "state": "inactive",
        },
    )
    lpar, unit = requests.new_lpar(adapter), requests.new_unit(adapter)
    if phase == "before":
        with pytest.raises(pvm_exc.HttpError, match=r"HSCL2957|412"):
            requests.map_storage(adapter, lpar, unit)
    else:
        requests.map_storage(adapter, lpar, unit)
    assert unit.refresh().in_use == (phase == "after")
    assert requests.vios_with(adapter).rmc_state == "inactive"


@pytest.mark.parametrize("phase", ["before", "after"])
def test_a_call_that_hangs_and_then_ends_without_an_answer(novalink, adapter, phase):
    rule = novalink.rule(match={"key": KEY}, phase=phase, effect={"kind": "hang"})
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(create, adapter)
        assert novalink.wait_parked(rule)
        novalink.delete_rule(rule)
        with pytest.raises(pvm_exc.Error):
            waiting.result(60)
    assert ("NEWSWITCH" in switches(adapter)) == (phase == "after")
