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
"""The table of outcomes as a file that a later run brings up to date."""

from __future__ import annotations

import collections
import csv

from tests.faults import engine

HEAD = ("hypervisor", "operation", "effect", "runs", *engine.GOOD, *engine.BAD)


class Outcomes:
    """Rows of hypervisor, operation and effect; a row seen again replaces the old.

    :param path: of a CSV file with a head, which may be absent.
    """

    def __init__(self, path):
        self._path = path
        self._rows = {}
        if path.exists():
            with path.open(newline="") as source:
                rows = list(csv.reader(source))
            self._rows = {tuple(row[:3]): row[3:] for row in rows[1:]}

    def add(self, platform, cells):
        """Take what one test found, and write the file: a run may be cut off."""
        counts = collections.defaultdict(collections.Counter)
        for cell in cells:
            counts[platform, cell.operation, cell.effect][cell.outcome] += 1
        for key, found in counts.items():
            outcomes = (found[name] for name in (*engine.GOOD, *engine.BAD))
            self._rows[key] = [str(n) for n in (found.total(), *outcomes)]
        with self._path.open("w", newline="") as target:
            writer = csv.writer(target, lineterminator="\n")
            writer.writerow(HEAD)
            writer.writerows((*key, *self._rows[key]) for key in sorted(self._rows))
