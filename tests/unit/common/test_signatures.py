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


"""Nova calls our methods as it calls its own: same names, same order."""

from __future__ import annotations

import importlib
import inspect

import pytest
from nova.virt import driver as nova_driver

from ibmvirt.common import driver

DRIVERS = [driver.BaseDriver]
for module, name in (
    ("ibmvirt.powervm.driver", "PowerVMDriver"),
    ("ibmvirt.zvm.driver", "ZVMDriver"),
):
    if importlib.util.find_spec(module) is not None:
        DRIVERS.append(getattr(importlib.import_module(module), name))

NOVA = {
    name: member
    for name, member in inspect.getmembers(nova_driver.ComputeDriver)
    if inspect.isroutine(member) and not name.startswith("__")
}
OVERRIDDEN = [
    pytest.param(kind, name, id=f"{kind.__name__}.{name}")
    for kind in DRIVERS
    for name in NOVA
    if getattr(kind, name) is not NOVA[name]
    and not inspect.ismethod(getattr(kind, name))
]


def parameters(function):
    return [
        (item.name, item.kind, item.default)
        for item in inspect.signature(function).parameters.values()
    ]


@pytest.mark.parametrize(("kind", "name"), OVERRIDDEN)
def test_signature_is_novas(kind, name):
    assert parameters(getattr(kind, name)) == parameters(NOVA[name])


@pytest.mark.parametrize("kind", DRIVERS)
def test_much_is_overridden(kind):
    assert sum(item.values[0] is kind for item in OVERRIDDEN) > 30


@pytest.mark.parametrize("kind", DRIVERS)
def test_every_public_method_is_one_that_nova_calls(kind):
    """A method that Nova removed or renamed would never be called."""
    ours = {
        name
        for name, member in inspect.getmembers(kind, inspect.isfunction)
        if not name.startswith("_") and name not in NOVA
    }
    assert ours <= {"make_backend"}
