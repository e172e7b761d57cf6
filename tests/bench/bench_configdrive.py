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


"""The config drive beside nova's own builder, which runs genisoimage."""

from __future__ import annotations

import gc
import itertools
import pathlib
import shutil
import statistics
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator

from ibmvirt import configdrive
from tests.bench.framework import Figure, benchmark
from tests.support import configdrives

_RUNS = 15


_NAMES = itertools.count()


@benchmark("configdrive")
def drive() -> Iterator[Figure]:
    """A typical drive: 51 files, 63 kB; and one with 20 MiB of content.

    The layout of names that were seen before is kept; "new names" measures a
    drive without that.
    """
    files = configdrives.typical()
    large = {**files, "openstack/content/0002": bytes(range(256)) * (20 * 2**12)}
    with tempfile.TemporaryDirectory() as directory:
        output = pathlib.Path(directory, "drive.iso")
        known, new, nova = _times(files, output)
        yield Figure("drive: time", 1000 * known, "ms", at_most=8)
        yield Figure("drive: time, new names", 1000 * new, "ms", at_most=8)
        for name, ours in (("", known), (", new names", new)):
            yield Figure(
                f"drive: time{name}, of nova's with genisoimage",
                None if nova is None else ours / nova,
                "ratio",
                at_most=1 / 3,
                note="genisoimage is not here" if nova is None else "",
            )
        size = configdrive.build(files, output).size
        yield Figure("drive: size", size, "bytes", at_most=250_000)
        plain = configdrive.build(files, output, deduplicate=False).size
        yield Figure("drive: size, not deduplicated", plain, "bytes")
        yield Figure("drive: memory", _growth(files, output), "MiB", at_most=0.5)
        yield Figure(
            "drive: memory, 20 MiB of content", _growth(large, output), "MiB", 0.5
        )


def _times(
    files: dict[str, bytes], output: pathlib.Path
) -> tuple[float, float, float | None]:
    """Median seconds with known names, with new ones, and of nova; run in turn."""

    def known() -> None:
        configdrive.build(files, output)

    def new() -> None:
        configdrive.build(files, output, publisher=f"bench {next(_NAMES)}")

    ways: list[Callable[[], None]] = [known, new]
    if shutil.which("genisoimage"):
        ways.append(_nova_builder(files, output))
    seconds: list[list[float]] = [[] for _ in ways]
    for _ in range(_RUNS):
        for way, measured in zip(ways, seconds, strict=True):
            output.unlink(missing_ok=True)
            start = time.perf_counter()
            way()
            measured.append(time.perf_counter() - start)
    medians = [statistics.median(measured) for measured in seconds]
    return medians[0], medians[1], medians[2] if len(medians) > 2 else None


def _nova_builder(files: dict[str, bytes], output: pathlib.Path) -> Callable[[], None]:
    import nova.conf
    from nova.virt import configdrive as nova_configdrive

    nova.conf.CONF([], project="nova", default_config_files=[])

    def make() -> None:
        with nova_configdrive.ConfigDriveBuilder() as builder:
            builder.mdfiles.extend(files.items())
            builder.make_drive(str(output))

    return make


def _growth(files: dict[str, bytes], output: pathlib.Path) -> float:
    """The most memory that a build with new names holds beside its input, in MiB."""
    gc.collect()
    tracemalloc.start()
    try:
        configdrive.build(files, output, publisher=f"bench {next(_NAMES)}")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return peak / 2**20
