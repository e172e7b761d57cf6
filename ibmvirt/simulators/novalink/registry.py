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

"""Imports every noun and every operation, which register themselves."""

from __future__ import annotations

import importlib

_NOUNS = (
    "managed_system",
    "management_console",
    "logical_partition",
    "virtual_io_server",
    "virtual_switch",
    "virtual_network",
    "client_network_adapter",
    "network_bridge",
    "storage_pool",
    "logical_unit",
    "volume_group",
    "mapping_effects",
    "processor_pool",
)
_OPERATIONS = ("power", "host", "storage", "migrate")


def load() -> None:
    for name in _NOUNS:
        importlib.import_module(f"ibmvirt.simulators.novalink.objects.{name}")
    for name in _OPERATIONS:
        importlib.import_module(f"ibmvirt.simulators.novalink.operations.{name}")
