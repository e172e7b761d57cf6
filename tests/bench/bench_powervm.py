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


"""The PowerVM driver on a NovaLink that takes its time."""

from __future__ import annotations

import concurrent.futures
import gc
import threading
import tracemalloc
from collections.abc import Iterator

from ibmvirt.common import clock
from ibmvirt.powervm import lpar_cache
from ibmvirt.simulators.novalink import NovaLinkSimulator
from tests.bench.framework import Figure, benchmark
from tests.support import driven as driven_
from tests.support import powervm

_SERVERS, _LPARS = 10, 1000
# Simulated seconds that pass in a real one.
_RATE = 20


@benchmark("powervm")
def powervm_driver() -> Iterator[Figure]:
    """Ten builds at once beside ten in a row, and the cache of partitions."""
    former = clock.use(clock.SystemClock(scale=1 / _RATE))
    try:
        with (
            NovaLinkSimulator("--rate", str(_RATE)) as simulator,
            powervm.running(simulator) as driven,
        ):
            simulator.latency("realistic")
            yield from _builds(simulator, driven)
            yield from _mappings(simulator, driven)
    finally:
        clock.use(former)
    with NovaLinkSimulator("--lpars", str(_LPARS), timeout=180) as simulator:
        yield Figure(
            "powervm: cache of 1000 partitions", _cache(simulator), "MiB", at_most=20
        )


def _builds(simulator: NovaLinkSimulator, driven: driven_.Driven) -> Iterator[Figure]:
    """Simulated seconds, from an empty host with the image there."""
    warm = driven.plan(99)
    driven.spawn(warm)
    in_a_row = [driven.plan(number) for number in range(1, _SERVERS + 1)]
    start = simulator.clock()["now"]
    for spawn in in_a_row:
        driven.spawn(spawn)
    row = simulator.clock()["now"] - start
    for spawn in in_a_row:
        driven.destroy(spawn)
    at_once = [driven.plan(number) for number in range(11, _SERVERS + 11)]
    start = simulator.clock()["now"]
    with concurrent.futures.ThreadPoolExecutor(_SERVERS) as pool:
        list(pool.map(driven.spawn, at_once))
    together = simulator.clock()["now"] - start
    yield Figure("powervm: one build", row / _SERVERS, "simulated s")
    yield Figure("powervm: ten builds in a row", row, "simulated s")
    yield Figure("powervm: ten builds at once", together, "simulated s")
    yield Figure(
        "powervm: ten builds at once, of ten in a row",
        together / row,
        "ratio",
        at_most=1 / 3,
    )
    refused = [r for r in simulator.journal() if r["status"] == 412]
    yield Figure("powervm: builds, 412", len(refused), "calls", at_most=0)
    with concurrent.futures.ThreadPoolExecutor(_SERVERS) as pool:
        list(pool.map(driven.destroy, at_once))


def _mappings(simulator: NovaLinkSimulator, driven: driven_.Driven) -> Iterator[Figure]:
    """Calls to the VIOSes for ten volumes that are attached at once."""
    from ibmvirt.common import plan

    spawns = [driven.plan(number, vifs=0) for number in range(21, _SERVERS + 21)]
    volumes = []
    for number, spawn in enumerate(spawns):
        driven.spawn(spawn)
        lun = simulator.admin("POST", "luns", {"size": 1024, "lun": 500 + number})
        data = {"target_wwn": lun["targets"], "target_lun": lun["lun"]}
        volumes.append(plan.Volume(f"volume-{number}", "fibre_channel", data))
    guests = [driven.guest(spawn) for spawn in spawns]
    barrier = threading.Barrier(_SERVERS)
    simulator.admin("DELETE", "journal")

    def attach(number: int) -> None:
        barrier.wait()
        driven.backend.volumes.attach(guests[number], volumes[number])

    with concurrent.futures.ThreadPoolExecutor(_SERVERS) as pool:
        list(pool.map(attach, range(_SERVERS)))
    keys = [r["key"] for r in simulator.journal() if "ViosSCSIMapping" in r["key"]]
    yield Figure(
        "powervm: ten volumes at once, reads and writes of mappings",
        len(keys),
        "calls",
        at_most=2 * _SERVERS,
    )


def _cache(simulator: NovaLinkSimulator) -> float:
    """MiB that the states of all partitions take."""
    with powervm.running(simulator) as driven:
        known: lpar_cache.LparCache = driven.backend.guests._cache
        found = len(known.all())
        assert found == _LPARS
        known._lpars = {}
        gc.collect()
        tracemalloc.start()
        before = tracemalloc.take_snapshot()
        known.read_all()
        gc.collect()
        after = tracemalloc.take_snapshot()
        tracemalloc.stop()
    grown = sum(stat.size_diff for stat in after.compare_to(before, "filename"))
    return grown / (1 << 20)
