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


"""``python -m tests.bench``: run benchmarks and print their figures."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence

from tests.bench import framework


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description="Run benchmarks. A target that is missed is shown and is no "
        "failure; the exit status is 1 if a benchmark could not run.",
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="benchmarks to run (default: all)"
    )
    parser.add_argument("--list", action="store_true", help="list the benchmarks")
    parser.add_argument("--json", action="store_true", help="print figures as JSON")
    parser.add_argument(
        "--update-baseline",
        action="store_true",
        help=f"write what was measured to {framework.BASELINE.name}",
    )
    arguments = parser.parse_args(argv)
    benchmarks = framework.discover()
    if arguments.list:
        print("\n".join(benchmarks))
        return 0
    if unknown := set(arguments.names) - set(benchmarks):
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}")
    chosen = {name: benchmarks[name] for name in arguments.names or benchmarks}
    figures, complete = framework.run(chosen)
    baseline = framework.read_baseline()
    if arguments.json:
        print(json.dumps([dataclasses.asdict(figure) for figure in figures], indent=2))
    else:
        print(framework.table(figures, baseline))
        missed = [figure.name for figure in figures if figure.missed]
        print(f"\n{len(figures)} figures, {len(missed)} missed their target")
        for name in missed:
            print(f"    missed: {name}")
    if arguments.update_baseline:
        framework.update_baseline(figures)
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main())
