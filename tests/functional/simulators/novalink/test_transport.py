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

"""Feeds, entries, ETags, groups, quick properties and search, as served."""

from __future__ import annotations

import concurrent.futures
import json

import pytest
from lxml import etree
from pypowervm import const
from pypowervm import exceptions as pvm_exc
from pypowervm.tasks import scsi_mapper
from pypowervm.wrappers import cluster as pvm_cluster
from pypowervm.wrappers import logical_partition as pvm_lpar
from pypowervm.wrappers import managed_system as pvm_ms
from pypowervm.wrappers import storage as pvm_stor
from pypowervm.wrappers import virtual_io_server as pvm_vios

from ibmvirt.simulators.novalink.schema import xml
from tests.functional.simulators.novalink import support
from tests.unit.simulators.novalink import requests

ATOM = "{http://www.w3.org/2005/Atom}"
UOM = "{http://www.ibm.com/xmlns/systems/power/firmware/uom/mc/2012_10/}"


def test_a_feed_as_the_client_needs_it(raw):
    status, headers, body = raw.ask("GET", "uom/VirtualIOServer?group=ViosSCSIMapping")
    assert status == 200
    assert headers["Content-Type"] == "application/atom+xml"
    assert not body.startswith(b"<?xml")
    for entry in etree.fromstring(body).findall(f"{ATOM}entry"):
        href = entry.find(f"{ATOM}link[@rel='SELF']").get("href")
        assert href.endswith(
            f"/VirtualIOServer/{entry.findtext(f'{ATOM}id')}?group=ViosSCSIMapping"
        )
        assert entry.findtext(f"{UOM}etag")
        assert len(entry.find(f"{ATOM}content")) == 1


def test_an_empty_feed_is_204(raw, adapter):
    assert raw.ask("GET", "uom/LogicalPartition")[0] == 204
    assert pvm_lpar.LPAR.get(adapter) == []


def test_an_unchanged_object_is_304(novalink, adapter):
    machine = pvm_ms.System.get(adapter)[0]
    assert machine.refresh() is machine
    assert novalink.journal(key="GET ManagedSystem/{id}*")[-1]["status"] == 304


def test_a_write_with_an_old_etag_is_412(adapter):
    first = requests.new_lpar(adapter)
    second = pvm_lpar.LPAR.get(adapter, uuid=first.uuid)
    first = first.refresh()
    first.name = "renamed"
    first.update()
    second.name = "other"
    with pytest.raises(pvm_exc.HttpError) as caught:
        second.update()
    assert caught.value.response.status == const.HTTPStatus.ETAG_MISMATCH
    assert second.refresh().name == "renamed"


def test_the_etag_is_that_of_the_view(adapter):
    """A mapping does not make the view of other groups old."""
    lpar = requests.new_lpar(adapter)
    network = requests.vios_with(adapter, const.XAG.VIO_NET)
    scsi = requests.vios_with(adapter, const.XAG.VIO_SMAP)
    requests.map_storage(adapter, lpar, requests.new_unit(adapter))
    assert network.refresh() is network
    assert scsi.refresh() is not scsi


def test_groups_choose_what_is_shown(adapter):
    names = {}
    for group in (const.XAG.NONE, const.XAG.VIO_NET, const.XAG.VIO_SMAP, const.XAG.ALL):
        wrapper = requests.vios_with(adapter, group)
        names[group] = {xml.name(child) for child in requests.raw(wrapper)}
    assert "VirtualSCSIMappings" not in names[const.XAG.NONE]
    assert names[const.XAG.VIO_SMAP] - names[const.XAG.NONE] == {"VirtualSCSIMappings"}
    assert "SharedEthernetAdapters" in names[const.XAG.VIO_NET]
    assert names[const.XAG.ALL] >= names[const.XAG.VIO_NET] | names[const.XAG.VIO_SMAP]


