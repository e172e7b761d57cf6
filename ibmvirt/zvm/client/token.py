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

"""The Connector's access token, fetched once and used until it expires."""

from __future__ import annotations

import base64
import binascii
import json
import pathlib
import threading
import time
import typing

import requests

from ibmvirt.zvm.client import errors

# A token is renewed this many seconds before it ends, so that none expires
# on its way.
_MARGIN = 60.0
# Every thread waits while one fetches a token.
_TIMEOUT = 60.0
# What a proxy before a Connector that is not there answers.
_AWAY = (502, 503, 504)


class Exchanger(typing.Protocol):
    """What the keeper needs of the transport."""

    url: str

    def exchange(
        self,
        api: str,
        verb: str,
        target: str,
        data: str | None,
        headers: dict[str, str],
        read_timeout: float | None = None,
    ) -> requests.Response: ...


class TokenKeeper:
    """Gives a valid token to every thread, with one request per lifetime.

    :param path: file with the admin token; read anew for each request, so
        that a changed one is taken up. It is never logged.
    """

    def __init__(self, exchanger: Exchanger, path: str) -> None:
        self._exchanger = exchanger
        self._path = pathlib.Path(path)
        self._lock = threading.Lock()
        self._token: str | None = None
        self._expires = 0.0

    def get(self) -> str:
        """:raises ConnectorUnauthorized: the Connector gives no token.
        :raises ConnectorUnreachable: it does not answer.
        """
        with self._lock:
            if self._token is None or time.time() >= self._expires:
                self._token = self._fetch()
                self._expires = _expiry(self._token) - _MARGIN
            return self._token

    def drop(self, refused: str) -> None:
        """Forget a token that was refused, unless another thread has a new one."""
        with self._lock:
            if self._token == refused:
                self._token = None

    def _fetch(self) -> str:
        attempted = f"get a token of the z/VM Cloud Connector at {self._exchanger.url}"
        try:
            admin = self._path.read_text().strip()
        except OSError as error:
            raise errors.ConnectorUnauthorized(
                attempted,
                f"[zvm]token_path {self._path} cannot be read: {error.strerror}",
            ) from error
        try:
            response = self._exchanger.exchange(
                "token_create",
                "POST",
                f"{self._exchanger.url}/token",
                None,
                {"Content-Type": "application/json", "X-Admin-Token": admin},
                _TIMEOUT,
            )
        except errors.ConnectorAnswerLost as error:
            # A token more does no harm, and what needs it has not been sent.
            raise errors.ConnectorUnreachable(attempted, error.reason) from error
        if response.status_code in _AWAY:
            raise errors.ConnectorUnreachable(
                attempted, f"it answered {response.status_code}"
            )
        token = response.headers.get("X-Auth-Token")
        if not token:
            # Defect: with PyJWT 2 the Connector 1.6.3 answers 500 here.
            raise errors.ConnectorUnauthorized(
                attempted,
                f"it answered {response.status_code}: check that the token in "
                f"{self._path} is the Connector's, and that PyJWT is below 2 "
                "where the Connector 1.6.3 runs with token authentication",
            )
        return token


def _expiry(token: str) -> float:
    """Seconds since the epoch at which a JSON web token ends.

    One that does not say so (the Connector without authentication) is used
    for an hour.
    """
    try:
        payload = token.split(".")[1]
        claims = json.loads(
            base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
        )
        return float(claims["exp"])
    except (IndexError, KeyError, TypeError, ValueError, binascii.Error):
        return time.time() + 3600
