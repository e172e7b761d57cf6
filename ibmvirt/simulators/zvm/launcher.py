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

"""One member's Connector: the real sdkserver and the real WSGI application.

Run as a process of its own, without root. What has to be bent for that is in
:mod:`ibmvirt.simulators.zvm.bends`.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import pathlib
import socket
import socketserver
import ssl
import struct
import sys
import tempfile
import threading
import typing
import wsgiref.simple_server

from ibmvirt.simulators.core import http, process
from ibmvirt.simulators.zvm import bends, middleware

# A client that stops in the middle of a request does not hold a thread for ever.
_TIMEOUT = 120
# Bytes of a body in chunks that are not written to a file.
_IN_MEMORY = 1 << 20


def take(source: typing.Any, room: typing.IO[bytes]) -> None:
    """Put a body in chunks into a file, which goes to the disk as it grows."""
    # writelines() of a spooled file would let it grow in memory to its end.
    for piece in http.chunks(source):
        room.write(piece)


class _Server(socketserver.ThreadingMixIn, wsgiref.simple_server.WSGIServer):
    daemon_threads = True
    request_queue_size = 64

    def server_bind(self) -> None:
        """Without asking a name server for the name of the address."""
        socketserver.TCPServer.server_bind(self)
        host, port = self.server_address[:2]
        self.server_name, self.server_port = str(host), port
        self.setup_environ()

    def handle_error(self, request: typing.Any, client_address: typing.Any) -> None:
        """A broken connection is a fault that was asked for."""


class _Handler(wsgiref.simple_server.WSGIRequestHandler):
    timeout = _TIMEOUT

    def log_message(self, format: str, *args: typing.Any) -> None:
        """The Connector writes its own log."""

    def address_string(self) -> str:
        return str(self.client_address[0])

    def handle(self) -> None:
        """As the base class, but a Broken call ends the connection at once, and a
        body may come in chunks, as web servers in front of a Connector take it."""
        try:
            self.raw_requestline = self.rfile.readline(65537)
        except (OSError, ssl.SSLError):
            return
        if not self.parse_request():
            return
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as room:
            source: typing.Any = self.rfile
            environ = self.get_environ()
            if http.is_chunked(self.headers):
                try:
                    take(self.rfile, room)
                except http.BadRequest as error:
                    self.send_error(400, str(error))
                    return
                except OSError:
                    return
                environ["CONTENT_LENGTH"] = str(room.tell())
                room.seek(0)
                source = room
            self._answer(source, environ)

    def _answer(self, source: typing.Any, environ: dict[str, typing.Any]) -> None:
        sink: typing.Any = self.wfile
        handler = _ServerHandler(source, sink, self.get_stderr(), environ)
        handler.request_handler = self
        handler.run(self.server.get_app())  # type: ignore[attr-defined]


class _ServerHandler(wsgiref.simple_server.ServerHandler):
    request_handler: typing.Any
    environ: typing.Any

    def run(self, application: typing.Any) -> None:
        try:
            self.setup_environ()
            self.result = application(self.environ, self.start_response)
            self.finish_response()
        except middleware.Broken as broken:
            with contextlib.suppress(OSError):
                self._break(broken.how)
        except OSError:
            return
        except Exception:
            # What the application does not catch is a 500, with a trace in the
            # output of this process.
            self.handle_error()

    def _break(self, how: str) -> None:
        connection = self.request_handler.connection
        if how == "truncate":
            head = b"HTTP/1.0 200 OK\r\nContent-Length: 4096\r\n\r\n{"
            self.request_handler.wfile.write(head)
            self.request_handler.wfile.flush()
        elif how == "reset":
            # Linger of zero makes close() send RST instead of FIN.
            connection.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
        connection.close()


def _start_server() -> None:
    """The real sdkserver, on a port that the system chooses."""
    from zvmsdk import config, sdkserver

    config.CONF.sdkserver.bind_port = 0
    server = sdkserver.SDKServer()
    server.setup()
    # The web application finds it by the configuration.
    config.CONF.sdkserver.bind_port = server.server_socket.getsockname()[1]
    threading.Thread(target=server.run, daemon=True).start()


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", required=True, type=pathlib.Path)
    parser.add_argument("--socket", required=True)
    parser.add_argument("--member", required=True)
    parser.add_argument("--listen", required=True)
    parser.add_argument("--ready", required=True, type=pathlib.Path)
    parser.add_argument("--certificate", type=pathlib.Path)
    parser.add_argument("--key", type=pathlib.Path)
    arguments = parser.parse_args(argv)
    process.die_with_parent()
    os.chdir(arguments.home)
    # load_config must come before every other import of the Connector.
    from zvmsdk import config

    config.load_config()
    from zvmsdk import log

    log.setup_log()
    bends.apply(arguments.socket, arguments.home)
    _start_server()
    from zvmsdk.sdkwsgi import deploy

    application = middleware.Middleware(
        deploy.init_application(), arguments.socket, arguments.member
    )
    host, _, port = arguments.listen.rpartition(":")
    try:
        web = _Server((host, int(port)), _Handler)
    except OSError as error:
        sys.exit(f"cannot listen on {arguments.listen}: {error.strerror}")
    scheme = "http"
    if arguments.certificate:
        scheme = "https"
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(arguments.certificate, arguments.key)
        # The handshake is the business of the connection's own thread.
        web.socket = context.wrap_socket(
            web.socket, server_side=True, do_handshake_on_connect=False
        )
    web.set_app(application)
    partial = arguments.ready.with_suffix(".part")
    partial.write_text(f"{scheme}://{host}:{web.server_port}")
    partial.replace(arguments.ready)
    web.serve_forever(poll_interval=0.05)
    return 0


if __name__ == "__main__":
    sys.exit(main())
