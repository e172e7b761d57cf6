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


"""The hypervisor as Nova's API shows it."""

from __future__ import annotations

import re

import pytest


@pytest.fixture(params=["powervm", "zvm_nova"])
def nova(request):
    return request.getfixturevalue(request.param)


def hypervisor(nova, path="", version="2.88"):
    (found,) = nova.client.compute.hypervisors()
    answer = nova.client.compute.get(
        f"/os-hypervisors/{found.id}{path}", microversion=version
    )
    return answer.json()["hypervisor"]


@pytest.mark.parametrize(("path", "version"), [("", "2.88"), ("/uptime", "2.87")])
def test_the_uptime_is_shown(nova, path, version):
    """In newer versions Nova takes it from the node's statistics."""
    uptime = hypervisor(nova, path, version)["uptime"]
    # PowerVM: of the service's machine; z/VM: since its IPL.
    assert re.match(r"up \d+ days, .*load average: |IPL at \d\d/\d\d/\d\d", uptime)


def test_the_address_is_the_services(nova):
    assert hypervisor(nova)["host_ip"] == "127.0.0.1"
