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

"""The part of the API below ``web``: sessions and files."""

from __future__ import annotations

import uuid as uuids

from ibmvirt.simulators.core import calls, http
from ibmvirt.simulators.novalink import atom, auth, files, store, views
from ibmvirt.simulators.novalink.refusals import refuse
from ibmvirt.simulators.novalink.schema import xml

# X-MC-Type tells the client that this is a NovaLink and not an HMC.
_LOGON = {
    "Content-Type": "application/vnd.ibm.powervm.web+xml; type=LogonResponse",
    "X-MC-Type": "PVM",
}


class Web:
    """Answers ``web/Logon`` and ``web/File`` of one system."""

    def __init__(
        self, system: store.System, sessions: auth.Sessions, file_list: files.Files
    ) -> None:
        self.system = system
        self.sessions = sessions
        self.files = file_list

    def logon(self, request: http.Request, call: calls.Call) -> http.Response:
        if request.verb == "DELETE":
            call.before()
            self.sessions.logoff(request.headers.get("X-API-Session"))
            return http.Response(204)
        if request.verb != "PUT":
            raise refuse("verb", verb=request.verb, path=request.path)
        body = request.body()
        xml.parse(body, "LogonRequest")
        views.check_type(self.system, request, "LogonRequest")
        call.before()
        _token, answer = self.sessions.logon(body)
        call.committed()
        return http.Response(200, b'<?xml version="1.0"?>' + answer, _LOGON)

    def answer(
        self, request: http.Request, call: calls.Call, parts: list[str]
    ) -> http.Response:
        if parts == ["File"] and request.verb == "PUT":
            body = request.body()
            xml.parse(body, "File")
            views.check_type(self.system, request, "File")
            call.before()
            with self.system.fabric.world.transaction():
                file = self.files.create(body)
            call.committed()
            return self._file(file)
        if parts == ["File"] and request.verb == "GET":
            call.before()
            return self._feed()
        if len(parts) == 3 and parts[:2] == ["File", "contents"]:
            return self._contents(request, call, parts[2])
        if len(parts) == 2 and parts[0] == "File":
            if request.verb == "GET":
                call.before()
                return self._file(self.files.get(parts[1]))
            if request.verb == "DELETE":
                call.before()
                self.files.delete(parts[1])
                call.committed()
                return http.Response(204)
        raise refuse("verb", verb=request.verb, path=request.path)

    def _file(self, file: files.File) -> http.Response:
        return http.Response(200, self._entry(file), {**atom.TYPE, "ETag": "1"})

    def _entry(self, file: files.File, *, member: bool = False) -> bytes:
        href = f"{self.system.base_url}/rest/api/web/File/{file.uuid}"
        content = xml.wrap(file.element)
        return atom.entry(
            "File", file.uuid, href, content, etag="1", space="web", member=member
        )

    def _feed(self) -> http.Response:
        """All open files (captured: file_feed.txt)."""
        found = [self._entry(file, member=True) for file in self.files.all()]
        if not found:
            return http.Response(204)
        href = f"{self.system.base_url}/rest/api/web/File"
        return http.Response(200, atom.feed(str(uuids.uuid4()), href, found), atom.TYPE)

    def _contents(
        self, request: http.Request, call: calls.Call, uuid: str
    ) -> http.Response:
        if request.verb in ("PUT", "POST"):
            file, blob, size = self.files.receive(uuid, request.stream())
            call.before()
            with self.system.fabric.world.transaction():
                self.files.keep(file, blob, size)
            call.committed()
            return http.Response(204)
        if request.verb == "GET":
            call.before()
            file = self.files.get(uuid)
            blobs = self.system.fabric.blobs
            if not file.blob:
                raise refuse("not_found", type="contents", uuid=uuid)
            return http.Response(
                200,
                blobs.open(file.blob),
                {"Content-Type": "application/octet-stream"},
                length=blobs.size(file.blob),
            )
        raise refuse("verb", verb=request.verb, path=request.path)
