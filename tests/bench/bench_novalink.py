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

"""The NovaLink simulator under load."""

from __future__ import annotations

import concurrent.futures
import http.client
import pathlib
import time
import urllib.parse
from collections.abc import Iterator

from pypowervm.wrappers import vios_file as pvm_vf

from ibmvirt.simulators.novalink import NovaLinkSimulator
from tests.bench.framework import Figure, benchmark
from tests.functional.simulators.novalink import support
from tests.unit.simulators.novalink import requests

_QUICK, _CLIENTS, _SECONDS = 2000, 10, 3.0
_UPLOAD = 512 << 20


@benchmark("novalink")
def novalink() -> Iterator[Figure]:
    """Start, reset, upload and requests of the default world, then a large one."""
    start = time.perf_counter()
    with NovaLinkSimulator() as simulator:
        ready = time.perf_counter() - start
        yield Figure("novalink: ready", ready, "s", at_most=2)
        yield Figure("novalink: reset", _reset(simulator), "ms", at_most=50)
        yield Figure("novalink: upload", _upload(simulator), "MiB/s", at_least=200)
    with NovaLinkSimulator("--lpars", "1000", timeout=180) as simulator:
        raw = support.Raw(simulator.systems[0])
        path = _first_quick(raw)
        yield Figure("novalink: quick GET, p99", _quick(raw, path), "ms", at_most=3)
        yield Figure(
            "novalink: 10 clients", _load(simulator, path), "requests/s", at_least=1000
        )
        start = time.perf_counter()
        raw.ask("GET", "uom/LogicalPartition?group=None")
        yield Figure(
            "novalink: first feed of 1000 LPARs", time.perf_counter() - start, "s", 0.5
        )
        start = time.perf_counter()
        raw.ask("GET", "uom/LogicalPartition?group=None")
        yield Figure(
            "novalink: next feed of 1000 LPARs", time.perf_counter() - start, "s", 0.5
        )
        yield Figure("novalink: memory, 1000 LPARs", _memory(simulator), "MiB", 400)
        raw.close()


def _first_quick(raw: support.Raw) -> str:
    _status, _headers, body = raw.ask(
        "GET", "uom/LogicalPartition/search/(PartitionName=='lpar0500')"
    )
    uuid = body.split(b"<id>")[2].split(b"</id>")[0].decode()
    return f"uom/LogicalPartition/{uuid}/quick/PartitionState"


def _quick(raw: support.Raw, path: str) -> float:
    """Milliseconds that 99 of 100 requests stay below."""
    times = []
    for _ in range(_QUICK):
        start = time.perf_counter()
        raw.ask("GET", path)
        times.append(time.perf_counter() - start)
    return 1000 * sorted(times)[int(_QUICK * 0.99)]


def _load(simulator: NovaLinkSimulator, path: str) -> float:
    """Requests a second of ten clients that each wait for their answers."""
    clients = [support.Raw(simulator.systems[0]) for _ in range(_CLIENTS)]
    end = time.perf_counter() + _SECONDS

    def run(client: support.Raw) -> int:
        count = 0
        while time.perf_counter() < end:
            client.ask("GET", path)
            count += 1
        return count

    with concurrent.futures.ThreadPoolExecutor(_CLIENTS) as pool:
        total = sum(pool.map(run, clients))
    for client in clients:
        client.close()
    return total / _SECONDS


def _reset(simulator: NovaLinkSimulator) -> float:
    simulator.mark()
    start = time.perf_counter()
    simulator.reset()
    return 1000 * (time.perf_counter() - start)


def _upload(simulator: NovaLinkSimulator) -> float:
    """MiB a second into a logical unit."""
    session = support.logon(simulator.systems[0])
    try:
        adapter = support.adapter_of(session)
        vios = requests.vios_with(adapter).uuid
        unit = requests.new_unit(adapter)
        file = pvm_vf.File.bld(
            adapter,
            "lu1",
            pvm_vf.FileType.DISK_IMAGE,
            vios,
            tdev_udid=unit.udid,
        ).create()
        url = urllib.parse.urlsplit(simulator.systems[0]["url"])
        piece = bytes(1 << 20)
        connection = http.client.HTTPConnection(url.hostname, url.port, timeout=120)
        start = time.perf_counter()
        connection.request(
            "PUT",
            f"/rest/api/web/File/contents/{file.uuid}",
            (piece for _ in range(_UPLOAD >> 20)),
            {"X-API-Session": session._sessToken, "Transfer-Encoding": "chunked"},
            encode_chunked=True,
        )
        assert connection.getresponse().status in (200, 204)
        seconds = time.perf_counter() - start
        connection.close()
        file.delete()
        return (_UPLOAD >> 20) / seconds
    finally:
        session._logoff()


def _memory(simulator: NovaLinkSimulator) -> float:
    status = pathlib.Path(f"/proc/{simulator.pid}/status").read_text()
    (line,) = (one for one in status.splitlines() if one.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024
