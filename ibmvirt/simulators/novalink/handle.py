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

"""The NovaLink simulator from Python."""

from __future__ import annotations

import typing

from ibmvirt.simulators.core import handle


class NovaLinkSimulator(handle.Simulator):
    """``with NovaLinkSimulator("--lpars", "10") as simulator: ...``"""

    platform = "powervm"

    @property
    def systems(self) -> list[dict[str, typing.Any]]:
        """Each system's name, uuid, url, username and password."""
        found: list[dict[str, typing.Any]] = self.ready["systems"]
        return found

    @property
    def ca_file(self) -> str | None:
        """The certificate that --tls made."""
        found: str | None = self.ready["certificate"]
        return found
