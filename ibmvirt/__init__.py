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

"""OpenStack Nova drivers for IBM PowerVM and z/VM.

``compute_driver = ibmvirt.PowerVMDriver`` and ``ibmvirt.ZVMDriver`` name the
two drivers. They are imported when they are asked for, so that one never
needs the libraries of the other, and the config drive library needs neither.
"""

from __future__ import annotations

import typing

__version__ = "0.1.0"

if typing.TYPE_CHECKING:
    from ibmvirt.powervm.driver import PowerVMDriver as PowerVMDriver
    from ibmvirt.zvm.driver import ZVMDriver as ZVMDriver

_DRIVERS = {
    "PowerVMDriver": ("ibmvirt.powervm.driver", "powervm"),
    "ZVMDriver": ("ibmvirt.zvm.driver", "zvm"),
}


def __getattr__(name: str) -> typing.Any:
    """Import a driver on first use; name the extra when a library is missing."""
    try:
        module_name, extra = _DRIVERS[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    import importlib

    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] == "ibmvirt":
            raise
        raise ImportError(
            f"ibmvirt.{name} needs the Python module {error.name!r}, which is "
            f"not installed: pip install 'ibmvirt[{extra}]'",
            name=error.name,
        ) from error
    return getattr(module, name)
