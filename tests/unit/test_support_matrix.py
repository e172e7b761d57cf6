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

"""The support matrix calls nothing complete that no test shows."""

from __future__ import annotations

import configparser
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHOWN = re.compile(r"(PowerVM|z/VM): (test_\w+) in (tests/[\w/]+\.py)")
DRIVERS = {"driver.powervm": "PowerVM", "driver.zvm": "z/VM"}


def rows():
    matrix = configparser.ConfigParser()
    matrix.read(ROOT / "docs/user/support-matrix.ini")
    return [
        (name, dict(matrix[name]))
        for name in matrix.sections()
        if not name.startswith("driver.")
    ]


@pytest.mark.parametrize(("name", "row"), rows())
def test_what_is_complete_names_a_test_that_exists(name, row):
    shown = {who: (test, place) for who, test, place in SHOWN.findall(row["notes"])}
    for driver, title in DRIVERS.items():
        assert row[driver] in ("complete", "partial", "missing")
        if row[driver] != "partial":
            assert (row[driver] == "complete") == (title in shown), name
    for test, place in shown.values():
        text = (ROOT / place).read_text()
        assert re.search(rf"^\s*def {test}\(", text, re.MULTILINE), (test, place)
