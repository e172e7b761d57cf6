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


"""Options and names of a generated world."""

from __future__ import annotations

import dataclasses
import uuid as uuids

_NAMESPACE = uuids.UUID("6f1b8f60-6a0f-4b39-9f2c-1b2a31d0c0de")


@dataclasses.dataclass(frozen=True)
class Options:
    """What the command line or a world file asks for; sizes in MiB and GB."""

    systems: int = 1
    vioses: int = 2
    lpars: int = 0
    ssp: bool = True
    rmc: bool = True
    luns: int = 8
    fc_ports: int = 2
    npiv_per_port: int = 64
    memory_mib: int = 1 << 20
    processors: int = 256
    ssp_gb: float = 4096.0
    repository_gb: float = 32.0
    volume_group_gb: float = 1024.0


def fixed_uuid(*parts: object) -> str:
    """The same id for the same name in every run."""
    return str(uuids.uuid5(_NAMESPACE, "/".join(str(part) for part in parts)))
