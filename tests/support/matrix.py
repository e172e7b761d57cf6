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

"""The support matrix of the docs, as tests read it."""

from __future__ import annotations

import configparser
import functools
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
POWERVM, ZVM = "powervm", "zvm"


@functools.cache
def rows() -> dict[str, dict[str, str]]:
    """{feature: its fields}."""
    found = configparser.ConfigParser()
    with (ROOT / "docs/user/support-matrix.ini").open(encoding="utf-8") as file:
        found.read_file(file)
    return {
        name: dict(found[name])
        for name in found.sections()
        if not name.startswith("driver.")
    }


def features(platform: str, *states: str) -> set[str]:
    """Those that a platform's driver has, or not: complete, partial, missing."""
    return {name for name, row in rows().items() if row[f"driver.{platform}"] in states}
