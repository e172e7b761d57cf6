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
"""What happens to guests without Nova: an operator, or the guest itself."""

from __future__ import annotations

import contextlib

from pypowervm.tasks import power, power_opts
from pypowervm.wrappers import logical_partition, storage

from tests.functional.simulators.novalink import support as novalink
from tests.support import zvm


class PowerVM:
    """Another client of NovaLink."""

    # A call of a build, as rules match it, and one that a build always fails at.
    call = {"layer": "rest"}
    fatal = {"key": "PUT LogicalPartition/{id}/ClientNetworkAdapter"}
    refusal = {"kind": "refuse", "status": 500, "message": "HSCL9999 a fault"}
    running, stopped = "running", "not activated"

    def __init__(self, simulator):
        self._simulator = simulator
        self._system = simulator.systems[0]

    @contextlib.contextmanager
    def _client(self):
        session = novalink.logon(self._system)
        try:
            yield novalink.adapter_of(session)
        finally:
            session._logoff()

    def _with(self, name, action):
        with self._client() as adapter:
            (lpar,) = logical_partition.LPAR.search(adapter, name=name)
            action(lpar)

    def stop(self, name):
        self._with(name, lambda lpar: power.PowerOp.stop(lpar))

    def start(self, name):
        self._with(name, lambda lpar: power.power_on(lpar, None))

    def restart(self, name):
        again = power_opts.PowerOffOpts().vsp_hard().restart()
        self._with(name, lambda lpar: power.PowerOp.stop(lpar, opts=again))

    def wait_heard(self, _server):
        """Wait until the driver has taken in what was told of a partition."""
        key = "GET LogicalPartition/{id}/quick/All"
        assert self._simulator.wait_journal(memento="bg:events", key=key, done=True)

    def images(self):
        """The names of the images in the storage pool."""
        with self._client() as adapter:
            return {
                unit.name
                for tier in storage.Tier.get(adapter)
                for unit in storage.LUEnt.get(adapter, parent=tier)
                if unit.lu_type == storage.LUType.IMAGE
            }


class ZVM:
    """CP, and another client of the Connector."""

    call = {"layer": "rest"}
    fatal = {"layer": "command", "api": "Image_Activate"}
    refusal = {"kind": "refuse", "overall": 8, "rc": 99, "rs": 99}
    running, stopped = "on", "off"

    def __init__(self, simulator):
        self._simulator = simulator

    def stop(self, name):
        self._simulator.world("log_off", user=name)

    def start(self, name):
        zvm.client(self._simulator)("guest_start", name)

    def restart(self, name):
        """From within: to CP it is logged on all the time."""
        zvm.client(self._simulator)("guest_reboot", name)

    def wait_heard(self, server):
        """Wait until the driver has asked for the guest's state."""
        memento = f"get_info:{server.id}"
        assert self._simulator.wait_journal(memento=memento, layer="rest", done=True)

    def images(self):
        """The names of the Connector's images."""
        query = zvm.client(self._simulator)
        return {image["imagename"] for image in query("image_query")}
