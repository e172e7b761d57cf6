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
StartResponse = collections.abc.Callable[..., typing.Any]
Application = collections.abc.Callable[
    [Environ, StartResponse], collections.abc.Iterable[bytes]
]


class Broken(Exception):
    """The connection shall end without an answer."""


class Middleware:
    """Tells the daemon of each call, and enacts what its rules want."""

    def __init__(self, application: Application, socket: str, member: str) -> None:
        self._application = application
        self._socket = socket
        self._member = member

    def __call__(
        self, environ: Environ, start_response: StartResponse
    ) -> collections.abc.Iterable[bytes]:
        length = int(environ.get("CONTENT_LENGTH") or 0)
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
        answer: list[tuple[str, list[tuple[str, str]]]] = []

        def keep(
            status: str, headers: list[tuple[str, str]], _error: typing.Any = None
        ) -> None:
            answer.append((status, headers))

        content = b"".join(self._application(environ, keep))
        status, headers = answer[-1]
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
