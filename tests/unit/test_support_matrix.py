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


"""The support matrix calls nothing complete that no test through Nova's API shows,
and nothing missing that no such test sees refused."""

from __future__ import annotations

import ast
import re

import pytest

from tests.functional.nova import unsupported
from tests.support import conformance, matrix

THROUGH_THE_API = "tests/functional/nova/"
SHOWN = re.compile(r"(PowerVM|z/VM): (test_\w+) in (tests/[\w/]+\.py)")
PLATFORMS = {matrix.POWERVM: "PowerVM", matrix.ZVM: "z/VM"}


def named_in(place):
    """{name: arguments} of the tests in a file."""
    tree = ast.parse((matrix.ROOT / place).read_text())
    return {
        node.name: {argument.arg for argument in node.args.args}
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


@pytest.mark.parametrize("name", matrix.rows())
def test_what_is_complete_names_a_test_through_the_api(name):
    row = matrix.rows()[name]
    shown = {who: (test, place) for who, test, place in SHOWN.findall(row["notes"])}
    for platform, title in PLATFORMS.items():
        state = row[f"driver.{platform}"]
        assert state in ("complete", "partial", "missing")
        assert (state != "missing") == (title in shown), title
    for test, place in shown.values():
        assert place.startswith(THROUGH_THE_API)
        assert test in named_in(place)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_what_is_missing_is_asked_for_and_refused(platform):
    """Or nobody can ask for it; then the reason is written down."""
    missing = matrix.features(platform, "missing")
    refused, unasked = unsupported.refused(platform), unsupported.unasked(platform)
    assert refused & set(unasked) == set()
    assert missing - refused - set(unasked) == set()
    # What works is not said to be refused; of a feature, though, something may be.
    assert (refused | set(unasked)) - missing == set()
    assert all(unasked.values())


def test_the_tests_that_refuse_are_there():
    for (place, name), (platforms, _features) in unsupported.TESTS.items():
        found = named_in(f"{THROUGH_THE_API}{place}.py")[name]
        fixtures = {"powervm", "zvm_nova"} & found
        assert platforms == unsupported.BOTH or len(fixtures) == 1, name


def test_the_features_of_novas_suite_are_those_of_the_matrix():
    assert set(conformance.FEATURES.values()) <= set(matrix.rows())


def test_the_docs_name_tests_that_there_are():
    text = (matrix.ROOT / "docs/contributor/small-nova.rst").read_text()
    named = set(re.findall(r"``(test_\w+)``", text))
    places = (matrix.ROOT / THROUGH_THE_API).glob("test_*.py")
    known = {name for place in places for name in named_in(place)}
    assert len(named) > 20
    assert named - known == set()
