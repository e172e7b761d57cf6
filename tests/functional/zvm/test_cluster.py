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

"""Two members of an SSI cluster: what the other one has is left alone."""

from __future__ import annotations

import contextlib

import pytest

from ibmvirt.common import exceptions
from ibmvirt.simulators.zvm import ZVMSimulator
from ibmvirt.zvm import identity, residents
from tests.support import zvm as support


@pytest.fixture(scope="module")
def cluster_process():
    with ZVMSimulator("--members", "2", "--rate", "100") as simulator:
        simulator.mark("clean")
        yield simulator


@pytest.fixture
def cluster(cluster_process):
    cluster_process.reset("clean")
    cluster_process.mark()
    return cluster_process


@pytest.fixture
def driven(cluster):
    url = cluster.members[1]["connector_url"]
    with support.running(cluster, ssi_connectors=[url]) as found:
        found.others = [url]
        yield found


@pytest.fixture
def two(cluster):
    """Calls of the second member's Connector."""
    return support.client(cluster, cluster.members[1]["connector_url"])


def spawned(driven):
    spawn = driven.plan()
    driven.spawn(spawn)
    return spawn, driven.kept[spawn.server.uuid][identity.KEY]


def register(two, user):
    """The Connector registers a guest that is off, and then tells that it finds
    no adapter of it."""
    with contextlib.suppress(AssertionError):
        two("guest_register", user, "os_version=rhel9.4", "1")
    assert user in two("guest_list")


def refused(driven, spawn, shown):
    """A destroy that is refused, and has changed nothing."""
    driven.simulator.mark("before")
    with pytest.raises(exceptions.WrongState, match=shown):
        driven.destroy(spawn)
    left = driven.simulator.compare("before")
    # The Connector notes in its own database where a guest is.
    assert [change for change in left if "connector/" not in change["path"]] == []


def test_a_guest_that_is_here_is_destroyed(driven):
    spawn, _user = spawned(driven)
    driven.destroy(spawn)
    driven.destroy(spawn)
    assert driven.simulator.compare() == []


def test_disks_are_within_reach_of_every_member(driven, cluster):
    spawn, _user = spawned(driven)
    assert driven.backend.disks.within_reach(driven.server(spawn))
    with support.running(cluster, url=cluster.members[1]["connector_url"]) as other:
        # It is the other member's guest, and its disks are here all the same.
        assert other.backend.guests.find(driven.server(spawn)) is None
        assert other.backend.disks.within_reach(driven.server(spawn))
    driven.destroy(spawn)
    assert not driven.backend.disks.within_reach(driven.server(spawn))


def test_one_that_was_relocated_stays(driven, two):
    spawn, user = spawned(driven)
    one = support.client(driven.simulator)
    one("guest_live_migrate", user, "ZCCUSER", "ZVMSIM2", {}, "move")
    refused(driven, spawn, "moved to, another member")
    guest = driven.simulator.guest(user)
    assert (guest["state"], guest["member"]) == ("on", "ZVMSIM2")
    two("guest_register", user, "os_version=rhel9.4", "1")
    with support.running(driven.simulator, ssi_connectors=driven.others) as again:
        # A service that has started since asks the Connectors.
        again.kept, again.launched = driven.kept, driven.launched
        refused(again, spawn, "registered with the Connector at")


def test_one_that_is_logged_on_there_stays(driven, two):
    """Our Connector has not been told: it was stopped here and started there."""
    spawn, user = spawned(driven)
    driven.backend.guests.power_off(driven.guest(spawn), timeout=0, retry_interval=0)
    register(two, user)
    two("guest_start", user)
    refused(driven, spawn, "logged on at")
    guest = driven.simulator.guest(user)
    assert (guest["state"], guest["member"]) == ("on", "ZVMSIM2")
    # And again, now that the Connector has it off its list.
    refused(driven, spawn, "moved to, another member")


def test_one_that_is_off_and_registered_there_stays(driven, two):
    spawn, user = spawned(driven)
    driven.backend.guests.power_off(driven.guest(spawn), timeout=0, retry_interval=0)
    register(two, user)
    refused(driven, spawn, "registered with the Connector at")
    two("guest_deregister", user)
    driven.destroy(spawn)
    assert driven.simulator.compare() == []


def test_a_member_that_joined_since_is_asked(driven, two):
    """The service has started, and deleted, before there was a cluster."""
    alone = {"kind": "refuse", "overall": 8, "rc": 4, "rs": 3008}
    driven.simulator.rule(
        match={"layer": "command", "key": "smcli SSI_Query"}, effect=alone, count=None
    )
    first, _user = spawned(driven)
    driven.destroy(first)
    driven.simulator.delete_rule()
    spawn, user = spawned(driven)
    driven.backend.guests.power_off(driven.guest(spawn), timeout=0, retry_interval=0)
    register(two, user)
    refused(driven, spawn, "registered with the Connector at")


@pytest.mark.parametrize("ours", [False, True])
def test_one_of_the_other_member_stays_whatever_a_build_had_noted(driven, two, ours):
    """A build was killed when it had noted a userid, which somebody took since,
    for a guest that could be the build's.

    :param ours: our Connector has been told of it, too.
    """
    spawn = driven.plan()
    driven.kept[spawn.server.uuid] = {identity.KEY: "LINUX8"}
    build = residents.Build.of(spawn.guest)
    driven.backend.guests._residents.begin("LINUX8", spawn.server.uuid, build)
    two("guest_create", "LINUX8", 1, 512, disk_list=[])
    if ours:
        register(support.client(driven.simulator), "LINUX8")
    refused(driven, spawn, "registered with the Connector at")


def test_nothing_is_deleted_until_the_others_are_known(cluster):
    with support.running(cluster) as driven:
        spawn, _user = spawned(driven)
        refused(driven, spawn, "another member's Connector may have it")
        kept, launched = driven.kept, driven.launched
    with support.running(cluster, ssi_connectors=["none"]) as driven:
        driven.kept, driven.launched = kept, launched
        driven.destroy(spawn)
    assert cluster.compare() == []


def test_another_members_connector_that_is_away_keeps_the_guest(cluster):
    url = "http://127.0.0.1:9"
    with support.running(cluster, ssi_connectors=[url]) as driven:
        spawn, user = spawned(driven)
        with pytest.raises(exceptions.HypervisorUnavailable, match=url):
            driven.destroy(spawn)
        assert cluster.guest(user)["state"] == "on"


def test_a_failed_build_is_removed_whatever_the_options_say(cluster):
    with support.running(cluster) as driven:
        cluster.rule(
            match={"layer": "command", "api": "Image_Activate"},
            effect={"kind": "refuse", "overall": 8, "rc": 99, "rs": 99},
        )
        spawn = driven.plan()
        with pytest.raises(exceptions.HypervisorError):
            driven.spawn(spawn)
        driven.destroy(spawn)
    assert cluster.compare() == []


def test_a_userid_of_the_other_member_is_not_taken(driven, two):
    server = driven.plan(name="linux7").server
    two("guest_create", "LINUX7", 1, 512, disk_list=[])
    driven.simulator.mark("before")
    spawn = driven.plan(name="linux7")
    driven.spawn(spawn)
    assert driven.kept[server.uuid][identity.KEY].startswith("OSV")
    driven.destroy(spawn)
    assert driven.simulator.compare("before") == []
