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

"""The commands where an extra is not installed: they say which."""

from __future__ import annotations

import importlib
import sys

import pytest


class Without:
    """A finder for whom some libraries are not installed."""

    def __init__(self, *names):
        self._names = names

    def find_spec(self, name, _path=None, _target=None):
        if name.split(".")[0] in self._names:
            raise ModuleNotFoundError(name, name=name)


@pytest.fixture
def bare(monkeypatch):
    """Only the default install: nothing of the extras can be imported."""
    missing = ("yaml", "lxml", "oslo_config", "nova")
    for name in list(sys.modules):
        if name.split(".")[0] in missing or name.startswith("ibmvirt."):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Without(*missing), *sys.meta_path])


@pytest.mark.parametrize(
    ("module", "argv", "said"),
    [
        ("ibmvirt.simulators.script", ["powervm"], "'ibmvirt[simulators]'"),
        ("ibmvirt.cmd.status", ["check"], "'ibmvirt[powervm]' or 'ibmvirt[zvm]'"),
    ],
)
def test_the_extra_is_named(bare, monkeypatch, capsys, module, argv, said):
    monkeypatch.setattr(sys, "argv", ["command", *argv])
    assert importlib.import_module(module).main() != 0
    message = capsys.readouterr().err
    assert f"pip install {said}" in message
    assert "Traceback" not in message
