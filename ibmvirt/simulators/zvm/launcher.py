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
import os
import pathlib
import socketserver
import sys
import threading
import typing
import wsgiref.simple_server

from ibmvirt.simulators.core import process
from ibmvirt.simulators.zvm import bends, middleware


class _Server(socketserver.ThreadingMixIn, wsgiref.simple_server.WSGIServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: typing.Any, client_address: typing.Any) -> None:
        """A broken connection is a fault that was asked for."""


class _Handler(wsgiref.simple_server.WSGIRequestHandler):
    def log_message(self, format: str, *args: typing.Any) -> None:
        """The Connector writes its own log."""

    def address_string(self) -> str:
        return str(self.client_address[0])

    def handle(self) -> None:
        """As the base class, but a Broken call ends the connection at once."""
        self.raw_requestline = self.rfile.readline(65537)
        if not self.parse_request():
            return
        source: typing.Any = self.rfile
        sink: typing.Any = self.wfile
        handler = _ServerHandler(source, sink, self.get_stderr(), self.get_environ())
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
        except middleware.Broken:
            self.request_handler.connection.close()
        except (ConnectionError, BrokenPipeError):
            return


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", required=True, type=pathlib.Path)
    parser.add_argument("--socket", required=True)
    parser.add_argument("--member", required=True)
    parser.add_argument("--listen", required=True)
    parser.add_argument("--ready", required=True, type=pathlib.Path)
    arguments = parser.parse_args(argv)
    process.die_with_parent()
    os.chdir(arguments.home)
    # load_config must come before every other import of the Connector.
    from zvmsdk import config

    config.load_config()
    from zvmsdk import log

    log.setup_log()
    bends.apply(arguments.socket, arguments.home)
    from zvmsdk import sdkserver
    from zvmsdk.sdkwsgi import deploy

    server = sdkserver.SDKServer()
    server.setup()
    threading.Thread(target=server.run, daemon=True).start()
    application = middleware.Middleware(
        deploy.init_application(), arguments.socket, arguments.member
    )
    host, _, port = arguments.listen.rpartition(":")
    web = _Server((host, int(port)), _Handler)
    web.set_app(application)
    arguments.ready.write_text(f"http://{host}:{web.server_port}")
    web.serve_forever(poll_interval=0.05)
    return 0


if __name__ == "__main__":
    sys.exit(main())
