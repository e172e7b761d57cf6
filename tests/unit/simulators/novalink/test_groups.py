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


"""Views of groups, and that a POST of one group leaves the others alone."""

from __future__ import annotations

import pytest
from lxml import etree

from ibmvirt.simulators.novalink.schema import groups, table, xml
from tests.unit.simulators.novalink import support

GROUPS = ("ViosStorage", "ViosNetwork", "ViosFCMapping", "ViosSCSIMapping")


def grouped(element: etree._Element, group: str) -> list[bytes]:
    """Bytes of the outermost elements of a group, at any depth."""
    return [
        etree.tostring(part)
        for part in etree.fromstring(xml.wrap(element)).iter(etree.Element)
        if part.get("group") == group
    ]


@pytest.fixture
def vios(tmp_path):
    system = support.world(tmp_path)
    return system, system.all("VirtualIOServer")[0]


@pytest.mark.parametrize("group", GROUPS)
def test_a_view_has_its_group_and_the_common_part(vios, group):
    _, item = vios
    seen = groups.view(item.element, frozenset({group}))
    assert {part.get("group") for part in seen.iter(etree.Element)} == {None, group}
    assert xml.value(seen, "PartitionName") == "vios1"


def test_a_group_deep_in_the_object_is_left_out(vios):
    _, item = vios
    port = f"{{{xml.UOM}}}PhysicalFibreChannelPort"
    bare = groups.view(item.element, frozenset())
    whole = groups.view(item.element, frozenset({"ViosStorage"}))
    assert all(xml.find(p, "PhysicalVolumes") is None for p in bare.iter(port))
    assert all(xml.find(p, "PhysicalVolumes") is not None for p in whole.iter(port))


def test_no_group_shows_all_but_the_costly_ones(tmp_path):
    system = support.world(tmp_path, lpars=1)
    lpar = system.all("LogicalPartition")[0]
    assert xml.find(groups.view(lpar.element, None), "PartitionNVRAM") is None
    nvram = groups.view(lpar.element, frozenset({"NVRAM"}))
    assert xml.value(nvram, "PartitionNVRAM")


@pytest.mark.parametrize("name", ["fake_vios_feed.txt", "fake_vios_feed_multi.txt"])
@pytest.mark.parametrize("posted", GROUPS)
def test_a_post_of_one_group_leaves_the_others_byte_equal(name, posted):
    stored = support.recorded(name)[0].element
    view = etree.fromstring(etree.tostring(groups.view(stored, frozenset({posted}))))
    for child in view:
        if child.get("group") == posted:
            # The client removes all of it.
            child[:] = []
    table.set_value(view, "PartitionName", "renamed")
    merged = groups.merge(stored, view, frozenset({posted}))
    assert xml.value(merged, "PartitionName") == "renamed"
    for other in GROUPS:
        if other != posted:
            assert grouped(merged, other) == grouped(stored, other)
            assert grouped(stored, other)
    kept = [
        part
        for part in merged
        if part.get("group") == posted and not part.get("kb", "").startswith("RO")
    ]
    left = [xml.name(child) for part in kept for child in part]
    assert set(left) <= {"Metadata"}


def test_what_a_wrong_view_seeds_is_not_taken(vios):
    """pypowervm seeds an empty list when a wrapper without the group is read."""
    system, item = vios
    view = etree.fromstring(etree.tostring(groups.view(item.element, frozenset())))
    view.append(etree.Element(f"{{{xml.UOM}}}PhysicalVolumes"))
    changed = support.change(system, item, view, frozenset())
    assert grouped(changed.element, "ViosStorage") == grouped(
        item.element, "ViosStorage"
    )


def test_a_hidden_part_stays_when_its_neighbour_changes():
    stored = support.recorded("fake_vios_feed.txt")[0].element
    view = etree.fromstring(etree.tostring(groups.view(stored, frozenset())))
    table.set_value(view, "PartitionIOConfiguration/MaximumVirtualIOSlots", 77)
    merged = groups.merge(stored, view, frozenset())
    path = "PartitionIOConfiguration/MaximumVirtualIOSlots"
    assert xml.value(merged, path) == "77"
    assert grouped(merged, "ViosStorage") == grouped(stored, "ViosStorage")


def test_read_only_values_cannot_be_written(vios):
    system, item = vios
    view = etree.fromstring(etree.tostring(groups.view(item.element, frozenset())))
    for tag in ("PartitionState", "PartitionUUID", "LogicalSerialNumber"):
        table.set_value(view, tag, "forged")
    changed = support.change(system, item, view, frozenset())
    for tag in ("PartitionState", "PartitionUUID", "LogicalSerialNumber"):
        assert changed.value(tag) == item.value(tag)


def test_what_changes_all_the_time_is_no_part_of_the_etag(tmp_path):
    system = support.world(tmp_path, lpars=1)
    lpar = system.all("LogicalPartition")[0]
    element = xml.copy_of(lpar.element)
    before = groups.etag(xml.wrap(element))
    table.set_value(element, "ReferenceCode", "CA00E1F1")
    assert groups.etag(xml.wrap(element)) == before
    table.set_value(element, "PartitionName", "other")
    assert groups.etag(xml.wrap(element)) != before


def test_requests_are_put_into_order_with_attributes():
    posted = xml.parse(
        f'<ClientNetworkAdapter xmlns="{xml.UOM}" schemaVersion="V1_0">'
        "<PortVLANID>7</PortVLANID><Unheard>of</Unheard>"
        "<UseNextAvailableSlotID>true</UseNextAvailableSlotID>"
        "<MACAddress>FA0000000001</MACAddress></ClientNetworkAdapter>".encode()
    )
    assert table.misplaced(posted) == ("UseNextAvailableSlotID", "ClientNetworkAdapter")
    table.complete(posted)
    assert table.misplaced(posted) is None
    assert [xml.name(part) for part in posted] == [
        "Metadata",
        "UseNextAvailableSlotID",
        "MACAddress",
        "PortVLANID",
        "Unheard",
    ]
    assert dict(posted[2].attrib) == {"kb": "CUR", "kxe": "false"}
    assert posted.get("schemaVersion") == xml.VERSION


def test_building_with_an_unknown_child_fails():
    with pytest.raises(KeyError):
        table.build("VirtualSwitch", {"SwitchNme": "typo"})
