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

"""The connection to NovaLink: a Session of pypowervm with another transport.

pypowervm 1.1.27 opens a connection for each request, verifies TLS on the
logon alone, and logs off when the object is collected. This one keeps
connections, verifies every request, and is closed when we say so.
"""

from __future__ import annotations

import collections.abc
import logging
import threading
import typing

import requests
import requests.adapters
from pypowervm import adapter as pypowervm_adapter
from pypowervm import exceptions as pypowervm

from ibmvirt.common import context

LOG = logging.getLogger(__name__)

_POOL = 32
_CHUNK = 1 << 16


class Session(pypowervm_adapter.Session):
    """Logged on when it is made; safe for many threads.

    :param ca_file: PEM file to verify the server with; None = the system's.
    :param connect_timeout: seconds.
    :param request_timeout: seconds.
    :raises pypowervm.exceptions.Error: the logon failed.
    """

    def __init__(
        self,
        *,
        host: str,
        port: int | None,
        protocol: str | None,
        username: str | None,
        password: str | None,
        ca_file: str | None,
        connect_timeout: float,
        request_timeout: float,
    ) -> None:
        self._pool = requests.Session()
        # Proxies and ~/.netrc of the environment are not for this network.
        self._pool.trust_env = False
        self._pool.verify = ca_file or True
        for scheme in ("http://", "https://"):
            self._pool.mount(
                scheme,
                requests.adapters.HTTPAdapter(pool_connections=4, pool_maxsize=_POOL),
            )
        self._timeouts = (connect_timeout, request_timeout)
        self._closed = threading.Event()
        self._relogin_unsafe: bool = False
        super().__init__(
            host=host,
            username=username,
            password=password,
            auditmemento="ibmvirt",
            protocol=protocol,
            port=port,
            timeout=request_timeout,
            # Its own check of certificates would connect a second time.
            certpath=None,
        )

    def __del__(self) -> None:
        """Not as in the base class: a collected object must not log off."""

    def close(self) -> None:
        """Log off and close the connections; a later request fails."""
        if self._closed.is_set():
            return
        self._logoff()
        self._closed.set()
        self._pool.close()

    def request(
        self,
        method: str,
        path: str,
        headers: dict[str, str] | None = None,
        body: typing.Any = "",
        sensitive: bool = False,
        verify: typing.Any = None,
        timeout: typing.Any = -1,
        auditmemento: str | None = None,
        relogin: bool = True,
        login: bool = False,
        filehandle: typing.Any = None,
        chunksize: int = _CHUNK,
    ) -> pypowervm_adapter.Response:
        """One request, as the base class defines it.

        ``verify`` and ``auditmemento`` are not used: TLS is always verified,
        and the memento is that of the current operation.
        """
        sent = dict(headers or {})
        sent["X-Audit-Memento"] = context.current_memento()
        token = None
        if not login:
            with self._lock:
                token = self._sessToken
            sent["X-API-Session"] = token or ""
        data = body
        if filehandle is not None and method in ("PUT", "POST"):
            data = _checked(self._chunkreader(filehandle, chunksize))
        response = self._send(method, path, sent, data, timeout)
        shown = {k: v for k, v in sent.items() if k != "X-API-Session"}
        if response.status_code == 401 and relogin and not login:
            self._again(token)
            if filehandle is None:
                return self.request(
                    method, path, headers, body, sensitive, timeout=timeout,
                    relogin=False,
                )  # fmt: skip
        text = None if response.status_code in (204, 304) else response.text
        result = pypowervm_adapter.Response(
            method,
            path,
            response.status_code,
            response.reason,
            response.headers,
            reqheaders=shown,
            reqbody="<sensitive>" if sensitive else body,
            **({"body": text} if text is not None else {}),
        )
        if response.status_code < 300 or response.status_code == 304:
            if filehandle is not None and method == "GET":
                filehandle.write(response.content)
            return result
        raise self._get_httperror(result)

    def _send(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        data: typing.Any,
        timeout: typing.Any,
    ) -> requests.Response:
        target = self.dest + path
        read_timeout = self._timeouts[1] if timeout in (-1, None) else timeout
        if self._closed.is_set():
            raise pypowervm.ConnectionError(f"{method} {target}: the session is closed")
        try:
            return self._pool.request(
                method,
                target,
                data=data,
                headers=headers,
                timeout=(self._timeouts[0], read_timeout),
                allow_redirects=False,
            )
        except requests.exceptions.SSLError as error:
            raise pypowervm.SSLError(f"{method} {target}: {error}") from error
        except requests.exceptions.Timeout as error:
            raise pypowervm.TimeoutError(f"{method} {target}: {error}") from error
        except requests.exceptions.RequestException as error:
            raise pypowervm.ConnectionError(f"{method} {target}: {error}") from error

    def _again(self, token: str | None) -> None:
        """Log on once for all threads whose token was refused.

        A refused logon is not repeated by itself: it would lock the account.
        """
        with self._lock:
            if self._relogin_unsafe:
                raise pypowervm.Error(
                    "NovaLink refused the logon; restart the service when the "
                    "credentials are right"
                )
            if self._sessToken != token:
                return
            LOG.info("NovaLink does not know our token any more: logging on again")
            try:
                self._logon()
            except pypowervm.Error as error:
                if getattr(error.response, "status", None) == 401:
                    self._relogin_unsafe = True
                raise


def _checked(
    chunks: collections.abc.Iterable[bytes],
) -> collections.abc.Iterator[bytes]:
    """An upload's chunks; it ends when the operation shall stop."""
    for chunk in chunks:
        context.check()
        yield chunk
