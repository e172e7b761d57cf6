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

"""The XML of NovaLink's REST API: building, parsing, views of groups.

Element names, order and the attributes kb, kxe, ksv, group and schemaVersion
are those of captured responses. Elements are never changed once they are
stored: a change works on a copy.
"""

from __future__ import annotations

import copy
import functools
import typing

from lxml import etree

UOM = "http://www.ibm.com/xmlns/systems/power/firmware/uom/mc/2012_10/"
WEB = "http://www.ibm.com/xmlns/systems/power/firmware/web/mc/2012_10/"
PCM = "http://www.ibm.com/xmlns/systems/power/firmware/pcm/mc/2012_10/"
ATOM = "http://www.w3.org/2005/Atom"
VERSION = "V1_3_0"

Element = etree._Element

# A request's document beyond this depth is no request.
_PARSER_OPTIONS: dict[str, typing.Any] = {
    "resolve_entities": False,
    "no_network": True,
    "load_dtd": False,
    "huge_tree": False,
    "remove_comments": True,
    "remove_blank_text": True,
    "strip_cdata": True,
}


class MalformedXML(Exception):
    """The document is not XML, or not of the API."""


def leaf(
    tag: str,
    value: typing.Any = None,
    kb: str = "CUR",
    kxe: str = "false",
    *,
    ns: str = UOM,
    **attributes: str,
) -> Element:
    """An element with text. A bool becomes true or false."""
    element = etree.Element(f"{{{ns}}}{tag}", {"kb": kb, "kxe": kxe, **attributes})
    if value is not None:
        element.text = text_of(value)
    return element


def node(
    tag: str,
    *children: Element | None,
    kb: str | None = "CUD",
    group: str | None = None,
    version: str | None = VERSION,
    ns: str = UOM,
    **attributes: str,
) -> Element:
    """An element with children and, as the captures have it, Metadata/Atom.

    ``kb`` None leaves out kb and kxe, as members of a collection do;
    ``version`` None leaves out schemaVersion and Metadata, as choices do.
    """
    element = etree.Element(f"{{{ns}}}{tag}")
    if kb is not None:
        element.set("kb", kb)
        element.set("kxe", "false")
    for name, value in attributes.items():
        element.set(name, value)
    if group is not None:
        element.set("group", group)
    if version is not None:
        element.set("schemaVersion", version)
        metadata = etree.SubElement(element, f"{{{ns}}}Metadata")
        etree.SubElement(metadata, f"{{{ns}}}Atom")
    element.extend([child for child in children if child is not None])
    return element


def link(href: str) -> Element:
    """A reference within a list of them; not of the Atom namespace (captured)."""
    return etree.Element(f"{{{UOM}}}link", {"href": href, "rel": "related"})


def reference(tag: str, href: str, kb: str = "CUD") -> Element:
    """An element that is itself a reference."""
    return etree.Element(
        f"{{{UOM}}}{tag}", {"kb": kb, "kxe": "false", "href": href, "rel": "related"}
    )


def text_of(value: typing.Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.4f}".rstrip("0").rstrip(".") or "0"
    return str(value)


def stamp(element: Element, uuid: str, created: int) -> Element:
    """Write an object's id into its Metadata (the element is a copy)."""
    space = etree.QName(element).namespace
    metadata = element.find(f"{{{space}}}Metadata")
    if metadata is None:
        metadata = etree.Element(f"{{{space}}}Metadata")
        element.insert(0, metadata)
    for child in list(metadata):
        metadata.remove(child)
    atom = etree.SubElement(metadata, f"{{{space}}}Atom")
    etree.SubElement(atom, f"{{{space}}}AtomID").text = uuid
    etree.SubElement(atom, f"{{{space}}}AtomCreated").text = str(created)
    return element


