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

Run as a process of its own, without root. No file of the installed packages
is changed. What has to be bent is bent in :func:`bend`, one place each.
"""

from __future__ import annotations

import argparse
import builtins
import fcntl
import io
import os
import pathlib
import socketserver
import sys
import tempfile
import threading
import time
import typing
import wsgiref.simple_server

from ibmvirt.simulators.core import process
from ibmvirt.simulators.zvm import middleware, wire

SYSINFO = """Manufacturer:         IBM
Type:                 3931
Model:                A01
Sequence Code:        00000000000SIM01
CPUs Total:           8
CPUs Configured:      8
CPUs Standby:         0
LPAR Number:          1
LPAR Characteristics: Shared
LPAR Name:            SIMLPAR
LPAR CPUs Total:      8
LPAR CPUs Configured: 8
LPAR CPUs IFL:        7
VM00 Name:            ZCCUSER
VM00 Control Program: z/VM    7.3.0
VM00 CPUs Total:      2
"""


def bend(socket: str, home: pathlib.Path) -> None:
    """What the Connector expects of a z/VM guest and finds nowhere else."""
    from smtLayer import getHost, getVM, makeVM, powerVM, vmUtils
    from zvmsdk import constants, smtclient
    from zvmsdk import utils as sdk_utils

    real_open = builtins.open

    def open_here(
        path: typing.Any, *args: typing.Any, **kwargs: typing.Any
    ) -> typing.Any:
        # 1. /proc/sysinfo: this is no machine of IBM Z.
        if path == "/proc/sysinfo":
            return io.StringIO(SYSINFO)
        # 2. The reader's device is online.
        if path == "/sys/bus/ccw/drivers/vmur/0.0.000c/online":
            return io.StringIO("1\n")
        return real_open(path, *args, **kwargs)

    for module in (getHost, getVM):
        setattr(module, "open", open_here)  # noqa: B010

    # 3. The guests' consoles are kept in this member's directory.
    setattr(constants, "SDK_DATA_PATH", f"{home}/")  # noqa: B010
    for module in (smtclient,):
        module.const.SDK_DATA_PATH = f"{home}/"

    # 4. setupDisk is not in the wheel: an empty script is punched instead.
    script = home / "setupDisk"
    script.write_text("#!/bin/bash\n")
    original = smtclient.SMTClient.aemod_handler

    def aemod(self: typing.Any, name: str, function: str, parms: str) -> None:
        chosen = str(script) if function.endswith("/setupDisk") else function
        original(self, name, chosen, parms)

    smtclient.SMTClient.aemod_handler = aemod

    # 5. Two Connectors of one machine share /tmp/<userid> for a moment, which
    #    each removes: only one at a time.
    authorize = smtclient.SMTClient.guest_authorize_iucv_client

    def alone(self: typing.Any, *args: typing.Any, **kwargs: typing.Any) -> typing.Any:
        shared = os.open(tempfile.gettempdir(), os.O_RDONLY)
        try:
            fcntl.flock(shared, fcntl.LOCK_EX)
            return authorize(self, *args, **kwargs)
        finally:
            os.close(shared)

    smtclient.SMTClient.guest_authorize_iucv_client = alone

    # 6. Its sleeps follow the simulated clock.
    class Time:
        def __getattr__(self, name: str) -> typing.Any:
            return getattr(time, name)

        @staticmethod
        def sleep(seconds: float) -> None:
            wire.ask(socket, {"kind": "sleep", "seconds": seconds})

    for module in (powerVM, vmUtils, makeVM, smtclient, sdk_utils):
        if hasattr(module, "time"):
            setattr(module, "time", Time())  # noqa: B010


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
    bend(arguments.socket, arguments.home)
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
