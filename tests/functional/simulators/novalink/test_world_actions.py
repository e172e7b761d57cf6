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


"""What happens to a system from outside, and answers that are cut."""

from __future__ import annotations

import http.client
import urllib.parse

import pytest
from pypowervm import exceptions as pvm_exc
from pypowervm.tasks import partition, power, scsi_mapper
from pypowervm.wrappers import event as pvm_event
from pypowervm.wrappers import storage as pvm_stor

from ibmvirt.simulators.core import handle
from tests.unit.simulators.novalink import requests


def test_a_vios_loses_its_connection_and_finds_it_again(novalink, adapter):
    lpar, unit = requests.new_lpar(adapter), requests.new_unit(adapter)
    second = next(v for v in partition.get_active_vioses(adapter) if v.name == "vios2")

    def attach():
        scsi_mapper.add_vscsi_mapping(None, second.uuid, lpar.uuid, unit)

    novalink.world("rmc", partition="vios2", state="inactive")
    assert [v.name for v in partition.get_active_vioses(adapter)] == ["vios1"]
    with pytest.raises(pvm_exc.HttpError, match="HSCL2957"):
        attach()
    novalink.world("rmc", partition="vios2", state="active")
    attach()


def events(adapter, client):
    """What a client has not read yet: type, path and detail."""
    feed = adapter.read(f"Event?QUEUE_APPLICATIONID={client}", xag=[]).feed
    found = [pvm_event.Event.wrap(entry) for entry in feed.entries]
    return [(one.etype, one.data or "", one.detail or "") for one in found]


def test_a_partition_crashes(novalink, adapter):
    lpar = requests.new_lpar(adapter)
    power.PowerOp.start(lpar)
    assert events(adapter, "crash")[0][0] == "NEW_CLIENT"
    novalink.world(
        "partition_state",
        partition=lpar.uuid,
        state="error",
        reference_code="B2001234",
    )
    now = lpar.refresh()
    assert (now.state, now.ref_code) == ("error", "B2001234")
    ((kind, path, detail),) = events(adapter, "crash")
    assert kind == "INVALID_URI"
    assert path.endswith(f"LogicalPartition/{lpar.uuid}")
    assert "PartitionState" in detail.split(",")
    lpar.refresh().delete()


def test_there_is_no_room(novalink, adapter):
    novalink.world("free_space", pool="ssp1", gb=0.05)
    assert pvm_stor.SSP.get(adapter)[0].free_space == 0.05
    with pytest.raises(pvm_exc.HttpError, match="VIOS00012"):
        requests.new_unit(adapter)
    novalink.world("free_space", vios="vios1", group="rootvg", gb=0)
    with pytest.raises(pvm_exc.HttpError, match="VIOS00012"):
        requests.add_disk(adapter)


def test_events_are_lost(novalink, adapter):
    assert [one[0] for one in events(adapter, "lost")] == ["NEW_CLIENT"]
    requests.new_lpar(adapter)
    novalink.world("lose_events")
    assert [one[0] for one in events(adapter, "lost")] == ["MISSING_EVENTS"]


def test_a_rule_does_it_at_a_call(novalink, adapter):
    lpar = requests.new_lpar(adapter)
    novalink.rule(
        match={"key": "PUT LogicalPartition/{id}/do/PowerOn"},
        effect={
            "kind": "world",
            "action": "rmc",
            "partition": "vios2",
            "state": "inactive",
        },
    )
    power.PowerOp.start(lpar)
    assert [v.name for v in partition.get_active_vioses(adapter)] == ["vios1"]


@pytest.mark.parametrize(
    ("action", "fields", "text"),
    [
        ("rmc", {"partition": "vios1", "state": "good"}, "state: must be one of"),
        ("rmc", {"partition": "nobody", "state": "active"}, "partition 'nobody'"),
        ("rmc", {"partition": "vios1", "state": "active", "x": 1}, "x: unknown"),
        (
            "rmc",
            {"partition": "vios1", "state": "active", "system": "sys9"},
            "system sys9",
        ),
        ("partition_state", {"partition": "vios1", "state": "asleep"}, "state: must"),
        ("free_space", {"pool": "ssp1", "gb": "much"}, "gb: must be a number"),
        ("free_space", {"pool": "ssp1", "gb": 1e9}, "gb: must be 0 to"),
        ("free_space", {"pool": "none", "gb": 1}, "pool or volume group"),
        ("lose_events", {"of": "me"}, "of: unknown"),
    ],
)
def test_what_cannot_be(novalink, action, fields, text):
    with pytest.raises(handle.SimulatorError, match=text):
        novalink.world(action, **fields)
    assert novalink.compare() == []


def test_an_answer_is_cut_in_its_middle(novalink, raw):
    whole = raw.ask("GET", "uom/ManagedSystem")[2]
    novalink.rule(
        match={"key": "GET ManagedSystem"}, phase="after", effect={"kind": "truncate"}
    )
    url = urllib.parse.urlsplit(novalink.systems[0]["url"])
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=60)
    connection.request(
        "GET", "/rest/api/uom/ManagedSystem", headers={"X-API-Session": raw.token}
    )
    response = connection.getresponse()
    assert response.getheader("Content-Length") == str(len(whole))
    with pytest.raises(http.client.IncompleteRead) as caught:
        response.read()
    connection.close()
    # Entries of a feed have ids of their own each time.
    cut = caught.value.partial
    assert len(cut) == len(whole) // 2
    assert cut.startswith(whole[:100])
