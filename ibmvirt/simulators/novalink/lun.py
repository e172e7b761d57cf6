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

"""One LUN of the storage that all systems reach."""

from __future__ import annotations

import base64
import dataclasses
import typing

from ibmvirt.simulators.core import world


def wwn(number: int) -> str:
    return f"6005076D02810187E0000000000{number:05X}"


def udid(number: int) -> str:
    """The id of a LUN, the same on every VIOS (captured: its encoding)."""
    text = f"3321{wwn(number)}04214503IBMfcp"
    return "01M0lCTTIxNDUx" + base64.b64encode(text.encode()).decode()


@dataclasses.dataclass(frozen=True)
class Lun:
    """One LUN; ``size`` is MiB.

    :ivar targets: WWPNs of the storage's ports, or the IQN of a target.
    :ivar lun: its number behind the targets.
    :ivar portal: address and port of an iSCSI target, '' for Fibre Channel.
    :ivar user: CHAP user that an iSCSI target wants, '' for none.
    :ivar blob: its content, '' for zeros.
    """

    number: int
    size: int
    targets: tuple[str, ...]
    lun: int
    portal: str = ""
    user: str = ""
    password: str = ""
    blob: str = ""

    @property
    def udid(self) -> str:
        return udid(self.number)


def describe(lun: Lun) -> dict[str, typing.Any]:
    """For the admin API; without the password."""
    values = dataclasses.asdict(lun) | {"udid": lun.udid}
    del values["password"]
    return values


def _decode(values: dict[str, typing.Any]) -> Lun:
    try:
        return Lun(**(values | {"targets": tuple(values["targets"])}))
    except (KeyError, TypeError) as error:
        raise ValueError(f"no LUN: {error}") from None


CODEC = world.Codec(dataclasses.asdict, _decode, lambda lun: str(lun.number))
