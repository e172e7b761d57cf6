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

"""The page that a browser gets at ``/sim/``."""

from __future__ import annotations

import html
import typing

from ibmvirt.simulators.core import calls, http, world

_STYLE = """
body{font:14px system-ui,sans-serif;margin:2em auto;max-width:70em;color:#222}
h1{font-size:1.4em}h2{font-size:1.1em;margin-top:1.6em}
table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.2em .6em;
border-bottom:1px solid #ddd;vertical-align:top}code{font-size:.9em}
"""
_CALLS = 40


def render(
    name: str, state: world.World, instruments: calls.Instruments
) -> http.Response:
    """What the world holds, the rules, and the last calls."""
    current = state.state()
    counted = [
        (f"{kind}: {collection}", len(values))
        for kind, collections in current.items()
        for collection, values in collections.items()
    ]
    rules = [
        (rule["id"], rule["match"], rule["phase"], rule["effect"], rule["hits"])
        for rule in instruments.rules.export()
    ]
    recent = [
        (r["seq"], r["layer"], r["memento"], r["key"], r["status"], r["dt"])
        for r in instruments.journal.records()[-_CALLS:][::-1]
    ]
    body = (
        f"<!doctype html><title>{html.escape(name)}</title><style>{_STYLE}</style>"
        f"<h1>{html.escape(name)}</h1><p>Simulated time "
        f"{instruments.clock.now():.1f} s, rate {instruments.clock.rate}. "
        "JSON: <a href='/sim/state'>state</a>, <a href='/sim/journal'>journal</a>, "
        "<a href='/sim/rules'>rules</a>.</p>"
        + _table("World", ("collection", "entries"), counted)
        + _table("Rules", ("id", "match", "phase", "effect", "hits"), rules)
        + _table(
            "Last calls", ("seq", "layer", "memento", "key", "status", "dt"), recent
        )
    )
    return http.Response(200, body.encode(), {"Content-Type": "text/html"})


def _table(
    title: str, head: tuple[str, ...], rows: typing.Iterable[tuple[typing.Any, ...]]
) -> str:
    cells = "".join(f"<th>{column}</th>" for column in head)
    lines = "".join(
        "<tr>" + "".join(f"<td>{html.escape(str(v))}</td>" for v in row) + "</tr>"
        for row in rows
    )
    return f"<h2>{title}</h2><table><tr>{cells}</tr>{lines}</table>"
