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


"""Helpers: a world without HTTP, and the captured responses of pypowervm."""

from __future__ import annotations

import pathlib

import pypowervm
from lxml import etree

from ibmvirt.simulators.core import blobs, calls
from ibmvirt.simulators.novalink import captures, generator, registry, store, views
from ibmvirt.simulators.novalink.objects import base
from ibmvirt.simulators.novalink.schema import xml

DATA = pathlib.Path(pypowervm.__file__).parent / "tests" / "data"


def new_system(path: pathlib.Path, count: int = 1) -> store.System:
    """An empty system in a fabric of its own."""
    registry.load()
    fabric = store.Fabric(
        calls.Instruments(), blobs.Blobs(path / "blobs"), strict=False
    )
    for number in range(1, count + 1):
        system = store.System(fabric, f"sys{number}", f"21{number:03d}0A")
        system.base_url = f"http://127.0.0.1:{12080 + number}"
        fabric.systems.append(system)
    return fabric.systems[0]


def world(path: pathlib.Path, **options) -> store.System:
    """The first system of a generated world."""
    system = new_system(path, options.get("systems", 1))
    generator.populate(system.fabric, generator.Options(**options))
    return system


def recorded(name: str) -> list[captures.Captured]:
    return captures.read((DATA / name).read_text(encoding="utf-8"))


def canonical(element: xml.Element) -> str:
    """Canonical XML, without the white space between elements."""
    copied = etree.fromstring(etree.tostring(element))
    for part in copied.iter():
        part.tail = None
        if len(part) and not (part.text or "").strip():
            part.text = None
        elif not len(part) and part.text is not None:
            part.text = part.text.strip() or None
    return etree.tostring(copied, method="c14n", exclusive=True).decode()


def rendered(system, item, groups=frozenset({"All"})) -> xml.Element:
    """The object as a client gets it."""
    content, _ = views.rendered(system, base.noun_of(item.type), item, groups)
    return etree.fromstring(content)


def skeleton(element: xml.Element) -> list[str]:
    """Elements with their attributes, in order, without texts and links."""
    found = []
    base_depth = sum(1 for _ in element.iterancestors())
    for part in element.iter(etree.Element):
        if xml.name(part) == "Metadata" or any(
            xml.name(above) == "Metadata" for above in part.iterancestors()
        ):
            continue
        attributes = {
            key: value
            for key, value in sorted(part.attrib.items())
            if key not in ("href", "schemaVersion")
        }
        depth = sum(1 for _ in part.iterancestors()) - base_depth
        found.append(f"{depth} {xml.name(part)} {attributes}")
    return found


def make(system, kind, element, parent=None) -> store.SimObject:
    """Create as a PUT does, in a transaction."""
    with system.fabric.world.transaction():
        return base.noun_of(kind).create(system, parent, element)


def change(system, item, element, groups=None) -> store.SimObject:
    """Update as a POST does."""
    with system.fabric.world.transaction():
        current = system.get(item.type, item.uuid)
        return base.noun_of(item.type).update(system, current, element, groups)


def drop(system, item) -> None:
    """Delete as a DELETE does."""
    with system.fabric.world.transaction():
        current = system.get(item.type, item.uuid)
        base.noun_of(item.type).delete(system, current)
