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

"""How calls are sent and what becomes of their answers, on a small web server."""

from __future__ import annotations

import base64
import collections
import contextlib
import http.server
import json
import threading
import time

import pytest
import requests

from ibmvirt.common import clock
from ibmvirt.zvm import snapshots
from ibmvirt.zvm.client import connector, errors, fcp, transport

GOOD = {"overallRC": 0, "rc": 0, "rs": 0, "errmsg": "", "output": ["OSV1"]}
DROP = object()


def a_token(number, lifetime=3600):
    """A JSON web token, so far as its end can be read."""
    claims = {"exp": time.time() + lifetime, "number": number}
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"head.{body}.sign"


class Server:
    """Answers as a test says: ``answers["GET /guests"]`` is a list of (status,
    body), or DROP; the last one stays."""

    def __init__(self):
        self.answers = {}
        self.seen = collections.Counter()
        self.tokens = []
        self.lock = threading.Lock()
        self.web = None

    def answer(self, handler):
        key = f"{handler.command} {handler.path}"
        length = int(handler.headers.get("Content-Length") or 0)
        handler.rfile.read(length)
        with self.lock:
            self.seen[key] += 1
            if handler.path != "/token":
                self.tokens.append(handler.headers.get("X-Auth-Token"))
            left = self.answers.get(key, [(200, GOOD)])
            found = left.pop(0) if len(left) > 1 else left[0]
        if callable(found):
            found = found(handler)
        if found is DROP:
            handler.close_connection = True
            return
        status, body, *headers = found
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        handler.send_response(status)
        for name, value in headers:
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.web.server_address[1]}"


