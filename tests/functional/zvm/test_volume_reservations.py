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

"""FCP devices of z/VM that are reserved, and given back when nobody wants them."""

from __future__ import annotations

import dataclasses

import pytest

from ibmvirt.common import exceptions
from ibmvirt.zvm import identity
from tests.functional.zvm import fibre_channel as fc
from tests.support import zvm as support

driven, spawn = fc.driven, fc.spawn


def test_a_build_whose_userid_was_taken_gives_its_devices_back(driven):
    """At once: the next try gets another userid, and other devices."""
    volumes = driven.backend.volumes
    spawn = driven.plan(6)
    driven.kept[spawn.server.uuid] = dict(volumes.record(spawn.server))
    server = driven.server(spawn)
    user = driven.kept[spawn.server.uuid][identity.KEY]
    support.client(driven.simulator)("guest_create", user, 1, 512, disk_list=[])
    driven.simulator.mark()
    volumes.connector(server, None)
    guest = dataclasses.replace(spawn.guest, server=server)
    with pytest.raises(exceptions.NameTaken, match=user):
        driven.spawn(dataclasses.replace(spawn, guest=guest))
    assert driven.simulator.compare() == []
    assert fc.kept(driven) == []


def test_destroy_releases_what_only_nova_knows_of(driven):
    """The state path is new: nothing is kept of what the guest holds."""
    spawn = fc.with_volumes(driven, driven.plan(8), 1)
    driven.spawn(spawn)
    for path in fc.kept(driven):
        path.unlink()
    driven.destroy(spawn)
    assert driven.simulator.compare() == []


def test_the_sweep_releases_what_no_volume_came_for(driven, spawn):
    fc.connector(driven, spawn)
    driven.backend.volumes.sweep()
    assert driven.simulator.compare() != []
    fc.age(driven, 1801)
    driven.backend.volumes.sweep()
    assert driven.simulator.compare() == []
    assert fc.kept(driven) == []


def test_the_sweep_waits_for_a_build_however_long_it_takes(driven):
    """A large image takes longer than a reservation may wait; storage has been
    told the WWPNs of these devices."""
    volumes = driven.backend.volumes
    spawn = driven.plan(5)
    driven.kept[spawn.server.uuid] = dict(volumes.record(spawn.server))
    server = driven.server(spawn)
    first = volumes.connector(server, None)
    # The image is imported; then the guest is there, and the image deployed.
    fc.age(driven, 1801)
    volumes.sweep()
    assert volumes.connector(server, None) == first
    guest = dataclasses.replace(spawn.guest, server=server)
    driven.spawn(dataclasses.replace(spawn, guest=guest))
    fc.age(driven, 1801)
    volumes.sweep()
    assert volumes.connector(server, None) == first
    driven.destroy(spawn)
    assert driven.simulator.compare() == []
    # One that never comes is not waited for by the service that starts next.
    volumes.connector(server, None)
    fc.age(driven, 1801)
    with support.running(driven.simulator, state=driven.state_path) as again:
        again.backend.volumes.sweep()
    assert driven.simulator.compare() == []


def test_the_sweep_keeps_what_is_attached(driven, spawn):
    fc.attach(driven, spawn, support.volume(1))
    fc.age(driven, 9999)
    driven.backend.volumes.sweep()
    assert fc.seen(driven, spawn)[0] == [(fc.LUN1, 2)]
    fc.detach(driven, spawn, support.volume(1))
    assert driven.simulator.compare() == []


def test_the_sweep_releases_what_a_guest_that_is_gone_held(driven):
    driven.simulator.mark()
    spawn = driven.plan(3)
    driven.spawn(spawn)
    fc.attach(driven, spawn, support.volume(1))
    user = driven.guest(spawn).id
    # Somebody removes the guest without Nova.
    client = support.client(driven.simulator)
    client("guest_stop", user)
    client("guest_delete", user)
    fc.age(driven, 1801)
    driven.backend.volumes.sweep()
    driven.backend.guests._names._at = float("-inf")
    driven.backend.volumes.sweep()
    assert fc.kept(driven) == []


def test_the_sweep_keeps_what_a_guest_has_that_the_connector_lost(driven, spawn):
    """It is in the directory, with its devices."""
    fc.attach(driven, spawn, support.volume(1))
    support.client(driven.simulator)("guest_deregister", driven.guest(spawn).id)
    driven.backend.guests._names._at = float("-inf")
    driven.simulator.mark()
    fc.age(driven, 1801)
    driven.backend.volumes.sweep()
    assert driven.simulator.compare() == []
    assert len(fc.kept(driven)) == 1


def test_a_detach_after_a_destroy_that_failed_without_notes(driven):
    """Nothing was kept; the destroy knew only that Nova knows of volumes."""
    spawn = fc.with_volumes(driven, driven.plan(9), 1)
    driven.spawn(spawn)
    for path in fc.kept(driven):
        path.unlink()
    driven.simulator.rule(
        match={"key": "DELETE /guests/{id}"},
        effect={"kind": "refuse", "overall": 8, "rc": 99, "rs": 99},
    )
    with pytest.raises(exceptions.HypervisorError):
        driven.destroy(spawn)
    driven.simulator.delete_rule()
    assert len(fc.kept(driven)) == 1
    fc.detach(driven, spawn, support.volume(1))
    name = driven.kept[spawn.server.uuid][identity.KEY]
    entry = driven.simulator.guest(name)["entry"]
    assert not [line for line in entry if line.startswith("DEDICATE")]
    driven.destroy(spawn)
    assert driven.simulator.compare() == []


def test_the_sweep_goes_on_after_a_failure(driven, spawn):
    second = driven.plan(2)
    driven.spawn(second)
    driven.simulator.mark()
    for one in (spawn, second):
        fc.connector(driven, one)
    fc.age(driven, 1801)
    driven.simulator.rule(
        match={"key": "GET /volumes/conn/{id}", "memento": "bg:fcp_sweep"},
        effect={"kind": "refuse", "overall": 8, "rc": 99, "rs": 99},
    )
    driven.backend.volumes.sweep()
    assert len(fc.kept(driven)) == 1
    driven.backend.volumes.sweep()
    assert driven.simulator.compare() == []
