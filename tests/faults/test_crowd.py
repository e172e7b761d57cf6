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

"""Nothing stays of many servers, whatever failed while they were used."""

from __future__ import annotations

import contextlib

import pytest

from tests.faults import crowd, operations
from tests.functional.nova import servers
from tests.support.smallnova import prepared, waits

SECONDS = 60
_FAULT = {"kind": "refuse", "status": 500, "message": "HSCL9999 a fault"}
_REST, _COMMAND = {"layer": "rest"}, {"layer": "command"}
_LOST = [crowd.Fault(_REST, phase, {"kind": "drop"}) for phase in ("before", "after")]
POWERVM = [*_LOST, *(crowd.Fault(_REST, p, _FAULT) for p in ("before", "after"))]
ZVM = [
    *_LOST,
    crowd.Fault(
        _COMMAND, "before", {"kind": "refuse", "overall": 8, "rc": 99, "rs": 99}
    ),
]


def _stays(item, userids):
    """What is no server's: a volume's LUN that has grown; and of z/VM what the
    Connector has no call to remove."""
    return (
        item["path"].startswith("luns/")
        or operations.in_the_connectors_reader(item, userids)
        or operations.on_a_name_list(item, userids)
    )


def _check(nova, faults, seed):
    first = servers.wait(nova, servers.boot(nova))
    servers.delete(nova, first)
    nova.simulator.mark("crowd")
    users = crowd.Crowd(nova, faults, seed)
    users.run(SECONDS)
    userids = {
        call["target"] for call in nova.simulator.journal() if call.get("target")
    }

    def left():
        found = nova.simulator.compare("crowd")
        return [item for item in found if not _stays(item, userids)]

    # A build that failed, and could not be taken back, is no host's any more.
    with servers.restarted(nova, **servers.REAP):
        with contextlib.suppress(TimeoutError):
            waits.until(lambda: not left(), "nothing is left")
        assert left() == []
    # They have not only failed.
    done = {name for name, outcome in users.seen if outcome == "ACTIVE"}
    assert len(done) > len(crowd.OPERATIONS) // 2, users.seen


@pytest.mark.faults
@pytest.mark.parametrize("seed", range(3))
def test_powervm(seed):
    with prepared.powervm(pace=0.1) as nova:
        _check(nova, POWERVM, seed)


@pytest.mark.faults
@pytest.mark.parametrize("seed", range(3))
def test_zvm(seed):
    with prepared.zvm("--rate", "100", pace=0.1) as nova:
        _check(nova, ZVM, seed)
