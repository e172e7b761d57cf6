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

"""Which guest is a server's, on z/VM with the real Cloud Connector."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import itertools

import pytest
from nova.compute import power_state

from ibmvirt.common import exceptions, plan
from ibmvirt.zvm import identity, residents
from ibmvirt.zvm.client import errors
from tests.support import zvm as support


@pytest.fixture
def driven(zvm):
    with support.running(zvm) as found:
        yield found


def guest_name(driven, spawn):
    return driven.kept[spawn.server.uuid][identity.KEY]


def test_a_name_that_is_a_userid_is_the_userid(driven):
    spawn = driven.plan(name="osp0001a")
    driven.spawn(spawn)
    assert guest_name(driven, spawn) == "OSP0001A"


def test_userids_do_not_collide(driven):
    """The directory has the first choice: the next one is taken."""
    server = driven.plan().server
    first, second = itertools.islice(identity.candidates(server, "OSV"), 2)
    assert first != second
    assert identity.is_valid(first)
    support.client(driven.simulator)("guest_create", first, 1, 512, disk_list=[])
    driven.spawn(driven.plan())
    assert driven.kept[server.uuid][identity.KEY] == second


def test_a_name_that_somebody_has_is_not_taken_and_not_deleted(driven):
    """Also not by the delete of the server, which never had that guest."""
    support.client(driven.simulator)("guest_create", "LINUX01", 1, 512, disk_list=[])
    driven.simulator.mark()
    spawn = driven.plan(name="linux01")
    assert driven.guest(spawn) is None
    driven.destroy(spawn)
    driven.spawn(spawn)
    assert guest_name(driven, spawn).startswith("OSV")
    driven.destroy(spawn)
    assert driven.simulator.compare() == []


@pytest.mark.parametrize("shelved", [False, True])
@pytest.mark.parametrize("name", ["instance-1", "osp0001a"])
def test_a_userid_that_is_taken_between_its_choice_and_the_build(driven, name, shelved):
    """The guest that somebody made of it since is not taken for the server's.

    :param shelved: it had a guest once; otherwise Nova asked for the connector of
        a volume first, and so the userid is kept.
    """
    spawn = driven.plan(name=name)
    user = driven.backend.volumes.record(spawn.server)[identity.KEY]
    if shelved:
        driven.backend.volumes.abandon(spawn.server)
        driven.launched.add(spawn.server.uuid)
    driven.kept[spawn.server.uuid] = {identity.KEY: user}
    server = driven.server(spawn)
    spawn = dataclasses.replace(
        spawn, guest=dataclasses.replace(spawn.guest, server=server)
    )
    support.client(driven.simulator)("guest_create", user, 1, 512, disk_list=[])
    driven.simulator.mark()
    with pytest.raises(exceptions.NameTaken, match=user):
        driven.spawn(spawn)
    driven.destroy(spawn)
    assert driven.simulator.compare() == []
    again = dataclasses.replace(spawn.guest, server=driven.server(spawn))
    driven.spawn(dataclasses.replace(spawn, guest=again))
    assert guest_name(driven, spawn) != user


@pytest.mark.parametrize(
    "command", ["Image_Create_DM", "Image_Disk_Create_DM", "Name_List_Add"]
)
def test_a_build_that_was_killed_in_the_creation_is_removed(driven, command):
    """The directory has the guest, the Connector does not; the service and the
    Connector were both killed."""
    spawn = driven.plan()
    rule = driven.simulator.rule(
        match={"layer": "command", "api": command}, effect={"kind": "hold"}
    )
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        done = pool.submit(_until_defined, driven, spawn)
        assert driven.simulator.wait_parked(rule)
        driven.simulator.restart_connector()
        driven.simulator.delete_rule(rule)
        done.result(timeout=60)
    key = f"smcli {command}"
    driven.simulator.wait_journal(layer="command", key=key, done=True, count=1)
    assert driven.simulator.compare() != []
    with support.running(driven.simulator, state=driven.state_path) as again:
        again.kept, again.launched = driven.kept, driven.launched
        again.destroy(spawn)
    assert driven.simulator.compare() == []


def noted(driven, spawn):
    """What a killed service did: the userid is kept, with what it would make."""
    driven._keep(spawn, driven.backend.guests.record(spawn.guest))
    build = residents.Build.of(spawn.guest)
    user = guest_name(driven, spawn)
    driven.backend.guests._residents.begin(user, spawn.server.uuid, build)
    return user


def _until_defined(driven, spawn):
    """The same, and the creation is begun."""
    user = noted(driven, spawn)
    calls = driven.backend.guests._calls
    disks = [{"size": "1g", "is_boot_disk": True}]
    with pytest.raises(exceptions.HypervisorError):
        calls.create_guest(user, 1, 512, disks)


@pytest.mark.parametrize("launched", [False, True])
@pytest.mark.parametrize("known", [True, False])
def test_a_guest_that_took_a_killed_builds_userid_is_left_alone(
    driven, caplog, launched, known
):
    """The service was killed just before the guest was made; somebody made one of
    that name, for something else.

    :param launched: it ran before, and was shelved.
    :param known: the Connector knows the guest.
    """
    spawn = driven.plan()
    user = noted(driven, spawn)
    if launched:
        driven.launched.add(spawn.server.uuid)
    theirs = support.client(driven.simulator)
    theirs("guest_create", user, 1, 1024, disk_list=[])
    if not known:
        theirs("guest_deregister", user)
    driven.simulator.mark()
    with support.running(driven.simulator, state=driven.state_path) as again:
        again.kept, again.launched = driven.kept, driven.launched
        assert again.guest(spawn) is None
        again.destroy(spawn)
        assert f"The guest {user} is left alone" in caplog.text
        # Nova asks again, and looks for what it forgot.
        again.destroy(spawn)
        assert again.backend.guests.uuids() == []
    assert driven.simulator.compare() == []


def test_a_guest_that_nothing_of_a_build_is_known_of_is_left_alone(driven, caplog):
    """The service was killed before it began with the guest."""
    spawn = driven.plan()
    driven._keep(spawn, driven.backend.guests.record(spawn.guest))
    user = guest_name(driven, spawn)
    support.client(driven.simulator)("guest_create", user, 1, 512, disk_list=[])
    driven.simulator.mark()
    with support.running(driven.simulator, state=driven.state_path) as again:
        again.kept, again.launched = driven.kept, driven.launched
        again.destroy(spawn)
    assert f"The guest {user} is left alone" in caplog.text
    assert driven.simulator.compare() == []


def test_a_creation_whose_answer_is_lost_removes_its_own_guest_alone(driven):
    spawn = driven.plan()
    driven.simulator.rule(
        match={"key": "POST /guests"}, effect={"kind": "drop"}, phase="after"
    )
    with pytest.raises(errors.ConnectorAnswerLost):
        driven.spawn(spawn)
    assert driven.simulator.compare() == []
    # It was never made, and somebody makes one at that moment.
    driven.kept.clear()
    rule = driven.simulator.rule(
        match={"key": "POST /guests", "memento": f"spawn:{spawn.server.uuid}"},
        effect={"kind": "hold"},
    )
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        done = pool.submit(driven.spawn, spawn)
        assert driven.simulator.wait_parked(rule)
        user = guest_name(driven, spawn)
        support.client(driven.simulator)("guest_create", user, 1, 1024, disk_list=[])
        driven.simulator.mark()
        driven.simulator.restart_connector()
        driven.simulator.delete_rule(rule)
        with pytest.raises(exceptions.HypervisorError):
            done.result(timeout=60)
    driven.destroy(spawn)
    assert driven.simulator.compare() == []


def test_a_guest_of_the_old_driver_is_found_by_its_name(driven):
    """nova.virt.zvm kept nothing: the name is the userid, the release is what
    Nova keeps of the image's properties."""
    support.client(driven.simulator)("guest_create", "OSP00007", 1, 512, disk_list=[])
    kept = {"image_os_distro": "rhel9.4"}
    server = plan.Server("u", "osp00007", system_metadata=kept, launched=True)
    guest = driven.backend.guests.find(server)
    assert guest.record[identity.OS_KEY] == "rhel9.4"
    state = driven.backend.guests.state(guest, use_cache=False)
    assert state.power_state == power_state.SHUTDOWN
    assert driven.backend.guests.find(plan.Server("u", "osp00007")) is None


