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

"""The admin API of a simulator: JSON over HTTP at ``/sim/``.

A refusal is ``{"error": text}`` with 400, 404, 405 or 413; the text names the
field. Nothing is changed then.
"""

from __future__ import annotations

import collections.abc
import json
import math
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
        self._routes: list[tuple[str, re.Pattern[str], Route, bool]] = []
        instruments.handle(world=lambda effect, _call: state.act(effect))
        self._add_common()

    def route(
        self, verb: str, pattern: str, action: Route, *, raw: bool = False
    ) -> None:
        """``action`` gets the pattern's groups, then the body for PUT and POST.

        :param raw: the body is no JSON: the request in its place.
        """
        self._routes.append((verb, re.compile(f"/sim/{pattern}$"), action, raw))

    def answer(self, request: http.Request) -> http.Response:
        try:
            return self._answer(request)
        except AdminError as error:
            return _json({"error": str(error)}, error.status)
        except http.BodyTooLong as error:
            return _json({"error": str(error)}, 413)
        except (rules.RuleError, ValueError) as error:
            return _json({"error": str(error)}, 400)
        except KeyError as error:
            return _json({"error": f"there is no {error.args[0]}"}, 404)

    def _answer(self, request: http.Request) -> http.Response:
        # As a GET; the server leaves the body out.
        verb_asked = "GET" if request.verb == "HEAD" else request.verb
        if verb_asked == "GET" and request.path in ("/", "/sim", "/sim/"):
            return page.render(self.name, self._world, self._in)
        found = request.path in ("/", "/sim", "/sim/")
        for verb, pattern, action, raw in self._routes:
            match = pattern.match(request.path)
            if match is None:
                continue
            found = True
            if verb != verb_asked:
                continue
            arguments = list(match.groups())
            if verb in ("PUT", "POST"):
                arguments.append(request if raw else _body(request))
            elif request.query:
                arguments.append(request.query)
            result = action(*arguments)
            return result if isinstance(result, http.Response) else _json(result)
        if found:
            raise AdminError(405, f"{request.verb} is not for {request.path}")
        raise AdminError(404, f"there is no {request.path}")

    def _add_common(self) -> None:
        route, inst, state = self.route, self._in, self._world
        route("GET", "state", self._state)
        route("PUT", "state", lambda body: state.load(body, self._blobs.has))
        route("GET", "contents", lambda *_q: self._contents())
        route("GET", "contents/([0-9a-f]{64})", lambda name, *_q: self._content(name))
        route("PUT", "contents", self._put_content, raw=True)
        route("GET", "world", lambda *_q: {"actions": state.actions()})
        route("POST", "world", state.act)
        route("POST", "mark", lambda body: state.mark(_named(body)))
        route("POST", "reset", self._reset)
        route("POST", "compare", lambda body: state.compare(_named(body)))
        route("POST", "verify", self._verify)
        route("GET", "journal", self._journal)
        route("POST", "journal/wait", self._wait_journal)
        route("DELETE", "journal", lambda *_q: inst.journal.clear())
        route("GET", "rules", lambda *_q: inst.rules.export())
        route("POST", "rules", self._add_rule)
        route("DELETE", "rules", lambda *_q: inst.rules.delete())
        route("GET", r"rules/(\d+)", lambda n, *_q: inst.rules.get(int(n)))
        route("DELETE", r"rules/(\d+)", lambda n, *_q: inst.rules.delete(int(n)))
        route("POST", r"rules/(\d+)/wait", self._wait)
        route("GET", "clock", lambda *_q: self._clock())
        route("PUT", "clock", self._set_clock)
        route("GET", "latency", lambda *_q: {"profile": inst.latency.profile})
        route("PUT", "latency", self._set_latency)
        route("GET", "transitions", lambda *_q: inst.transitions.export())
        route("PUT", "transitions", self._set_transitions)

    def _state(self, query: dict[str, str] | None = None) -> typing.Any:
        form = (query or {}).get("form", "compared")
        if form not in ("compared", "dump"):
            raise AdminError(400, "form: must be compared or dump")
        return self._world.dump() if form == "dump" else self._world.state()

    def _contents(self) -> typing.Any:
        """What a dump names, with its bytes' number."""
        names = sorted(self._world.contents())
        return [{"name": name, "size": self._blobs.size(name)} for name in names]

    def _content(self, name: str) -> http.Response:
        try:
            source = self._blobs.open(name)
        except KeyError:
            raise AdminError(404, f"there is no content {name}") from None
        return http.Response(
            200,
            source,
            {"Content-Type": "application/octet-stream"},
            length=self._blobs.size(name),
        )

    def _put_content(self, request: http.Request) -> typing.Any:
        """Take the bytes in, for a dump that names them."""
        with self._blobs.writer() as writer:
            for piece in request.stream():
                writer.write(piece)
            return {"name": writer.commit(), "size": writer.size}

    def _reset(self, body: typing.Any) -> None:
        name = _named(body, "journal")
        empty = _flag(body, "journal", True)
        self._world.marked(name)
        # What a rule holds must not go on in the world of the next test.
        self._in.rules.delete(drop=True)
        self._world.reset(name)
        self._in.transitions.clear()
        if empty:
            self._in.journal.clear()

    def _verify(self, body: typing.Any) -> typing.Any:
        _only(body)
        return self._world.verify()

    def _journal(self, query: dict[str, str] | None = None) -> typing.Any:
        return self._in.journal.records(**_filter(query or {}))

    def _wait_journal(self, body: typing.Any) -> typing.Any:
        given = dict(body)
        timeout = _number(given, "timeout", 10)
        count = _number(given, "count", 1)
        if not count.is_integer():
            raise AdminError(400, "count: must be a whole number")
        done = _flag(given, "done", False)
        given.pop("done", None)
        given.pop("timeout", None)
        given.pop("count", None)
        query = _filter({name: str(value) for name, value in given.items()})
        return self._in.journal.wait(timeout, count=int(count), done=done, **query)

    def _add_rule(self, body: typing.Any) -> typing.Any:
        effect = body.get("effect")
        if isinstance(effect, dict) and effect.get("kind") == "world":
            known = self._world.actions()
            if effect.get("action") not in known:
                raise AdminError(400, f"effect.action: must be one of {known}")
        return self._in.rules.add(body).export()

    def _wait(self, number: str, body: typing.Any) -> typing.Any:
        _only(body, "timeout")
        timeout = _number(body, "timeout", 10)
        return {"parked": self._in.rules.wait_parked(int(number), timeout)}

    def _clock(self) -> typing.Any:
        return {"now": self._in.clock.now(), "rate": self._in.clock.rate}

    def _set_clock(self, body: typing.Any) -> typing.Any:
        _only(body, "rate", "advance")
        rate = _number(body, "rate", self._in.clock.rate)
        advance = _number(body, "advance", 0)
        if "rate" in body:
            self._in.clock.set_rate(rate)
        if advance:
            self._in.clock.advance(advance)
        return self._clock()

    def _set_latency(self, body: typing.Any) -> typing.Any:
        _only(body, "profile")
        self._in.latency.set_profile(str(body.get("profile")))
        return {"profile": self._in.latency.profile}

    def _set_transitions(self, body: typing.Any) -> typing.Any:
        self._in.transitions.set(body)
        return self._in.transitions.export()


