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

"""The admin API and its client: state, marks, disks, errors, the page."""

from __future__ import annotations

import http.client
import json
import urllib.parse
import urllib.request

import pytest

from ibmvirt.simulators.core import handle
from tests.support import toysim


def test_state_mark_reset_compare_with_contents(toy, client):
    client("PUT", "/boxes/a", b"one")
    toy.mark()
    assert toy.state()["kept"]["boxes"]["a"]["size"] == 3
    assert toy.compare() == []
    client("PUT", "/boxes/a", b"two")
    assert [change["path"] for change in toy.compare()] == ["boxes/a/blob"]
    assert toy.disk("a") == b"two"
    toy.reset()
    assert toy.compare() == []
    assert toy.disk("a") == b"one"
    assert toy.journal() == []
    # A finished image is a cache: it may be there.
    client("PUT", "/boxes/img1", b"image")
    assert toy.compare() == []


def test_dump_and_load(toy, client):
    client("PUT", "/boxes/a", b"one")
    dump = json.loads(json.dumps(toy.dump()))
    toy.reset()
    toy.load(dump)
    assert client("GET", "/boxes/a")[0] == 200
    assert toy.disk("a") == b"one"
    with pytest.raises(handle.SimulatorError, match=r"400.*boxes/b"):
        toy.load({"boxes": {"b": {"size": 1}}})
    assert client("GET", "/boxes/a")[0] == 200


def test_a_world_goes_to_another_process_with_its_contents(toy, client, tmp_path):
    client("PUT", "/boxes/a", b"one")
    client("PUT", "/boxes/b", b"two" * 9)
    toy.save(tmp_path)
    with toysim.ToySimulator() as other:
        # Without the bytes nothing is loaded.
        with pytest.raises(handle.SimulatorError, match=r"400 .*boxes/a: its content"):
            other.load(toy.dump())
        assert other.state()["kept"]["boxes"] == {}
        other.restore(tmp_path)
        assert other.disk("a") == b"one"
        assert other.disk("b") == b"two" * 9
        assert other.dump() == toy.dump()
        missing = "0" * 64
        with pytest.raises(handle.SimulatorError, match=f"404 .*content {missing}"):
            other.admin("GET", f"contents/{missing}")


def test_a_proxy_of_the_environment_is_not_asked(toy, client, monkeypatch, tmp_path):
    client("PUT", "/boxes/a", b"one")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    # urllib keeps what it found at its first request.
    monkeypatch.setattr(urllib.request, "_opener", None)
    assert list(toy.state()["kept"]["boxes"]) == ["a"]
    assert toy.disk("a") == b"one"
    toy.save(tmp_path)
    toy.restore(tmp_path)


def test_verify_and_actions(toy):
    assert toy.verify() == []
    toy.load({"boxes": {"b": {"name": "b", "size": 1, "lid": "open"}}})
    assert toy.verify() == ["box b is open"]
    assert toy.admin("GET", "world") == {"actions": ["capacity"]}
    toy.world("capacity", to=7)
    assert toy.state()["kept"]["limits"]["capacity"] == 7


def test_clock(toy):
    toy.clock(rate=0.0)
    before = toy.clock()["now"]
    assert toy.clock(advance=60.0)["now"] == before + 60


def test_journal_filters(toy, client):
    client("PUT", "/boxes/a", b"x", X_Audit_Memento="spawn:1")
    client("GET", "/boxes/a", X_Audit_Memento="bg:poll")
    assert [r["key"] for r in toy.journal(memento="spawn:*")] == ["PUT /boxes/{id}"]
    assert [r["seq"] for r in toy.journal(since=toy.journal()[0]["seq"])]
    assert len(toy.wait_journal(count=2, done=True, system="toy")) == 2
    assert toy.journal(system="other") == []


