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
"""Ten servers at once through Nova's API, on hypervisors as slow as real ones."""

from __future__ import annotations

import contextlib
import os
import pathlib
import statistics
import time
from collections.abc import Callable, Iterator

from tests.bench.framework import Figure, benchmark
from tests.functional.nova import servers
from tests.support.smallnova import SmallNova, prepared

_SERVERS = 10
# A second of the hypervisor lasts a tenth of one here, and so do the waits of
# the driver: what is measured is multiplied again.
_RATE = 10
_SLOW = ("--latency", "realistic", "--rate", str(_RATE))
_PATIENCE = 180.0
_Prepared = Callable[..., contextlib.AbstractContextManager[SmallNova]]


def _cpu(pid: int) -> float:
    """CPU seconds of a process so far."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _states(nova: SmallNova) -> dict[str, str]:
    return {found.id: found.status for found in nova.client.compute.servers()}


def _ends(
    nova: SmallNova, wanted: set[str], over: Callable[[str | None], bool]
) -> dict[str, float]:
    """When each server's state was over, in seconds from now."""
    started, ends = time.monotonic(), {}
    while wanted - set(ends):
        states = _states(nova)
        now = time.monotonic() - started
        ends.update({one: now for one in wanted - set(ends) if over(states.get(one))})
        if now > _PATIENCE:
            break
        time.sleep(0.1)
    return ends


def _load(title: str, running: _Prepared) -> Iterator[Figure]:
    with running(*_SLOW, pace=1 / _RATE) as nova:
        # The image is there: its transfer is measured by the drivers' benches.
        first = servers.wait(nova, servers.boot(nova, "first"), seconds=_PATIENCE)
        servers.delete(nova, first)
        nova.simulator.mark()
        before = _cpu(nova.ready["pid"])
        made = {
            servers.boot(nova, f"load-{number}", config_drive=True).id
            for number in range(_SERVERS)
        }
        built = _ends(nova, made, lambda state: state in ("ACTIVE", "ERROR"))
        states = _states(nova)
        failed = sum(states.get(one) != "ACTIVE" for one in made)
        yield Figure(f"{title}: builds that failed", failed, "servers", at_most=0)
        seconds = sorted(value * _RATE for value in built.values())
        yield Figure(f"{title}: build, median", statistics.median(seconds), "s")
        yield Figure(f"{title}: build, slowest", seconds[-1], "s")
        for one in made:
            nova.client.compute.delete_server(one)
        gone = _ends(nova, made, lambda state: state is None)
        seconds = sorted(value * _RATE for value in gone.values())
        yield Figure(f"{title}: delete, slowest", seconds[-1], "s")
        left = len(nova.simulator.compare()) + len(nova.simulator.verify())
        stay = len(made - set(gone))
        yield Figure(f"{title}: servers that stay", stay, "servers", at_most=0)
        yield Figure(f"{title}: leaks", left, "objects", at_most=0)
        yield Figure(
            f"{title}: CPU of all of Nova",
            (_cpu(nova.ready["pid"]) - before) / _SERVERS,
            "s/server",
            note="API, scheduler, conductor, compute and placement in one process",
        )


@benchmark("load on PowerVM")
def powervm() -> Iterator[Figure]:
    """Ten servers at once."""
    yield from _load("PowerVM, 10 at once", prepared.powervm)


@benchmark("load on zVM")
def zvm() -> Iterator[Figure]:
    """Ten servers at once, through the real Cloud Connector."""
    yield from _load("z/VM, 10 at once", prepared.zvm)
