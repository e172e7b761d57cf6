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

"""The HTTP server: framing, limits, keep-alive, TLS, the end."""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import threading
import urllib.parse

import pytest

from ibmvirt.simulators.core import calls, tls
from ibmvirt.simulators.core import http as served


class Echo:
    """Answers with what came; some paths misbehave."""

    def __init__(self):
        self.server = served.Server(("127.0.0.1", 0), self.answer)
        self.requests = 0

    def answer(self, request):
        self.requests += 1
        if request.path == "/ignore":
            return served.Response(404, b"ignored")
        if request.path == "/half":
            next(request.stream())
            return served.Response(400, b"half")
        if request.path == "/file":
            return served.Response(200, io.BytesIO(b"x" * 1000), length=1000)
        if request.path == "/nothing":
            return served.Response(204)
        if request.path == "/defect":
            raise ZeroDivisionError("a defect")
        if request.path == "/drop":
            raise calls.Broken("drop")
        return served.Response(200, request.body(limit=1 << 20))


@pytest.fixture
def echo():
    made = Echo()
    made.server.start()
    yield made
    made.server.stop()


@pytest.fixture
def connection(echo):
    address = urllib.parse.urlsplit(echo.server.url).netloc
    made = http.client.HTTPConnection(address, timeout=60)
    yield made
    made.close()


def ask(connection, verb, path, body=None, **more):
    connection.request(verb, path, body, **more)
    response = connection.getresponse()
    return response.status, response.read()


def raw(echo, text):
    """What the server sends until it closes."""
    found = b""
    with socket.create_connection(echo.server.server_address[:2], timeout=60) as made:
        made.sendall(text)
        made.shutdown(socket.SHUT_WR)
        while piece := made.recv(65536):
            found += piece
    return found


def test_one_connection_serves_many_requests(connection):
    assert ask(connection, "PUT", "/", b"one") == (200, b"one")
    first = connection.sock
    assert ask(connection, "PUT", "/", iter([b"t", b"wo"])) == (200, b"two")
    assert ask(connection, "POST", "/ignore", b"x" * 100_000) == (404, b"ignored")
    assert ask(connection, "GET", "/file") == (200, b"x" * 1000)
    assert ask(connection, "HEAD", "/file") == (200, b"")
    assert ask(connection, "GET", "/nothing") == (204, b"")
    assert ask(connection, "GET", "/defect")[0] == 500
    assert ask(connection, "GET", "/") == (200, b"")
    assert connection.sock is first


def test_a_body_that_is_half_read_ends_the_connection(connection):
    assert ask(connection, "PUT", "/half", b"x" * 1_000_000)[0] == 400
    # The rest of the body was not taken for a request.
    assert ask(connection, "PUT", "/", b"next") == (200, b"next")


def test_a_body_over_the_limit(connection):
    status, text = ask(connection, "PUT", "/", b"x" * (1 << 20) + b"x")
    assert (status, text) == (413, b"the body has more than 1048576 bytes")


@pytest.mark.parametrize(
    ("request_text", "status"),
    [
        (b"PUT / HTTP/1.1\r\nContent-Length: five\r\n\r\n", b"400"),
        (b"PUT / HTTP/1.1\r\nContent-Length: -5\r\n\r\n", b"400"),
        (b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", b"400"),
        (b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n", b"400"),
        (b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxyz\r\n", b"400"),
        (b"nonsense\r\n\r\n", b"400"),
    ],
)
def test_wrong_framing_is_refused_and_the_connection_ends(echo, request_text, status):
    answer = raw(echo, request_text)
    assert status in answer
    assert ask(
        http.client.HTTPConnection(*echo.server.server_address[:2], timeout=60),
        *("GET", "/"),
    ) == (200, b"")


def test_what_is_no_http_gets_one_line(echo):
    head, _, body = raw(echo, b"GARBAGE\r\n\r\n").partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert body == b"Bad request syntax ('GARBAGE')\n"
    assert echo.requests == 0


def test_any_verb_is_the_answering_sides_to_judge(echo):
    assert b"200 OK" in raw(echo, b"BREW / HTTP/1.1\r\nConnection: close\r\n\r\n")


def test_a_body_that_ends_early_gets_no_answer(echo):
    assert raw(echo, b"PUT / HTTP/1.1\r\nContent-Length: 50\r\n\r\nshort") == b""


def test_a_refused_client_may_end_its_sending_and_reads_why(echo):
    with socket.create_connection(echo.server.server_address[:2], timeout=60) as made:
        made.sendall(b"PUT / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (40 << 20))
        made.sendall(b" " * (served.MAX_BODY + (1 << 20)))
        answer = made.recv(1000)
        assert answer.startswith(b"HTTP/1.1 413 ")
        # The answer is there, and what was under way is still taken.
        for _ in range(7):
            made.sendall(b" " * (1 << 20))
        made.shutdown(socket.SHUT_WR)
        while piece := made.recv(1000):
            answer += piece
    assert b"the body has more than" in answer


def test_a_client_that_asks_first_is_told_to_go_on(echo):
    with socket.create_connection(echo.server.server_address[:2], timeout=60) as made:
        made.sendall(
            b"PUT / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
        )
        assert b"100" in made.recv(1000)
        made.sendall(b"ok")
        assert made.recv(1000).endswith(b"ok")


def test_the_end_closes_idle_connections(echo, connection):
    assert ask(connection, "GET", "/")[0] == 200
    echo.server.stop()
    assert connection.sock.recv(1) == b""
    with pytest.raises(ConnectionError):
        http.client.HTTPConnection(*echo.server.server_address[:2], timeout=60).request(
            "GET", "/"
        )
    # Once more is harmless, also for one that never served.
    echo.server.stop()
    served.Server(("127.0.0.1", 0), echo.answer).stop()


def test_many_connections_at_once(echo):
    failed = []

    def work(number):
        made = http.client.HTTPConnection(*echo.server.server_address[:2], timeout=60)
        body = str(number).encode() * 1000
        if any(ask(made, "PUT", "/", body) != (200, body) for _ in range(20)):
            failed.append(number)
        made.close()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert echo.requests == 400


def test_tls_is_verified_by_its_own_certificate(tmp_path):
    context, certificate = tls.make(tmp_path)
    server = served.Server(
        ("127.0.0.1", 0), lambda request: served.Response(200, b"safe"), context
    )
    server.start()
    try:
        host, port = server.server_address[:2]
        trusting = ssl.create_default_context(cafile=certificate)
        made = http.client.HTTPSConnection(host, port, timeout=60, context=trusting)
        assert ask(made, "GET", "/") == (200, b"safe")
        made.close()
        stranger = http.client.HTTPSConnection(host, port, timeout=60)
        with pytest.raises(ssl.SSLCertVerificationError):
            stranger.request("GET", "/")
        # A client that is no TLS client ends alone.
        with socket.create_connection((host, port), timeout=60) as plain:
            plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
            plain.recv(100)
        made = http.client.HTTPSConnection(host, port, timeout=60, context=trusting)
        assert ask(made, "GET", "/") == (200, b"safe")
        made.close()
    finally:
        server.stop()
    assert (tmp_path / "key.pem").stat().st_mode & 0o077 == 0
