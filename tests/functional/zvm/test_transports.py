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


"""Transports: how files come to the real Connector, and that none stays.

The Connector runs its own ``/usr/bin/scp`` command line; the simulator
carries it out and reaches this machine alone.
"""

from __future__ import annotations

import logging

import pytest

from ibmvirt.common import exceptions
from ibmvirt.simulators.zvm import imagefile
from ibmvirt.zvm import files, identity
from tests.functional.zvm.test_images import fresh
from tests.support import zvm as support

HOST = "nova@127.0.0.1"


@pytest.fixture
def driven(zvm):
    zvm.clock(rate=500.0)
    with support.running(zvm, transport="scp", scp_remote_host=HOST) as found:
        fresh(found)
        yield found


def copies(driven):
    """How many files the Connector copied by scp."""
    return len(driven.simulator.journal(layer="command", key="scp"))


def test_images_drives_and_snapshots_by_scp(driven):
    spawn = driven.plan()
    driven.spawn(spawn)
    # The image, and the config drive.
    assert copies(driven) == 2
    name = driven.kept[spawn.server.uuid][identity.KEY]
    guest = driven.simulator.guest(name)
    assert guest["hostname"] == "small"
    assert driven.simulator.disk(f"{name}/0100").startswith(support.RAW)
    assert driven.left() == []
    content, _captured = support.snapshot(driven, spawn)
    assert copies(driven) == 3
    assert imagefile.read(content)[0] == imagefile.read(driven.source.content)[0]
    assert driven.left() == []


def test_a_host_that_cannot_be_reached_is_named_and_nothing_is_left(zvm):
    with support.running(
        zvm, transport="scp", scp_remote_host="nova@192.0.2.1"
    ) as driven:
        fresh(driven)
        zvm.mark()
        with pytest.raises(
            exceptions.HypervisorError, match=r"No route to host.*scp_remote_host"
        ):
            driven.spawn(driven.plan())
        assert zvm.compare() == []
        assert driven.left() == []


@pytest.mark.parametrize("occurrence", [1, 2])
def test_a_copy_that_fails_leaves_nothing(driven, occurrence):
    """The first is the image's, the second the config drive's."""
    driven.simulator.mark()
    driven.simulator.rule(
        match={"layer": "command", "key": "scp"},
        skip=occurrence - 1,
        effect={"kind": "refuse", "rc": 1},
    )
    spawn = driven.plan()
    with pytest.raises(exceptions.HypervisorError):
        driven.spawn(spawn)
    driven.simulator.delete_rule()
    assert driven.left() == []
    assert driven.simulator.compare() == []


def test_a_snapshot_that_changed_on_its_way_is_refused(driven):
    spawn = driven.plan()
    driven.spawn(spawn)
    with (
        pytest.raises(exceptions.ImageTransferFailed, match="MD5"),
        driven.operation("snapshot", spawn.server),
        driven.backend.snapshots.open(spawn.server, driven.guest(spawn)) as captured,
    ):
        (path,) = support.files(driven)
        path.write_bytes(b"y" + path.read_bytes()[1:])
        captured.stream.read()
    assert driven.left() == []


def test_that_the_host_is_not_verified_is_told_at_start(zvm, caplog):
    with (
        caplog.at_level(logging.WARNING, logger="ibmvirt.zvm.files"),
        support.running(zvm, transport="scp", scp_remote_host=HOST),
    ):
        assert "does not verify" in caplog.text
        assert HOST in caplog.text


def test_the_address_is_the_services_user_at_its_own_address(zvm):
    with support.running(zvm, transport="scp") as driven:
        fresh(driven)
        driven.spawn(driven.plan())
        assert driven.left() == []


def test_a_directory_that_the_connector_does_not_see_is_told(zvm, monkeypatch):
    """It sees another path than we do."""
    with support.running(zvm) as driven:
        fresh(driven)
        zvm.mark()
        monkeypatch.setattr(
            files.Sent, "url", property(lambda sent: f"file:///elsewhere{sent.path}")
        )
        with pytest.raises(exceptions.HypervisorError, match="shared_directory"):
            driven.spawn(driven.plan())
        assert zvm.compare() == []
        assert driven.left() == []
