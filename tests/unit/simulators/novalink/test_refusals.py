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


"""Each refusal of the platform: its status and message id, nothing changed."""

from __future__ import annotations

import pytest

from ibmvirt.simulators.novalink import refusals
from tests.unit.simulators.novalink import cases_partitions, cases_storage, support
from tests.unit.simulators.novalink.build import post_mappings, scsi_mapping, unit
from tests.unit.simulators.novalink.cases import CASES, lpars, vios1

# Importing them has filled the registry.
assert cases_partitions
assert cases_storage


@pytest.fixture
def system(tmp_path):
    return support.world(tmp_path, lpars=2)


# What the transport, the files and the jobs refuse; their tests hold those.
ELSEWHERE = {
    "unknown_path",
    "group",
    "too_long",
    "content_type",
    "order",
    "if_match_missing",
    "etag",
    "session",
    "logon",
    "busy",
    "file_limit",
    "checksum",
    "length",
    "jobs",
}


def test_every_refusal_of_the_table_has_a_case():
    assert CASES.keys() == refusals.TABLE.keys() - ELSEWHERE


@pytest.mark.parametrize(
    ("key", "case"),
    [(key, case) for key, several in CASES.items() for case in several],
)
def test_refusal(key, case, system):
    with pytest.raises(refusals.Refusal) as raised:
        case(system)
    entry = refusals.TABLE[key]
    assert raised.value.status == entry.status
    assert raised.value.message.split()[0] == entry.text.split()[0]
    assert "{" not in raised.value.message


def test_a_refused_request_changes_nothing(system):
    world = system.fabric.world
    item = unit(system, "disk").element
    first, _second = lpars(system)
    good, bad = scsi_mapping(first, item), scsi_mapping(first, item)
    world.mark("before")
    with pytest.raises(refusals.Refusal):
        post_mappings(system, vios1(system), [good, bad])
    assert world.compare("before") == []
    assert system.all("VirtualSCSIBus") == []
