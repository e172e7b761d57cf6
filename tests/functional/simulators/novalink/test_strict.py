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

"""What strict mode refuses and tells, and plain mode does not."""

from __future__ import annotations

import pytest
from lxml import etree

from ibmvirt.simulators.novalink import NovaLinkSimulator
from tests.functional.simulators.novalink import support
from tests.unit.simulators.novalink import requests

ATOM = "{http://www.w3.org/2005/Atom}"
TYPE = support.TYPE.format(space="uom", kind="LogicalPartition")


@pytest.fixture(scope="module")
def strict_process():
    with NovaLinkSimulator("--strict") as simulator:
        simulator.mark("clean")
        yield simulator


def lpar_of(simulator):
    """Path, ETag and content of a new partition."""
    session = support.logon(simulator.systems[0])
    made = requests.new_lpar(support.adapter_of(session))
    session._logoff()
    raw = support.Raw(simulator.systems[0])
    path = f"uom/LogicalPartition/{made.uuid}?group=None"
    _status, headers, body = raw.ask("GET", path)
    content = etree.fromstring(body).find(f"{ATOM}content")[0]
    return raw, path, headers["ETag"], content


def swapped(content):
    """The content with two children in the wrong order."""
    children = list(content)
    content.insert(1, children[-1])
    return content


CASES = {
    "REST0032": lambda content: (content, "application/xml", True),
    "REST0034": lambda content: (content, TYPE, False),
    "REST0033": lambda content: (swapped(content), TYPE, True),
}


@pytest.mark.parametrize("number", CASES)
def test_strict_mode_refuses(strict_process, number):
    strict_process.reset("clean")
    raw, path, tag, content = lpar_of(strict_process)
    content, kind, match = CASES[number](content)
    headers = {"If_Match": tag} if match else {}
    strict_process.mark("before")
    status, _headers, body = raw.ask(
        "POST", path, etree.tostring(content), kind, **headers
    )
    raw.close()
    assert status == 400
    assert number in support.message(body)
    assert strict_process.compare("before") == []


@pytest.mark.parametrize("number", CASES)
def test_plain_mode_does_not(novalink, number):
    raw, path, tag, content = lpar_of(novalink)
    content, kind, match = CASES[number](content)
    headers = {"If_Match": tag} if match else {}
    status = raw.ask("POST", path, etree.tostring(content), kind, **headers)[0]
    raw.close()
    assert status == 200


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("web/Logon", "LogonRequest"),
        ("web/File", "File"),
        ("uom/Event", "Event"),
        ("uom/ManagedSystem/{machine}/do/GetNextWWPNs", "JobRequest"),
    ],
)
def test_what_is_no_object_has_its_type_too(strict_process, path, kind):
    strict_process.reset("clean")
    raw = support.Raw(strict_process.systems[0])
    where = path.format(machine=strict_process.systems[0]["uuid"])
    space = "uom" if kind == "Event" else "web"
    # No right password: nothing may come of it.
    body = (
        f'<{kind} xmlns="{support.WEB.replace("web", space)}">'
        f"<Password>x</Password></{kind}>"
    )
    for given in ("application/xml", f"{space}+xml; type=Other{kind}"):
        status, _headers, answer = raw.ask("PUT", where, body, given)
        assert (status, support.message(answer).split()[0]) == (400, "REST0032")
    right = support.TYPE.format(space=space, kind=kind)
    assert b"REST0032" not in raw.ask("PUT", where, body, right)[2]
    raw.close()


def test_sessions_that_stay_open(strict_process):
    strict_process.reset("clean")
    raw = support.Raw(strict_process.systems[0])
    assert strict_process.verify() == ["sys1: 1 sessions were not logged off"]
    raw.close()
    assert strict_process.verify() == []