def parse(body: bytes, expected: str | None = None) -> Element:
    """The root element of a request.

    :raises MalformedXML: no XML, or another element than ``expected``.
    """
    try:
        root = etree.fromstring(body, etree.XMLParser(**_PARSER_OPTIONS))
    except etree.XMLSyntaxError as error:
        raise MalformedXML(f"the body is not XML: {error}") from None
    if expected is not None and name(root) != expected:
        raise MalformedXML(f"the body is a {name(root)}, not a {expected}")
    return root


def name(element: Element) -> str:
    """The local name of an element."""
    tag = str(element.tag)
    return tag[tag.rfind("}") + 1 :]


@functools.lru_cache(maxsize=4096)
def _path(tag: str, path: str) -> str:
    """A path of local names in the namespace of an element's tag."""
    space = tag[: tag.rfind("}") + 1]
    return "/".join(f"{space}{part}" for part in path.split("/"))


def find(element: Element, path: str) -> Element | None:
    """The first descendant by a path of local names of the element's namespace."""
    return element.find(_path(str(element.tag), path))


def findall(element: Element, path: str) -> list[Element]:
    return element.findall(_path(str(element.tag), path))


def value(element: Element, path: str, default: str = "") -> str:
    found = find(element, path)
    return default if found is None or found.text is None else found.text.strip()


def href(element: Element, path: str) -> str:
    found = find(element, path)
    return "" if found is None else found.get("href", "")


def copy_of(element: Element) -> Element:
    """A copy with all that is below: lxml's copies are deep, and copy.copy has
    less to keep in mind than copy.deepcopy."""
    return copy.copy(element)


def put(
    element: Element, path: str, text: typing.Any, order: tuple[str, ...] = ()
) -> None:
    """Set the text of a child; a missing last part is made (kb ROR).

    ``order`` says where it belongs among its siblings.
    """
    *parents, last = path.split("/")
    home = find(element, "/".join(parents)) if parents else element
    assert home is not None, path
    found = find(home, last)
    if found is None:
        found = leaf(last, kb="ROR")
        insert(home, found, order)
    found.text = text_of(text)


def remove(element: Element, path: str) -> None:
    found = find(element, path)
    if found is not None:
        parent = found.getparent()
        assert parent is not None
        parent.remove(found)


@functools.lru_cache(maxsize=1024)
def _places(order: tuple[str, ...]) -> dict[str, int]:
    return {tag: index for index, tag in enumerate(order)}


def insert(home: Element, child: Element, order: tuple[str, ...]) -> None:
    """Put a child at its place by the order of names; unknown ones at the end."""
    places = _places(order)
    mine = places.get(name(child))
    if mine is not None:
        for index, other in enumerate(home):
            if places.get(name(other), -1) > mine:
                home.insert(index, child)
                return
    home.append(child)


def serialise(element: Element) -> bytes:
    """Without an XML declaration: the client parses text and refuses one."""
    return etree.tostring(element, encoding="utf-8", xml_declaration=False)


def wrap(element: Element) -> bytes:
    """An object as the content of an entry: a prefixed root, and children in
    the default namespace (captured)."""
    tag, space = name(element), str(etree.QName(element).namespace)
    attributes: dict[str, str] = {str(k): str(v) for k, v in element.attrib.items()}
    nsmap: dict[typing.Any, str] = {None: space}
    # With one prefix for the namespace, children take that on.
    root = etree.Element(f"{{{space}}}{tag}", attributes, nsmap=nsmap)
    root.text = element.text
    root.extend(copy_of(element))
    plain = serialise(root)
    start, end = f'<{tag} xmlns="{space}"'.encode(), f"</{tag}>".encode()
    head = (
        f'<{tag}:{tag} xmlns:{tag}="{space}" xmlns="{space}" '
        'xmlns:ns2="http://www.w3.org/XML/1998/namespace/k2"'
    )
    body = plain.removeprefix(start)
    if body.endswith(end):
        body = body.removesuffix(end) + f"</{tag}:{tag}>".encode()
    return head.encode() + body
