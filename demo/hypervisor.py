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
"""What the demo needs of a hypervisor."""

from __future__ import annotations

import configparser
import contextlib
import pathlib
import re

# A record of the level ERROR, but not the frames of its traceback.
_ERROR = re.compile(r" ERROR (?!stevedore)[\w.]+ (\[.*?\] )*(?!Traceback)[^ \[]")
_WIDTH = 500
_TROUBLES = 5
_MATRIX = pathlib.Path(__file__).resolve().parents[1] / "docs/user/support-matrix.ini"


class Hypervisor:
    """A simulator, a small Nova on it, and where to look what a server has.

    :cvar title: its name in what is printed.
    :cvar column: of the support matrix.
    :cvar running: what a guest's state is called when it runs.
    :cvar stopped: and when it does not.
    """

    title = column = server_name = running = stopped = ""
    system = ""

    def __init__(self, room):
        self.room = room
        self.nova = self.simulator = None
        self.image = self.server = None
        self._stack = contextlib.ExitStack()
        matrix = configparser.ConfigParser()
        matrix.read(_MATRIX)
        self._matrix = matrix

    def start(self):
        self.simulator = self._stack.enter_context(self.make_simulator())
        self.nova = self._stack.enter_context(self.make_nova())
        self.simulator.mark()

    def stop(self):
        self._stack.close()

    @property
    def client(self):
        return self.nova.client

    def has(self, operation):
        """Whether the driver claims an operation of the support matrix."""
        return self._matrix[operation][f"driver.{self.column}"] == "complete"

    def guest(self):
        """What the hypervisor has of the server.

        :raises LookupError: nothing.
        """
        for found in self.simulator.admin("GET", "guests"):
            if self.is_of_server(found):
                return found
        raise LookupError(f"{self.title} has no guest of {self.server.id}")

    def addresses(self):
        """The server's addresses by Nova, sorted."""
        found = self.server.addresses.values()
        return sorted(address["addr"] for one in found for address in one)

    def calls(self, operation, **query):
        """How many calls an operation on the server made."""
        memento = f"{operation}:{self.server.id}"
        return len(self.simulator.journal(memento=memento, **query))

    def troubles(self):
        """The last errors in Nova's log, without their tracebacks."""
        if self.nova is None or not self.nova.ready:
            return []
        found = [line for line in self.nova.log().splitlines() if _ERROR.search(line)]
        return [line[:_WIDTH] for line in found[-_TROUBLES:]]

    def address(self, disk):
        """Where the simulator serves the bytes of a disk."""
        return f"{self.simulator.admin_url}/sim/disks/{disk}"

    # -- a hypervisor's own -------------------------------------------------

    def make_simulator(self):
        raise NotImplementedError

    def make_nova(self):
        """The small Nova, not started, on the simulator that runs."""
        raise NotImplementedError

    def register(self, lane, picture):
        """Register an image with Glance; the image."""
        raise NotImplementedError

    def is_of_server(self, guest):
        raise NotImplementedError

    def say_where(self, lane):
        """The addresses of the management services."""
        raise NotImplementedError

    def say_calls(self, lane):
        """What the build asked of the management service."""
        raise NotImplementedError

    def rows(self, guest):
        """Rows of the comparison: what, in Nova, on the hypervisor."""
        raise NotImplementedError

    def adapters(self, guest):
        """VLANs by MAC address, of the adapters that ports may have."""
        raise NotImplementedError

    def say_adapter(self, guest, mac):
        """A network adapter in words."""
        raise NotImplementedError

    def check_guest(self, lane, guest):
        raise NotImplementedError

    def boot_disk(self, guest):
        """The simulator's name for the disk that the guest boots from."""
        raise NotImplementedError

    def drive(self, guest):
        """The bytes of the config drive, as the hypervisor has them."""
        raise NotImplementedError

    def check_drive(self, lane, guest, network):
        """What only this hypervisor's config drive has."""

    def luns(self):
        """The LUNs that the storage has, as :meth:`volumes` names them."""
        raise NotImplementedError

    def volumes(self, guest):
        """Paths in words, by the LUN of each volume that a guest has."""
        raise NotImplementedError

    def unpack(self, snapshot):
        """The path of the raw disk in the file of a snapshot."""
        return snapshot

    def check_nothing_left(self, lane):
        """What is left beside the hypervisor's own state."""


def mac(adapter):
    """The MAC address of a simulator's adapter, as Neutron writes it."""
    bare = adapter["mac"].lower()
    return ":".join(bare[i : i + 2] for i in range(0, 12, 2))
