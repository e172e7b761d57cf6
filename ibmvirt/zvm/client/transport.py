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

"""HTTP to the z/VM Cloud Connector, around its own client library.

``zvmconnector`` 1.6.3 knows the REST API: the verb, path and body of each
call. :class:`Transport` keeps that and replaces how a request is sent and
what becomes of its answer. Each defect of the library or of the Connector
that this has to know is a constant or a method here, named in its comment.
"""

from __future__ import annotations

import json
import logging
import random
import threading
import traceback
import typing
import urllib.parse

import requests
import requests.adapters
from zvmconnector import restclient

from ibmvirt.common import clock, context
from ibmvirt.zvm.client import errors, token

LOG = logging.getLogger(__name__)

# Defect: the Connector's daemon reads a request with one recv(4096); what is
# longer is cut off, fails to parse and resets the connection (zvmsdk
# 1.6.3, sdkserver.py). The REST layer re-encodes the arguments, which adds
# the function's name and the names of the arguments: leave room for them.
MAX_REQUEST_BYTES = 4096
_ENVELOPE_BYTES = 192

# Defect: the REST layer answers 503 when more than
# [wsgi]max_concurrent_deploy_capture deploys run. Nothing has been done then.
_BUSY = 503

# overallRC 101 with one of these reasons means that the daemon behind the
# REST application was not reached, so nothing has been done
# (zvmsdk/returncode.py: 'socket').
_SOCKET_NOT_CONNECTED = frozenset({1, 2})

# Seconds to wait for the answer to a question. Those about Fibre Channel wait
# for an attach, which holds the Connector's lock while the guest's script runs.
_QUESTION = 300.0
_LOCKED = ("volume", "fcp")


