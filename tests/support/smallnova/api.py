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

"""WSGI applications on loopback ports, and their authentication."""

from __future__ import annotations

import socketserver
import threading
import wsgiref.simple_server


def auth_factory(_global_conf, **_local_conf):
    """A paste filter: the token ``project:role,role`` is who one is."""

    def make(application):
        def call(environ, start_response):
            token = environ.get("HTTP_X_AUTH_TOKEN", "")
            if not token:
                start_response("401 Unauthorized", [("Content-Length", "0")])
                return []
            roles = "admin,member,reader" if token == "admin" else "member,reader"
            environ.update(
                HTTP_X_USER_ID=token,
                HTTP_X_USER_NAME=token,
                HTTP_X_PROJECT_ID="demo",
                HTTP_X_PROJECT_NAME="demo",
                HTTP_X_TENANT_ID="demo",
                HTTP_X_USER_DOMAIN_ID="default",
                HTTP_X_PROJECT_DOMAIN_ID="default",
                HTTP_X_ROLES=roles,
                HTTP_X_IDENTITY_STATUS="Confirmed",
            )
            return application(environ, start_response)

        return call

    return make


class _Server(socketserver.ThreadingMixIn, wsgiref.simple_server.WSGIServer):
    daemon_threads = True
    request_queue_size = 64


class _Handler(wsgiref.simple_server.WSGIRequestHandler):
    def log_message(self, *_args):
        """Nova writes its own log."""

    def address_string(self):
        return self.client_address[0]


class Listener:
    """Serves a WSGI application on a free loopback port."""

    def __init__(self, port=0):
        self.server = _Server(("127.0.0.1", port), _Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self._thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    def start(self, application):
        self.server.set_app(application)
        self._thread.start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
