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


"""The schema table: order, attributes and groups of elements.

The facts are in ``elements.txt``: one line an element, below its parent. They
are captured, but for lines that say ``doc``, which client code names.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import functools
import pathlib
import typing

from lxml import etree

from ibmvirt.simulators.novalink.schema import xml


@dataclasses.dataclass(frozen=True)
class Rule:
    """An element below a certain parent."""

    name: str
    place: int
    attributes: tuple[tuple[str, str], ...]
    group: str | None = None
    versioned: bool = False
    repeated: bool = False
    documented: bool = False

    @property
    def read_only(self) -> bool:
        return dict(self.attributes).get("kb", "").startswith("RO")


Rules = dict[str, Rule]


@dataclasses.dataclass(frozen=True)
class Href:
    """A value of :func:`build`: the element is a link."""

    url: str


@functools.cache
def _table() -> tuple[dict[str, Rules], frozenset[str]]:
    """Rules by parent, and the types whose root has a schemaVersion."""
    found: dict[str, Rules] = {}
    roots = set()
    rules: Rules = {}
    path = pathlib.Path(__file__).with_name("elements.txt")
    for line in path.read_text(encoding="ascii").splitlines():
        if not line or line.startswith("#"):
            continue
        words = line.split()
        if line[0] != " ":
            rules = found[words[0]] = {}
            if "s" in words[1:]:
                roots.add(words[0])
            continue
        rules[words[0]] = _rule(words, len(rules))
    return found, frozenset(roots)


def _rule(words: list[str], place: int) -> Rule:
    name, kb, *flags = words
    pairs = dict(flag.split("=") for flag in flags if "=" in flag)
    attributes: dict[str, str] = {}
    if kb != "-":
        attributes = {"kb": kb, "kxe": "true" if "x" in flags else "false"}
    if "ksv" in pairs:
        attributes["ksv"] = pairs["ksv"]
    if "group" in pairs:
        attributes["group"] = pairs["group"]
    return Rule(
        name,
        place,
        tuple(attributes.items()),
        pairs.get("group"),
        "s" in flags,
        "*" in flags,
        "doc" in flags,
    )


def rules(parent: str) -> Rules:
    """The children of an element, in order; empty if none is known."""
    return _table()[0].get(parent, {})


@functools.cache
def order(parent: str) -> tuple[str, ...]:
    return tuple(rules(parent))


def is_versioned_root(name: str) -> bool:
    return name in _table()[1]


def group_of(parent: str, child: str) -> str | None:
    """The extended attribute group of an element, None for the common part."""
    rule = rules(parent).get(child)
    return None if rule is None else rule.group


def groups_below(name: str) -> frozenset[str]:
    """All groups that an element of a type can have parts of."""
    return _groups_below(name, frozenset())


def _groups_below(name: str, above: frozenset[str]) -> frozenset[str]:
    found: set[str] = set()
    for child in rules(name).values():
        if child.group is not None:
            found.add(child.group)
        # Within another object, an object is a link.
        if child.name not in above and not is_versioned_root(child.name):
            found |= _groups_below(child.name, above | {name})
    return frozenset(found)


# -- building ---------------------------------------------------------------


def build(name: str, values: collections.abc.Mapping[str, typing.Any]) -> xml.Element:
    """An object of a root type.

    ``values``: a scalar becomes text, a mapping an element with children, a
    list as many elements, :class:`Href` a link, an element is taken as it is;
    None leaves the child out. Order and attributes come from the table.

    :raises KeyError: the table does not know a child.
    """
    element = etree.Element(f"{{{xml.UOM}}}{name}")
    if is_versioned_root(name):
        _version(element)
    _fill(element, values)
    return element


def child(parent: str, name: str, value: typing.Any) -> xml.Element:
    """One element as it is below ``parent``; values as in :func:`build`."""
    rule = rules(parent)[name]
    if isinstance(value, etree._Element):
        return value
    element = etree.Element(f"{{{xml.UOM}}}{name}")
    if isinstance(value, Href):
        for key, text in rule.attributes:
            element.set(key, text)
        element.set("href", value.url)
        element.set("rel", "related")
        return element
    for key, text in rule.attributes:
        element.set(key, text)
    if rule.versioned and isinstance(value, collections.abc.Mapping):
        _version(element)
    elif rule.versioned:
        element.set("schemaVersion", xml.VERSION)
    if isinstance(value, collections.abc.Mapping):
        _fill(element, value)
    elif value is not None and value != "":
        element.text = xml.text_of(value)
    return element


def _fill(
    element: xml.Element, values: collections.abc.Mapping[str, typing.Any]
) -> None:
    known = rules(xml.name(element))
    for name in sorted(values, key=lambda key: known[key].place):
        value = values[name]
        if value is None:
            continue
        several = value if isinstance(value, list) else [value]
        element.extend([child(xml.name(element), name, one) for one in several])


def _version(element: xml.Element) -> None:
    element.set("schemaVersion", xml.VERSION)
    metadata = etree.SubElement(element, f"{{{xml.UOM}}}Metadata")
    etree.SubElement(metadata, f"{{{xml.UOM}}}Atom")


def set_value(element: xml.Element, path: str, value: typing.Any) -> None:
    """Give a child a value; it is made at its place if it is not there.

    Parents on the path must exist. ``value`` as in :func:`build`.
    """
    *parents, last = path.split("/")
    home = xml.find(element, "/".join(parents)) if parents else element
    if home is None:
        return
    found = xml.find(home, last)
    if found is not None and not isinstance(value, (Href, dict, list)):
        found.text = xml.text_of(value)
        return
    fresh = child(xml.name(home), last, value)
    if found is not None:
        home.replace(found, fresh)
    else:
        xml.insert(home, fresh, order(xml.name(home)))


# -- what clients send --------------------------------------------------------


def complete(element: xml.Element) -> xml.Element:
    """Give a request's elements the platform's order and attributes, in place.

    Attributes that a client echoes stay; what the table does not know keeps
    its place behind its neighbour.
    """
    name = xml.name(element)
    if is_versioned_root(name) and element.getparent() is None:
        _complete_version(element)
    _complete_children(element)
    return element


def _complete_children(element: xml.Element) -> None:
    known = rules(xml.name(element))
    if not known:
        return
    place = -1
    keyed = []
    for index, part in enumerate(element):
        rule = known.get(xml.name(part))
        if rule is not None:
            place = rule.place
            for key, text in rule.attributes:
                if part.get(key) is None:
                    part.set(key, text)
            if rule.versioned:
                _complete_version(part)
            elif not rule.attributes and part.get("schemaVersion") is not None:
                del part.attrib["schemaVersion"]
            if not _is_whole(part):
                _complete_children(part)
        elif xml.name(part) == "Metadata":
            place = -1
        keyed.append(((place, index), part))
    wanted = [part for _, part in sorted(keyed, key=lambda pair: pair[0])]
    if wanted != list(element):
        element[:] = wanted


@functools.cache
def _has_collections(name: str) -> bool:
    """Whether an element may have repeated elements in it, at any depth."""
    return any(
        rule.repeated or _has_collections(rule.name) for rule in rules(name).values()
    )


def _is_whole(element: xml.Element) -> bool:
    """Whether a client sends an element as it got it: what it makes itself has
    no kb, at least not everywhere. A client may have added to a collection."""
    if element.get("schemaVersion") in (None, "V1_0"):
        return False
    if _has_collections(xml.name(element)):
        return False
    parts = [part for part in element if xml.name(part) != "Metadata"]
    return bool(parts) and all(part.get("kb") is not None for part in parts)


def _complete_version(element: xml.Element) -> None:
    # Clients write V1_0 for what they make themselves (documented).
    if element.get("schemaVersion") in (None, "V1_0"):
        element.set("schemaVersion", xml.VERSION)
    space = etree.QName(element).namespace
    is_text = bool(element.text and element.text.strip()) and not len(element)
    if not is_text and element.find(f"{{{space}}}Metadata") is None:
        metadata = etree.Element(f"{{{space}}}Metadata")
        etree.SubElement(metadata, f"{{{space}}}Atom")
        element.insert(0, metadata)


def misplaced(element: xml.Element) -> tuple[str, str] | None:
    """The first (child, parent) that breaks the order of the schema."""
    known = rules(xml.name(element))
    last = -1
    for part in element:
        rule = known.get(xml.name(part))
        if rule is not None:
            if rule.place < last:
                return rule.name, xml.name(element)
            last = rule.place
        found = misplaced(part)
        if found is not None:
            return found
    return None


def keep_read_only(stored: xml.Element, element: xml.Element) -> None:
    """Put back what a client cannot write, in place; members of collections
    are left alone."""
    known = rules(xml.name(stored))
    for old in stored:
        rule = known.get(xml.name(old))
        if rule is None or rule.repeated:
            continue
        new = xml.find(element, rule.name)
        if rule.read_only and rule.name not in _WRITTEN_ANYWAY:
            if new is not None:
                element.replace(new, xml.copy_of(old))
            else:
                xml.insert(element, xml.copy_of(old), order(xml.name(stored)))
        elif new is not None:
            keep_read_only(old, new)


# Captured as read only, and client code writes it (documented).
_WRITTEN_ANYWAY = frozenset({"AuthorizedKeys", "BootMode"})