class Transport(restclient.RESTClient):
    """Sends one call and returns the Connector's answer as a new dict.

    :param url: base URL of the Connector, ``http://`` or ``https://``.
    :param ca_file: PEM file to verify the server with; None = the system's.
    :param token_path: file with the Connector's admin token; None = no token.
    :param connect_timeout: seconds to wait for a connection.
    :param read_timeout: seconds to wait for an answer; to a question at most 300.
    :param pool_size: connections kept open.

    Safe for many threads at once.
    """

    def __init__(
        self,
        url: str,
        *,
        ca_file: str | None = None,
        token_path: str | None = None,
        connect_timeout: float = 10.0,
        read_timeout: float = 300.0,
        pool_size: int = 16,
        retries: int = 3,
        waiter: clock.Clock | None = None,
    ) -> None:
        parts = urllib.parse.urlsplit(url)
        secure = parts.scheme == "https"
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise errors.ConnectorMisconfigured(
                f"use the z/VM Cloud Connector at {url!r}",
                "that is no address of a web server",
                remedy="set [zvm]cloud_connector_url to http(s)://host:port",
            )
        port = parts.port or (443 if secure else 80)
        # verify is never False: without a CA file the system's store is used.
        super().__init__(parts.hostname, port, secure, ca_file or True)
        self.url = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
        self.base_url = self.url
        self._timeout = (connect_timeout, read_timeout)
        self._retries = retries
        self._clock = waiter or clock.system()
        self._session = requests.Session()
        # Proxies of the environment are not for a management network, and a
        # ~/.netrc must not add credentials.
        self._session.trust_env = False
        self._session.verify = ca_file or True
        adapter = requests.adapters.HTTPAdapter(
            pool_connections=1, pool_maxsize=pool_size, max_retries=0
        )
        self._session.mount(f"{parts.scheme}://", adapter)
        self._token = token.TokenKeeper(self, token_path) if token_path else None
        self._closed = threading.Event()

    def close(self) -> None:
        """Close the pooled connections; a later call fails."""
        self._closed.set()
        self._session.close()

    # -- one call -------------------------------------------------------

    def call(
        self, api: str, *args: typing.Any, **kwargs: typing.Any
    ) -> dict[str, typing.Any]:
        """Send a call of the client library's table and return its ``output``'s
        envelope: overallRC, rc, rs, errmsg, output.

        A call that was surely not carried out is sent again, ``retries``
        times; one that may have been is repeated only if it just reads, and did
        not have all its time.

        :param timeout_read: seconds to wait for this answer (keyword only).
        :raises ConnectorUnreachable: nothing has been done.
        :raises ConnectorAnswerLost: it may have been done.
        :raises RequestTooLong: the Connector would cut the request off.
        """
        verb = restclient.DATABASE[api]["method"]
        read_timeout = kwargs.pop("timeout_read", self._patience(api, verb))
        self._check_arguments(api, *args, **kwargs)
        target, body, headers = self._get_url_body_headers(api, *args, **kwargs)
        data = None if body is None else json.dumps(body)
        self._check_length(api, target, data)
        for attempt in range(self._retries + 1):
            last = attempt == self._retries
            try:
                answer = self._send(api, verb, target, data, headers, read_timeout)
            except (errors.ConnectorClosed, errors.ConnectorTimedOut):
                raise
            except errors.ConnectorUnreachable:
                if last:
                    raise
            except errors.ConnectorAnswerLost:
                if last or verb != "GET":
                    raise
            else:
                if not self._refused_untouched(answer) or last:
                    return answer
            self._pause(attempt)
        raise AssertionError("unreachable")

    def _send(
        self,
        api: str,
        verb: str,
        target: str,
        data: str | None,
        headers: dict[str, str],
        read_timeout: float,
    ) -> dict[str, typing.Any]:
        def exchange(token: str | None) -> requests.Response:
            sent = dict(headers)
            memento = context.current_memento()
            if memento:
                sent["X-Audit-Memento"] = memento
            if token is not None:
                # Defect: ZVMConnector 1.6.3 takes a token_path and never sends
                # a token, because it leaves the client's `auth` unset; where
                # that is set by hand, it fetches a new token for each call.
                sent["X-Auth-Token"] = token
            return self.exchange(api, verb, target, data, sent, read_timeout)

        used = self._token.get() if self._token is not None else None
        response = exchange(used)
        if response.status_code == 401 and self._token is not None and used:
            # It expired, or the Connector was restarted with another key.
            self._token.drop(used)
            response = exchange(self._token.get())
        if response.status_code == 401:
            raise errors.ConnectorUnauthorized(
                f"call {api} of the z/VM Cloud Connector at {self.url}",
                "it does not accept the token that it gave",
                remedy="check [zvm]token_path against the Connector's "
                "[wsgi]token_path, and the clocks of both hosts",
            )
        return self._decode(api, verb, response)

    def exchange(
        self,
        api: str,
        verb: str,
        target: str,
        data: str | None,
        headers: dict[str, str],
        read_timeout: float | None = None,
    ) -> requests.Response:
        """One HTTP exchange, with a timeout and without a redirect.

        Defect: the client library's own requests have no timeout at all.
        """
        attempted = f"call {api} of the z/VM Cloud Connector at {self.url}"
        if self._closed.is_set():
            raise errors.ConnectorClosed(attempted, "the service is stopping")
        try:
            return self._session.request(
                verb,
                target,
                data=data,
                headers=headers,
                timeout=(self._timeout[0], read_timeout or self._timeout[1]),
                allow_redirects=False,
            )
        except requests.exceptions.SSLError as error:
            if not _is_handshake(error):
                raise errors.ConnectorAnswerLost(attempted, str(error)) from error
            raise errors.ConnectorUnreachable(
                attempted,
                f"no TLS connection could be made ({error})",
                remedy="set [zvm]ca_file to the certificate of the Connector's "
                "authority, and [zvm]cloud_connector_url to the name in its "
                "certificate; http:// where it has none",
            ) from error
        except (
            requests.exceptions.ConnectTimeout,
            requests.exceptions.InvalidURL,
        ) as error:
            raise errors.ConnectorUnreachable(attempted, str(error)) from error
        except requests.exceptions.ReadTimeout as error:
            raise errors.ConnectorTimedOut(attempted, str(error)) from error
        except requests.exceptions.ConnectionError as error:
            if _never_sent(error):
                raise errors.ConnectorUnreachable(attempted, str(error)) from error
            raise errors.ConnectorAnswerLost(attempted, str(error)) from error
        except requests.exceptions.RequestException as error:
            raise errors.ConnectorAnswerLost(attempted, str(error)) from error

    def _decode(
        self, api: str, verb: str, response: requests.Response
    ) -> dict[str, typing.Any]:
        """The envelope of an answer; what is not one is an error.

        Defect: a 200 can carry an error (guest_list) and a 500 a perfectly
        good envelope, so only overallRC counts. Refusals of the REST layer
        itself (schema, path) come as {'errors': [...]} or without overallRC.
        """
        attempted = f"call {api} of the z/VM Cloud Connector at {self.url}"
        try:
            answer = response.json()
        except ValueError:
            answer = None
        if isinstance(answer, dict) and "overallRC" in answer:
            if answer["overallRC"] == 101:
                if answer.get("rs") in _SOCKET_NOT_CONNECTED:
                    raise errors.ConnectorUnreachable(
                        attempted, f"its daemon is away: {answer.get('errmsg')}"
                    )
                raise errors.ConnectorAnswerLost(attempted, str(answer.get("errmsg")))
            return answer
        if response.status_code == _BUSY:
            return {"overallRC": _BUSY, "rc": _BUSY, "rs": 1, "errmsg": "busy"}
        text = _detail(answer) or response.text[:500]
        if response.status_code == 400:
            return {"overallRC": 400, "rc": 400, "rs": 1, "errmsg": text}
        raise errors.ConnectorAnswerLost(
            attempted, f"status {response.status_code}, not an answer: {text}"
        )

    # -- small parts ----------------------------------------------------

    def _patience(self, api: str, verb: str) -> float:
        """Seconds to wait for an answer."""
        if verb == "GET" and not any(word in api for word in _LOCKED):
            return min(_QUESTION, self._timeout[1])
        return self._timeout[1]

    def _check_length(self, api: str, target: str, data: str | None) -> None:
        length = len(target) + len(data or "") + _ENVELOPE_BYTES
        if length > MAX_REQUEST_BYTES:
            raise errors.RequestTooLong(
                f"call {api} of the z/VM Cloud Connector",
                f"the request has {length} bytes and the Connector reads "
                f"{MAX_REQUEST_BYTES}: use fewer networks or disks at once",
            )

    @staticmethod
    def _refused_untouched(answer: dict[str, typing.Any]) -> bool:
        return bool(answer["overallRC"] == _BUSY)

    def _pause(self, attempt: int) -> None:
        context.check()
        # Spread out, so that many builds do not come back together.
        delay = min(8.0, 0.5 * 2**attempt)
        self._clock.sleep(delay * (0.5 + random.random() / 2))


def _never_sent(error: requests.exceptions.ConnectionError) -> bool:
    """Whether no byte of the request can have reached the Connector."""
    cause = error.args[0] if error.args else None
    reason = getattr(cause, "reason", cause)
    return type(reason).__name__ in {
        "NewConnectionError",
        "ConnectTimeoutError",
        "NameResolutionError",
    }


def _is_handshake(error: requests.exceptions.SSLError) -> bool:
    """Whether TLS failed before a request could be sent.

    A connection that breaks later may be told as an error of TLS, too, and its
    text depends on the version of OpenSSL: so where it was raised tells.
    """
    cause: BaseException | None = error
    while cause is not None:
        for frame, _line in traceback.walk_tb(cause.__traceback__):
            if frame.f_code.co_name == "do_handshake":
                return True
        cause = cause.__context__
    return False


def _detail(answer: typing.Any) -> str | None:
    """What the REST layer says about a request that it refused itself."""
    if not isinstance(answer, dict):
        return None
    found = answer.get("errors") or answer.get("badRequest") or answer
    if isinstance(found, list) and found:
        found = found[0]
    if isinstance(found, dict):
        for key in ("detail", "message", "errmsg"):
            if found.get(key):
                return str(found[key])
    return None
