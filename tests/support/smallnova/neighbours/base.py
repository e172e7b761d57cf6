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

"""JSON over HTTP by a table of routes."""

from __future__ import annotations

import json
import re
import threading

from ibmvirt.simulators.core import http


class Refused(Exception):
    def __init__(self, status, text):
        super().__init__(text)
        self.status = status


class Service:
    """Routes (verb, pattern) to methods; state behind one lock, in a file."""

    def __init__(self, state_file):
        self.lock = threading.RLock()
        self.file = state_file
        self.data = self.initial()
        if state_file.exists():
            self.data = json.loads(state_file.read_text())
        self.routes = []
        self.server = http.Server(("127.0.0.1", 0), self.answer)

    def initial(self):
        return {}

    def save(self):
        partial = self.file.with_suffix(".part")
        partial.write_text(json.dumps(self.data))
        partial.replace(self.file)

    @property
    def url(self):
        return self.server.url

    def start(self):
        self.server.start()

    def stop(self):
        self.server.stop()

    def route(self, verb, pattern, action):
        self.routes.append((verb, re.compile(f"^(?:{pattern})$"), action))

    def answer(self, request):
        try:
            for verb, pattern, action in self.routes:
                match = pattern.match(request.path.rstrip("/") or "/")
                if match and verb == request.verb:
                    result = action(request, *match.groups())
                    if isinstance(result, http.Response):
                        return result
                    return reply(result)
            raise Refused(404, f"{request.verb} {request.path} is not here")
        except Refused as refused:
            return reply(self.fault(refused), refused.status)

    @staticmethod
    def fault(refused):
        """A refusal as the service's clients read it; Neutron's by default."""
        error = {"message": str(refused), "type": "Refused", "detail": ""}
        return {"NeutronError": error}


def body(request):
    return json.loads(request.body() or b"{}")


def reply(value, status=200):
    if value is None:
        return http.Response(204 if status == 200 else status)
    content = json.dumps(value).encode()
    return http.Response(status, content, {"Content-Type": "application/json"})
