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


"""Logging on to NovaLink: by a local file, by password, and what is refused."""

from __future__ import annotations

import threading

import pytest

from ibmvirt.common import exceptions
from ibmvirt.simulators.novalink import NovaLinkSimulator
from tests.support import powervm

LOCAL = {"novalink_user": None, "novalink_password": None, "novalink_ca_file": None}


def test_without_a_password_a_local_file_proves_the_service(novalink):
    with powervm.running(novalink, **LOCAL) as driven:
        spawn = driven.plan()
        driven.spawn(spawn)
        assert novalink.guest(spawn.server.name)["state"] == "running"
        # A token that has expired is replaced in the same way.
        novalink.rule(match={"layer": "rest"}, effect={"kind": "expire_token"})
        driven.destroy(spawn)
        assert novalink.compare() == []
    assert novalink.verify() == []


def test_a_token_file_that_cannot_be_read_is_named(novalink, monkeypatch):
    """As on a host whose service is not in the group pvm_admin."""
    real = open

    def refuse(path, *arguments, **names):
        if "/PowerVM_" in str(path):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *arguments, **names)

    monkeypatch.setattr("builtins.open", refuse)
    with (
        pytest.raises(exceptions.HypervisorUnavailable, match="pvm_admin"),
        powervm.running(novalink, **LOCAL),
    ):
        pass


@pytest.mark.parametrize("host", ["novalink.example.com", "192.0.2.7", "::2"])
def test_http_leaves_this_machine_never(novalink, host):
    with (
        pytest.raises(exceptions.InvalidRequest, match="novalink_protocol to https"),
        powervm.running(novalink, novalink_host=host, novalink_protocol="http"),
    ):
        pass


class Later:
    """What `running` needs of a simulator that is not there yet."""

    ca_file = None

    def __init__(self, ready):
        self.systems = [{**ready, "username": None, "password": None}]


def test_the_service_waits_for_the_rest_server(fast_clock):
    """It may be started before NovaLink answers, as after a boot."""
    with NovaLinkSimulator() as first:
        ready = dict(first.systems[0])
    port = ready["url"].rsplit(":", 1)[1]
    later = NovaLinkSimulator("--listen", f"127.0.0.1:{port}")
    thread = threading.Thread(target=later.start)
    thread.start()
    try:
        with powervm.running(Later(ready), vios_wait_timeout=6000) as driven:
            assert driven.backend.host.node_name()
    finally:
        thread.join()
        later.stop()
