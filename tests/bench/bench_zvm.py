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

"""The z/VM simulator beneath the real Cloud Connector."""

from __future__ import annotations

import concurrent.futures
import pathlib
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator

from zvmconnector import connector

from ibmvirt.simulators.zvm import ZVMSimulator, imagefile
from tests.bench.framework import Figure, benchmark

_DISKS = [{"size": "1g", "is_boot_disk": True}]


def _client(simulator: ZVMSimulator) -> connector.ZVMConnector:
    host, _, port = simulator.connector_url.removeprefix("http://").rpartition(":")
    return connector.ZVMConnector(host, int(port))


def _ok(client: connector.ZVMConnector, name: str, *args: object, **kw: object) -> None:
    answer = client.send_request(name, *args, **kw)
    if answer["overallRC"] != 0:
        raise RuntimeError(f"{name}: {answer['errmsg']}")


def _make(client: connector.ZVMConnector, name: str) -> None:
    _ok(client, "guest_create", name, 1, 512, disk_list=_DISKS)
    _ok(client, "guest_deploy", name, "base")
    _ok(client, "guest_create_nic", name, vdev="1000")
    _ok(client, "guest_nic_couple_to_vswitch", name, "1000", "DEFAULT")
    _ok(client, "guest_start", name)


def _since(start: float) -> float:
    return time.perf_counter() - start


def _timed(run: Callable[[], None]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


@benchmark("zvm simulator")
def connector_calls() -> Iterator[Figure]:
    """Ready; a query; a life; ten lives at once."""
    simulator = ZVMSimulator("--rate", "100")
    with tempfile.TemporaryDirectory() as directory:
        image = pathlib.Path(directory, "image")
        image.write_bytes(imagefile.write(bytes(range(256)) * 4096))
        started = time.perf_counter()
        with simulator:
            yield Figure("zvm simulator: ready", _since(started), "s", at_most=4)
            client = _client(simulator)
            meta = {"os_version": "rhel9.4"}
            _ok(client, "image_import", "base", f"file://{image}", meta)
            lives = []
            for number in range(3):
                name = f"ONE{number}"
                lives.append(_timed(lambda name=name: _make(client, name)))
            median = statistics.median(lives)
            yield Figure("zvm simulator: create to start", median, "s", at_most=0.8)
            queries = [
                _timed(lambda: _ok(client, "guest_get_power_state", "ONE0"))
                for _ in range(20)
            ]
            yield Figure(
                "zvm simulator: power state",
                1000 * statistics.median(queries),
                "ms",
                at_most=60,
            )

            def life(number: int) -> None:
                own = _client(simulator)
                _make(own, f"TEN{number}")
                _ok(own, "guest_delete", f"TEN{number}")

            start = time.perf_counter()
            with concurrent.futures.ThreadPoolExecutor(10) as pool:
                list(pool.map(life, range(10)))
            yield Figure("zvm simulator: ten lives at once", _since(start), "s")


@benchmark("zvm simulator, 1000 guests")
def many_guests() -> Iterator[Figure]:
    """Ready and reset with a thousand guests."""
    started = time.perf_counter()
    with ZVMSimulator("--guests", "1000") as simulator:
        yield Figure("zvm simulator: ready, 1000 guests", _since(started), "s")
        simulator.mark()
        resets = [1000 * _timed(simulator.reset) for _ in range(5)]
        median = statistics.median(resets)
        yield Figure("zvm simulator: reset, 1000 guests", median, "ms")
