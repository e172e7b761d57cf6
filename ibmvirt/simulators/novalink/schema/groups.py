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


"""Extended attribute groups: what a request sees of an object and changes.

An element with a ``group`` attribute belongs to that group, at any depth
(captured: MediaRepositories, but also the PhysicalVolumes of a Fibre Channel
port deep in the I/O configuration). The groups of a request's URL decide, not
the elements of its body: clients seed empty elements when they read
(documented).
"""

from __future__ import annotations

import re
import typing
import zlib

from lxml import etree

from ibmvirt.simulators.novalink.schema import table, xml

Groups = frozenset[str] | None

# A request without ``group=`` sees all but these (assumed).
NOT_BY_DEFAULT = frozenset({"Advanced", "EnergyManagement", "NVRAM", "TierThreshold"})


def shows(group: str | None, groups: Groups) -> bool:
    """Whether a request for ``groups`` sees an element of ``group``."""
    if group is None:
        return True
    if groups is None:
        return group not in NOT_BY_DEFAULT
    return "All" in groups or group in groups


def view(element: xml.Element, groups: Groups) -> xml.Element:
    """A copy with what the request sees."""
    result = xml.copy_of(element)
    hidden = [
        part
        for part in result.iter(etree.Element)
        if (group := part.get("group")) is not None and not shows(group, groups)
    ]
    for part in hidden:
        parent = part.getparent()
        if parent is not None:
            parent.remove(part)
    return result


# What changes all the time is marked so, and is no part of the ETag (assumed
# from what the attribute is on: reference codes, ports that are left).
_VOLATILE = re.compile(rb'<(\w+) [^>]*kxe="true"[^>]*(?:/>|>[^<]*</\1>)')


def etag(content: bytes) -> str:
    """The ETag of a serialised view: an integer, as captured."""
    return str(zlib.crc32(_VOLATILE.sub(b"", content)) - (1 << 31))


def _hull(element: xml.Element) -> xml.Element:
    """The element without its children."""
    attributes: dict[str, str] = {str(k): str(v) for k, v in element.attrib.items()}
    result = etree.Element(element.tag, attributes)
    result.text = element.text
    return result


def merge(stored: xml.Element, posted: xml.Element, groups: Groups) -> xml.Element:
    """What is stored after a POST of a view.

    What the view shows is replaced by what was posted, what it hides stays,
    byte by byte, at any depth. Of what the view shows, read-only elements and
    elements with children that the POST leaves out stay too; a plain value
    that it leaves out is removed (assumed).
    """
    kind = xml.name(stored)
    known = table.rules(kind)
    if _is_echo(posted, view(stored, groups)):
        return xml.copy_of(stored)
    result = _hull(stored)
    fresh = _hull(stored)
    unchanged: list[tuple[xml.Element, xml.Element]] = []
    for child in posted:
        name = xml.name(child)
        if name == "Metadata" or not shows(_group(kind, child, stored), groups):
            continue
        copied = xml.copy_of(child)
        fresh.append(copied)
        old = xml.findall(stored, name)
        if len(old) == 1 and _same(copied, view(old[0], groups)):
            unchanged.append((copied, old[0]))
    table.complete(fresh)
    for copied, before in unchanged:
        # An echo: what was stored stays, with what the view hid of it.
        fresh.replace(copied, xml.copy_of(before))
    names = {xml.name(child) for child in fresh}
    for child in fresh:
        if xml.name(child) != "Metadata":
            result.append(child)
    for child in stored:
        name = xml.name(child)
        rule = known.get(name)
        if name == "Metadata":
            xml.remove(result, name)
            result.insert(0, xml.copy_of(child))
        elif not shows(child.get("group"), groups) or (
            name not in names and (len(child) or (rule is not None and rule.read_only))
        ):
            xml.insert(result, xml.copy_of(child), table.order(kind))
    _restore_hidden(stored, result, groups)
    table.keep_read_only(stored, result)
    return result


def _is_echo(posted: xml.Element, shown: xml.Element) -> bool:
    """Whether a view is posted as it was got."""
    return _count(posted) == _count(shown) and _same(posted, shown)


def _count(element: xml.Element) -> int:
    return sum(1 for _ in element.iter(etree.Element))


def _same(first: xml.Element, second: xml.Element) -> bool:
    """Whether two elements are equal in their canonical form."""
    return _canonical(first) == _canonical(second)


def _canonical(element: xml.Element) -> bytes:
    hull = etree.Element("hull", nsmap=_DEFAULT)
    hull.append(xml.copy_of(element))
    return bytes(
        etree.tostring(hull[0], method="c14n", exclusive=True, with_tail=False)
    )


_DEFAULT: dict[typing.Any, str] = {None: xml.UOM}


def _group(kind: str, child: xml.Element, stored: xml.Element) -> str | None:
    """The group of a posted child: as it is stored, else as the table says."""
    old = xml.find(stored, xml.name(child))
    if old is not None:
        return old.get("group")
    return table.group_of(kind, xml.name(child))


def _restore_hidden(stored: xml.Element, result: xml.Element, groups: Groups) -> None:
    """Put hidden elements below shown ones back, where their parent still is."""
    for part in list(stored.iter(etree.Element)):
        parent = part.getparent()
        if parent is None or parent is stored or shows(part.get("group"), groups):
            continue
        home = _counterpart(stored, parent, result)
        if home is None:
            continue
        old = xml.find(home, xml.name(part))
        if old is not None:
            home.remove(old)
        xml.insert(home, xml.copy_of(part), table.order(xml.name(home)))


_IDENTITY = ("UniqueDeviceID", "LocationCode", "PhysicalLocationCode", "DeviceName")


def _identity(element: xml.Element) -> str:
    for tag in _IDENTITY:
        found = xml.value(element, tag)
        if found:
            return f"{tag}/{found}"
    return ""


def _counterpart(
    stored: xml.Element, part: xml.Element, result: xml.Element
) -> xml.Element | None:
    """The element of ``result`` that corresponds to one of ``stored``."""
    path = [part]
    while path[-1] is not stored:
        above = path[-1].getparent()
        if above is None:
            return None
        path.append(above)
    here = result
    for step in reversed(path[:-1]):
        above = step.getparent()
        assert above is not None
        old = xml.findall(above, xml.name(step))
        new = xml.findall(here, xml.name(step))
        wanted = _identity(step)
        same = [one for one in new if wanted and _identity(one) == wanted]
        if len(same) == 1:
            here = same[0]
        elif len(old) == len(new):
            here = new[old.index(step)]
        else:
            return None
    return here
