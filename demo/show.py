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

import os
import threading
import time

_BOLD, _FAINT, _GREEN, _RED = "1", "2", "32", "31;1"


class Screen:
    """Headings, and a lane for each hypervisor; all checks must hold.

    :ivar gone: nobody reads it any more.
    """

    def __init__(self, stream):
        self._stream = stream
        # https://no-color.org
        self._colour = (
            stream.isatty()
            and not os.environ.get("NO_COLOR")
            and os.environ.get("TERM") != "dumb"
        )
        self.gone = False
        self._started = time.monotonic()
        self._lock = threading.Lock()
        self._results = []

    def write(self, text, code=""):
        if self._colour and code:
            text = f"\033[{code}m{text}\033[0m"
        with self._lock:
            if self.gone:
                return
            try:
                print(text, file=self._stream, flush=True)
            except OSError:
                # Whoever read it is gone: `make demo | head`, a closed terminal.
                self.gone = True

    def heading(self, text):
        self.write(f"\n{text}", _BOLD)

    def count(self, held):
        with self._lock:
            self._results.append(bool(held))

    @property
    def passed(self):
        return bool(self._results) and all(self._results)

    def summary(self):
        held = sum(self._results)
        seconds = time.monotonic() - self._started
        return f"\n{held} of {len(self._results)} checks held, in {seconds:.0f} s."


class Lane:
    """The lines of one hypervisor in one section.

    :param live: they appear at once, between those of the other hypervisor,
        each with its name; otherwise together, at :meth:`flush`.
    """

    def __init__(self, screen, name, live=False):
        self._screen = screen
        self._name = name
        self._live = live
        self._lines = []

    def say(self, text, code=""):
        if self._live:
            self._screen.write(f"  {self._name:<8} {text}", code)
        else:
            self._lines.append((text, code))

    def fact(self, name, value):
        self.say(f"{name:<26} {value}")

    def check(self, text, held):
        """One thing that must be so."""
        self._screen.count(held)
        self.say(f"[{'ok' if held else 'NO'}] {text}", _GREEN if held else _RED)
        return held

    def table(self, head, rows):
        lines = [list(head), *([str(cell) for cell in row] for row in rows)]
        widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
        for number, line in enumerate(lines):
            cells = (c.ljust(w) for c, w in zip(line, widths, strict=True))
            self.say("  ".join(cells).rstrip(), _FAINT if number == 0 else "")

    def flush(self):
        if self._lines:
            self._screen.write(f"  {self._name}", _BOLD)
        for text, code in self._lines:
            self._screen.write(f"    {text}", code)
        self._lines = []
