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

"""Logon, tokens and logoff."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import secrets
import threading

from ibmvirt.simulators.core import clock
from ibmvirt.simulators.novalink.refusals import refuse
from ibmvirt.simulators.novalink.schema import xml

# Seconds of simulated time that a token lives without use (documented: the
# platform's default is some hours).
LIFETIME = 4 * 3600.0


@dataclasses.dataclass
class Session:
    token: str
    user: str
    used: float
    # What a client on the same machine reads the token from.
    file: pathlib.Path | None = None

    def end(self) -> None:
        if self.file is not None:
            self.file.unlink(missing_ok=True)


class Sessions:
    """Open sessions of one system."""

    def __init__(
        self, time: clock.Clock, user: str, password: str, directory: pathlib.Path
    ) -> None:
        self.user = user
        self.password = password
        self._clock = time
        self._directory = directory
        self._lock = threading.Lock()
        self._open: dict[str, Session] = {}

    def logon(self, body: bytes) -> tuple[str, bytes]:
        """Token (or '' for a file logon) and the LogonResponse.

        :raises Refusal: user or password are wrong.
        """
        request = xml.parse(body, "LogonRequest")
        user = xml.value(request, "UserID")
        password = xml.find(request, "Password")
        if password is not None:
            if user != self.user or not secrets.compare_digest(
                (password.text or "").encode(), self.password.encode()
            ):
                raise refuse("logon")
            token = self._new(user)
            answer = xml.leaf("X-API-Session", token, "ROR", ns=xml.WEB)
        else:
            # A client on the same machine proves itself by reading a file.
            path = self._directory / f"PowerVM_{secrets.token_hex(8)}"
            token = self._new(user or self.user, path)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(token)
            answer = xml.leaf("X-API-SessionFile", path, "ROR", ns=xml.WEB)
        response = xml.node("LogonResponse", answer, kb=None, ns=xml.WEB)
        return token, xml.serialise(response)

    def _new(self, user: str, file: pathlib.Path | None = None) -> str:
        token = secrets.token_urlsafe(48)
        with self._lock:
            self._forget_expired()
            self._open[token] = Session(token, user, self._clock.now(), file)
        return token

    def _forget_expired(self) -> None:
        now = self._clock.now()
        for session in list(self._open.values()):
            if now - session.used > LIFETIME:
                self._open.pop(session.token).end()

    def check(self, token: str | None) -> Session:
        """:raises Refusal: the token is unknown or has expired."""
        with self._lock:
            self._forget_expired()
            found = self._open.get(token or "")
            if found is None:
                raise refuse("session")
            found.used = self._clock.now()
            return found

    def logoff(self, token: str | None) -> None:
        with self._lock:
            found = self._open.pop(token or "", None)
            if found is not None:
                found.end()

    def expire(self) -> None:
        """End all sessions, as a restart of the platform does."""
        with self._lock:
            for session in self._open.values():
                session.end()
            self._open.clear()

    def count(self) -> int:
        with self._lock:
            self._forget_expired()
            return len(self._open)
