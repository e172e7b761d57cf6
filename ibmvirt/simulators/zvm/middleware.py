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

"""Journal and faults around the Connector's real WSGI application."""

from __future__ import annotations

import collections.abc
import contextlib
import io
import json
import re
import typing

from ibmvirt.simulators.zvm import wire

Environ = dict[str, typing.Any]
Headers = list[tuple[str, str]]
StartResponse = collections.abc.Callable[..., typing.Any]
Application = collections.abc.Callable[
    [Environ, StartResponse], collections.abc.Iterable[bytes]
]


class Broken(Exception):
    """The connection ends: ``how`` is reset, drop or truncate."""

    def __init__(self, how: str) -> None:
        super().__init__(how)
        self.how = how


class Middleware:
    """Tells the daemon of each call, and enacts what its rules want."""

    def __init__(self, application: Application, socket: str, member: str) -> None:
        self._application = application
        self._socket = socket
        self._member = member

    def __call__(
        self, environ: Environ, start_response: StartResponse
    ) -> collections.abc.Iterable[bytes]:
        text = environ.get("CONTENT_LENGTH") or "0"
        if not (text.isascii() and text.isdigit()):
            # As a web server refuses it before the Connector sees it.
            start_response("400 Bad Request", [("Content-Length", "0")])
            return []
        length = int(text)
        octets = "octet-stream" in environ.get("CONTENT_TYPE", "")
        body = b"" if octets else environ["wsgi.input"].read(length)
        if not octets:
            environ["wsgi.input"] = io.BytesIO(body)
        path = environ.get("PATH_INFO", "/")
        begun = wire.ask(
            self._socket,
            {
                "kind": "begin",
                "member": self._member,
                "verb": environ["REQUEST_METHOD"],
                "key": _key(environ["REQUEST_METHOD"], path, body),
                "user": _user(path, body),
                "memento": environ.get("HTTP_X_AUDIT_MEMENTO"),
                "received": length,
            },
        )
        if "number" not in begun:
            return self._enact(begun, start_response)
        if begun["expired"]:
            environ["HTTP_X_AUTH_TOKEN"] = "expired"
        status, content = "500 Internal Server Error", b""
        headers: Headers = []
        try:
            status, headers, content = self._call(environ)
        finally:
            ended = wire.ask(
                self._socket,
                {
                    "kind": "end",
                    "number": begun["number"],
                    "status": int(status.split()[0]),
                    "sent": len(content),
                },
            )
        if ended:
            return self._enact(ended, start_response)
        start_response(status, headers)
        return [content]

    def _call(self, environ: Environ) -> tuple[str, Headers, bytes]:
        """The application's whole answer: a rule may still put one in its place."""
        answer: list[tuple[str, Headers]] = []

        def keep(status: str, headers: Headers, _error: typing.Any = None) -> None:
            answer.append((status, headers))

        pieces = self._application(environ, keep)
        try:
            content = b"".join(pieces)
        finally:
            close = getattr(pieces, "close", None)
            if close is not None:
                close()
        return *answer[-1], content

    @staticmethod
    def _enact(
        what: dict[str, typing.Any], start_response: StartResponse
    ) -> collections.abc.Iterable[bytes]:
        if "break" in what:
            raise Broken(what["break"])
        effect = what["refuse"]
        overall = int(effect.get("overall", 300))
        body = json.dumps(
            {
                "overallRC": overall,
                "modID": 120,
                "rc": int(effect.get("rc", overall)),
                "rs": int(effect.get("rs", 1)),
                "errmsg": str(effect.get("message", "a fault")),
                "output": "",
            }
        ).encode()
        status = int(effect.get("status", 503 if effect["kind"] == "busy" else 500))
        headers = [
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
        ]
        start_response(f"{status} Fault", headers)
        return [body]


_GUEST = re.compile(r"^/guests/(?!nics|stats|interfacestats|volumes)([^/]+)")


def _key(verb: str, path: str, body: bytes) -> str:
    """The call with its ids left out; an action is named."""
    short = _GUEST.sub("/guests/{id}", path)
    short = re.sub(r"^/(images|vswitches|volumes/conn)/[^/]+", r"/\1/{id}", short)
    short = re.sub(r"/nic/[^/]+$", "/nic/{vdev}", short)
    if short.endswith("/action"):
        with contextlib.suppress(ValueError, KeyError, TypeError):
            short += f" {json.loads(body)['action']}"
    return f"{verb} {short}"


def _user(path: str, body: bytes) -> str | None:
    match = _GUEST.match(path)
    if match:
        return match.group(1).upper()
    try:
        user = json.loads(body)["guest"]["userid"]
    except (ValueError, KeyError, TypeError):
        return None
    return str(user).upper()
