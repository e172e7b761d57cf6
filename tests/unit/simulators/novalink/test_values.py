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

"""Flags, numbers and words of requests, and what a client cannot change."""

from __future__ import annotations

import pytest

from ibmvirt.simulators.novalink import refusals
from ibmvirt.simulators.novalink.schema import table, values, xml
from tests.unit.simulators.novalink import build, cases, support


@pytest.fixture
def system(tmp_path):
    return support.world(tmp_path, lpars=1)


def posted(tag, text):
    element = xml.node("LogicalPartition", kb=None)
    element.append(xml.leaf(tag, text))
    return element


@pytest.mark.parametrize(
    ("tag", "good", "bad"),
    [
        ("SuspendCapable", ["true", "false", ""], ["True", "1", "yes"]),
        ("UncappedWeight", ["0", "255", ""], ["256", "-1", "1.5", "NaN", "1_0"]),
        ("MaximumVirtualIOSlots", ["64"], ["1", "70000", "x", "\u0663"]),
        ("DesiredMemory", ["1024", "1024.0"], ["inf", "1e3", "-1", "9" * 30]),
        ("UnitCapacity", ["0.5"], ["nan", "half"]),
        ("KeylockPosition", ["normal", "manual"], ["Normal", "off"]),
        ("BootMode", ["Normal", "System_Management_Services"], ["sms"]),
        ("SwitchMode", ["Veb", "Vepa"], ["veb"]),
    ],
)
def test_what_a_value_can_be(tag, good, bad):
    for text in good:
        values.check(posted(tag, text))
    for text in bad:
        with pytest.raises(refusals.Refusal, match=f"{tag} of LogicalPartition"):
            values.check(posted(tag, text))


def test_what_the_platform_sends_it_takes(system):
    for item in [*system.objects.values(), *system.fabric.shared.values()]:
        values.check(support.rendered(system, item))


@pytest.mark.parametrize(
    ("kind", "path", "text"),
    [
        ("ClientNetworkAdapter", "LocalPartitionID", "77"),
        ("ClientNetworkAdapter", "DynamicReconfigurationConnectorName", "x"),
        ("LogicalUnit", "ThinDevice", "false"),
        ("VolumeGroup", "GroupCapacity", "99999"),
        ("VolumeGroup", "GroupName", "mine"),
        ("NetworkBridge", "PortVLANID", "7"),
    ],
)
def test_what_a_client_cannot_change(system, kind, path, text):
    lpar = cases.lpars(system)[0]
    support.make(system, "ClientNetworkAdapter", build.adapter(system), lpar)
    build.unit(system, "disk")
    item = system.all(kind)[0]
    system.fabric.world.mark()
    view = xml.copy_of(item.element)
    table.set_value(view, path, text)
    support.change(system, item, view)
    assert system.fabric.world.compare() == []


def test_the_volumes_of_a_group_stay_what_they_are(system):
    item = cases.group_of(system)
    system.fabric.world.mark()
    view = xml.copy_of(item.element)
    for volume in xml.findall(view, "PhysicalVolumes/PhysicalVolume"):
        table.set_value(volume, "VolumeCapacity", 1)
    support.change(system, item, view)
    assert system.fabric.world.compare() == []
