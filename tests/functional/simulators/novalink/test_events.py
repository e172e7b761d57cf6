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

"""The event queue through pypowervm's listener, and what a poll answers."""

from __future__ import annotations

import concurrent.futures
import queue

import pytest
from pypowervm import adapter as pvm_adapter
from pypowervm import exceptions as pvm_exc
from pypowervm.tasks import power
from pypowervm.wrappers import event as pvm_event

from tests.functional.simulators.novalink import support
from tests.unit.simulators.novalink import requests


def poll(adapter, client="test"):
    found = adapter.read_by_path(
        "/rest/api/uom/Event?QUEUE_CLIENTKEY_METHOD=USE_APPLICATIONID"
        f"&QUEUE_APPLICATIONID={client}"
    )
    return pvm_event.Event.wrap(found)


def described(events):
    return [
        (event.etype, event.data.split("/uom/")[-1], event.detail) for event in events
    ]


def test_a_new_client_hears_that_it_is_new(adapter):
    assert [event.etype for event in poll(adapter)] == [pvm_event.EventType.NEW_CLIENT]


def test_a_partition_from_birth_to_death(adapter):
    poll(adapter)
    lpar = requests.new_lpar(adapter)
    machine = requests.pvm_ms.System.get(adapter)[0]
    own = f"ManagedSystem/{machine.uuid}/LogicalPartition/{lpar.uuid}"
    assert ("ADD_URI", own, None) in [
        (kind, uri, detail or None) for kind, uri, detail in described(poll(adapter))
    ]
    power.power_on(lpar, None)
    moves = [one for one in described(poll(adapter)) if one[1] == own]
    assert len(moves) >= 3
    assert all(kind == "MODIFY_URI" for kind, _uri, _detail in moves)
    assert all("PartitionState" in detail for _kind, _uri, detail in moves)
    power.PowerOp.stop(lpar.refresh())
    poll(adapter)
    lpar.refresh().delete()
    gone = described(poll(adapter))
    assert ("DELETE_URI", own) in [one[:2] for one in gone]


def test_every_client_gets_each_event_once(adapter):
    for client in ("a", "b"):
        poll(adapter, client)
    requests.new_lpar(adapter)
    first, second = poll(adapter, "a"), poll(adapter, "b")
    assert described(first) == described(second)
    event = pvm_event.Event.bld(adapter, "mine", "detail")
    event.create()
    assert described(poll(adapter, "a")) == [("CUSTOM_CLIENT_EVENT", "mine", "detail")]


def test_a_client_tells_of_nothing_that_is_the_platforms(raw):
    body = (
        f'<Event xmlns="{support.WEB.replace("web", "uom")}">'
        "<EventType>DELETE_URI</EventType><EventData>x</EventData></Event>"
    )
    status, _headers, answer = raw.ask("PUT", "uom/Event", body)
    assert (status, "DELETE_URI" in support.message(answer)) == (400, True)


def test_a_poll_waits_for_the_next_event(adapter):
    poll(adapter)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(poll, adapter)
        with pytest.raises(concurrent.futures.TimeoutError):
            waiting.result(0.2)
        pvm_event.Event.bld(adapter, "wake", "").create()
        assert [event.data for event in waiting.result(60)] == ["wake"]


def test_a_restart_makes_all_clients_new(novalink, adapter):
    poll(adapter)
    novalink.rule(match={"key": "GET ManagedSystem"}, effect={"kind": "restart"})
    with pytest.raises(pvm_exc.ConnectionError):
        adapter.read("ManagedSystem")
    assert [event.etype for event in poll(adapter)] == [pvm_event.EventType.NEW_CLIENT]


class Listener(pvm_adapter.WrapperEventHandler):
    def __init__(self):
        super().__init__()
        self.seen = queue.Queue()

    def process(self, events):
        for event in events:
            self.seen.put((event.etype, event.data))


def test_the_real_listener(session, adapter):
    listener, handler = session.get_event_listener(), Listener()
    listener.subscribe(handler)
    try:
        pvm_event.Event.bld(adapter, "for the listener", "").create()
        while True:
            kind, data = handler.seen.get(timeout=60)
            if kind == pvm_event.EventType.CUSTOM_CLIENT_EVENT:
                break
        assert data == "for the listener"
    finally:
        listener.unsubscribe(handler)
        # The listener's thread ends after its poll has returned.
        pvm_event.Event.bld(adapter, "end", "").create()
