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

"""Makes the name ``nova.virt.ibmvirt`` importable.

Nova imports a compute driver as ``nova.virt.<compute_driver>`` and has no
other way to name one. A finder at the end of ``sys.meta_path`` answers for
exactly that name with the package ibmvirt. It is installed when os_vif loads
its plug-ins, which nova-compute does before it loads the driver (``[os_vif]``
entry point in setup.cfg): no other Python process is touched.
"""

from __future__ import annotations

import collections.abc
import importlib.abc
import importlib.machinery
import sys
import types
import typing

NAME = "nova.virt.ibmvirt"


class _Loader(importlib.abc.Loader):
    """A module of its own that asks ibmvirt for its attributes."""

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        return None

    def exec_module(self, module: types.ModuleType) -> None:
        import ibmvirt

        def lookup(name: str) -> typing.Any:
            # Dunder names are asked for by the import system and by tools;
            # they must not import a driver.
            if name.startswith("__"):
                raise AttributeError(name)
            return getattr(ibmvirt, name)

        module.__doc__ = ibmvirt.__doc__
        setattr(module, "__getattr__", lookup)  # noqa: B010


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(
        self,
        fullname: str,
        path: collections.abc.Sequence[str] | None,
        target: types.ModuleType | None = None,
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != NAME:
            return None
        return importlib.machinery.ModuleSpec(fullname, _Loader(), origin="ibmvirt")


def install() -> None:
    """Install the finder, once."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.append(_Finder())
