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

"""The HTTP server that both simulators and their admin API use.

One thread a connection, HTTP/1.1 with keep-alive, one segment a response.
"""

from __future__ import annotations

import collections.abc
import contextlib
import http.server
import io
import logging
import socket
import ssl
import struct
import threading
import time
import typing
import urllib.parse

from ibmvirt.simulators.core import calls

LOG = logging.getLogger(__name__)

# Bodies above this are refused, but for handlers that stream them.
MAX_BODY = 32 << 20
_CHUNK = 1 << 16
# What a handler left unread is read up to here; beyond, the connection ends.
_DRAIN = 64 << 20
# Seconds that a client which was answered early has for the rest of its request.
_LINGER = 10.0


class BodyTooLong(Exception):
    """The request's body is over the limit."""


class BadRequest(Exception):
    """The request's framing is wrong: the connection cannot be used on."""


def is_chunked(headers: typing.Any) -> bool:
    """Whether a request's body comes in chunks."""
    return "chunked" in headers.get("Transfer-Encoding", "").lower()


def chunks(source: typing.Any) -> collections.abc.Iterator[bytes]:
    """A body in chunks, to its end.

    :raises BadRequest: what comes is none.
    :raises ConnectionError: it ends early.
    """
    while True:
        text = source.readline(1024).split(b";")[0].strip()
        try:
            left = int(text, 16)
        except ValueError:
            left = -1
        if left < 0:
            raise BadRequest(f"chunk length {text!r} is no number")
        if left == 0:
            while source.readline(1024).strip():
                pass
            return
        yield from _pieces(source, left)
        if source.readline(8).strip():
            raise BadRequest("a chunk is longer than it says")


def _pieces(source: typing.Any, left: int) -> collections.abc.Iterator[bytes]:
    while left > 0:
        piece = source.read(min(left, _CHUNK))
        if not piece:
            raise ConnectionError("the body ended early")
        left -= len(piece)
        yield piece


class Request:
    """A request; the body is read when it is asked for."""

    def __init__(self, handler: _Handler) -> None:
        self._handler = handler
        self.verb: str = handler.command
        parts = urllib.parse.urlsplit(handler.path)
        self.raw_path = parts.path
        self.path = urllib.parse.unquote(parts.path)
        self.pairs = urllib.parse.parse_qsl(parts.query, keep_blank_values=True)
        self.query = dict(self.pairs)
        self.headers = handler.headers
        self.received = 0
        self._begun = False
        self._complete = False

    def stream(self) -> collections.abc.Iterator[bytes]:
        """The body in pieces, chunked or not.

        :raises BadRequest: its length is no number.
        :raises ConnectionError: it ends early.
        """
        self._begun = True
        source = self._handler.rfile
        if is_chunked(self.headers):
            pieces = chunks(source)
        else:
            text = self.headers.get("Content-Length") or "0"
            if not (text.isascii() and text.isdigit()):
                raise BadRequest(f"Content-Length {text!r} is no number")
            pieces = _pieces(source, int(text))
        for piece in pieces:
            self.received += len(piece)
            yield piece
        self._complete = True

    def body(self, limit: int = MAX_BODY) -> bytes:
        """:raises BodyTooLong: more than ``limit`` bytes."""
        collected = io.BytesIO()
        for piece in self.stream():
            collected.write(piece)
            if collected.tell() > limit:
                raise BodyTooLong(f"the body has more than {limit} bytes")
        return collected.getvalue()

    def drain(self) -> bool:
        """Read what the handler did not; whether the connection is usable."""
        if not self._begun:
            with contextlib.suppress(ConnectionError, OSError, BadRequest):
                for _piece in self.stream():
                    if self.received > _DRAIN:
                        return False
        return self._complete


class Response:
    """Status, headers and body; the body may be an open file."""

    def __init__(
        self,
        status: int = 200,
        body: bytes | typing.BinaryIO = b"",
        headers: collections.abc.Mapping[str, str] | None = None,
        *,
        length: int | None = None,
    ) -> None:
        self.status = status
        self.body = body
        self.headers = dict(headers or {})
        self.length = len(body) if isinstance(body, bytes) else length


