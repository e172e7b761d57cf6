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

"""A z/VM in this process: commands without a Connector."""

from __future__ import annotations

import shlex

import pytest

from ibmvirt.simulators.core import blobs, calls
from ibmvirt.simulators.zvm import generator, model
from ibmvirt.simulators.zvm.commands import base


class System:
    """``run`` gives a command's result, ``codes`` the three of an smcli call."""

    def __init__(self, directory):
        base.load()
        self.directory = directory
        self.instruments = calls.Instruments(rate=0)
        contents = blobs.Blobs(directory / "blobs")
        self.zvm = model.Zvm(self.instruments, contents, ["ZVMSIM1", "ZVMSIM2"])
        pools = [("ECKD", "POOL1"), ("FBA", "POOL2")]
        generator.populate(self.zvm, generator.pools(pools))

    def run(self, line, member="ZVMSIM1", stdin=""):
        caller = base.Caller(member, "ZCCUSER", str(self.directory), stdin)
        return base.run(self.zvm, caller, shlex.split(line))

    def smcli(self, line, member="ZVMSIM1"):
        api, _, rest = line.partition(" ")
        return self.run(f"sudo /opt/zthin/bin/smcli {api} --addRCheader {rest}", member)

    def ok(self, line, member="ZVMSIM1"):
        result = self.smcli(line, member)
        assert result.rc == 0, result.out
        assert result.out.startswith("0 0 0 (details) None\n")
        return result.out.partition("\n")[2]

    def codes(self, line, member="ZVMSIM1"):
        result = self.smcli(line, member)
        assert result.rc != 0, line
        # The Connector reads a second line, too.
        assert len(result.out.splitlines()) >= 2
        return tuple(int(word) for word in result.out.split()[:3])

    def entry(self, name, *lines, head="USER"):
        path = self.directory / name
        path.write_text("\n".join([f"{head} {name} LBYONLY 1024M 8G G", *lines]))
        return path

    def user(self, name="T1", *lines):
        entry = self.entry(name, "INCLUDE OSDFLT", "IPL 0100", *lines)
        self.ok(f"Image_Create_DM -T {name} -f {entry}")
        return name

    def disk(self, user="T1", vdev="0100", size="10", pool="POOL1", kind="3390"):
        self.ok(
            f"Image_Disk_Create_DM -T {user} -v {vdev} -t {kind} -a AUTOG -r {pool}"
            f" -u 1 -z {size} -f 1 -m MR"
        )


@pytest.fixture
def system(tmp_path):
    return System(tmp_path)
