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


"""pypowervm's tasks of networks."""

from __future__ import annotations

import pytest
from pypowervm import exceptions as pvm_exc
from pypowervm.tasks import cna, network_bridger
from pypowervm.wrappers import network as pvm_net

from tests.functional.simulators.novalink.tasks.walk import walks


def bridges(adapter, machine):
    return pvm_net.NetBridge.get(adapter, parent=machine)


def switch_named(adapter, machine, name):
    found = pvm_net.VSwitch.get(adapter, parent=machine)
    return next(one for one in found if one.name == name)


@walks("cna.crt_cna")
def test_an_adapter_on_a_switch(adapter, machine, lpar):
    made = cna.crt_cna(
        adapter,
        machine.uuid,
        lpar.uuid,
        100,
        vswitch="ETHERNET1",
        mac_addr="fa163e000001",
        slot_num=10,
    )
    assert (made.pvid, made.slot, made.mac) == (100, 10, "FA163E000001")
    with pytest.raises(pvm_exc.Error, match="no such switch"):
        cna.crt_cna(adapter, machine.uuid, lpar.uuid, 1, vswitch="no such switch")
    cna.crt_cna(adapter, machine.uuid, lpar.uuid, 1, vswitch="new", crt_vswitch=True)
    assert switch_named(adapter, machine, "new").mode == pvm_net.VSwitchMode.VEB


@walks(
    "cna.crt_p2p_cna",
    "cna.crt_trunk_with_free_vlan",
    "cna.assign_free_vlan",
    "cna.find_trunks",
    "cna.find_cnas_on_trunk",
    "cna.find_orphaned_trunks",
)
def test_trunks_of_open_vswitch(adapter, machine, lpar, vioses):
    switch = "NovaLinkVEABridge"
    host = vioses["vios1"].uuid
    client, trunks = cna.crt_p2p_cna(
        adapter, machine.uuid, lpar.uuid, [host], switch, ovs_bridge="br-int"
    )
    (trunk,) = trunks
    assert [one.uuid for one in cna.find_trunks(adapter, client)] == [trunk.uuid]
    assert [one.uuid for one in cna.find_cnas_on_trunk(trunk)] == [client.uuid]
    free = cna.crt_trunk_with_free_vlan(adapter, machine.uuid, [host], switch)
    # It returns the trunk adapters it made; their VLAN is of nobody else.
    assert free[0].pvid != client.pvid
    orphans = cna.find_orphaned_trunks(adapter, switch)
    assert [one.uuid for one in orphans] == [free[0].uuid]
    wrapper = switch_named(adapter, machine, switch)
    moved = cna.assign_free_vlan(adapter, machine.uuid, wrapper, free[0])
    assert moved.pvid not in (client.pvid, 0)


@walks(
    "network_bridger.ensure_vlan_on_nb",
    "network_bridger.ensure_vlans_on_nb",
    "network_bridger.remove_vlan_from_nb",
)
def test_vlans_of_a_bridge(novalink, adapter, machine):
    first, second = bridges(adapter, machine)
    network_bridger.ensure_vlan_on_nb(adapter, machine.uuid, first.uuid, 700)
    # More than the twenty of one trunk: another load group is made.
    many = set(range(701, 725))
    network_bridger.ensure_vlans_on_nb(adapter, machine.uuid, first.uuid, many)
    first = first.refresh()
    assert {700, *many} <= set(first.list_vlans())
    # The primary and the one of before, which 17 more go on, and a third.
    assert len(first.load_grps) == 3
    assert all(len(group.tagged_vlans) <= 20 for group in first.load_grps)
    # Two peers have the same trunks.
    assert [len(sea.addl_adpts) for sea in first.seas] == [2, 2]
    assert 700 not in second.refresh().list_vlans()
    for vlan in (700, *many):
        network_bridger.remove_vlan_from_nb(adapter, machine.uuid, first.uuid, vlan)
    assert set(first.refresh().list_vlans()) == {1, 100, 101, 102}
    with pytest.raises(pvm_exc.PvidOfNetworkBridgeError):
        network_bridger.remove_vlan_from_nb(
            adapter, machine.uuid, first.uuid, 1, fail_if_pvid=True
        )
    assert novalink.compare() == []
