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

"""What a client finds that runs on the NovaLink partition itself.

``bin`` has the programs mkvterm, rmvterm and pgrep, to be put first in PATH.
``root`` is laid out like ``/``: this partition's id in
``proc/ppc64/lparcfg``, and its disks in ``dev`` and ``sys``.
"""

from __future__ import annotations

import pathlib
import shutil
import sys

from ibmvirt.simulators.core import blobs
from ibmvirt.simulators.novalink import consoles, local_disks, store

PROGRAMS = ("mkvterm", "rmvterm", "pgrep")
_SCRIPT = """#!{python}
import json, sys, urllib.request

body = json.dumps({{"words": sys.argv[1:]}}).encode()
request = urllib.request.Request({url!r}, data=body, method="POST")
opener = urllib.request.build_opener(urllib.request.ProxyHandler({{}}))
with opener.open(request, timeout=60) as response:
    result = json.load(response)
sys.stdout.write(result["out"])
if result["err"]:
    sys.stderr.write(result["err"] + "\\n")
sys.exit(result["code"])
"""


class LocalSide:
    """The local side of one system, below a directory."""

    def __init__(
        self, system: store.System, directory: pathlib.Path, contents: blobs.Blobs
    ) -> None:
        self._system = system
        self.consoles = consoles.Consoles(system)
        self.bin, self.root = directory / "bin", directory / "root"
        system.local_root = str(self.root)
        shutil.rmtree(directory, ignore_errors=True)
        self.bin.mkdir(parents=True)
        self.disks = local_disks.LocalDisks(system, self.root, contents)
        system.fabric.settled.append(self.disks.refresh)

    def install(self, admin_url: str) -> None:
        """Write the programs, and the files that do not change."""
        number = self._own_id()
        for name in PROGRAMS:
            url = f"{admin_url}/sim/local/{self._system.name}/{name}"
            path = self.bin / name
            path.write_text(_SCRIPT.format(python=sys.executable, url=url))
            path.chmod(0o755)
        config = self.root / "proc/ppc64/lparcfg"
        config.parent.mkdir(parents=True)
        system = self._system
        config.write_text(
            f"serial_number=IBM,{system.serial}\n"
            f"system_type=IBM,{system.machine_type}-{system.model}\n"
            f"partition_id={number}\n"
        )
        self.disks.install(number)

    def _own_id(self) -> str:
        for item in self._system.partitions():
            if item.value("IsManagementPartition") == "true":
                return item.value("PartitionID")
        return "1"
