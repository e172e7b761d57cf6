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

"""An object is found below its own parent, and made below one that is there."""

from __future__ import annotations

import concurrent.futures

import pytest
from lxml import etree

from tests.functional.simulators.novalink import support
from tests.unit.simulators.novalink import requests

ATOM = "{http://www.w3.org/2005/Atom}"
UOM = support.WEB.replace("/web/", "/uom/")
ADAPTER = (
    f'<ClientNetworkAdapter xmlns="{UOM}"><UseNextAvailableSlotID>true'
    "</UseNextAvailableSlotID><AssociatedVirtualSwitch>"
    '<link href="http://localhost/rest/api/uom/{switch}"/>'
    "</AssociatedVirtualSwitch></ClientNetworkAdapter>"
)


def members(raw, path):
    """The UUIDs of a feed."""
    status, _headers, body = raw.ask("GET", path)
    assert status == 200
    return [e.text for e in etree.fromstring(body).findall(f"{ATOM}entry/{ATOM}id")]


@pytest.fixture
def places(novalink, raw, adapter):
    """Paths of objects that are another's, or that nothing is below."""
    lpar = requests.new_lpar(adapter)
    machine = novalink.systems[0]["uuid"]
    first, second = members(raw, "uom/VirtualIOServer?group=None")
    group = members(raw, f"uom/VirtualIOServer/{first}/VolumeGroup")[0]
    novalink.mark()
    return {
        "group": f"uom/VirtualIOServer/{second}/VolumeGroup/{group}",
        "job": f"uom/ManagedSystem/{first}/LogicalPartition/{lpar.uuid}/do/PowerOn",
        "no type": f"uom/Nonsense/{machine}/LogicalPartition/{lpar.uuid}/do/PowerOn",
        "quick": f"uom/VirtualIOServer/{first}/VolumeGroup/{group}/quick",
        "quick feed": f"uom/ManagedSystem/{machine}/VirtualSwitch/quick/All",
        "own job": f"uom/ManagedSystem/{machine}/LogicalPartition/{lpar.uuid}"
        "/do/PowerOn",
    }


@pytest.mark.parametrize(
    ("verb", "name", "status"),
    [
        ("GET", "group", 404),
        ("POST", "group", 404),
        ("GET", "job", 404),
        ("GET", "no type", 404),
        ("GET", "quick", 404),
        ("GET", "quick feed", 404),
        ("GET", "own job", 200),
    ],
)
def test_the_path_must_be_right_to_its_end(novalink, raw, places, verb, name, status):
    body = f'<VolumeGroup xmlns="{UOM}"/>' if verb == "POST" else None
    assert raw.ask(verb, places[name], body)[0] == status
    assert novalink.compare() == []


@pytest.mark.parametrize("verb", ["POST", "PUT", "DELETE"])
def test_a_search_is_only_read(raw, verb):
    path = "uom/VirtualIOServer/search/(PartitionName=='vios1')"
    assert raw.ask("GET", path)[0] == 200
    status, _headers, body = raw.ask(verb, path)
    assert (status, bool(support.message(body))) == (405, True)


def test_what_has_a_parent_is_not_made_without(novalink, raw):
    body = f'<LogicalPartition xmlns="{UOM}"/>'
    assert raw.ask("PUT", "uom/LogicalPartition", body)[0] == 405
    assert novalink.compare() == []


def test_a_parent_that_went_meanwhile_gets_no_child(novalink, raw, adapter):
    novalink.mark()
    lpar = requests.new_lpar(adapter)
    machine = novalink.systems[0]["uuid"]
    home = f"ManagedSystem/{machine}/VirtualSwitch"
    switch = f"{home}/{members(raw, f'uom/{home}')[0]}"
    rule = novalink.rule(
        match={"key": "PUT LogicalPartition/{id}/ClientNetworkAdapter"},
        effect={"kind": "hold"},
    )
    other = support.Raw(novalink.systems[0])
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        late = pool.submit(
            other.ask,
            "PUT",
            f"uom/LogicalPartition/{lpar.uuid}/ClientNetworkAdapter",
            ADAPTER.format(switch=switch),
        )
        assert novalink.wait_parked(rule, timeout=60)
        lpar.delete()
        novalink.delete_rule(rule)
        status, _headers, body = late.result(60)
    other.close()
    assert (status, "LogicalPartition" in support.message(body)) == (404, True)
    assert novalink.compare() == []
