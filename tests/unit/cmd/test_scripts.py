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

import os
import subprocess
import sys
import warnings

import pytest

import ibmvirt
from ibmvirt.cmd import status
from ibmvirt.simulators import cli, novalink
from ibmvirt.simulators.core import handle

BASE = "yaml,lxml,oslo_config,nova"
# Runs a command without some libraries: the default install has none of an extra.
BARE = """
import importlib, sys

class Without:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in without:
            raise ModuleNotFoundError(name, name=name)

without = sys.argv.pop(1).split(",")
sys.meta_path.insert(0, Without())
sys.exit(importlib.import_module(sys.argv.pop(1)).main())
"""


@pytest.mark.parametrize(
    ("without", "module", "argument", "said"),
    [
        (BASE, "ibmvirt.simulators.script", "powervm", "'ibmvirt[simulators]'"),
        # As the extra of the PowerVM driver has it.
        ("zvmsdk", "ibmvirt.simulators.script", "zvm", "'ibmvirt[simulators]'"),
        (BASE, "ibmvirt.cmd.status", "check", "'ibmvirt[powervm]' or 'ibmvirt[zvm]'"),
    ],
)
def test_the_extra_is_named(without, module, argument, said):
    ran = subprocess.run(
        [sys.executable, "-c", BARE, without, module, argument],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode in (1, 2)
    assert f"pip install {said}" in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize("main", [cli.main, status.main])
def test_the_version(main, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"{ibmvirt.__version__}\n"


def test_a_simulator_of_a_test_names_the_extra_too(tmp_path, monkeypatch):
    text = "raise ModuleNotFoundError('none', name='yaml')"
    (tmp_path / "yaml.py").write_text(text)
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    monkeypatch.setenv("PYTHONPATH", path)
    with pytest.raises(handle.SimulatorError) as caught:
        novalink.NovaLinkSimulator().start()
    assert "pip install 'ibmvirt[simulators]'" in str(caught.value)
    assert "Traceback" not in str(caught.value)


def test_what_libraries_say_of_eventlet_is_not_for_the_operator(monkeypatch, recwarn):
    def check(_arguments):
        warnings.warn("\nEventlet is deprecated. It is", Warning, stacklevel=1)
        return 0

    monkeypatch.setattr(status, "_check", check)
    assert status.main(["check"]) == 0
    assert not recwarn.list


# Loads what Nova's API loads, where ibmvirt is installed there without an extra.
API = """
import importlib, sys

class Without:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("pypowervm", "taskflow", "zvmconnector", "lxml"):
            raise ModuleNotFoundError(name, name=name)

sys.meta_path.insert(0, Without())
for name in ("ibmvirt.powervm.guests.validators", "ibmvirt.zvm.validators"):
    assert importlib.import_module(name).register()
"""


def test_novas_api_needs_no_extra_to_validate_extra_specs():
    ran = subprocess.run(
        [sys.executable, "-c", API], capture_output=True, text=True, timeout=60
    )
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("driver", ["", "libvirt.LibvirtDriver", "ibmvirt.Driver"])
def test_a_host_of_another_driver_is_not_checked(driver, tmp_path, capsys):
    path = tmp_path / "nova.conf"
    path.write_text(f"[DEFAULT]\ncompute_driver = {driver}\n")
    assert status.main(["check", "--config-file", str(path)]) == 2
    said = capsys.readouterr()
    assert f"compute_driver is {driver!r}" in said.err
    assert "ibmvirt.PowerVMDriver or ibmvirt.ZVMDriver" in said.err
    assert not said.out
