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

"""The Connector's calls on FCP devices and volumes, typed.

A *template* of the Connector names FCP devices by path. A guest reserves one
device of each path, and the Connector counts the volumes on each device
(zvmsdk/volumeop.py of the Connector 1.6.3).
"""

from __future__ import annotations

import collections.abc
import dataclasses
import typing

from ibmvirt.common import exceptions
from ibmvirt.zvm.client import connector, errors


@dataclasses.dataclass(frozen=True)
class Paths:
    """What is reserved for a guest: its FCP devices and their WWPNs."""

    template: str
    devices: tuple[str, ...]
    wwpns: tuple[str, ...]
    physical: typing.Mapping[str, str]
    host: str


@dataclasses.dataclass(frozen=True)
class Device:
    """An FCP device as the Connector's database has it."""

    number: str
    template: str
    holder: str
    connections: int
    reserved: bool
    state: str
    # Who has it now, as z/VM says; the database's holder may be off.
    owner: str


@dataclasses.dataclass(frozen=True)
class Use:
    """Who has a device, and for how many volumes."""

    holder: str
    reserved: bool
    connections: int


@dataclasses.dataclass(frozen=True)
class Template:
    """A set of FCP devices by path."""

    id: str
    name: str
    is_default: bool


@dataclasses.dataclass(frozen=True)
class Connection:
    """A volume as a guest reaches it. WWPNs and LUN as 0x and 16 digits."""

    user: str
    devices: tuple[str, ...]
    wwpns: tuple[str, ...]
    lun: str
    os_version: str
    mount_point: str

    def body(self) -> dict[str, typing.Any]:
        return {
            "assigner_id": self.user,
            "zvm_fcp": list(self.devices),
            "target_wwpn": list(self.wwpns),
            "target_lun": self.lun,
            "os_version": self.os_version,
            "multipath": "true" if len(self.devices) > 1 else "false",
            "mount_point": self.mount_point,
        }


class Fcp:
    """FCP devices and volumes by the Connector."""

    def __init__(self, calls: connector.Connector) -> None:
        self._calls = calls

    def reserve(self, user: str, template: str | None) -> Paths:
        """The guest's devices, reserved if it has none yet.

        :param template: its id; None = the Connector's default.
        :raises OutOfResources: the template has no free device on a path.
        """
        what = f"reserve FCP devices for the guest {user}"
        found = self._connector(what, user, template, reserve=True)
        if not found.get("zvm_fcp"):
            raise exceptions.OutOfResources(
                what,
                f"the FCP template {found.get('fcp_template_id')} has no free "
                "device for every path",
                "add devices to the template, or detach volumes of other servers",
            )
        return Paths(
            template=str(found["fcp_template_id"]),
            devices=tuple(d.lower() for d in found["zvm_fcp"]),
            wwpns=tuple(found["wwpns"]),
            physical=dict(found["phy_to_virt_initiators"]),
            host=str(found["host"]),
        )

    def release(self, user: str, template: str) -> None:
        """Give back the guest's devices that have no volume."""
        what = f"release the FCP devices of the guest {user}"
        self._connector(what, user, template, reserve=False)

    def _connector(
        self, what: str, user: str, template: str | None, *, reserve: bool
    ) -> dict[str, typing.Any]:
        kwargs: dict[str, typing.Any] = {"reserve": reserve}
        if template:
            kwargs["fcp_template_id"] = template
        found: dict[str, typing.Any] = self._calls.call(
            what, "get_volume_connector", user, **kwargs
        )
        return found

    def attach(self, connection: Connection) -> None:
        """Not idempotent: the Connector counts each attach."""
        what = f"attach the LUN {connection.lun} to the guest {connection.user}"
        self._calls.call(what, "volume_attach", connection.body())

    def detach(self, connection: Connection) -> None:
        """Not idempotent: the Connector counts each detach, of whatever LUN."""
        what = f"detach the LUN {connection.lun} from the guest {connection.user}"
        self._calls.call(what, "volume_detach", connection.body())

    def use(self, device: str) -> Use:
        what = f"read the use of the FCP device {device}"
        holder, reserved, count, _template = self._calls.call(
            what, "get_fcp_usage", device
        )
        return Use(str(holder or "").upper(), bool(reserved), int(count))

    def set_use(self, device: str, user: str, connections: int, template: str) -> None:
        """Set the count; 0 also ends the reservation."""
        self._calls.call(
            f"set the use of the FCP device {device} by the guest {user}",
            "set_fcp_usage",
            device,
            user,
            int(connections > 0),
            connections,
            template if connections else "",
        )

    def dedicated(self, user: str) -> frozenset[str]:
        """The devices that the guest's directory entry dedicates to it."""
        lines = self._calls.directory_entry(user) or []
        words = [line.upper().split() for line in lines]
        return frozenset(w[2].lower() for w in words if w[:1] == ["DEDICATE"])

    def owned(self, user: str, template: str) -> frozenset[str]:
        """The devices of a template that a running guest has, as z/VM says.

        :param template: its id; empty = all templates.
        """
        try:
            found = self.devices(look=True, template=template)
        except errors.ConnectorError as error:
            what = f"look for FCP devices that the guest {user} has"
            raise error.during(what) from error
        return frozenset(d.number for d in found if d.owner == user)

    def devices(self, *, look: bool = False, template: str = "") -> list[Device]:
        """The devices of all templates, or of one.

        :param look: let the Connector ask z/VM for their state first.
        """
        found = self._calls.call(
            "list the FCP devices",
            "get_fcp_templates_details",
            raw=True,
            statistics=False,
            sync_with_zvm=look,
        )
        return [
            _device(entry["id"], row)
            for entry in found["fcp_templates"]
            if template in ("", entry["id"])
            for rows in (entry.get("raw") or {}).values()
            for row in rows
        ]

    def templates(self) -> list[Template]:
        found = self._calls.call("list the FCP templates", "get_fcp_templates")
        return [
            Template(str(t["id"]), str(t["name"]), bool(t["host_default"]))
            for t in found["fcp_templates"]
        ]

    def template_id(self, wanted: str) -> str:
        """The id of a template by its id or name.

        :raises NotFound: the Connector has none.
        """
        known = self.templates()
        for template in known:
            if wanted in (template.id, template.name):
                return template.id
        raise errors.NotFound(
            f"use the FCP template {wanted!r}",
            f"the Connector knows {_names(known)}",
            remedy="correct [zvm]fcp_template, or create the template",
        )


def _names(templates: collections.abc.Sequence[Template]) -> str:
    return ", ".join(repr(t.name) for t in templates) or "none"


def _device(template: str, row: list[typing.Any]) -> Device:
    """A row: device, template of the list, holder, connections, reserved,
    two WWPNs, CHPID, state, owner, template of the reservation."""
    return Device(
        number=str(row[0]).lower(),
        template=str(row[10] or template),
        holder=str(row[2] or "").upper(),
        connections=int(row[3]),
        reserved=bool(row[4]),
        state=str(row[8]),
        owner=str(row[9] or "").upper(),
    )
