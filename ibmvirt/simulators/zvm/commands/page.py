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

"""The page of the docs about commands, written from their registry."""

from __future__ import annotations

import collections.abc
import re

from ibmvirt.simulators.zvm import codes
from ibmvirt.simulators.zvm.commands import base

_INTRODUCTION = """\
Commands of the z/VM simulator
==============================

What the real Connector executes, and where the simulator knows it from:

*documented*
   the Connector's code or its tools write, parse or match it;
*assumed*
   it is the simulator's own;
*captured*
   a recording of a real z/VM shows it. No recording was at hand, so nothing is
   captured.

*Answer* is the form of what a command writes, *refusals* are its return codes.
An API, an option or a key that is not listed is refused with overallRC 24, and
the journal names it in the field ``unknown``.
"""
_TOOLS = """\
Programs
--------

They are refused with an exit status that is not 0 and a text. The guest's own
commands by ``iucvclnt`` are at the end of this page.
"""
_CODES = """\
Return and reason codes
-----------------------

A fault rule gives any other codes.
"""
_GUEST = """\
Commands in a guest
-------------------

Regular expressions of what a guest answers by ``iucvclnt``; any other command
ends with return code 8, reason code 127, and is named in the journal. Their
answers are documented: the Connector parses them.

* ``shutdown -h``, ``shutdown -r``
"""


def render() -> str:
    """The page in reStructuredText."""
    base.load()
    # Its answers are registered by load().
    from ibmvirt.simulators.zvm.commands import iucv

    apis = [
        (f"``{api.name}``", _options(api), api.answer, api.refusals)
        for api in sorted(base.APIS.values(), key=lambda api: api.name)
    ]
    tools = [
        (f"``{tool.name}``", _first_line(tool.run), tool.answer, tool.refusals)
        for tool in sorted(base.TOOLS.values(), key=lambda tool: tool.name)
    ]
    refusals = [
        (f"{e.overall}/{e.rc}/{e.rs}", e.text.partition("\n")[0], e.source)
        for e in sorted(
            codes.TABLE.values(), key=lambda e: (e.overall, e.rc, e.rs, e.text)
        )
    ]
    patterns = "".join(f"* ``{pattern.pattern}``\n" for pattern, _run in iucv.ANSWERS)
    return "\n".join(
        [
            _INTRODUCTION,
            "SMAPI by smcli\n--------------\n",
            _table(("API", "Options", "Answer", "Refusals"), apis, (32, 40, 14, 14)),
            _TOOLS,
            _table(("Program", "What", "Answer", "Refusals"), tools, (22, 50, 14, 14)),
            _CODES,
            _table(("Codes", "Text", "Source"), refusals, (18, 64, 18)),
            _GUEST + patterns,
        ]
    )


def _options(api: base.Api) -> str:
    """Flags, and the names of -k."""
    words = [f"``{flag}``" for flag in sorted(api.flags)]
    words += [f"``-k {key}``" for key in sorted(api.keys)]
    return " ".join(words) or "none"


def _plain(text: str) -> str:
    """The first line of a text, with NAME for {name}."""
    line = text.partition("\n")[0]
    return re.sub(r"{(\w+)}", lambda match: match[1].upper(), line)


def _first_line(run: base.RunTool) -> str:
    return (run.__doc__ or "").strip().partition("\n")[0].strip()


def _table(
    head: collections.abc.Sequence[str],
    rows: collections.abc.Iterable[collections.abc.Sequence[str]],
    widths: collections.abc.Sequence[int],
) -> str:
    lines = [
        ".. list-table::",
        "   :header-rows: 1",
        f"   :widths: {' '.join(str(width) for width in widths)}",
        "",
    ]
    for row in (head, *rows):
        lines += [f"   {'*' if i == 0 else ' '} - {cell}" for i, cell in enumerate(row)]
    return "\n".join(lines) + "\n"
