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

"""The volumes' stand-in, asked as Nova asks Cinder: by its own client."""

from __future__ import annotations

import pytest
from cinderclient import client as cinder
from cinderclient import exceptions
from keystoneauth1 import session, token_endpoint

from tests.support.smallnova.neighbours import volumes

CONNECTOR = {"host": "small", "wwpns": ["10000090FA000001"]}


@pytest.fixture
def service(novalink, tmp_path):
    events = []
    made = volumes.Volumes(
        tmp_path, "powervm", novalink.admin_url, images={}, events=events.extend
    )
    made.start()
    made.sent = events
    yield made
    made.stop()


@pytest.fixture
def client(service):
    login = session.Session(token_endpoint.Token(f"{service.url}/v3/demo", "admin"))
    return cinder.Client("3.44", session=login)


def status(client, volume):
    return client.volumes.get(volume.id).status


def attached(client, volume, server):
    made = client.attachments.create(volume.id, None, server)
    client.attachments.update(made["id"], CONNECTOR)
    client.attachments.complete(made["id"])
    return made["id"]


def test_an_attachment_reserves_connects_and_is_taken_back(client, novalink):
    volume = client.volumes.create(1, name="data")
    (lun,) = [x for x in novalink.admin("GET", "luns") if x["lun"] >= 100]
    made = client.attachments.create(volume.id, None, "server")
    assert status(client, volume) == "reserved"
    found = client.attachments.update(made["id"], CONNECTOR).connection_info
    assert status(client, volume) == "attaching"
    assert found["driver_volume_type"] == "fibre_channel"
    assert found["target_lun"] == lun["lun"]
    assert found["target_wwn"] == lun["targets"]
    assert found["initiator_target_map"] == {"10000090fa000001": lun["targets"]}
    client.attachments.complete(made["id"])
    assert status(client, volume) == "in-use"
    assert client.volumes.get(volume.id).attachments[0]["server_id"] == "server"
    with pytest.raises(exceptions.BadRequest):
        client.volumes.delete(volume.id)
    client.attachments.delete(made["id"])
    assert status(client, volume) == "available"
    client.volumes.delete(volume.id)
    assert not [x for x in novalink.admin("GET", "luns") if x["lun"] >= 100]


def test_only_a_shared_volume_has_two_servers(client):
    plain = client.volumes.create(1)
    shared = client.volumes.create(1, volume_type="fc-shared")
    attached(client, plain, "one")
    attached(client, shared, "one")
    with pytest.raises(exceptions.BadRequest, match="status must be available"):
        client.attachments.create(plain.id, None, "other")
    # Nova replaces an attachment by making the new one first.
    new = client.attachments.create(plain.id, None, "one")
    client.attachments.delete(new["id"])
    assert status(client, plain) == "in-use"
    other = attached(client, shared, "other")
    assert len(client.volumes.get(shared.id).attachments) == 2
    found = client.attachments.list(search_opts={"instance_id": "other"})
    assert [a.id for a in found] == [other]
    client.attachments.delete(other)
    assert status(client, shared) == "in-use"


def test_what_cannot_be_is_refused(client):
    volume = client.volumes.create(1)
    made = client.attachments.create(volume.id, None, "server")
    with pytest.raises(exceptions.BadRequest, match="is not connected"):
        client.attachments.complete(made["id"])
    with pytest.raises(exceptions.ClientException, match="no Fibre Channel port"):
        client.attachments.update(made["id"], {"host": "small"})
    with pytest.raises(exceptions.NotFound):
        client.attachments.show("none")
    with pytest.raises(exceptions.NotFound):
        client.volumes.get("none")
    with pytest.raises(exceptions.NotFound):
        client.volumes.create(1, volume_type="none")


def test_a_detach_that_is_given_up(client):
    volume = client.volumes.create(1)
    attached(client, volume, "server")
    client.volumes.begin_detaching(volume.id)
    assert status(client, volume) == "detaching"
    client.volumes.roll_detaching(volume.id)
    assert status(client, volume) == "in-use"


def test_an_extended_volume_is_told_to_its_server(client, service, novalink):
    volume = client.volumes.create(1)
    client.volumes.extend(volume.id, 2)
    assert service.sent == []
    attached(client, volume, "server")
    client.volumes.extend(volume.id, 3)
    assert [e["name"] for e in service.sent] == ["volume-extended"]
    (lun,) = [x for x in novalink.admin("GET", "luns") if x["lun"] >= 100]
    assert lun["size"] == 3072
    with pytest.raises(exceptions.BadRequest, match="cannot be extended"):
        client.volumes.extend(volume.id, 3)


def test_an_iscsi_volume_has_a_portal_and_a_user(client):
    volume = client.volumes.create(1, volume_type="iscsi")
    made = client.attachments.create(volume.id, None, "server")
    with pytest.raises(exceptions.ClientException, match="no iSCSI initiator"):
        client.attachments.update(made["id"], CONNECTOR)
    connector = {"initiator": "iqn.1993-08.org.ibmvirt:vios1", "multipath": True}
    found = client.attachments.update(made["id"], connector).connection_info
    assert found["driver_volume_type"] == "iscsi"
    assert found["target_luns"] == [found["target_lun"]]
    assert found["auth_method"] == "CHAP"


def test_it_goes_on_with_its_file(client, service, novalink, tmp_path):
    volume = client.volumes.create(1)
    attached(client, volume, "server")
    again = volumes.Volumes(tmp_path, "powervm", novalink.admin_url, {}, print)
    assert again.find(volume.id)["status"] == "in-use"
    assert again.attachments.servers(volume.id) == ["server"]
