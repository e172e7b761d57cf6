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


"""Volumes that a service was attaching when it was killed.

Nova keeps a volume's connection when it is attached. A VIOS makes the disk
before that; so the connection is kept with the server meanwhile, in its system
metadata, and whoever deletes the server finds the disk by it.
"""

from __future__ import annotations

import types

from ibmvirt.common import plan

_PREFIX = "ibmvirt_attaching_"
# Nova's values have at most 255 characters, and one path is enough.
_TARGETS = 8


def intent(volume: plan.Volume, targets: list[str]) -> plan.Values:
    """What is kept while a volume is attached over virtual SCSI."""
    some = ",".join(targets[:_TARGETS])
    return {f"{_PREFIX}{volume.id}": f"{volume.data['target_lun']};{some}"}


def kept(metadata: plan.Values) -> dict[str, str]:
    """What of the system metadata is about such volumes."""
    return {
        key: str(value) for key, value in metadata.items() if key.startswith(_PREFIX)
    }


def parse(metadata: plan.Values, protocol: str) -> tuple[plan.Volume, ...]:
    """The volumes, as far as it takes to find their disks."""
    found = []
    for key, value in kept(metadata).items():
        lun, _, targets = value.partition(";")
        data = {"target_lun": int(lun), "target_wwn": targets.split(",")}
        found.append(
            plan.Volume(
                id=key.removeprefix(_PREFIX),
                protocol=protocol,
                data=types.MappingProxyType(data),
                multiattach=True,
            )
        )
    return tuple(found)
