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


"""VirtualSwitch: what virtual Ethernet adapters are connected to."""

from __future__ import annotations

from ibmvirt.simulators.novalink import store
from ibmvirt.simulators.novalink.objects import base
from ibmvirt.simulators.novalink.refusals import refuse
from ibmvirt.simulators.novalink.schema import groups as groups_
from ibmvirt.simulators.novalink.schema import table, xml

_MODES = ("Veb", "Vepa")
# Of one machine (assumed).
_LIMIT = 16


@base.register
class VirtualSwitch(base.Noun):
    """Below a ManagedSystem.

    - captured: its elements
    - documented: a client makes one for Open vSwitch, with a name and a mode
    - assumed: ids from 0, not more than 16, refused to be deleted in use
    """

    TYPE = "VirtualSwitch"
    PARENTS = ("ManagedSystem",)
    VERBS = frozenset({"GET", "PUT", "POST", "DELETE"})

    def create(
        self,
        system: store.System,
        parent: store.SimObject | None,
        posted: xml.Element,
    ) -> store.SimObject:
        assert parent is not None
        name = base.required(posted, "SwitchName")
        self._check_name(system, name, None)
        mode = xml.value(posted, "SwitchMode", "Veb")
        if mode not in _MODES:
            raise refuse("malformed", detail=f"SwitchMode {mode!r}")
        used = {int(item.value("SwitchID", "-1")) for item in system.all(self.TYPE)}
        number = next((n for n in range(_LIMIT) if n not in used), None)
        if number is None:
            raise refuse("switch_limit", limit=_LIMIT)
        return system.add(self.TYPE, switch(number, name, mode), parent=parent.key)

    def _check_name(self, system: store.System, name: str, but: str | None) -> None:
        for item in system.all(self.TYPE):
            if item.uuid != but and item.value("SwitchName") == name:
                raise refuse("switch_exists", name=name)

    def update(
        self,
        system: store.System,
        item: store.SimObject,
        posted: xml.Element,
        groups: store.Groups,
    ) -> store.SimObject:
        element = groups_.merge(item.element, posted, groups)
        self._check_name(system, base.required(element, "SwitchName"), item.uuid)
        return system.replace(item.changed(element))

    def delete(self, system: store.System, item: store.SimObject) -> None:
        number = item.value("SwitchID")
        for adapter in system.all("ClientNetworkAdapter"):
            if adapter.value("VirtualSwitchID") == number:
                raise refuse("switch_in_use", name=item.value("SwitchName"))
        for bridge in system.all("NetworkBridge"):
            if any(
                xml.value(trunk, "VirtualSwitchID") == number
                for trunk in bridge.element.iter(f"{{{xml.UOM}}}TrunkAdapter")
            ):
                raise refuse("switch_in_use", name=item.value("SwitchName"))
        system.discard(item)


def switch(number: int, name: str, mode: str = "Veb") -> xml.Element:
    return table.build(
        "VirtualSwitch",
        {
            "SwitchID": number,
            "SwitchMode": mode,
            "SwitchName": name,
            "VirtualNetworks": {},
        },
    )
