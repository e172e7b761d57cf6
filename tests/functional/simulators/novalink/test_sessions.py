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

"""Logon by password and file, tokens, logoff, TLS."""

from __future__ import annotations

import http.client
import pathlib

import pytest
import requests
from pypowervm import exceptions as pvm_exc
from pypowervm.wrappers import managed_system as pvm_ms

from ibmvirt.simulators.novalink import NovaLinkSimulator
from tests.functional.simulators.novalink import support


def test_a_session_by_password_knows_that_this_is_a_novalink(session):
    assert session.mc_type == "PVM"
    assert session.schema_version == "V1_3_0"
    traits = support.adapter_of(session).traits
    assert not traits.local_api
    assert not traits.vnet_aware
    assert traits.has_high_slot
    assert traits.rmdev_job_available


def test_a_session_by_file_is_local(novalink):
    session = support.logon(novalink.systems[0], username=None, password=None)
    try:
        adapter = support.adapter_of(session)
        assert adapter.traits.local_api
        assert pvm_ms.System.get(adapter)[0].system_name == "sys1"
    finally:
        session._logoff()


def token_files(novalink):
    return set(
        pathlib.Path(novalink.systems[0]["local_bin"]).parents[2].glob("PowerVM*")
    )


@pytest.mark.parametrize("how", ["logoff", "expired", "restart"])
def test_the_token_file_goes_with_its_session(novalink, raw, how):
    session = support.logon(novalink.systems[0], username=None, password=None)
    assert len(token_files(novalink)) == 1
    if how == "restart":
        novalink.rule(match={"key": "GET ManagedSystem"}, effect={"kind": how})
        with pytest.raises(http.client.RemoteDisconnected):
            raw.ask("GET", "uom/ManagedSystem")
    elif how == "expired":
        novalink.clock(advance=24 * 3600)
        assert raw.ask("GET", "uom/ManagedSystem")[0] == 401
    session._logoff()
    assert token_files(novalink) == set()


def test_a_wrong_password_is_refused(novalink):
    with pytest.raises(pvm_exc.Error, match="REST0011"):
        support.logon(novalink.systems[0], password="wrong")


def test_an_expired_token_makes_the_client_log_on_again(novalink, adapter):
    novalink.rule(
        match={"key": "GET ManagedSystem*"}, effect={"kind": "expire_token"}, count=1
    )
    pvm_ms.System.get(adapter)
    before = len(novalink.journal(key="PUT web/Logon*"))
    assert pvm_ms.System.get(adapter)[0].system_name == "sys1"
    assert len(novalink.journal(key="PUT web/Logon*")) == before + 1


def test_a_token_expires_when_it_is_not_used(novalink, raw):
    assert raw.ask("GET", "uom/ManagedSystem")[0] == 200
    novalink.clock(advance=24 * 3600)
    status, _headers, body = raw.ask("GET", "uom/ManagedSystem")
    assert status == 401
    assert "REST0010" in support.message(body)


def test_after_logoff_the_token_is_unknown(raw):
    assert raw.ask("DELETE", "web/Logon")[0] == 204
    assert raw.ask("GET", "uom/ManagedSystem")[0] == 401
    assert raw.ask("GET", "uom/ManagedSystem", X_API_Session="made-up")[0] == 401


def test_the_memento_of_a_call_is_in_the_journal(novalink, adapter):
    adapter.read("ManagedSystem", auditmemento="somebody's call")
    (record,) = novalink.journal(memento="somebody's call")
    assert record["key"] == "GET ManagedSystem"
    assert record["status"] == 200


def test_tls_with_the_certificate_that_is_printed(monkeypatch):
    with NovaLinkSimulator("--tls") as simulator:
        assert pathlib.Path(simulator.ca_file).read_text().startswith("-----BEGIN")
        url = f"{simulator.systems[0]['url']}/rest/api/uom/ManagedSystem"
        assert (
            requests.get(url, verify=simulator.ca_file, timeout=60).status_code == 401
        )
        with pytest.raises(requests.exceptions.SSLError):
            requests.get(url, timeout=60)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", simulator.ca_file)
        session = support.logon(simulator.systems[0])
        assert pvm_ms.System.get(support.adapter_of(session))
        session._logoff()
