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


"""Recorded responses: read them, and load them into a world.

A recorded response is an Atom feed or entry, alone or within the frame that
pypowervm's test data have (INFO, HEADERS and BODY sections). What is loaded is
served as it was recorded, and changes from there.
"""

from __future__ import annotations

import dataclasses
import re

from lxml import etree

from ibmvirt.simulators.novalink import store
from ibmvirt.simulators.novalink.objects import base
from ibmvirt.simulators.novalink.schema import xml

_START = re.compile(r"<((?:\w+:)?(?:feed|entry))\b")


class BadCapture(Exception):
    """The text is no recorded response."""


@dataclasses.dataclass(frozen=True)
class Captured:
    """One recorded object; ``href`` is its SELF link."""

    type: str
    uuid: str
    href: str
    element: xml.Element


def read(text: str) -> list[Captured]:
    """All objects of a recorded response, in order.

    :raises BadCapture: there is no whole Atom document in it.
    """
    match = _START.search(text)
    end = text.rfind(f"</{match.group(1)}>") if match else -1
    if match is None or end < 0:
        raise BadCapture("no Atom feed or entry is in the text")
    document = text[match.start() : end + len(match.group(1)) + 3]
    try:
        root = xml.parse(document.encode())
    except xml.MalformedXML as error:
        raise BadCapture(str(error)) from None
    atom = f"{{{xml.ATOM}}}"
    entries = [root] if root.tag == f"{atom}entry" else root.findall(f"{atom}entry")
    return [_captured(entry) for entry in entries]


def _captured(entry: xml.Element) -> Captured:
    atom = f"{{{xml.ATOM}}}"
    content = entry.find(f"{atom}content")
    objects = [] if content is None else [c for c in content if isinstance(c.tag, str)]
    if len(objects) != 1:
        raise BadCapture("an entry has not one object as its content")
    links = [
        link.get("href", "")
        for link in entry.findall(f"{atom}link")
        if link.get("rel") == "SELF"
    ]
    element = objects[0]
    uuid = entry.findtext(f"{atom}id") or xml.value(element, "Metadata/Atom/AtomID")
    return Captured(xml.name(element), uuid, links[0] if links else "", element)


def load(system: store.System, found: Captured) -> store.SimObject:
    """Put a recorded object into a system (under the lock).

    A ManagedSystem becomes the system's own. The logical units of a pool
    become objects of their own, in the pool's first tier or the pool itself.

    :raises Refusal: the simulator has no such type.
    """
    noun = base.noun_of(found.type)
    element = etree.fromstring(etree.tostring(found.element))
    if found.type == "ManagedSystem":
        system.uuid = found.uuid
    parent = "" if "" in noun.PARENTS else _parent(found)
    if found.type == "SharedStoragePool":
        _load_units(system, found.uuid, element)
    return system.add(found.type, element, parent=parent, uuid=found.uuid, stamped=True)


def _parent(found: Captured) -> str:
    """The parent's key, as the SELF link has it."""
    parts = found.href.split("?")[0].rstrip("/").split("/")
    if found.uuid in parts:
        place = parts.index(found.uuid)
        if place >= 3 and parts[place - 1] == found.type:
            return f"{parts[place - 3]}/{parts[place - 2]}"
    return ""


def _load_units(system: store.System, pool: str, element: xml.Element) -> None:
    tiers = system.all("Tier", f"SharedStoragePool/{pool}")
    home = tiers[0].key if tiers else f"SharedStoragePool/{pool}"
    units = xml.find(element, "LogicalUnits")
    for unit in [] if units is None else xml.findall(units, "LogicalUnit"):
        assert units is not None
        units.remove(unit)
        uuid = xml.value(unit, "Metadata/Atom/AtomID") or None
        system.add("LogicalUnit", unit, parent=home, uuid=uuid, stamped=True)
