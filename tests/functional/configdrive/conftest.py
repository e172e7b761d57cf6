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


"""Tests over tools that the machine does not have are left out, not skipped."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from _pytest.compat import NOTSET


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Leave out what was parametrised over no tool.

    Which tools are missing is said in the summary, by
    ``test_tools_that_are_not_here_are_named``.
    """
    without = [item for item in items if has_no_tool(item)]
    if without:
        config.hook.pytest_deselected(items=without)
        items[:] = [item for item in items if item not in without]


def has_no_tool(item: pytest.Item) -> bool:
    callspec = getattr(item, "callspec", None)
    values: Iterable[object] = callspec.params.values() if callspec else ()
    # What pytest takes as the one value of an empty list.
    return any(value is NOTSET for value in values)
