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

"""A toy simulator for all tests of a worker, as new for each."""

from __future__ import annotations

import http.client
import urllib.parse

import pytest

from ibmvirt.simulators.core import plugin
from tests.support import toysim


@pytest.fixture(scope="session")
def toy_process():
    yield from plugin.running(toysim.ToySimulator())


@pytest.fixture
def toy(toy_process):
    yield from plugin.as_new(toy_process)


class Client:
    """A keep-alive client of the toy's REST API."""

    def __init__(self, url, context=None):
        parts = urllib.parse.urlsplit(url)
        if parts.scheme == "https":
            self.connection = http.client.HTTPSConnection(
                parts.netloc, timeout=60, context=context
            )
        else:
            self.connection = http.client.HTTPConnection(parts.netloc, timeout=60)

    def __call__(self, verb, path, body=None, **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.connection.request(verb, path, body, named)
        response = self.connection.getresponse()
        return response.status, response.read()


@pytest.fixture
def client(toy):
    made = Client(toy.url)
    yield made
    made.connection.close()
