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


"""The table of resources and refusals, for the documentation.

``python -m ibmvirt.simulators.novalink.catalogue`` prints the page. What it
says is in the docstrings of the nouns and in the table of refusals.
"""

from __future__ import annotations

import inspect
import re
import sys

from ibmvirt.simulators.novalink import refusals, registry
from ibmvirt.simulators.novalink.objects import base, fc_mapping, scsi_mapping

_HEAD = """\
.. Written by ``python -m ibmvirt.simulators.novalink.catalogue``; a test holds
   that it is current.

Resources of the NovaLink simulator
===================================

Each behaviour is *captured* (a recorded response shows it), *documented*
(client code or a manual says so) or *assumed*. Resources that are not listed
are refused with 404, verbs that are not listed with 405.

.. list-table::
   :header-rows: 1
   :widths: 30 25 20 25

   * - Type
     - Below
     - Verbs
     - Groups
"""
_MARK = re.compile(r"^- (captured|documented|assumed): (.*)$")


def page() -> str:
    """The page, as reStructuredText."""
    registry.load()
    nouns = [base.REGISTRY[kind] for kind in sorted(base.REGISTRY)]
    lines = [_HEAD]
    for noun in nouns:
        parents = ", ".join(parent or "(root)" for parent in noun.PARENTS)
        lines += [
            f"   * - {noun.TYPE}",
            f"     - {parents}",
            f"     - {' '.join(sorted(noun.VERBS))}",
            f"     - {', '.join(sorted(noun.GROUPS)) or 'none'}",
        ]
    lines.append("")
    parts = [(noun.TYPE, inspect.getdoc(noun) or "") for noun in nouns]
    parts += [
        ("VirtualSCSIMapping, in VirtualIOServer", inspect.getdoc(scsi_mapping) or ""),
        (
            "VirtualFibreChannelMapping, in VirtualIOServer",
            inspect.getdoc(fc_mapping) or "",
        ),
    ]
    for title, text in parts:
        lines += _behaviour(title, text)
    lines += _refusals()
    return "\n".join(lines) + "\n"


def _behaviour(title: str, text: str) -> list[str]:
    """A docstring: its paragraphs, then its marks as definitions."""
    lines = [title, "-" * len(title), ""]
    marks: list[str] = []
    for line in text.splitlines():
        found = _MARK.match(line)
        if found is not None:
            marks.append(f"*{found.group(1)}*: {found.group(2)}")
        elif marks and line.startswith("  "):
            marks[-1] += f" {line.strip()}"
        elif line or (lines[-1] and not marks):
            lines.append(line.strip())
    lines.append("")
    return lines + [f"- {mark}" for mark in marks] + [""]


def _refusals() -> list[str]:
    title = "Refusals"
    lines = [
        title,
        "-" * len(title),
        "",
        ".. list-table::",
        "   :header-rows: 1",
        "   :widths: 10 70 20",
        "",
        "   * - Status",
        "     - Message",
        "     - Source",
    ]
    for entry in refusals.TABLE.values():
        lines += [
            f"   * - {entry.status}",
            f"     - ``{entry.text}``",
            f"     - {entry.source}",
        ]
    return lines


if __name__ == "__main__":
    sys.stdout.write(page())
