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

"""Clients of the NovaLink simulator."""

from __future__ import annotations

import http.client
import time
import urllib.parse

from lxml import etree
from pypowervm import adapter as pvm_adapter

WEB = "http://www.ibm.com/xmlns/systems/power/firmware/web/mc/2012_10/"
TYPE = "application/vnd.ibm.powervm.{space}+xml; type={kind}"


def logon(system, **options):
    url = urllib.parse.urlsplit(system["url"])
    values = {
        "host": url.hostname,
        "port": url.port,
        "protocol": url.scheme,
        "username": system["username"],
        "password": system["password"],
        "timeout": 30,
        **options,
    }
    return pvm_adapter.Session(**values)


def adapter_of(session):
    """No helper repeats or hides an error."""
    return pvm_adapter.Adapter(session, helpers=[])


class Raw:
    """One keep-alive connection with a token."""

    def __init__(self, system):
        self.system = system
        url = urllib.parse.urlsplit(system["url"])
        self.connection = http.client.HTTPConnection(url.hostname, url.port, timeout=60)
        status, _headers, body = self.logon(system["username"], system["password"])
        assert status == 200
        self.token = etree.fromstring(body).findtext(f"{{{WEB}}}X-API-Session")

    def logon(self, user, password):
        body = (
            f'<LogonRequest xmlns="{WEB}" schemaVersion="V1_0"><UserID>{user}</UserID>'
            f"<Password>{password}</Password></LogonRequest>"
        )
        self.token = None
        return self.ask(
            "PUT", "web/Logon", body, TYPE.format(space="web", kind="LogonRequest")
        )

    def ask(self, verb, path, body=None, kind=None, **headers):
        """Status, headers and body of a request below /rest/api/."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.token:
            sent.setdefault("X-API-Session", self.token)
        if kind:
            sent["Content-Type"] = kind
        address = path if path.startswith("/") else f"/rest/api/{path}"
        self.connection.request(verb, address, body, sent)
        response = self.connection.getresponse()
        return response.status, response.headers, response.read()

    def close(self):
        self.ask("DELETE", "web/Logon")
        self.connection.close()


def message(body):
    """The text of an HttpErrorResponse."""
    root = etree.fromstring(body)
    found = root.find(f".//{{{WEB}}}HttpErrorResponse/{{{WEB}}}Message")
    assert found is not None, body
    return found.text


def until(condition, seconds=60):
    """Ask again and again until it holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)
