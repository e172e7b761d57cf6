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


"""The documentation's table of resources says what the code says."""

from __future__ import annotations

import pathlib

import pytest

from ibmvirt.simulators.novalink import catalogue, refusals, registry
from ibmvirt.simulators.novalink.objects import base

PAGE = pathlib.Path(__file__).parents[4] / "docs/simulators/novalink-resources.rst"
registry.load()


def test_the_page_is_current():
    assert PAGE.read_text(encoding="utf-8") == catalogue.page()


@pytest.mark.parametrize("kind", sorted(base.REGISTRY))
def test_every_resource_says_where_its_behaviour_is_from(kind):
    assert "- captured: " in (base.REGISTRY[kind].__doc__ or "")


def test_every_refusal_says_where_it_is_from():
    sources = {entry.source for entry in refusals.TABLE.values()}
    assert sources == {"captured", "documented", "assumed"}
