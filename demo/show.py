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

"""What the demo prints: readable on a terminal, plain when piped."""

from __future__ import annotations

import threading
import time


class Screen:
    """Headings, facts and checks; every check must hold in the end."""

    def __init__(self, stream):
        self._stream = stream
        self._colour = stream.isatty()
        self._started = time.monotonic()
        self._lock = threading.Lock()
        self._results = []

    def _write(self, text, code=""):
        if self._colour and code:
            text = f"\033[{code}m{text}\033[0m"
        with self._lock:
            print(text, file=self._stream, flush=True)

    def heading(self, text):
        self._write(f"\n{text}", "1")

    def say(self, text):
        self._write(text)

    def fact(self, name, value):
        self._write(f"  {name:<28} {value}")

    def check(self, text, held):
        """One thing that must be so."""
        self._results.append(bool(held))
        self._write(f"  [{'ok' if held else 'NO'}] {text}", "32" if held else "31;1")
        return held

    def table(self, head, rows):
        rows = [[str(cell) for cell in row] for row in rows]
        widths = [
            max(len(row[i]) for row in [list(head), *rows]) for i in range(len(head))
        ]
        for number, row in enumerate([list(head), *rows]):
            line = "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True))
            self._write(f"  {line.rstrip()}", "2" if number == 0 else "")

    @property
    def passed(self):
        return bool(self._results) and all(self._results)

    def summary(self):
        held = sum(self._results)
        seconds = time.monotonic() - self._started
        return f"\n{held} of {len(self._results)} checks held, in {seconds:.0f} s."
