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

"""The z/VM simulator from Python."""

from __future__ import annotations

import typing

from ibmvirt.simulators.core import handle


class ZVMSimulator(handle.Simulator):
    """``with ZVMSimulator("--members", "2") as simulator: ...``"""

    platform = "zvm"

    @property
    def members(self) -> list[dict[str, typing.Any]]:
        """Each member's name, connector_url and token_path."""
        found: list[dict[str, typing.Any]] = self.ready["members"]
        return found

    @property
    def connector_url(self) -> str:
        return str(self.members[0]["connector_url"])

    @property
    def certificate(self) -> str | None:
        """The file to trust, with ``--tls``."""
        found: str | None = self.ready["certificate"]
        return found

    @property
    def token_path(self) -> str | None:
        """The first member's token file, with ``--auth``."""
        found: str | None = self.members[0]["token_path"]
        return found

    def kill_connector(self, member: str | None = None) -> None:
        """Kill the Connector of a member, the first one, until a restart."""
        self.admin("POST", f"members/{member or self._first}/kill", {})

    def restart_connector(self, member: str | None = None) -> None:
        """Kill the Connector of a member, the first one, and start it again."""
        self.admin("POST", f"members/{member or self._first}/restart", {})

    @property
    def _first(self) -> str:
        return str(self.members[0]["name"])
