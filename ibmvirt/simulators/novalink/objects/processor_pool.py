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

"""SharedProcessorPool: what partitions share processors in; read only."""

from __future__ import annotations

from ibmvirt.simulators.novalink.objects import base
from ibmvirt.simulators.novalink.schema import table, xml


@base.register
class SharedProcessorPool(base.Noun):
    """Below a ManagedSystem; pools cannot be made.

    - captured: its elements (shrprocpool.txt)
    - assumed: partitions are not listed in it
    """

    TYPE = "SharedProcessorPool"
    PARENTS = ("ManagedSystem",)


def build(number: int, name: str, most: float | None = None) -> xml.Element:
    """A pool; ``most`` is its greatest number of units, None that of all."""
    values = {"PoolID": number, "AvailableProcUnits": "0.00", "PoolName": name}
    if most is not None:
        values |= {
            "CurrentReservedProcessingUnits": 0,
            "MaximumProcessingUnits": most,
            "PendingReservedProcessingUnits": 0,
        }
    return table.build("SharedProcessorPool", {"AssignedPartitions": {}, **values})
