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

"""The admin API of a simulator: JSON over HTTP at ``/sim/``."""

from __future__ import annotations

import collections.abc
import json
import re
import typing

from ibmvirt.simulators.core import blobs, calls, http, page, rules, world

Route = collections.abc.Callable[..., typing.Any]


class AdminError(Exception):
    """A refused admin request; the text names the field."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Admin:
    """Routes for what every simulator has; a simulator adds its own."""

    def __init__(
        self,
        name: str,
        instruments: calls.Instruments,
        state: world.World,
        contents: blobs.Blobs,
    ) -> None:
        self.name = name
        self._in = instruments
        self._world = state
        self._blobs = contents
        self._routes: list[tuple[str, re.Pattern[str], Route]] = []
        self._add_common()

    def route(self, verb: str, pattern: str, action: Route) -> None:
        """``action`` gets the pattern's groups, then the body for PUT and POST."""
        self._routes.append((verb, re.compile(f"/sim/{pattern}$"), action))

    def answer(self, request: http.Request) -> http.Response:
        try:
            return self._answer(request)
        except AdminError as error:
            return _json({"error": str(error)}, error.status)
        except (rules.RuleError, ValueError) as error:
            return _json({"error": str(error)}, 400)
        except KeyError as error:
            return _json({"error": f"there is no {error.args[0]!r}"}, 404)

    def _answer(self, request: http.Request) -> http.Response:
        if request.verb == "GET" and request.path in ("/", "/sim", "/sim/"):
            return page.render(self.name, self._world, self._in)
        found = False
        for verb, pattern, action in self._routes:
            match = pattern.match(request.path)
            if match is None:
                continue
            found = True
            if verb != request.verb:
                continue
            arguments = list(match.groups())
            if verb in ("PUT", "POST"):
                arguments.append(_body(request))
            elif request.query:
                arguments.append(request.query)
            result = action(*arguments)
            return result if isinstance(result, http.Response) else _json(result)
        if found:
            raise AdminError(405, f"{request.verb} is not for {request.path}")
        raise AdminError(404, f"there is no {request.path}")

    def _add_common(self) -> None:
        route, inst, state = self.route, self._in, self._world
        route("GET", "state", lambda *_q: state.state())
        route("POST", "mark", lambda body: state.mark(_name(body)))
        route("POST", "reset", self._reset)
        route("POST", "compare", lambda body: state.compare(_name(body)))
        route("POST", "verify", lambda _body: state.verify())
        route("GET", "journal", self._journal)
        route("DELETE", "journal", lambda *_q: inst.journal.clear())
        route("GET", "rules", lambda *_q: inst.rules.export())
        route("POST", "rules", lambda body: inst.rules.add(body).export())
        route("DELETE", "rules", lambda *_q: inst.rules.delete())
        route("DELETE", r"rules/(\d+)", lambda n, *_q: inst.rules.delete(int(n)))
        route("POST", r"rules/(\d+)/wait", self._wait)
        route("GET", "clock", lambda *_q: self._clock())
        route("PUT", "clock", self._set_clock)
        route("GET", "latency", lambda *_q: {"profile": inst.latency.profile})
        route("PUT", "latency", self._set_latency)

    def _reset(self, body: typing.Any) -> None:
        self._in.rules.delete()
        self._world.reset(_name(body))
        if body.get("journal", True):
            self._in.journal.clear()

    def _journal(self, query: dict[str, str] | None = None) -> typing.Any:
        query = query or {}
        return self._in.journal.records(
            memento=query.get("memento"),
            key=query.get("key"),
            layer=query.get("layer"),
            since=int(query.get("since", 0)),
        )

    def _wait(self, number: str, body: typing.Any) -> typing.Any:
        timeout = float(body.get("timeout", 10))
        return {"parked": self._in.rules.wait_parked(int(number), timeout)}

    def _clock(self) -> typing.Any:
        return {"now": self._in.clock.now(), "rate": self._in.clock.rate}

    def _set_clock(self, body: typing.Any) -> typing.Any:
        if "rate" in body:
            self._in.clock.set_rate(float(body["rate"]))
        if "advance" in body:
            self._in.clock.advance(float(body["advance"]))
        return self._clock()

    def _set_latency(self, body: typing.Any) -> typing.Any:
        self._in.latency.set_profile(str(body.get("profile")))
        return {"profile": self._in.latency.profile}


def _name(body: typing.Any) -> str:
    return str(body.get("name", "mark"))


def _body(request: http.Request) -> typing.Any:
    raw = request.body()
    if not raw:
        return {}
    try:
        body = json.loads(raw)
    except ValueError as error:
        raise AdminError(400, f"the body is not JSON: {error}") from None
    if not isinstance(body, dict):
        raise AdminError(400, "the body is not an object")
    return body


def _json(value: typing.Any, status: int = 200) -> http.Response:
    body = json.dumps(value, default=str).encode()
    return http.Response(status, body, {"Content-Type": "application/json"})
