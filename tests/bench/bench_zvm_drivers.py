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


"""ibmvirt beside Nova's own z/VM driver, on one simulator in one run."""

from __future__ import annotations

import io
import pathlib
import statistics
import tempfile
from collections.abc import Iterator
from typing import Any

from ibmvirt.simulators.zvm import ZVMSimulator, imagefile
from tests.bench.framework import Figure, benchmark
from tests.support.smallnova import handle, waits

_DISK = bytes(range(256)) * 8192
# What a periodic task asks, whatever is built just now.
_BACKGROUND = ("GET /host",)
_TEN = 10


class Driver:
    """A small Nova with one of the drivers."""

    def __init__(self, nova: Any, simulator: ZVMSimulator) -> None:
        self.nova = nova
        self.simulator = simulator
        self.flavor = nova.client.compute.create_flavor(
            name="small", ram=512, vcpus=1, disk=1
        )
        self.networks = [{"uuid": next(nova.client.network.networks()).id}]
        self._images = 0

    def image(self) -> str:
        """An image that the Connector does not have."""
        self._images += 1
        content = imagefile.write(_DISK + f"{self.nova.driver} {self._images}".encode())
        made = self.nova.client.image.create_image(
            "image", data=io.BytesIO(content), disk_format="raw",
            container_format="bare", validate_checksum=False, os_distro="rhel9.4",
        )  # fmt: skip
        return str(made.id)

    def boot(self, image: str, count: int = 1) -> list[dict[str, Any]]:
        """The Connector's calls for servers that are built at once."""
        self.simulator.admin("DELETE", "journal")
        compute = self.nova.client.compute
        compute.create_server(
            name="server", image_id=image, flavor_id=self.flavor.id,
            networks=self.networks, min_count=count, max_count=count,
        )  # fmt: skip
        servers = list(compute.servers())
        for server in servers:
            waits.server(self.nova, server, "ACTIVE", 300)
        calls = self._until_started(count)
        for server in servers:
            compute.delete_server(server)
        for server in servers:
            waits.deleted(self.nova, server)
        return calls

    def _until_started(self, count: int) -> list[dict[str, Any]]:
        """From the first call to the last start of a guest."""
        found = self.simulator.journal(layer="rest")
        calls = [c for c in found if not c["key"].startswith(_BACKGROUND)]
        starts = [c for c in calls if c["key"].endswith("action start")]
        if len(starts) != count:
            raise RuntimeError(f"{len(starts)} guests were started, not {count}")
        last = max(call["seq"] for call in starts)
        return [call for call in calls if call["seq"] <= last]


def _seconds(calls: list[dict[str, Any]]) -> float:
    end = max(call["t"] + call["dt"] for call in calls)
    return float(end - min(call["t"] for call in calls))


def _measure(name: str, driver: Driver, limit: int | None) -> Iterator[Figure]:
    image = driver.image()
    new = driver.boot(image)
    yield Figure(f"zvm: build, new image, calls, {name}", len(new), "calls")
    runs = [driver.boot(image) for _ in range(3)]
    calls = statistics.median(len(run) for run in runs)
    yield Figure(f"zvm: build, calls, {name}", calls, "calls", at_most=limit)
    time = statistics.median(_seconds(run) for run in runs)
    yield Figure(f"zvm: build, time, {name}", time, "s")
    ten = driver.boot(driver.image(), _TEN)
    yield Figure(f"zvm: ten builds at once, {name}", _seconds(ten), "s")
    imports = sum(call["key"] == "POST /images" for call in ten)
    yield Figure(
        f"zvm: ten builds at once, imports, {name}", imports, "calls", at_most=1
    )


@benchmark("zvm drivers")
def drivers() -> Iterator[Figure]:
    """Builds by both drivers through Nova: calls and time, one and ten at once.

    ibmvirt couples and grants the server's adapter, which are two of its calls;
    nova.virt.zvm leaves it uncoupled.
    """
    with (
        tempfile.TemporaryDirectory() as directory,
        ZVMSimulator() as simulator,
    ):
        state = pathlib.Path(directory)
        with handle.zvm_in_tree(simulator, state / "in-tree") as nova:
            yield from _measure("nova.virt.zvm", Driver(nova, simulator), None)
        with handle.zvm(simulator, state / "ours") as nova:
            yield from _measure("ibmvirt", Driver(nova, simulator), 6 + 2)
