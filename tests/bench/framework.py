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


"""What `python -m tests.bench` runs: benchmarks, their figures, the table."""

from __future__ import annotations

import dataclasses
import importlib
import json
import pathlib
import pkgutil
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence

BASELINE = pathlib.Path(__file__).with_name("baseline.json")


@dataclasses.dataclass(frozen=True)
class Figure:
    """One number that a benchmark measured.

    :ivar name: unique over all benchmarks, for example ``drive size``.
    :ivar value: what was measured; None if it could not be, see ``note``.
    :ivar unit: for example ``ms``, ``bytes``, ``calls`` or ``ratio``.
    :ivar at_most: the target, if it is an upper bound.
    :ivar at_least: the target, if it is a lower bound.
    :ivar note: what the reader of the table should know.
    """

    name: str
    value: float | None
    unit: str
    at_most: float | None = None
    at_least: float | None = None
    note: str = ""

    @property
    def missed(self) -> bool:
        """Whether there is a target and the value does not reach it."""
        if self.value is None:
            return False
        above = self.at_most is not None and self.value > self.at_most
        below = self.at_least is not None and self.value < self.at_least
        return above or below

    @property
    def target(self) -> str:
        """The target in words."""
        if self.at_most is not None:
            return f"<= {number(self.at_most)}"
        return f">= {number(self.at_least)}" if self.at_least is not None else ""


Benchmark = Callable[[], Iterable[Figure]]
_benchmarks: dict[str, Benchmark] = {}


def benchmark(name: str) -> Callable[[Benchmark], Benchmark]:
    """Register a function that measures and yields figures."""

    def register(function: Benchmark) -> Benchmark:
        if name in _benchmarks:
            raise ValueError(f"two benchmarks are called {name!r}")
        _benchmarks[name] = function
        return function

    return register


def discover() -> dict[str, Benchmark]:
    """Import each module ``bench_*`` of this package; all benchmarks by name."""
    package = pathlib.Path(__file__).parent
    for module in pkgutil.iter_modules([str(package)]):
        if module.name.startswith("bench_"):
            importlib.import_module(f"{__package__}.{module.name}")
    return dict(_benchmarks)


def run(benchmarks: dict[str, Benchmark]) -> tuple[list[Figure], bool]:
    """Run benchmarks; the figures, and whether all ran without an error."""
    figures: list[Figure] = []
    complete = True
    for name, function in benchmarks.items():
        print(f"{name} ...", file=sys.stderr, flush=True)
        try:
            figures.extend(function())
        except Exception:
            complete = False
            print(f"{name} failed:", file=sys.stderr)
            traceback.print_exc()
    return figures, complete


def read_baseline(path: pathlib.Path = BASELINE) -> dict[str, float]:
    """The committed values by name; empty if there are none yet."""
    try:
        values: dict[str, float] = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    return values


def update_baseline(figures: Iterable[Figure], path: pathlib.Path = BASELINE) -> None:
    """Commit the measured values, and keep those of what was not measured."""
    values = read_baseline(path)
    values.update(
        {f.name: float(f"{f.value:.6g}") for f in figures if f.value is not None}
    )
    path.write_text(json.dumps(values, indent=2, sort_keys=True) + "\n")


def number(value: float | None) -> str:
    """A number with three significant digits, or all those before the point."""
    if value is None:
        return "-"
    if abs(value) >= 100 or value == int(value):
        return f"{value:.0f}"
    return f"{value:.3g}"


def table(figures: Sequence[Figure], baseline: dict[str, float]) -> str:
    """The figures as text, each with its target and its baseline."""
    rows = [("figure", "unit", "measured", "target", "baseline", "")]
    for figure in figures:
        remark = "MISSED" if figure.missed else ""
        rows.append(
            (
                figure.name,
                figure.unit,
                number(figure.value),
                figure.target,
                number(baseline.get(figure.name)),
                " ".join(filter(None, (remark, figure.note))),
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    lines = []
    for row in rows:
        cells = [
            text.ljust(width) if column in (0, 1, 5) else text.rjust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    lines.insert(1, "  ".join("-" * width for width in widths[:5]))
    return "\n".join(lines)
