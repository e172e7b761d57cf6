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

"""The house rules: import directions, licence headers, no eventlet."""

from __future__ import annotations

import ast
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "ibmvirt"

# A package may import those to its right, and itself.
ALLOWED = {
    "configdrive": set(),
    "common": {"configdrive"},
    "powervm": {"common", "configdrive"},
    "zvm": {"common", "configdrive"},
    "cmd": {"powervm", "zvm", "common", "configdrive"},
    "simulators": set(),
    "loader": set(),
    "os_vif_plugin": {"loader"},
}
FOREIGN_ALLOWED = {
    "configdrive": {"pycdlib"},
    "loader": set(),
    "os_vif_plugin": {"os_vif"},
}

SOURCES = sorted(
    path
    for top in ("ibmvirt", "tests", "demo", "docs", "releasenotes")
    for path in (ROOT / top).rglob("*.py")
    if "_build" not in path.parts
)


def imports(path: pathlib.Path) -> set[str]:
    """The absolute names of all modules that a file imports, lazily or not."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names.add(node.module or "")
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def room(path: pathlib.Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE))
)
def test_imports_run_downward(path):
    here = room(path)
    if here == "__init__":
        return
    wrong = set()
    for name in imports(path):
        parts = name.split(".")
        if parts[0] != "ibmvirt" or len(parts) < 2 or parts[1] == "__version__":
            continue
        if parts[1] != here and parts[1] not in ALLOWED[here]:
            wrong.add(name)
    assert not wrong, f"{path.name} in {here} must not import {sorted(wrong)}"


@pytest.mark.parametrize("part", sorted(FOREIGN_ALLOWED))
def test_light_parts_import_only_what_they_may(part):
    files = [p for p in PACKAGE.rglob("*.py") if room(p) == part]
    used = {n.split(".")[0] for p in files for n in imports(p)}
    foreign = used - set(sys.stdlib_module_names) - {"ibmvirt"}
    assert foreign <= FOREIGN_ALLOWED[part]


def test_nothing_imports_eventlet():
    for path in SOURCES:
        tops = {name.split(".")[0] for name in imports(path)}
        assert not tops & {"eventlet", "greenlet"}, path


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_licence_header(path):
    head = path.read_text()[:200]
    assert "Licensed under the Apache License, Version 2.0" in head


def test_no_file_grows_past_measure():
    for path in PACKAGE.rglob("*.py"):
        lines = len(path.read_text().splitlines())
        assert lines <= 500, f"{path.relative_to(ROOT)} has {lines} lines"
