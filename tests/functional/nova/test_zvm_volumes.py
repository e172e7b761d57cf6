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
"""Volumes of servers on z/VM, through the APIs of Nova and Cinder."""

from __future__ import annotations

import pytest
from openstack import exceptions

from tests.functional.nova import servers
from tests.support.smallnova import waits


def luns(nova, server):
    """(LUN, how many paths) of the volumes that a running guest sees."""
    found = servers.guest(nova, server)
    return sorted((v["lun"], len(v["fcp"])) for v in found["volumes"])


def test_a_volume_is_attached_and_detached(zvm_nova):
    server = servers.wait(zvm_nova, servers.boot(zvm_nova))
    volume, other = (servers.make_volume(zvm_nova) for _number in range(2))
    zvm_nova.simulator.mark("attaching")
    servers.attach(zvm_nova, server, volume)
    ((lun, paths),) = luns(zvm_nova, server)
    assert paths == 2
    servers.attach(zvm_nova, server, other)
    assert len(luns(zvm_nova, server)) == 2
    servers.detach(zvm_nova, server, other)
    assert luns(zvm_nova, server) == [(lun, 2)]
    zvm_nova.client.compute.reboot_server(server, "HARD")
    servers.wait(zvm_nova, server)
    servers.detach(zvm_nova, server, volume)
    assert luns(zvm_nova, server) == []
    assert zvm_nova.simulator.compare("attaching") == []
    servers.attach(zvm_nova, server, volume)
    # The server is deleted with its volume.
    servers.delete(zvm_nova, server)
    for one in (volume, other):
        servers.drop_volume(zvm_nova, one)
    assert zvm_nova.simulator.compare() == []


def test_a_server_is_built_with_a_volume(zvm_nova):
    volume = servers.make_volume(zvm_nova)
    mapping = [
        {"uuid": zvm_nova.image.id, "source_type": "image", "boot_index": 0,
         "destination_type": "local", "delete_on_termination": True},
        {"uuid": volume.id, "source_type": "volume", "boot_index": -1,
         "destination_type": "volume"},
    ]  # fmt: skip
    server = servers.boot(
        zvm_nova, block_device_mapping=mapping, image_id=zvm_nova.image.id
    )
    servers.wait(zvm_nova, server)
    assert [paths for _lun, paths in luns(zvm_nova, server)] == [2]
    servers.delete(zvm_nova, server)
    servers.drop_volume(zvm_nova, volume)
    assert zvm_nova.simulator.compare() == []


def test_an_attach_that_fails_leaves_the_volume_free(zvm_nova):
    server = servers.wait(zvm_nova, servers.boot(zvm_nova))
    volume = servers.make_volume(zvm_nova)
    zvm_nova.simulator.mark("attaching")
    zvm_nova.simulator.rule(
        match={"layer": "command", "api": "Image_Device_Dedicate"},
        count=None,
        effect={"kind": "refuse", "overall": 8, "rc": 99, "rs": 99},
    )
    zvm_nova.client.compute.create_volume_attachment(server, volume_id=volume.id)
    assert servers.outcome(zvm_nova, server, "attach_volume")
    waits.volume(zvm_nova, volume, "available")
    assert zvm_nova.simulator.compare("attaching") == []
    zvm_nova.simulator.delete_rule()
    servers.delete(zvm_nova, server)
    servers.drop_volume(zvm_nova, volume)


def test_a_shared_volume_is_at_two_servers(zvm_nova):
    one, other = (servers.boot(zvm_nova, name) for name in ("one", "other"))
    servers.wait(zvm_nova, one)
    servers.wait(zvm_nova, other)
    volume = servers.make_volume(zvm_nova, volume_type="fc-shared")
    servers.attach(zvm_nova, one, volume)
    servers.attach(zvm_nova, other, volume)
    assert luns(zvm_nova, one) == luns(zvm_nova, other) != []
    servers.delete(zvm_nova, one)
    assert luns(zvm_nova, other) != []
    servers.delete(zvm_nova, other)
    servers.drop_volume(zvm_nova, volume)
    assert zvm_nova.simulator.compare() == []


def test_a_server_that_boots_from_a_volume_is_refused(zvm_nova):
    """It is not built, says why, and its volume is let go of."""
    mapping = {"uuid": zvm_nova.image.id, "source_type": "image", "boot_index": 0,
               "destination_type": "volume", "volume_size": 1,
               "delete_on_termination": True}  # fmt: skip
    server = servers.boot(zvm_nova, block_device_mapping=[mapping])
    with pytest.raises(exceptions.ResourceFailure, match="from a volume"):
        servers.wait(zvm_nova, server)
    assert zvm_nova.simulator.compare() == []
    servers.delete(zvm_nova, server)
    assert list(zvm_nova.client.block_storage.volumes()) == []


def test_an_iscsi_volume_is_not_attached(zvm_nova):
    """The FCP devices that were reserved for it go back with the next volume."""
    server = servers.wait(zvm_nova, servers.boot(zvm_nova))
    iscsi = servers.make_volume(zvm_nova, volume_type="iscsi")
    volume = servers.make_volume(zvm_nova)
    zvm_nova.simulator.mark("attaching")
    zvm_nova.client.compute.create_volume_attachment(server, volume_id=iscsi.id)
    assert servers.outcome(zvm_nova, server, "attach_volume")
    waits.volume(zvm_nova, iscsi, "available")
    assert servers.settled(zvm_nova, server).status == "ACTIVE"
    servers.attach(zvm_nova, server, volume)
    servers.detach(zvm_nova, server, volume)
    assert luns(zvm_nova, server) == []
    assert zvm_nova.simulator.compare("attaching") == []
    servers.delete(zvm_nova, server)
    for one in (iscsi, volume):
        servers.drop_volume(zvm_nova, one)


def test_a_volume_that_grows_is_seen_after_a_start(zvm_nova):
    """Not by a guest that runs: the Connector has no call for it."""
    nova = zvm_nova
    volume = servers.make_volume(nova)
    server = servers.wait(nova, servers.boot(nova))
    servers.attach(nova, server, volume)
    nova.simulator.mark("asking")
    nova.client.block_storage.extend_volume(volume, 2)
    told = servers.outcome(nova, server, "extend_volume")
    assert "see the new size of the volume" in told
    assert servers.settled(nova, server).status == "ACTIVE"
    # The storage has let the LUN grow; nothing else has changed.
    changed = [change["path"] for change in nova.simulator.compare("asking")]
    assert [path for path in changed if not path.startswith("luns/")] == []
    nova.client.compute.stop_server(server)
    servers.wait(nova, server, "SHUTOFF")
    nova.client.block_storage.extend_volume(volume, 3)
    servers.succeeded(nova, server, "extend_volume", count=2)
    nova.client.compute.start_server(server)
    servers.wait(nova, server)
    (found,) = servers.guest(nova, server)["volumes"]
    sizes = {one["number"]: one["size"] for one in nova.simulator.admin("GET", "luns")}
    assert sizes[found["number"]] == 3072
    servers.delete(nova, server)
    servers.drop_volume(nova, volume)