@pytest.fixture
def server():
    found = Server()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            found.answer(self)

        do_POST = do_DELETE = do_PUT = do_GET

        def log_message(self, *_args):
            """Not on the terminal."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as web:
        web.daemon_threads = True
        found.web = web
        thread = threading.Thread(
            target=web.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        thread.start()
        yield found
        web.shutdown()
        thread.join()


@pytest.fixture
def calls(server):
    with made(server) as found:
        yield found


@contextlib.contextmanager
def made(server, **options):
    wire = transport.Transport(
        server.url, waiter=clock.SystemClock(scale=0.001), **options
    )
    found = connector.Connector(wire)
    yield found
    found.close()


@pytest.fixture
def guarded(server, tmp_path):
    """A Connector that wants a token; ``server.given`` counts them."""
    path = tmp_path / "token.dat"
    path.write_text("the-admin-token\n")
    server.given = 0

    def give(handler):
        assert handler.headers["X-Admin-Token"] == "the-admin-token"
        with server.lock:
            server.given += 1
            return 200, b"", ("X-Auth-Token", a_token(server.given))

    server.give = give
    server.answers["POST /token"] = [give]
    with made(server, token_path=str(path)) as found:
        yield found


# -- what is sent again ---------------------------------------------------------


def test_a_read_whose_answer_is_lost_is_repeated(server, calls):
    server.answers["GET /guests"] = [DROP, (502, b"proxy"), (200, GOOD)]
    assert calls.guests() == {"OSV1"}
    assert server.seen["GET /guests"] == 3


def test_a_change_whose_answer_is_lost_is_not_repeated(server, calls):
    server.answers["POST /guests"] = [DROP]
    with pytest.raises(errors.ConnectorAnswerLost, match="create the guest OSV1"):
        calls.create_guest("OSV1", 1, 512, [])
    assert server.seen["POST /guests"] == 1


@pytest.mark.parametrize(
    "answer", [(503, b"too many"), (503, {"overallRC": 503, "rs": 1})]
)
def test_a_change_that_was_surely_not_made_is_repeated(server, calls, answer):
    server.answers["POST /guests"] = [answer, answer, (200, GOOD)]
    calls.create_guest("OSV1", 1, 512, [])
    server.answers["POST /guests"] = [answer]
    with pytest.raises(errors.ConnectorBusy, match="max_concurrent_deploy_capture"):
        calls.create_guest("OSV1", 1, 512, [])
    assert server.seen["POST /guests"] == 3 + 4


@pytest.mark.parametrize("rs", [1, 2])
def test_a_daemon_that_was_not_reached_did_nothing(server, calls, rs):
    away = {"overallRC": 101, "rc": 101, "rs": rs, "errmsg": "Failed to connect"}
    server.answers["POST /guests"] = [(500, away), (200, GOOD)]
    calls.create_guest("OSV1", 1, 512, [])
    server.answers["POST /guests"] = [(500, {**away, "rs": 3})]
    with pytest.raises(errors.ConnectorAnswerLost, match="Failed to connect"):
        calls.create_guest("OSV1", 1, 512, [])


def test_nothing_follows_a_redirect_or_believes_a_page(server, calls):
    server.answers["POST /guests"] = [(302, b"", ("Location", "http://elsewhere/"))]
    with pytest.raises(errors.ConnectorAnswerLost, match="status 302"):
        calls.create_guest("OSV1", 1, 512, [])


def test_a_schema_error_is_a_refusal(server, calls):
    refusal = {"badRequest": {"message": "Invalid input for field userid"}}
    server.answers["POST /guests"] = [(400, refusal)]
    with pytest.raises(errors.ConnectorRefused, match="Invalid input for field"):
        calls.create_guest("OSV1", 1, 512, [])


@pytest.mark.parametrize(
    ("codes", "kind", "shown"),
    [
        ((404, 404, 1, 10), errors.NotFound, "overallRC 404"),
        ((8, 400, 4, 10), errors.NotFound, "rc 400, rs 4"),
        ((8, 596, 3543, 10), errors.PoolFull, "Add volumes to the disk pool"),
        ((8, 400, 12, 10), errors.ConnectorError, "smcli Image_Unlock_DM"),
        ((300, 300, 13, 40), errors.AlreadyExists, "why"),
        ((300, 300, 9, 30), errors.ConnectorError, "multipathd must run"),
        # Another module's 9 says nothing of volumes.
        ((300, 300, 9, 10), errors.ConnectorError, r"why \(overallRC 300, .*rs 9\)"),
        # The Connector's "not implemented" has the module's name.
        ((501, 501, 1, "volume"), errors.Unsupported, "overallRC 501"),
        ((None, "x", None, None), errors.ConnectorError, "overallRC 0"),
    ],
)
def test_errors_by_their_codes(codes, kind, shown):
    names = ("overallRC", "rc", "rs", "modID")
    answer = {**dict(zip(names, codes, strict=True)), "errmsg": "why\\n"}
    found = errors.error_for("do something to OSV1", answer)
    assert type(found) is kind
    with pytest.raises(errors.ConnectorError, match=f"do something to OSV1.*{shown}"):
        raise found


def test_a_request_that_the_connector_would_cut_is_not_sent(server, calls):
    disks = [{"size": "10g", "format": "ext4"}] * 200
    with pytest.raises(
        errors.RequestTooLong, match=r"create the guest OSV1.*reads 4096"
    ):
        calls.create_guest("OSV1", 1, 512, disks)
    assert not server.seen


def test_after_the_end_nothing_is_sent(server, calls):
    calls.close()
    with pytest.raises(errors.ConnectorUnreachable, match="stopping"):
        calls.guests()
    assert not server.seen


def test_after_the_end_nobody_waits_for_the_connector(calls):
    """A snapshot that is to start its guest again, for one."""

    class Never(clock.SystemClock):
        def sleep(self, seconds):
            raise AssertionError(f"it waits {seconds} s")

    calls.close()
    former = clock.use(Never())
    try:
        with pytest.raises(errors.ConnectorClosed, match="start the guest OSV1"):
            snapshots._persist(lambda: calls.start("OSV1"))
    finally:
        clock.use(former)


# -- tokens -----------------------------------------------------------------------


def test_a_token_is_used_until_it_ends(server, guarded):
    for _ in range(3):
        guarded.guests()
    assert server.given == 1
    assert set(server.tokens) == {a_number(server, 1)}


def a_number(server, number):
    (found,) = {t for t in server.tokens if json_of(t)["number"] == number}
    return found


def json_of(token):
    body = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))


def test_a_token_that_is_refused_is_fetched_anew_once(server, guarded):
    server.answers["POST /guests"] = [(401, b""), (200, GOOD)]
    guarded.create_guest("OSV1", 1, 512, [])
    assert server.given == 2
    server.answers["POST /guests"] = [(401, b"")]
    with pytest.raises(
        errors.ConnectorUnauthorized, match=r"create the guest OSV1.*token_path"
    ):
        guarded.create_guest("OSV1", 1, 512, [])
    assert server.seen["POST /guests"] == 4


def test_many_threads_share_one_new_token(server, guarded):
    """All of them are refused with the old one; the first one fetches."""
    guarded.guests()
    everybody = threading.Barrier(4)

    def refuse_the_first(handler):
        if json_of(handler.headers["X-Auth-Token"])["number"] == 1:
            everybody.wait(60)
            return 401, b""
        return 200, GOOD

    server.answers["GET /guests"] = [refuse_the_first]
    threads = [threading.Thread(target=guarded.guests) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert server.given == 2


@pytest.mark.parametrize("answer", [DROP, (503, b"starting")])
def test_a_call_whose_token_did_not_come_was_not_sent(server, guarded, answer):
    """So it is surely not carried out, and is sent with the next token."""
    server.answers["POST /token"] = [answer, server.give]
    guarded.create_guest("OSV1", 1, 512, [])
    assert server.seen["POST /guests"] == 1


def test_a_token_that_never_comes(server, guarded):
    server.answers["POST /token"] = [DROP]
    with pytest.raises(errors.ConnectorUnreachable, match="create the guest OSV1"):
        guarded.create_guest("OSV1", 1, 512, [])
    assert server.seen["POST /guests"] == 0


def test_a_token_that_is_refused_is_told_with_its_file(server, guarded):
    server.answers["POST /token"] = [(401, b"")]
    with pytest.raises(errors.ConnectorUnauthorized, match=r"token\.dat") as caught:
        guarded.create_guest("OSV1", 1, 512, [])
    assert "the-admin-token" not in str(caught.value)
    assert server.seen["POST /token"] == 1


# -- TLS and timeouts -------------------------------------------------------------


@pytest.fixture
def sent(monkeypatch):
    """(verb, (connect, read) timeouts) of what is sent; nothing comes of it."""
    found = []

    def request(_session, verb, _target, *, timeout, **_other):
        found.append((verb, timeout))
        raise requests.exceptions.ReadTimeout("slow")

    monkeypatch.setattr(requests.Session, "request", request)
    return found


def test_a_question_is_not_waited_for_as_long_as_a_change(server, sent):
    with made(server, read_timeout=1800.0, connect_timeout=7.0, retries=0) as calls:
        for ask in (calls.guests, lambda: calls.power_state("OSV1"), calls.host_info):
            with pytest.raises(errors.ConnectorAnswerLost):
                ask()
        assert set(sent) == {("GET", (7.0, 300.0))}
        sent.clear()
        with pytest.raises(errors.ConnectorAnswerLost):
            calls.create_guest("OSV1", 1, 512, [])
        # This one waits for another guest's attach.
        with pytest.raises(errors.ConnectorAnswerLost):
            fcp.Fcp(calls).use("1a00")
        assert sent == [("POST", (7.0, 1800.0)), ("GET", (7.0, 1800.0))]


def test_what_was_waited_for_in_vain_is_not_sent_again(server, sent):
    """It would be waited for four times; whoever asked may ask again."""
    with made(server, read_timeout=1800.0) as calls:
        with pytest.raises(errors.ConnectorAnswerLost, match="list the guests"):
            calls.guests()
        with pytest.raises(errors.ConnectorUnreachable, match="does not answer"):
            calls.probe()
        with pytest.raises(errors.ConnectorTimedOut, match="start the guest OSV1"):
            calls.start("OSV1")
    assert [verb for verb, _timeouts in sent] == ["GET", "GET", "POST"]
    assert [wait for _verb, (_connect, wait) in sent] == [300.0, 30.0, 1800.0]


def test_nobody_waits_long_for_a_token(server, sent, tmp_path):
    path = tmp_path / "token.dat"
    path.write_text("x")
    with (
        made(server, read_timeout=1800.0, token_path=str(path), retries=0) as calls,
        pytest.raises(errors.ConnectorUnreachable),
    ):
        calls.start("OSV1")
    assert sent == [("POST", (10.0, 60.0))]


def test_a_connector_without_tls_is_named(server):
    wire = transport.Transport(
        server.url.replace("http:", "https:"), retries=0, connect_timeout=30.0
    )
    calls = connector.Connector(wire)
    for ask in (calls.probe, lambda: calls.create_guest("OSV1", 1, 512, [])):
        with pytest.raises(
            errors.ConnectorUnreachable, match=r"no TLS connection.*\[zvm\]ca_file"
        ):
            ask()
    calls.close()


def test_tls_that_breaks_after_the_request_leaves_its_end_open(
    server, calls, monkeypatch
):
    """The call may have been carried out: it is not sent again."""
    tries = []

    def request(*_args, **_names):
        tries.append(1)
        raise requests.exceptions.SSLError("[SSL: BAD_LENGTH] bad length")

    monkeypatch.setattr(requests.Session, "request", request)
    with pytest.raises(errors.ConnectorAnswerLost, match="create the guest OSV1"):
        calls.create_guest("OSV1", 1, 512, [])
    assert len(tries) == 1


@pytest.mark.parametrize(
    ("kind", "remedy"),
    [
        (errors.ConnectorUnreachable, "sdkserver"),
        (errors.ConnectorAnswerLost, "zvmsdk.log"),
        (errors.ConnectorTimedOut, "request_timeout"),
        (errors.ConnectorClosed, ""),
    ],
)
def test_what_was_lost_on_the_way_says_where_to_look(kind, remedy):
    error = kind("call guest_list", "the reason")
    assert remedy in error.remedy
    assert bool(error.remedy) == bool(remedy)
    assert error.during("list the guests").remedy == error.remedy
    assert kind("call guest_list", "why", remedy="do this").remedy == "do this"


def test_an_address_that_is_none_says_what_it_should_be():
    with pytest.raises(errors.ConnectorMisconfigured, match="is no address") as told:
        transport.Transport("connector:8080")
    assert "http(s)://host:port" in told.value.remedy
