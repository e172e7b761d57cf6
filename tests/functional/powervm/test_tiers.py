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

from tests.support import powervm


def add_tier(novalink, name):
    """A further tier of the pool, like the one that there is."""
    dump = novalink.dump()
    shared = dump["shared"]
    (key, tier), *_ = [
        (key, value) for key, value in shared.items() if value["type"] == "Tier"
    ]
    other = str(uuid.uuid4())
    text = tier["xml"].replace(">SYSTEM<", f">{name}<").replace(tier["uuid"], other)
    text = re.sub("(<IsDefault[^>]*>)true", r"\1false", text)
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
