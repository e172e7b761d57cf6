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


"""The PowerVM operations of the sweep on disks of each kind."""

from __future__ import annotations

import dataclasses

from ibmvirt.common import plan
from ibmvirt.powervm.disks import localdisk, ssp
from tests.faults import engine, operations
from tests.support import powervm

_LOCAL = {
    "disk_driver": "localdisk",
    "volume_group_name": "datavg",
    "volume_group_vios_name": "vios2",
}


@dataclasses.dataclass(frozen=True)
class _Kind:
    """A kind of disks: its name, options, and the name of a root disk."""

    name: str
    options: dict
    root: object


_KINDS = (
    _Kind("SSP", {}, lambda server: ssp.disk_name(server, plan.DiskSpec("root", 0, 0))),
    _Kind("localdisk", _LOCAL, lambda s: localdisk.disk_name(s.uuid, "root")),
)


def _prepared(driven):
    """A plan with every sort of disk."""
    spawn = driven.plan()
    more = (plan.DiskSpec("ephemeral", 0, 1024), plan.DiskSpec("swap", 0, 512))
    guest = dataclasses.replace(spawn.guest, disks=(*spawn.guest.disks, *more))
    return dataclasses.replace(spawn, guest=guest)


def _running(driven):
    spawn = _prepared(driven)
    driven.spawn(spawn)
    return spawn


def _spawn(driven, spawn):
    driven.spawn(spawn)


def _destroy(driven, spawn):
    driven.destroy(spawn)


def _snapshot(driven, spawn):
    server = driven.server(spawn)
    with (
        driven.operation("snapshot", server),
        driven.backend.snapshots.open(server, driven.guest(spawn)) as captured,
    ):
        found = captured.stream.read(len(powervm.IMAGE_BYTES))
        assert found == powervm.IMAGE_BYTES


def _undo(driven, spawn):
    """Delete the server; the images that it leaves are wanted."""
    driven.destroy(spawn)
    powervm.forget_images(driven)


def _of(kind):
    def view(driven, spawn):
        there = operations.view_powervm(driven, spawn)
        if there is None:
            return None
        disk = driven.simulator.disk(kind.root(driven.server(spawn)))
        return there, disk == powervm.IMAGE_BYTES

    return [
        engine.Operation(name, prepare, run, _undo, view, kind.options, quick=quick)
        for name, prepare, run, quick in (
            # On a pool without more disks they are swept already.
            (f"spawn, disks, {kind.name}", _prepared, _spawn, bool(kind.options)),
            (f"destroy, disks, {kind.name}", _running, _destroy, False),
            (f"snapshot, {kind.name}", _running, _snapshot, True),
        )
    ]


ALL = [operation for kind in _KINDS for operation in _of(kind)]
