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

"""What a type of resource does: one class a noun."""

from __future__ import annotations

import math
import typing

from ibmvirt.simulators.novalink import store
from ibmvirt.simulators.novalink.refusals import refuse
from ibmvirt.simulators.novalink.schema import table, xml


class Noun:
    """The behaviour of a REST type; subclasses say what is allowed.

    Every method that changes something runs under the world's lock, within a
    transaction: a Refusal leaves everything as it was.
    """

    TYPE = ""
    # Types below which it is read and made; "" = as a root object.
    PARENTS: tuple[str, ...] = ("",)
    SEARCH: tuple[str, ...] = ()
    ORDER: tuple[str, ...] = ()
    VERBS = frozenset({"GET"})
    # Groups that the type has, beside All and None and those of the schema.
    GROUPS: frozenset[str] = frozenset()

    def members(
        self, system: store.System, parent: store.SimObject | None
    ) -> list[store.SimObject]:
        """The feed, as a root type or below a parent."""
        if parent is None or parent.type == "ManagedSystem":
            return system.all(self.TYPE)
        return system.all(self.TYPE, parent.key)

    def render(self, system: store.System, item: store.SimObject) -> xml.Element:
        """The whole object with what is computed; never the stored element
        changed."""
        return item.element

    def create(
        self,
        system: store.System,
        parent: store.SimObject | None,
        posted: xml.Element,
    ) -> store.SimObject:
        raise refuse("verb", verb="PUT", path=self.TYPE)

    def update(
        self,
        system: store.System,
        item: store.SimObject,
        posted: xml.Element,
        groups: store.Groups,
    ) -> store.SimObject:
        raise refuse("verb", verb="POST", path=self.TYPE)

    def delete(self, system: store.System, item: store.SimObject) -> None:
        raise refuse("verb", verb="DELETE", path=self.TYPE)

    def quick(
        self, system: store.System, item: store.SimObject
    ) -> dict[str, typing.Any]:
        """Quick properties, as JSON values.

        :raises Refusal: the type has none.
        """
        raise refuse("unknown_path", path=f"{self.TYPE}/quick")


REGISTRY: dict[str, Noun] = {}


def register(noun: type[Noun]) -> type[Noun]:
    """Make a noun known by its type; order and groups are the schema's."""
    noun.ORDER = table.order(noun.TYPE)
    noun.GROUPS |= table.groups_below(noun.TYPE)
    REGISTRY[noun.TYPE] = noun()
    return noun


def noun_of(kind: str) -> Noun:
    """:raises Refusal: no such type."""
    found = REGISTRY.get(kind)
    if found is None:
        raise refuse("unknown_type", type=kind)
    return found


def required(element: xml.Element, path: str) -> str:
    """:raises Refusal: the request lacks a value."""
    found = xml.value(element, path)
    if not found:
        raise refuse("malformed", detail=f"{xml.name(element)} has no {path}")
    return found


def check_name(kind: str, name: str) -> None:
    """:raises Refusal: no device can have the name of this storage."""
    if "/" in name or name in (".", "..") or not name.isprintable():
        raise refuse("storage_name", kind=kind, name=name)


def number(element: xml.Element, path: str, default: str = "") -> float:
    """:raises Refusal: the value is no number."""
    text = xml.value(element, path, default)
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise refuse("malformed", detail=f"{path} of {xml.name(element)} is {text!r}")
    return found
