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


"""Which functions of pypowervm's tasks a test goes through.

A test says it with ``@walks("cna.crt_cna", ...)``, and a fixture holds it to
that: each named function must have been called.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import sys
import threading
import types

import pypowervm.tasks

WALKED: dict[str, list[str]] = {}


def _modules() -> list[types.ModuleType]:
    found = pkgutil.walk_packages(pypowervm.tasks.__path__, "pypowervm.tasks.")
    return [importlib.import_module(one.name) for one in found if not one.ispkg]


def short(module: str) -> str:
    return module.removeprefix("pypowervm.tasks.")


def functions() -> set[str]:
    """All public functions of pypowervm's tasks."""
    return {
        f"{short(module.__name__)}.{name}"
        for module in _modules()
        for name, value in vars(module).items()
        if inspect.isfunction(value)
        and not name.startswith("_")
        and value.__module__ == module.__name__
    }


def walks(*names: str):
    """Say which functions a test goes through."""

    def note(test):
        for name in names:
            WALKED.setdefault(name, []).append(test.__name__)
        test.walked = names
        return test

    return note


class Calls:
    """Records the functions of tasks that are called, in all threads."""

    def __init__(self) -> None:
        self.seen: set[str] = set()

    def _profile(self, frame, event, _argument) -> None:
        if event == "call":
            module = frame.f_globals.get("__name__", "")
            if module.startswith("pypowervm.tasks."):
                self.seen.add(f"{short(module)}.{frame.f_code.co_name}")

    def __enter__(self) -> Calls:
        threading.setprofile(self._profile)
        sys.setprofile(self._profile)
        return self

    def __exit__(self, *_error: object) -> None:
        sys.setprofile(None)
        threading.setprofile(None)
