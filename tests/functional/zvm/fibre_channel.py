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

"""Steps and fixtures of the tests of Fibre Channel volumes."""

from __future__ import annotations

import json
import pathlib

import pytest

from ibmvirt.common import plan
from ibmvirt.zvm import identity
from tests.support import zvm as support

LUN1, LUN2 = "0x0001000000000000", "0x0002000000000000"


@pytest.fixture
def driven(zvm):
    support.fcp_template(zvm)
    zvm.mark("clean-fcp")
    zvm.mark()
    with support.running(zvm) as found:
        yield found


@pytest.fixture
def spawn(driven):
    found = driven.plan()
    driven.spawn(found)
    driven.simulator.mark()
    return found


def seen(driven, spawn):
    """(LUNs with their number of paths, FCP devices) of the running guest."""
    guest = driven.simulator.guest(driven.kept[spawn.server.uuid][identity.KEY])
    found = sorted((v["lun"], len(v["fcp"])) for v in guest["volumes"])
    return found, guest["devices"]


def attach(driven, spawn, volume):
    with driven.operation("attach_volume", spawn.server):
        driven.backend.volumes.attach(driven.guest(spawn), volume)


def detach(driven, spawn, volume):
    with driven.operation("detach_volume", spawn.server):
        driven.backend.volumes.detach(driven.guest(spawn), volume)


def connector(driven, spawn):
    with driven.operation("connector", spawn.server):
        return driven.backend.volumes.connector(
            driven.server(spawn), driven.guest(spawn)
        )


def kept(driven):
    return list(pathlib.Path(driven.state_path).rglob("volumes/*.json"))


def with_volumes(driven, planned, *numbers):
    guest = plan.GuestSpec(
        server=planned.server, vcpus=1, memory_mib=512, disks=planned.guest.disks,
        vifs=planned.guest.vifs, platform=planned.guest.platform,
        volumes=tuple(support.volume(number) for number in numbers),
    )  # fmt: skip
    return plan.Spawn(guest, planned.image, config_drive=True)


def age(driven, seconds):
    """Let everything that is kept be older."""
    for path in kept(driven):
        found = json.loads(path.read_text())
        found["since"] -= seconds
        path.write_text(json.dumps(found))


def sweep(driven, spawn, volume):
    """No detach comes; the service finds out by itself."""
    age(driven, 1801)
    driven.backend.volumes.sweep()


def left(driven, mark="mark"):
    """What is left, but for a file that stays in the Connector's own reader.

    The Connector ended between punching it and passing it on; it has no call
    that removes it.
    """
    found = driven.simulator.compare(mark)
    return [difference for difference in found if not _in_its_reader(difference)]


def _in_its_reader(difference):
    there = difference["is"]
    return difference["path"].startswith("spool/") and there["queue"] == "ZCCUSER"
