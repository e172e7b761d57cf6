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
from ibmvirt.simulators.novalink.objects import fc_mapping, usage

# Assumed.
_MOST_PAIRS = 128


@jobs.operation("QueryReservedMemoryRequiredForPartition", "ManagedSystem")
def query_reserved_memory(
    system: store.System, item: store.SimObject, parameters: jobs.Parameters
) -> jobs.Results:
    """MiB that a partition needs together with what the hypervisor takes for
    it (documented), which is 1/64 of its largest memory and at least one block
    (assumed)."""
    try:
        desired = int(float(parameters["DesiredMemory"]))
        most = int(float(parameters["MaximumMemory"]))
    except KeyError as error:
        raise jobs.JobFailed(f"HSCL0390 {error.args[0]} is missing.") from None
    except ValueError:
        raise jobs.JobFailed("HSCL0390 A memory size is not a number.") from None
    required = desired + max(256, most // 64)
    return (
        ("RequiredMemory", str(required)),
        ("CurrentAvailableSystemMemory", str(usage.free(system)[0])),
    )


@jobs.operation("GetNextWWPNs", "ManagedSystem")
def get_next_wwpns(
    system: store.System, item: store.SimObject, parameters: jobs.Parameters
) -> jobs.Results:
    """Fresh pairs of WWPNs; ``numberPairsRequested`` of them (documented)."""
    try:
        count = int(parameters.get("numberPairsRequested", "1"))
    except ValueError:
        count = 0
    if not 0 < count <= _MOST_PAIRS:
        raise jobs.JobFailed(
            f"HSCL0C11 numberPairsRequested must be 1 to {_MOST_PAIRS}."
        )
    return (("wwpnList", ",".join(fc_mapping.next_wwpns(system, count * 2))),)