_FILTERS = ("memento", "key", "layer", "system", "since")


def _filter(query: dict[str, str]) -> dict[str, typing.Any]:
    _only(query, *_FILTERS)
    found: dict[str, typing.Any] = dict(query)
    if "since" in found:
        if not str(found["since"]).isdigit():
            raise AdminError(400, "since: must be a whole number")
        found["since"] = int(found["since"])
    return found


def _only(body: typing.Any, *known: str) -> None:
    for name in body:
        if name not in known:
            raise AdminError(400, f"{name}: unknown field; known are {list(known)}")


def _number(body: typing.Any, name: str, default: float) -> float:
    value = body.get(name, default)
    good = isinstance(value, int | float) and not isinstance(value, bool)
    if not good or not math.isfinite(value) or value < 0:
        raise AdminError(400, f"{name}: must be a number of at least 0")
    return float(value)


def _flag(body: typing.Any, name: str, default: bool) -> bool:
    value = body.get(name, default)
    if not isinstance(value, bool):
        raise AdminError(400, f"{name}: must be true or false")
    return value


def _named(body: typing.Any, *others: str) -> str:
    """The name of a mark; ``others`` are the fields beside it."""
    _only(body, "name", *others)
    name = body.get("name", "mark")
    if not isinstance(name, str) or not name:
        raise AdminError(400, "name: must be a text")
    return name


def _body(request: http.Request) -> typing.Any:
    raw = request.body()
    if not raw:
        return {}
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise AdminError(400, f"the body is not JSON: {error}") from None
    if not isinstance(body, dict):
        raise AdminError(400, "the body is not an object")
    return body


def _json(value: typing.Any, status: int = 200) -> http.Response:
    body = json.dumps(value, default=str).encode()
    return http.Response(status, body, {"Content-Type": "application/json"})
