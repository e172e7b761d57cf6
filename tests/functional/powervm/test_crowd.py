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


"""Many operations at once on two VIOSes, some of which fail."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import threading

import pytest

from ibmvirt.common import context, exceptions, plan
from tests.support import powervm


@pytest.fixture
def driven(novalink, fast_clock):
    with powervm.running(novalink) as found:
        yield found


class Crowd:
    """Servers, a volume for each, and one operation on each at once."""

    def __init__(self, driven, each):
        self.driven = driven
        self.errors = {}
        numbers = iter(range(1, 100))
        self.groups = {
            name: [driven.plan(next(numbers), vifs=0) for _ in range(each)]
            for name in ("spawn", "destroy", "attach", "detach", "plug")
        }
        there = [s for name, some in self.groups.items() if name != "spawn"
                 for s in some]  # fmt: skip
        with concurrent.futures.ThreadPoolExecutor(10) as pool:
            list(pool.map(driven.spawn, there))
        for spawn in self.groups["detach"]:
            driven.backend.volumes.attach(driven.guest(spawn), self.volume(spawn))

    def number(self, spawn):
        return int(spawn.server.name.rsplit("-")[-1], 16)

    def volume(self, spawn):
        number = 500 + self.number(spawn)
        luns = {lun["lun"]: lun for lun in self.driven.simulator.admin("GET", "luns")}
        lun = luns.get(number) or self.driven.simulator.admin(
            "POST", "luns", {"size": 1024, "lun": number}
        )
        data = {"target_wwn": lun["targets"], "target_lun": number}
        return plan.Volume(f"volume-{number}", "fibre_channel", data)

    def port(self, spawn):
        number = self.number(spawn)
        return plan.Vif(
            id=f"port-{number}", mac=f"fa:16:3e:aa:00:{number:02x}", type="pvm_sea",
            vlan=100,
        )  # fmt: skip

    def run(self):
        """Everything at once; the errors, by server."""
        every = [(n, spawn) for n, some in self.groups.items() for spawn in some]
        # LUNs are made before the faults begin.
        for spawn in self.groups["attach"]:
            self.volume(spawn)
        barrier = threading.Barrier(len(every))

        def one(item):
            name, spawn = item
            barrier.wait()
            try:
                getattr(self, f"_{name}")(spawn)
            except exceptions.IBMVirtError as error:
                self.errors[name, spawn.server.name] = error

        with concurrent.futures.ThreadPoolExecutor(len(every)) as pool:
            list(pool.map(one, every))
        return self.errors

    def _spawn(self, spawn):
        self.driven.spawn(spawn)

    def _destroy(self, spawn):
        self.driven.destroy(spawn)

    def _attach(self, spawn):
        guest, volume = self.driven.guest(spawn), self.volume(spawn)
        volumes = self.driven.backend.volumes
        with self.driven.operation("attach_volume", spawn.server):
            try:
                volumes.attach(guest, volume)
            except exceptions.IBMVirtError:
                with context.reverting():
                    volumes.detach(guest, volume)
                raise

    def _detach(self, spawn):
        with self.driven.operation("detach_volume", spawn.server):
            self.driven.backend.volumes.detach(
                self.driven.guest(spawn), self.volume(spawn)
            )

    def _plug(self, spawn):
        with self.driven.operation("attach_interface", spawn.server):
            self.driven.backend.networks.plug(
                self.driven.guest(spawn), (self.port(spawn),)
            )

    def check(self):
        """That whatever did not fail is as if it had been alone."""
        guests = {g["name"]: g for g in self.driven.simulator.admin("GET", "guests")}
        for name, some in self.groups.items():
            for spawn in some:
                if (name, spawn.server.name) in self.errors:
                    continue
                guest = guests.get(spawn.server.name)
                assert (guest is None) == (name == "destroy"), spawn.server.name
                if guest is None:
                    continue
                kinds = [item["kind"] for item in guest["storage"]]
                assert kinds.count("LogicalUnit") == 2, (name, kinds)
                assert ("PhysicalVolume" in kinds) == (name == "attach"), (name, kinds)
                macs = [adapter["mac"] for adapter in guest["adapters"]]
                own = self.port(spawn).mac.replace(":", "").upper()
                assert (own in macs) == (name == "plug")

    def clear(self):
        """Delete every server, as an operator would, and its LUN."""
        for name in ("attach", "detach"):
            self.groups[name] = [
                dataclasses.replace(
                    s, guest=dataclasses.replace(s.guest, volumes=(self.volume(s),))
                )
                for s in self.groups[name]
            ]
        every = [spawn for some in self.groups.values() for spawn in some]
        with concurrent.futures.ThreadPoolExecutor(10) as pool:
            list(pool.map(self.driven.destroy, every))
        simulator = self.driven.simulator
        for lun in simulator.admin("GET", "luns"):
            if lun["lun"] > 500:
                simulator.admin("DELETE", f"luns/{lun['number']}")


def test_ten_at_once_of_which_some_fail(driven):
    crowd = Crowd(driven, 2)
    simulator = driven.simulator
    # The first attachment and the second build are refused by both VIOSes.
    for spawn, key in (
        (crowd.groups["attach"][0], "PUT VirtualIOServer/{id}/do/LUARecovery"),
        (crowd.groups["spawn"][1], "PUT Tier/{id}/LogicalUnit"),
    ):
        simulator.rule(
            match={"key": key, "memento": _memento(crowd, spawn)},
            count=None,
            effect={"kind": "refuse", "status": 500, "message": "HSCL9999 a fault"},
        )
    errors = crowd.run()
    simulator.delete_rule()
    assert set(errors) == {
        ("attach", crowd.groups["attach"][0].server.name),
        ("spawn", crowd.groups["spawn"][1].server.name),
    }
    crowd.check()
    # An upload changes the media repository beneath its writer, which looks anew.
    refused = {r["key"] for r in simulator.journal() if r["status"] == 412}
    assert refused <= {"POST VirtualIOServer/{id}/VolumeGroup/{id}"}
    crowd.clear()
    assert simulator.compare() == []


def _memento(crowd, spawn):
    name = "attach_volume" if spawn in crowd.groups["attach"] else "spawn"
    return f"{name}:{spawn.server.uuid}"


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_fifty_at_once_with_faults_everywhere(driven, seed):
    crowd = Crowd(driven, 10)
    simulator = driven.simulator
    for number, effect in enumerate(
        (
            {"kind": "refuse", "status": 500, "message": "HSCL9999 a fault"},
            {"kind": "drop"},
            {"kind": "etag"},
        )
    ):
        simulator.rule(
            match={"layer": "rest", "verb": "POST" if number == 2 else "PUT"},
            phase="after" if effect["kind"] == "drop" else "before",
            count=None,
            probability=0.1,
            seed=10 * seed + number,
            effect=effect,
        )
    simulator.admin("DELETE", "journal")
    errors = crowd.run()
    simulator.delete_rule()
    assert errors
    assert len(errors) < 50
    # Who fails was struck itself, and not somebody in the same write.
    struck = {r["memento"] for r in simulator.journal() if r["rule"] is not None}
    servers = {s.server.name: s.server.uuid for some in crowd.groups.values()
               for s in some}  # fmt: skip
    failed = {servers[name] for _operation, name in errors}
    assert failed <= {memento.partition(":")[2] for memento in struck}
    crowd.check()
    crowd.clear()
    assert simulator.compare() == []
