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

"""The name that Nova imports, without Nova's service around it."""

from __future__ import annotations

import importlib
import sys

import pytest

import ibmvirt
from ibmvirt import loader


@pytest.fixture
def installed(monkeypatch):
    """The finder, at the end of the meta path until the test ends."""
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    monkeypatch.delitem(sys.modules, loader.NAME, raising=False)
    loader.install()


def test_the_name_gives_the_drivers(installed):
    module = importlib.import_module("nova.virt.ibmvirt")
    assert module.PowerVMDriver is ibmvirt.PowerVMDriver
    assert module.ZVMDriver is ibmvirt.ZVMDriver
    assert module.__spec__.name == "nova.virt.ibmvirt"
    assert sys.modules["ibmvirt"].__spec__.name == "ibmvirt"


def test_nova_finds_the_class(installed):
    from oslo_utils import importutils

    found = importutils.import_class("nova.virt.ibmvirt.ZVMDriver")
    assert found is ibmvirt.ZVMDriver


def test_what_is_not_there_is_an_attribute_error(installed):
    module = importlib.import_module("nova.virt.ibmvirt")
    for name in ("HMCDriver", "__wrapped__"):
        with pytest.raises(AttributeError, match=name):
            getattr(module, name)


def test_no_other_name_is_answered(installed):
    for name in ("nova.virt.ibmvirt_too", "nova.virt.ibmvirt.powervm"):
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module(name)


def test_it_is_installed_once(installed):
    before = list(sys.meta_path)
    loader.install()
    importlib.import_module("ibmvirt.os_vif_plugin").loader.install()
    assert sys.meta_path == before


def test_the_plug_in_of_os_vif_has_no_types():
    from ibmvirt import os_vif_plugin

    plugin = os_vif_plugin.IBMVirtPlugin.load("ibmvirt")
    assert plugin.describe().vif_info == []
