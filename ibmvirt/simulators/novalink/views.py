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

"""Views of objects by extended attribute groups, with their ETags."""

from __future__ import annotations

from ibmvirt.simulators.core import http
from ibmvirt.simulators.novalink import store
from ibmvirt.simulators.novalink.objects import base
from ibmvirt.simulators.novalink.refusals import refuse
from ibmvirt.simulators.novalink.schema import groups as groups_
from ibmvirt.simulators.novalink.schema import table, xml

# Its rendering depends on other objects: it is never kept.
_COMPUTED = frozenset({"SharedStoragePool"})
_GENERAL = frozenset({"None", "All"})


def groups_of(text: str | None, noun: base.Noun) -> store.Groups:
    """The groups of a request; None when it names none.

    :raises Refusal: a group that the type does not have.
    """
    if text is None:
        return None
    names = frozenset(part for part in text.split(",") if part)
    for name in names - _GENERAL:
        if name not in noun.GROUPS:
            raise refuse("group", group=name)
    return names - {"None"}


def rendered(
    system: store.System, noun: base.Noun, item: store.SimObject, groups: store.Groups
) -> tuple[bytes, str]:
    """Content and ETag of an object in a view."""
    keep = noun.TYPE not in _COMPUTED
    if keep and groups in item.views:
        return item.views[groups]
    element = groups_.view(noun.render(system, item), groups)
    content = xml.wrap(element)
    result = (content, groups_.etag(content))
    if keep:
        item.views[groups] = result
    return result


def check_type(system: store.System, request: http.Request, kind: str) -> None:
    """:raises Refusal: in strict mode, the Content-Type is of another type."""
    given = request.headers.get("Content-Type", "").partition("type=")[2]
    if system.fabric.strict and given.strip() != kind:
        raise refuse("content_type", type=kind)


def check_strict(
    system: store.System, request: http.Request, noun: base.Noun, posted: xml.Element
) -> None:
    """In strict mode, what a careless client gets away with elsewhere.

    :raises Refusal: another Content-Type, a POST without If-Match, or
        children that are not in the order of the schema.
    """
    check_type(system, request, noun.TYPE)
    if not system.fabric.strict:
        return
    if request.verb == "POST" and request.headers.get("If-Match") is None:
        raise refuse("if_match_missing")
    wrong = table.misplaced(posted)
    if wrong is not None:
        raise refuse("order", child=wrong[0], parent=wrong[1])
