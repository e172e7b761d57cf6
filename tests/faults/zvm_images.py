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


"""z/VM: builds with each shape of disks and a new image, and snapshots."""

from __future__ import annotations

import itertools

from ibmvirt.common import plan
from ibmvirt.simulators.zvm import imagefile
from tests.faults import engine
from tests.support import zvm as support

_numbers = itertools.count(1)
_EPHEMERAL = plan.DiskSpec("ephemeral", 0, 20, filesystem="xfs")
_SWAP = plan.DiskSpec("swap", 0, 10)
SHAPES = {
    "root 0": (0, ()),
    "ephemeral": (2048, (_EPHEMERAL,)),
    "swap and root 0": (0, (_SWAP,)),
    "all": (2048, (_EPHEMERAL, plan.DiskSpec("ephemeral", 1, 10), _SWAP)),
}
_SCP = {"transport": "scp", "scp_remote_host": "nova@127.0.0.1"}


def _shaped(root, further):
    return lambda driven: driven.plan(root=root, further=further)


def _new_image(driven):
    number = next(_numbers)
    driven.image_id = f"new-{number}-{id(driven):x}"
    driven.source.content = imagefile.write(support.RAW + b"%d" % number)
    return driven.plan()


def _in_state(state):
    def prepare(driven):
        spawn = driven.plan()
        driven.spawn(spawn)
        guest = driven.guest(spawn)
        if state == "off":
            driven.backend.guests.power_off(guest, timeout=0, retry_interval=0)
        elif state == "paused":
            driven.backend.pause.pause(guest)
        return spawn

    return prepare


def _snapshot(driven, spawn):
    content, _captured = support.snapshot(driven, spawn)
    # Whatever happened to the call before: these are the bytes.
    assert imagefile.read(content)[0] == support.RAW


def operations(view, destroy):
    def spawn(driven, subject):
        driven.spawn(subject)

    builds = [
        engine.Operation(
            f"spawn, {name}", _shaped(*shape), spawn, destroy, view, quick=False
        )
        for name, shape in SHAPES.items()
    ]
    captures = [
        engine.Operation(
            f"snapshot, {state}", _in_state(state), _snapshot, destroy, view
        )
        for state in ("running", "off", "paused")
    ]
    new = engine.Operation(
        "spawn, new image", _new_image, spawn, destroy, view, quick=False
    )
    copied = [
        engine.Operation(
            f"{name}, scp", prepare, run, destroy, view, options=_SCP, quick=False
        )
        for name, prepare, run in (
            ("spawn", _new_image, spawn),
            ("snapshot", _in_state("running"), _snapshot),
        )
    ]
    return [*builds, new, *captures, *copied]