def test_quick_properties(adapter, raw):
    lpar = requests.new_lpar(adapter)

    def quick(path):
        status, _headers, body = raw.ask("GET", f"uom/LogicalPartition/{path}")
        assert status == 200
        return json.loads(body)

    assert quick(f"{lpar.uuid}/quick/PartitionState") == "not activated"
    assert quick(f"{lpar.uuid.lower()}/quick/PartitionID") == lpar.id
    everything = quick(f"{lpar.uuid}/quick/All")
    assert everything["PartitionName"] == "test1"
    assert quick(f"{lpar.uuid}/quick") == everything
    assert quick("quick/All") == [everything]
    found = adapter.read(
        "LogicalPartition", lpar.uuid, None, None, "quick", "PartitionType"
    )
    assert found.body == '"AIX/Linux"'
    assert raw.ask("GET", f"uom/LogicalPartition/{lpar.uuid}/quick/Colour")[0] == 404


def test_search(adapter):
    lpar = requests.new_lpar(adapter)
    assert pvm_lpar.LPAR.search(adapter, name="test1")[0].uuid == lpar.uuid
    assert pvm_lpar.LPAR.search(adapter, id=lpar.id)[0].name == "test1"
    assert pvm_lpar.LPAR.search(adapter, name="none") == []
    assert pvm_lpar.LPAR.search(adapter, negate=True, name="test1") == []
    assert [
        v.name for v in pvm_vios.VIOS.search(adapter, negate=True, name="vios1")
    ] == ["vios2"]
    cluster = pvm_cluster.Cluster.search(adapter, name="cluster1", one_result=True)
    pool = pvm_stor.SSP.search(adapter, name="ssp1", one_result=True)
    assert cluster.ssp_uuid == pool.uuid


def test_an_awkward_name_is_found(adapter):
    name = "it's & <odd>"[:12]
    requests.new_lpar(adapter, "odd-name_1.x")
    assert pvm_lpar.LPAR.search(adapter, name=name) == []
    assert len(pvm_lpar.LPAR.search(adapter, name="odd-name_1.x")) == 1


# -- bad input -------------------------------------------------------------------


LPAR_TYPE = support.TYPE.format(space="uom", kind="LogicalPartition")


@pytest.mark.parametrize(
    ("verb", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/rest/api/", 404),
        ("GET", "/rest/api/uom", 404),
        ("GET", "uom/Nonsense", 404),
        ("GET", "uom/LogicalPartition/not-a-uuid", 404),
        ("GET", "uom/LogicalPartition/11111111-2222-3333-4444-555555555555", 404),
        ("GET", "uom/ManagedSystem/x/LogicalPartition/y/Z/a/b", 404),
        ("GET", "uom/ClientNetworkAdapter", 404),
        ("GET", "uom/VirtualIOServer?group=Nonsense", 400),
        ("GET", "uom/LogicalPartition/search/(Colour=='red')", 400),
        ("GET", "uom/LogicalPartition/search/(((", 400),
        ("GET", "uom/jobs/4711", 404),
        ("GET", "uom/jobs", 404),
        ("GET", "uom/Event", 400),
        ("GET", "web/File/4711", 404),
        ("GET", "web/File/contents/4711", 404),
        ("DELETE", "uom/ManagedSystem", 405),
        ("DELETE", "uom/LogicalPartition", 405),
        ("DELETE", "web/Nonsense", 405),
        ("POST", "web/Logon", 405),
        ("PUT", "uom/SharedProcessorPool", 404),
    ],
)
def test_requests_that_make_no_sense(novalink, raw, verb, path, status):
    found, _headers, body = raw.ask(verb, path)
    assert (found, bool(support.message(body))) == (status, True)
    assert novalink.compare() == []
    assert raw.ask("GET", "uom/ManagedSystem")[0] == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no xml",
        b"<LogicalPartition",
        b"<Other/>",
        b"<LogicalPartition/>",
        b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>'
        b"<LogicalPartition>&b;</LogicalPartition>",
        b"<a>" * 5000,
        b"\xff\xfe\x00",
    ],
)
def test_bodies_that_make_no_sense(novalink, raw, body):
    path = f"uom/ManagedSystem/{novalink.systems[0]['uuid']}/LogicalPartition"
    status, _headers, answer = raw.ask("PUT", path, body, LPAR_TYPE)
    assert status == 400
    assert support.message(answer)
    assert b"root:" not in answer
    assert novalink.compare() == []


