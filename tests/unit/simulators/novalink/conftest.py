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


"""One simulator for the tests of this directory that need the real client."""

from __future__ import annotations

from urllib import parse

import pytest
from pypowervm import adapter as pvm_adapter

from ibmvirt.simulators.novalink import NovaLinkSimulator


@pytest.fixture(scope="module")
def process():
    # Strict: what pypowervm sends is in the order of the schema.
    with NovaLinkSimulator("--strict") as simulator:
        simulator.mark()
        yield simulator


@pytest.fixture
def simulator(process):
    process.reset()
    return process


@pytest.fixture
def adapter(simulator):
    """A real pypowervm adapter; no helper repeats or hides an error."""
    system = simulator.systems[0]
    url = parse.urlsplit(system["url"])
    session = pvm_adapter.Session(
        host=url.hostname,
        port=url.port,
        protocol="http",
        username=system["username"],
        password=system["password"],
        timeout=60,
    )
    yield pvm_adapter.Adapter(session, helpers=[])
    session._logoff()
