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


"""Pools of several tiers."""

from __future__ import annotations

import re
import uuid

import pytest
from pypowervm.wrappers import storage

from ibmvirt.common import exceptions, plan
from tests.support import powervm


def add_tier(novalink, name, capacity=None, free=None):
    """A further tier of the pool, like the one that there is.

    :param capacity: in GB.
    :param free: the same; '' = it does not tell.
    """
    dump = novalink.dump()
    shared = dump["shared"]
    (key, tier), *_ = [
        (key, value) for key, value in shared.items() if value["type"] == "Tier"
    ]
    other = str(uuid.uuid4())
    text = tier["xml"].replace(">SYSTEM<", f">{name}<").replace(tier["uuid"], other)
    text, count = re.subn("(IsDefault[^>]*>)true", r"\1false", text)
    assert count == 1
    if capacity is not None:
        # The first is the tier's, the second its failure group's.
        text = re.sub("(Capacity[^>]*>)[0-9]+", rf"\g<1>{capacity}", text, count=1)
    if free is not None:
        text, count = re.subn("(FreeSpace[^>]*>)[0-9.]+", rf"\g<1>{free}", text)
        assert count == 1
    shared[key.replace(tier["uuid"], other)] = {**tier, "uuid": other, "xml": text}
    novalink.load({"shared": shared})


def test_disks_of_another_tier_are_removed_with_their_server(novalink):
    add_tier(novalink, "FAST")
    novalink.mark()
    with powervm.running(novalink, tier_name="FAST") as driven:
        assert driven.backend.disks.configured.where() == "tier FAST of ssp1"
        mapped, gone = driven.plan(1), driven.plan(2)
        driven.spawn(mapped)
        # Of this one nothing but its disk is left.
        key = driven.backend.disks.prepare_image(gone.image, driven.source)
        driven.backend.disks.create(gone.server, gone.guest.disks, key)
        kept = driven.kept
        powervm.forget_images(driven)
    with powervm.running(novalink) as driven:
        driven.kept = kept
        driven.destroy(mapped)
        driven.destroy(gone)
    with powervm.running(novalink, tier_name="FAST") as driven:
        powervm.forget_images(driven)
        assert novalink.compare() == []


def units(driven):
    """Names of all units by the names of their tiers."""
    adapter = driven.backend.disks.configured._adapter
    pool = driven.backend.disks.configured._topology.tier().pool_uuid
    return {
        tier.name: {
            unit.name
            for unit in storage.LUEnt.get(
                adapter, parent_type=storage.Tier, parent_uuid=tier.uuid
            )
        }
        for tier in storage.Tier.get(adapter, parent_type=storage.SSP, parent_uuid=pool)
    }


@pytest.mark.parametrize(("option", "home"), [("FAST", "FAST"), ("", "SYSTEM")])
def test_images_and_disks_are_made_in_the_tier_that_is_configured(
    novalink, option, home
):
    add_tier(novalink, "FAST")
    with powervm.running(novalink, tier_name=option) as driven:
        spawn = driven.plan(further=(plan.DiskSpec("ephemeral", 0, 1024),))
        driven.spawn(spawn)
        found = units(driven)
        assert len(found.pop(home)) == 3
        assert found == {{"FAST": "SYSTEM", "SYSTEM": "FAST"}[home]: set()}
        storage_ = novalink.guest(spawn.server.name)["storage"]
        kinds = [(s["vios"], s["kind"]) for s in storage_]
        assert kinds.count(("vios1", "LogicalUnit")) == 2
        assert kinds.count(("vios2", "LogicalUnit")) == 2


def test_the_inventory_is_that_of_the_tier(novalink):
    add_tier(novalink, "FAST", capacity=100)
    with powervm.running(novalink) as driven:
        whole = driven.backend.host.resources().disk_gb
        assert whole > 100
    with powervm.running(novalink, tier_name="FAST") as driven:
        found = driven.backend.host.resources()
        assert (found.disk_gb, found.disk_gb_used) == (100, 0)
        assert isinstance(found.disk_gb, int)
    # A share of the node is taken of the tier too.
    with powervm.running(novalink, tier_name="FAST", disk_capacity_gb=40) as driven:
        assert driven.backend.host.resources().disk_gb == 40


@pytest.mark.parametrize(("told", "used"), [(25, 75), ("", 0)])
def test_what_is_free_is_that_of_the_tier_where_it_tells(novalink, told, used):
    add_tier(novalink, "FAST", capacity=100, free=told)
    with powervm.running(novalink, tier_name="FAST") as driven:
        assert driven.backend.host.resources().disk_gb_used == used
    with powervm.running(novalink) as driven:
        assert driven.backend.host.resources().disk_gb_used == 0


def test_what_a_disk_takes_is_taken_of_its_tier(novalink):
    add_tier(novalink, "FAST", capacity=100, free=100)
    with powervm.running(novalink, tier_name="FAST") as driven:
        spawn = driven.plan(root=40 * 1024)
        driven.spawn(spawn)
        # A thin unit has a tenth of its size at first.
        assert driven.backend.host.resources().disk_gb_used == 5
        novalink.world("free_space", pool="ssp1", gb=60)
        assert driven.backend.host.resources().disk_gb_used == 40
        big = driven.plan(2, root=2000 * 1024)
        with pytest.raises(exceptions.HypervisorError, match="VIOS00012"):
            driven.spawn(big)


def test_a_platform_without_that_group_is_asked_without_it_from_then_on(novalink):
    key = "GET Tier/{id}?group=TierThreshold"
    novalink.rule(
        match={"key": key}, count=None,
        effect={"kind": "refuse", "status": 400, "message": "Unknown group"},
    )  # fmt: skip
    with powervm.running(novalink) as driven:
        for _try in range(2):
            assert driven.backend.host.resources().disk_gb_used == 0
        keys = [record["key"] for record in novalink.journal()]
        assert keys.count(key) == 1


def test_a_tier_that_the_pool_does_not_have_is_named(novalink):
    add_tier(novalink, "FAST")
    with powervm.running(novalink, tier_name="GOLD") as driven:
        with pytest.raises(exceptions.HypervisorError) as raised:
            driven.backend.disks.configured.where()
        text = str(raised.value)
        assert "has no tier GOLD" in text
        assert "it has FAST, SYSTEM" in text
        assert "tier_name" in text
