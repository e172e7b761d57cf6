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


"""ManagementConsole: the console itself, with its keys."""

from __future__ import annotations

from ibmvirt.simulators.novalink import store
from ibmvirt.simulators.novalink.objects import base
from ibmvirt.simulators.novalink.refusals import refuse
from ibmvirt.simulators.novalink.schema import groups as groups_
from ibmvirt.simulators.novalink.schema import table, xml


@base.register
class ManagementConsole(base.Noun):
    """A root; its list of authorized keys can be written.

    - captured: its elements (managementconsole_ssh.txt)
    - documented: clients add the public key of another console for migration
    """

    TYPE = "ManagementConsole"
    VERBS = frozenset({"GET", "POST"})

    def update(
        self,
        system: store.System,
        item: store.SimObject,
        posted: xml.Element,
        groups: store.Groups,
    ) -> store.SimObject:
        element = groups_.merge(item.element, posted, groups)
        for key in xml.findall(element, "AuthorizedKeys/AuthorizedKey"):
            if not (key.text or "").startswith("ssh-"):
                raise refuse("malformed", detail="an AuthorizedKey is no ssh key")
        return system.replace(item.changed(element))


def build(system: store.System) -> xml.Element:
    """The console of a system (its key is no real one)."""
    return table.build(
        "ManagementConsole",
        {
            "MachineTypeModelAndSerialNumber": {
                "MachineType": system.machine_type,
                "Model": system.model,
                "SerialNumber": system.serial,
            },
            "ManagedFrames": {},
            "ManagedSystems": {
                "link": [xml.link(system.url("ManagedSystem", system.uuid))]
            },
            "ManagementConsoleName": system.name,
            "NetworkInterfaces": {},
            "PowerEnterprisePools": {},
            "PublicSSHKey": f"ssh-rsa {system.uuid.replace('-', '')} wlp@{system.name}",
            "AuthorizedKeys": {},
        },
    )
