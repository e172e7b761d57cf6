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


"""Where a request goes: the object or the feed that its path names."""

from __future__ import annotations

import re
import typing

from ibmvirt.simulators.novalink import store
from ibmvirt.simulators.novalink.objects import base
from ibmvirt.simulators.novalink.refusals import refuse

ROOT = "/rest/api/"
_UUID = re.compile(r"^[0-9A-Fa-f]{8}-[0-9A-Fa-f-]{27}$")


class Place(typing.NamedTuple):
    """An object by its type and UUID, or their feed without one."""

    parent: store.SimObject | None
    kind: str
    uuid: str | None


def resolve(system: store.System, parts: list[str]) -> Place:
    """What a path of Type[/uuid[/Type[/uuid]]] names.

    :raises Refusal: no such type or parent, or the object is another's.
    """
    if not parts or len(parts) > 4:
        raise refuse("unknown_path", path="/".join(parts))
    kind, uuid = parts[0], parts[1] if len(parts) > 1 else None
    noun = base.noun_of(kind)
    if uuid is None or len(parts) == 2:
        if "" not in noun.PARENTS:
            raise refuse("unknown_path", path="/".join(parts))
        return Place(None, kind, uuid)
    parent = system.get(kind, uuid)
    child = parts[2]
    if kind not in base.noun_of(child).PARENTS:
        raise refuse("unknown_path", path="/".join(parts))
    if len(parts) == 3:
        return Place(parent, child, None)
    found = system.find(child, parts[3])
    # What is a root, too, has no parent that is stored.
    if found is not None and found.parent not in ("", parent.key):
        raise refuse("not_found", type=f"{parent.key}/{child}", uuid=parts[3])
    return Place(parent, child, parts[3])


def template(path: str) -> str:
    """The path of a request with its ids left out, for the journal's key."""
    short = path.removeprefix(f"{ROOT}uom/").removeprefix(ROOT)
    parts: list[str] = []
    for before, part in _steps(short):
        if _is_id(before, part):
            part = "{id}"
        elif before == "search":
            part = re.sub(r"'.*'", "'{value}'", part)
        parts.append(part)
    return "/".join(parts)


def target(path: str) -> str | None:
    """The last id of a path: a UUID, or the number of a job."""
    found = [part for before, part in _steps(path) if _is_id(before, part)]
    return found[-1] if found else None


def _steps(path: str) -> list[tuple[str, str]]:
    """The parts of a path, each with the one before it."""
    parts = path.split("/")
    return list(zip(["", *parts], parts, strict=False))


def _is_id(before: str, part: str) -> bool:
    return bool(_UUID.match(part)) or (before == "jobs" and part.isdigit())
