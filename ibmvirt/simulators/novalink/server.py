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

"""One managed system's REST API over HTTP."""

from __future__ import annotations

import ssl
import typing

from ibmvirt.simulators.core import calls, http, world
from ibmvirt.simulators.novalink import (
    address,
    atom,
    auth,
    events,
    files,
    jobs,
    metrics,
    store,
    uom,
    web,
)
from ibmvirt.simulators.novalink.refusals import Refusal, refuse
from ibmvirt.simulators.novalink.schema import xml


class Endpoint:
    """Answers requests to one system."""

    def __init__(
        self,
        system: store.System,
        sessions: auth.Sessions,
        queue: events.Queue,
        job_list: jobs.Jobs,
        file_list: files.Files,
    ) -> None:
        self.system = system
        self.sessions = sessions
        self.queue = queue
        self.jobs = job_list
        self.files = file_list
        self._in = system.fabric.instruments
        self._uom = uom.Uom(system, queue, job_list)
        self._web = web.Web(system, sessions, file_list)
        self._metrics = metrics.Metrics(system)

    # -- a call through its phases -----------------------------------------

    def answer(self, request: http.Request) -> http.Response:
        with self.system.fabric.world.as_it_is():
            return self._answer_in_phases(request)

    def _answer_in_phases(self, request: http.Request) -> http.Response:
        call = self._in.call(
            layer="rest",
            system=self.system.name,
            verb=request.verb,
            key=f"{request.verb} {address.template(request.path)}{_group_text(request)}",
            group=request.query.get("group"),
            target=address.target(request.path),
            memento=request.headers.get("X-Audit-Memento"),
        )
        response: http.Response | None = None
        try:
            response = self._answer(request, call)
            if request.verb != "GET":
                for action in self.system.fabric.settled:
                    action()
            call.after()
        except calls.Refused as refused:
            response = self._error(self._by_rule(refused.effect), request)
        except Refusal as error:
            response = self._error(error, request)
        except xml.MalformedXML as error:
            refusal = refuse("malformed", detail=str(error))
            response = self._error(refusal, request)
        except http.BodyTooLong as error:
            response = self._error(refuse("too_long", detail=str(error)), request)
        except http.BadRequest as error:
            response = self._error(refuse("malformed", detail=str(error)), request)
        except world.Replaced:
            call.answered(0, 0, "drop")
            raise calls.Broken("drop") from None
        except (ConnectionError, TimeoutError, ssl.SSLError):
            # The client went away in the middle of its body.
            call.answered(0, 0, "broken")
            raise
        except calls.Broken as broken:
            call.answered(0, 0, broken.how)
            if response and isinstance(response.body, bytes) and response.body:
                broken.answer = (response.status, response.headers, response.body)
            raise
        except Exception:
            # A defect of the simulator, which the client is told of.
            call.answered(500, 0)
            raise
        call.record["received"] = request.received
        call.answered(response.status, response.length or 0)
        return response

    def _error(self, refusal: Refusal, request: http.Request) -> http.Response:
        return http.Response(
            refusal.status, atom.error(refusal, request.path), atom.TYPE
        )

    @staticmethod
    def _by_rule(effect: dict[str, typing.Any]) -> Refusal:
        """What a fault rule wants to be answered."""
        if effect["kind"] == "busy":
            return refuse("busy")
        if effect["kind"] == "etag":
            return refuse("etag", type="object", uuid="")
        status = int(effect.get("status", 500))
        return Refusal(status, str(effect.get("message", "Unexpected error occurred.")))

    def _answer(self, request: http.Request, call: calls.Call) -> http.Response:
        if not request.path.startswith(address.ROOT):
            raise refuse("unknown_path", path=request.path)
        parts = [p for p in request.path[len(address.ROOT) :].split("/") if p]
        if parts[:2] == ["web", "Logon"]:
            return self._web.logon(request, call)
        session = self.sessions.check(request.headers.get("X-API-Session"))
        call.record["user"] = session.user
        if parts[:1] == ["web"]:
            return self._web.answer(request, call, parts[1:])
        if parts[:1] == ["pcm"]:
            return self._metrics.answer(request, call, parts[1:])
        if parts[:1] == ["uom"] and len(parts) > 1:
            return self._uom.answer(request, call, parts[1:])
        raise refuse("unknown_path", path=request.path)


def _group_text(request: http.Request) -> str:
    group = request.query.get("group")
    return f"?group={group}" if group not in (None, "None") else ""