Answer = collections.abc.Callable[[Request], Response]


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # A client that stops in the middle does not hold a thread for ever.
    timeout = 120
    wbufsize = -1
    disable_nagle_algorithm = True
    server: Server

    def setup(self) -> None:
        super().setup()
        self.server.opened(self.connection)

    def finish(self) -> None:
        self.server.closed(self.connection)
        with contextlib.suppress(OSError):
            super().finish()

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError, TimeoutError, ssl.SSLError, OSError):
            super().handle()

    def log_message(self, format: str, *args: typing.Any) -> None:
        LOG.debug(format, *args)

    def handle_expect_100(self) -> bool:
        result = super().handle_expect_100()
        # The answer is in the buffer, and the client waits for it.
        self.wfile.flush()
        return result

    def _serve(self) -> None:
        request = Request(self)
        try:
            response = self.server.answer(request)
        except calls.Broken as broken:
            self._break(broken)
            return
        except BodyTooLong as error:
            self.close_connection = True
            response = Response(413, str(error).encode())
        except BadRequest as error:
            self.close_connection = True
            response = Response(400, str(error).encode())
        except (ConnectionError, TimeoutError, ssl.SSLError):
            self.close_connection = True
            return
        except Exception as error:
            # A defect of the simulator: loud here and there, and it goes on.
            LOG.exception("%s %s failed", request.verb, request.path)
            text = f"the simulator failed: {type(error).__name__}: {error}"
            response = Response(500, text.encode())
        drained = request.drain()
        if not drained:
            self.close_connection = True
        self._send(response)
        if not drained:
            self._linger()

    def _linger(self) -> None:
        """Take what the client is still sending, so that it comes to read the answer.

        Closing with bytes unread would reset the connection, and the client would
        see a broken pipe in place of the answer.
        """
        taken, until = 0, time.monotonic() + _LINGER
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            while taken < _DRAIN and (left := until - time.monotonic()) > 0:
                self.connection.settimeout(left)
                piece = self.rfile.read1(_CHUNK)
                if not piece:
                    return
                taken += len(piece)

    def __getattr__(self, name: str) -> typing.Any:
        # Every verb is the answering side's to judge, also one that is none.
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)

    def send_error(
        self, code: int, message: str | None = None, explain: str | None = None
    ) -> None:
        """What is no HTTP request: one line of text, and the end."""
        self.close_connection = True
        # Without a version in the request there would be no status line.
        self.request_version = self.protocol_version
        text = f"{message or 'not an HTTP request'}\n"
        self._send(Response(code, text.encode()))

    def _send(self, response: Response) -> None:
        self.send_response_only(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        if response.status not in (204, 304):
            self.send_header("Content-Length", str(response.length or 0))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        bodiless = self.command == "HEAD" or response.status in (204, 304)
        if not isinstance(response.body, bytes):
            with response.body as source:
                while not bodiless and (piece := source.read(_CHUNK * 4)):
                    self.wfile.write(piece)
        elif not bodiless:
            self.wfile.write(response.body)
        self.wfile.flush()

    def _break(self, broken: calls.Broken) -> None:
        self.close_connection = True
        if broken.how == "truncate":
            status, headers, body = broken.answer or (200, {}, b"<<")
            self.send_response_only(status)
            for name, value in headers.items():
                self.send_header(name, value)
            # More is announced than comes, however short the answer is.
            self.send_header("Content-Length", str(max(len(body), 4096)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
        elif broken.how == "reset":
            # Linger of zero makes close() send RST instead of FIN.
            with contextlib.suppress(OSError):
                self.connection.setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                )
        with contextlib.suppress(OSError):
            self.connection.close()


class Server(http.server.ThreadingHTTPServer):
    """Serves ``answer`` from :meth:`start` on until :meth:`stop`."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(
        self,
        address: tuple[str, int],
        answer: Answer,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.answer = answer
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._stopped = False
        self._tls = tls
        try:
            super().__init__(address, _Handler)
        except OSError as error:
            host, port = address
            text = f"cannot listen on {host}:{port}: {error.strerror}"
            raise OSError(error.errno, text) from None
        if tls is not None:
            self.socket = tls.wrap_socket(
                self.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )

    @property
    def url(self) -> str:
        host, port = self.server_address[:2]
        return f"{'https' if self._tls else 'http'}://{host!s}:{port}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop serving and close every connection; again is harmless."""
        with self._lock:
            if self._stopped:
                return
            self._stopped = True
        if self._thread.ident is not None:
            # Without a thread that serves, shutdown() would wait for ever.
            self.shutdown()
            self._thread.join()
        self.server_close()
        with self._lock:
            for connection in self._connections:
                _end(connection)

    def opened(self, connection: socket.socket) -> None:
        with self._lock:
            self._connections.add(connection)
            if self._stopped:
                _end(connection)

    def closed(self, connection: socket.socket) -> None:
        with self._lock:
            self._connections.discard(connection)

    def handle_error(self, request: typing.Any, client_address: typing.Any) -> None:
        LOG.debug("connection of %s ended", client_address, exc_info=True)


def _end(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