def test_names_that_are_no_userid():
    assert [
        n for n in ("a", "osp0001a", "x_1", "A" * 8) if not identity.is_valid(n)
    ] == []
    for name in ("", "instance-1", "A" * 9, "a b", "a\n", "web@1"):
        assert not identity.is_valid(name)
    server = plan.Server("f" * 32, "web@1")
    assert next(identity.candidates(server, "OSV")).startswith("OSV")


def test_only_a_guest_of_this_service_is_a_servers(driven):
    """Nova removes what is listed and deleted: a guest that somebody else made
    under a userid that a server once had must not be."""
    make = support.client(driven.simulator)
    make("guest_create", "LINUX01", 1, 512, disk_list=[])
    spawn, other = driven.plan(name="osp0001a"), driven.plan(2, name="osp0001b")
    for one in (spawn, other):
        driven.spawn(one)
    uuids = driven.backend.guests.uuids
    assert uuids() == [spawn.server.uuid, other.server.uuid]
    driven.destroy(spawn)
    make("guest_create", "OSP0001A", 1, 512, disk_list=[])
    assert uuids() == [other.server.uuid]
    # Another service on the same files still knows.
    with support.running(driven.simulator, state=driven.state_path) as later:
        assert later.backend.guests.uuids() == [other.server.uuid]
    # Removed by hand, and made again by somebody, for something else.
    make("guest_delete", "OSP0001B")
    with support.running(driven.simulator, state=driven.state_path) as later:
        assert later.backend.guests.uuids() == []
        make("guest_create", "OSP0001B", 1, 512, disk_list=[])
    with support.running(driven.simulator, state=driven.state_path) as later:
        assert later.backend.guests.uuids() == []
        # Nova names those that it has.
        later.kept, later.launched = driven.kept, driven.launched
        later.guest(other)
        assert later.backend.guests.uuids() == [other.server.uuid]