def test_a_body_over_the_limit(novalink, raw):
    status, _headers, body = raw.ask(
        "PUT", "uom/Event", b"<Event>" + b" " * (33 << 20), "application/xml"
    )
    assert status == 413
    assert support.message(body)
    with_new = support.Raw(novalink.systems[0])
    assert with_new.ask("GET", "uom/ManagedSystem")[0] == 200
    with_new.close()


# -- concurrency -------------------------------------------------------------------


def test_two_clients_never_see_half_a_change(novalink, adapter):
    """While mappings come and go, storage and mapping agree in every answer."""
    lpar = requests.new_lpar(adapter)
    volume = requests.vios_with(adapter, const.XAG.VIO_STOR).phys_vols[0]
    vios = requests.vios_with(adapter).uuid
    path = f"uom/VirtualIOServer/{vios}?group=ViosSCSIMapping,ViosStorage"
    done = []

    def read():
        client, seen = support.Raw(novalink.systems[0]), set()
        while not done:
            root = etree.fromstring(client.ask("GET", path)[2])
            shown = root.find(f".//{UOM}VirtualIOServer")
            mapped = shown.find(f"{UOM}VirtualSCSIMappings/{UOM}VirtualSCSIMapping")
            (known,) = (
                one
                for one in shown.findall(f"{UOM}PhysicalVolumes/{UOM}PhysicalVolume")
                if one.findtext(f"{UOM}VolumeName") == volume.name
            )
            seen.add((mapped is not None, known.findtext(f"{UOM}AvailableForUsage")))
        client.close()
        return seen

    def write():
        try:
            for _ in range(15):
                requests.map_storage(adapter, lpar, volume)
                scsi_mapper.remove_pv_mapping(adapter, vios, lpar.uuid, volume.name)
        finally:
            done.append(True)

    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        readers = [pool.submit(read) for _ in range(2)]
        pool.submit(write).result(60)
        seen = set.union(*(reader.result(60) for reader in readers))
    assert seen <= {(False, "true"), (True, "false")}


def test_one_of_many_writers_of_one_version_wins(novalink, adapter):
    lpar = requests.new_lpar(adapter)
    path = f"uom/LogicalPartition/{lpar.uuid}?group=None"
    clients = [support.Raw(novalink.systems[0]) for _ in range(5)]
    _status, headers, body = clients[0].ask("GET", path)
    content = etree.fromstring(body).find(f"{ATOM}content")[0]

    def write(number):
        content_ = etree.tostring(content).replace(b"test1", b"name%d" % number)
        return clients[number].ask(
            "POST", path, content_, LPAR_TYPE, If_Match=headers["ETag"]
        )[0]

    with concurrent.futures.ThreadPoolExecutor(5) as pool:
        statuses = sorted(pool.map(write, range(5)))
    for client in clients:
        client.close()
    assert statuses == [200, 412, 412, 412, 412]


@pytest.mark.parametrize("verb", ["PATCH", "OPTIONS", "BREW"])
def test_any_other_verb_is_refused_in_the_form_of_the_api(raw, verb):
    status, headers, body = raw.ask(verb, "uom/ManagedSystem")
    assert (status, headers["Content-Type"]) == (405, "application/atom+xml")
    assert f"{verb} is not allowed" in support.message(body)


def test_a_quick_property_of_a_feed(raw):
    status, _headers, body = raw.ask("GET", "uom/VirtualIOServer/quick/PartitionName")
    assert (status, json.loads(body)) == (200, ["vios1", "vios2"])
    assert raw.ask("GET", "uom/VirtualIOServer/quick/Colour")[0] == 404
