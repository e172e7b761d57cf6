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

"""Jobs of a ManagedSystem."""

from __future__ import annotations

from ibmvirt.simulators.novalink import jobs, store
from ibmvirt.simulators.novalink.objects import fc_mapping


@jobs.operation("QueryReservedMemoryRequiredForPartition", "ManagedSystem")
def query_reserved_memory(
    system: store.System, item: store.SimObject, parameters: jobs.Parameters
) -> jobs.Results:
    """MiB that the hypervisor takes for a partition (assumed: 1/64 of its
    largest memory, at least one block)."""
    try:
        most = int(float(parameters["MaximumMemory"]))
    except (KeyError, ValueError):
        raise jobs.JobFailed("HSCL0390 MaximumMemory is missing.") from None
    required = max(256, most // 64)
    return (
        ("RequiredMemory", str(required)),
        ("CurrentAvailableSystemMemory", str(most)),
    )


@jobs.operation("GetNextWWPNs", "ManagedSystem")
def get_next_wwpns(
    system: store.System, item: store.SimObject, parameters: jobs.Parameters
) -> jobs.Results:
    """Fresh pairs of WWPNs; ``numberPairsRequested`` of them (documented)."""
    count = int(parameters.get("numberPairsRequested", "1"))
    return (("wwpnList", ",".join(fc_mapping.next_wwpns(system, count * 2))),)
