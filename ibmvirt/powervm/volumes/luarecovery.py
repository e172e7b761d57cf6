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


"""LUARecovery, the VIOS job that finds a LUN: its input and its answer.

The elements are documented by pypowervm's ``tasks.hdisk``.
"""

from __future__ import annotations

import dataclasses
import xml.sax.saxutils as saxutils

from lxml import etree

from ibmvirt.common import exceptions

# 1: the disk is used already, 3: it is available, 8: some paths are broken.
IN_USE, AVAILABLE, PATHS_BROKEN = "1", "3", "8"
_USABLE = frozenset({IN_USE, AVAILABLE, PATHS_BROKEN})


@dataclasses.dataclass(frozen=True)
class Path:
    """A way to a LUN: initiator port, target port, LUN number."""

    initiator: str
    target: str
    lun: int


@dataclasses.dataclass(frozen=True)
class Found:
    """What a VIOS says of the LUN."""

    status: str
    name: str
    udid: str
    message: str

    @property
    def usable(self) -> bool:
        return bool(self.name and self.udid) and self.status in _USABLE


def request(paths: list[Path]) -> str:
    """The job's inputXML. ``reliableITL`` false: a path may be broken."""
    itls = "".join(
        f"<itl><Iwwpn>{saxutils.escape(path.initiator.lower())}</Iwwpn>"
        f"<Twwpn>{saxutils.escape(path.target.lower())}</Twwpn>"
        f"<lua>{lua(path.lun)}</lua></itl>"
        for path in paths
    )
    return (
        "<XML_LIST><general><cmd_version>3</cmd_version><version>2.0</version>"
        "</general><reliableITL>false</reliableITL><deviceList><device>"
        "<vendor>OTHER</vendor><deviceTag>1</deviceTag>"
        f"<itlList><number>{len(paths)}</number>{itls}</itlList>"
        "</device></deviceList></XML_LIST>"
    )


def lua(lun: int) -> str:
    """A LUN's number as an address in hex: eight bytes; one of four is whole."""
    digits = f"{lun:x}"
    return digits + "0" * (8 if len(digits) == 8 else 12)


def answer(text: str, what: str) -> Found:
    """:raises HypervisorError: the answer is not what a VIOS says."""
    try:
        parser = etree.XMLParser(resolve_entities=False, no_network=True)
        root = etree.fromstring(text.encode(), parser)
    except etree.XMLSyntaxError as error:
        raise exceptions.HypervisorError(
            what, f"the VIOS's answer to LUARecovery cannot be read: {error}"
        ) from error
    device = root.find("deviceList/device")
    if device is None:
        raise exceptions.HypervisorError(what, "LUARecovery named no device")

    def value(path: str) -> str:
        return (device.findtext(path) or "").strip()

    return Found(value("status"), value("pvName"), value("udid"), value("msg/msgText"))
