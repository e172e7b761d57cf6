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


"""How busy the processors of the system are, from its long term metrics.

The platform takes a sample every 30 seconds. Cycles of partitions are
cumulative, but a partition that is removed takes its own along; so the totals
are summed here, from sample to sample.
"""

from __future__ import annotations

import contextlib
import dataclasses
import threading
import typing

from pypowervm.tasks.monitor import util as monitor
from pypowervm.wrappers.pcm import phyp

from ibmvirt.common import plan
from ibmvirt.powervm.rest import errors, topology

_NS = 1_000_000_000
# Ticks of the time base a second, of all Power systems (POWER ISA).
_TIME_BASE = 512_000_000
_CPU_INFO = "/proc/cpuinfo"


@dataclasses.dataclass(frozen=True)
class _Sample:
    """Cycles since the system was started.

    :ivar total: of one processor; ``units``: how many there are.
    :ivar used: of each partition and VIOS, by number and name.
    """

    name: str
    total: int
    units: float
    firmware: int
    used: dict[tuple[int, str], int]
    second: int


class HostCpu:
    """Nova's processor statistics of the system. Safe for many threads."""

    def __init__(self, adapter: typing.Any, places: topology.Topology) -> None:
        self._adapter = adapter
        self._topology = places
        self._lock = threading.Lock()
        self._last: _Sample | None = None
        self._enabled = False
        self._kernel = self._user = self._idle = 0

    def read(self) -> plan.Values:
        """kernel, user, idle and iowait in ns, and frequency in MHz.

        Two calls, four the first time. The frequency is 0 where the service
        does not run on the system itself. Two readings are never equal, since
        Nova divides by the difference.

        :raises HypervisorError: the platform does not give its metrics.
        """
        with self._lock, errors.attempting("read the system's metrics"):
            system = self._topology.system().uuid
            if not self._enabled:
                monitor.ensure_ltm_monitors(self._adapter, system)
                self._enabled = True
            found = [
                entry
                for entry in monitor.query_ltm_feed(self._adapter, system)
                if entry.category == "phyp"
            ]
            found.sort(key=lambda entry: entry.updated_datetime)
            # The first reading tells of the time between the last two samples.
            for entry in found[-2:] if self._last is None else found[-1:]:
                if self._last is None or self._last.name != entry.link:
                    self._take(self._sample(entry.link))
            self._idle += 1
            return {
                "kernel": self._kernel,
                "user": self._user,
                "idle": self._idle,
                "iowait": 0,
                "frequency": _frequency(),
            }

    def _sample(self, link: str) -> _Sample:
        body = self._adapter.read_by_href(link, xag=[]).body
        sample = phyp.PhypInfo(body).sample
        return _Sample(
            name=link,
            total=int(sample.time_based_cycles),
            units=float(sample.processor.configurable_proc_units),
            firmware=int(sample.system_firmware.utilized_proc_cycles),
            used={
                (one.id, one.name): int(
                    one.processor.util_cap_proc_cycles
                    + one.processor.util_uncap_proc_cycles
                    - one.processor.idle_proc_cycles
                )
                for one in (*sample.lpars, *sample.vioses)
            },
            second=int(sample.processor.proc_cycles_per_sec or _TIME_BASE),
        )

    def _take(self, sample: _Sample) -> None:
        before, self._last = self._last, sample
        if before is None:
            return
        total = (sample.total - before.total) * sample.units
        kernel = max(0, sample.firmware - before.firmware)
        # One that came meanwhile may bring cycles of another system.
        user = sum(
            max(0, cycles - before.used[key])
            for key, cycles in sample.used.items()
            if key in before.used
        )
        self._kernel += kernel * _NS // sample.second
        self._user += user * _NS // sample.second
        self._idle += max(0, int(total - kernel - user)) * _NS // sample.second


def _frequency() -> int:
    """MHz of this machine's processors, where that is a Power system."""
    with contextlib.suppress(OSError, ValueError), open(_CPU_INFO) as file:
        for line in file:
            if line.startswith("clock"):
                return int(float(line.split(":")[1].strip().removesuffix("MHz")))
    return 0