@pytest.mark.parametrize(
    ("verb", "path", "body", "status", "text"),
    [
        ("GET", "nothing", None, 404, "there is no /sim/nothing"),
        ("DELETE", "mark", None, 405, "DELETE is not for /sim/mark"),
        ("POST", "reset", {"name": "never"}, 404, "there is no mark never"),
        ("POST", "reset", {"name": 5}, 400, "name: must be a text"),
        ("POST", "compare", {"name": "never"}, 404, "mark never"),
        ("POST", "rules", {}, 400, "effect: must be an object"),
        ("POST", "rules", {"effect": {"kind": "event"}}, 400, "event is not offered"),
        (
            *("POST", "rules", {"effect": {"kind": "world", "action": "x"}}),
            *(400, "effect.action: must be one of"),
        ),
        ("GET", "rules/77", None, 404, "there is no rule 77"),
        ("DELETE", "rules/77", None, 404, "there is no rule 77"),
        ("POST", "rules/77/wait", {"timeout": 5}, 404, "there is no rule 77"),
        ("PUT", "clock", {"rate": -1}, 400, "rate: must be a number"),
        ("PUT", "clock", {"rate": 2, "advance": "x"}, 400, "advance: must be"),
        ("PUT", "clock", {"speed": 1}, 400, "speed: unknown field"),
        ("PUT", "latency", {}, 400, "profile: must be one of"),
        ("PUT", "transitions", {"x": {}}, 400, "x.progression"),
        ("PUT", "state", {"kept": {}}, 400, "kept: cannot be loaded"),
        ("GET", "state?form=xml", None, 400, "form: must be"),
        ("POST", "world", {"action": "x"}, 400, "action: must be one of"),
        ("POST", "world", {"action": "capacity"}, 400, "to: must be"),
        ("GET", "journal?since=x", None, 400, "since: must be a whole number"),
        ("GET", "journal?mementos=x", None, 400, "mementos: unknown field"),
        ("POST", "journal/wait", {"timeout": None}, 400, "timeout: must be"),
        ("GET", "disks/none", None, 404, "there is no none"),
        ("POST", "mark", {"nmae": "x"}, 400, "nmae: unknown field"),
        ("POST", "compare", {"nmae": "x"}, 400, "nmae: unknown field"),
        ("POST", "reset", {"nmae": "x"}, 400, "nmae: unknown field"),
        ("POST", "reset", {"journal": "no"}, 400, "journal: must be true or false"),
        ("POST", "verify", {"name": "x"}, 400, "name: unknown field"),
        ("POST", "journal/wait", {"count": 1.5}, 400, "count: must be a whole"),
        ("POST", "journal/wait", {"done": 1}, 400, "done: must be true or false"),
        ("POST", "mark", [], 400, "the body is not an object"),
        ("POST", "", {}, 405, "POST is not for /sim/"),
        ("POST", "fail", {}, 500, "ZeroDivisionError"),
    ],
)
def test_a_wrong_request_is_told_and_changes_nothing(
    toy, verb, path, body, status, text
):
    before = toy.state(), toy.clock()["rate"], toy.rules()
    with pytest.raises(handle.SimulatorError) as found:
        toy.admin(verb, path, body)
    assert f": {status} " in str(found.value)
    assert text in str(found.value)
    assert (toy.state(), toy.clock()["rate"], toy.rules()) == before


def test_a_reset_to_no_mark_leaves_the_rules_and_what_they_hold(toy):
    toy.rule(match={"key": "PUT *"}, effect={"kind": "hold"})
    before = toy.rules()
    with pytest.raises(handle.SimulatorError, match="404"):
        toy.reset("never")
    assert toy.rules() == before


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[" * 100_000])
def test_a_body_that_is_not_json(toy, body):
    address = urllib.parse.urlsplit(toy.admin_url).netloc
    connection = http.client.HTTPConnection(address, timeout=60)
    connection.request("POST", "/sim/mark", body)
    response = connection.getresponse()
    assert response.status == 400
    assert b"the body is not JSON" in response.read()
    # The connection is usable on.
    connection.request("GET", "/sim/clock")
    assert connection.getresponse().status == 200
    connection.close()


def test_a_body_that_is_too_long(toy):
    address = urllib.parse.urlsplit(toy.admin_url).netloc
    connection = http.client.HTTPConnection(address, timeout=60)
    connection.request("POST", "/sim/mark", b" " * (33 << 20))
    response = connection.getresponse()
    assert response.status == 413
    assert b"the body has more than" in response.read()
    connection.close()


def test_the_page_escapes_what_clients_send(toy, client):
    client("GET", "/boxes/a", X_Audit_Memento="<script>alert(1)</script>")
    with urllib.request.urlopen(f"{toy.admin_url}/sim/", timeout=60) as response:
        page = response.read().decode()
    assert "kept: boxes" in page
    assert "&lt;script&gt;" in page
    assert "<script>" not in page
    # Nothing is fetched from elsewhere.
    assert "src=" not in page
    assert "http://" not in page


def test_head_is_get_without_the_body(toy):
    for path in ("/sim/", "/sim/state"):
        request = urllib.request.Request(f"{toy.admin_url}{path}", method="HEAD")
        with urllib.request.urlopen(request, timeout=60) as response:
            assert int(response.headers["Content-Length"]) > 0
            assert response.read() == b""
