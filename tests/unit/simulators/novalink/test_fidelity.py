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


"""What was recorded is served again, to the byte of its canonical form."""

from __future__ import annotations

import pytest
from lxml import etree

from ibmvirt.simulators.novalink import captures, registry
from ibmvirt.simulators.novalink.objects import base
from ibmvirt.simulators.novalink.schema import groups as groups_
from ibmvirt.simulators.novalink.schema import table, xml
from tests.unit.simulators.novalink import support

registry.load()


def _recorded() -> list[str]:
    """Files with at least one object of a type that the simulator has."""
    names = []
    for path in sorted(support.DATA.iterdir()):
        if not path.is_file():
            continue
        try:
            found = captures.read(path.read_text(encoding="utf-8"))
        except captures.BadCapture:
            continue
        if any(entry.type in base.REGISTRY for entry in found):
            names.append(path.name)
    return names


FILES = _recorded()
# Two recordings contradict all others in the place of one element each.
ODD_ORDER = {
    "fake_vios_feed.txt": ("IsOperationInProgress", "VirtualIOServer"),
    "fake_vios_hosting_vios_feed.txt": ("ClientAdapter", "VirtualFibreChannelMapping"),
}


def test_all_supported_types_are_recorded_somewhere():
    types = {entry.type for name in FILES for entry in support.recorded(name)}
    assert len(FILES) > 35
    # Partitions link to it in the recordings; itself it was not recorded.
    assert base.REGISTRY.keys() - types == {"VirtualSCSIClientAdapter"}


@pytest.mark.parametrize("name", FILES)
def test_recorded_objects_are_served_as_they_were(name, tmp_path):
    system = support.new_system(tmp_path)
    for entry in support.recorded(name):
        if entry.type not in base.REGISTRY:
            continue
        item = captures.load(system, entry)
        served = support.rendered(system, system.get(item.type, item.uuid))
        assert support.canonical(served) == support.canonical(entry.element)


@pytest.mark.parametrize("name", FILES)
def test_the_schema_table_knows_every_recorded_element(name):
    """Place and group of each element are what the table says of it."""
    for entry in support.recorded(name):
        if entry.type not in base.REGISTRY:
            continue
        for part in entry.element.iter(f"{{{xml.UOM}}}*"):
            known = table.rules(xml.name(part))
            for child in part:
                if xml.name(child) in ("Metadata", "Atom", "AtomID", "AtomCreated"):
                    continue
                rule = known[xml.name(child)]
                assert child.get("group") in (rule.group, None)
        assert table.misplaced(entry.element) in (None, ODD_ORDER.get(name))


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    "asked", [None, "None", "ViosSCSIMapping", "ViosStorage,NVRAM"]
)
def test_an_echoed_view_changes_nothing(name, asked):
    """A client that posts a view as it got it leaves every byte as it was."""
    groups = None if asked is None else frozenset(asked.split(",")) - {"None"}
    for entry in support.recorded(name):
        if entry.type not in base.REGISTRY:
            continue
        posted = etree.fromstring(etree.tostring(groups_.view(entry.element, groups)))
        merged = groups_.merge(entry.element, posted, groups)
        was, now = xml.wrap(entry.element), xml.wrap(merged)
        assert support.canonical(etree.fromstring(now)) == support.canonical(
            etree.fromstring(was)
        )
