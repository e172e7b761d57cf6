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


"""What the cases of refusals share: a registry, and ways to objects."""

from __future__ import annotations

from lxml import etree

from ibmvirt.simulators.novalink.schema import groups, table
from tests.unit.simulators.novalink import support

FMAP = frozenset({"ViosFCMapping"})
CASES = {}


def refusal(key):
    def keep(function):
        CASES.setdefault(key, []).append(function)
        return function

    return keep


def lpars(system):
    return system.all("LogicalPartition")


def vios1(system):
    return system.all("VirtualIOServer")[0]


def machine(system):
    return system.get("ManagedSystem", system.uuid)


def group_of(system, name="rootvg"):
    home = vios1(system).key
    groups_ = system.all("VolumeGroup", home)
    return next(one for one in groups_ if one.value("GroupName") == name)


def edit(system, item, path, value, shown=None):
    """POST the object with one value changed."""
    view = etree.fromstring(etree.tostring(groups.view(item.element, shown)))
    table.set_value(view, path, value)
    support.change(system, item, view, shown)
