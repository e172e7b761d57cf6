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

"""The connection to NovaLink, opened when the service starts."""

from __future__ import annotations

import ipaddress
import logging
import typing

from pypowervm import adapter as pypowervm_adapter
from pypowervm import exceptions as pypowervm

from ibmvirt.common import clock, context, exceptions
from ibmvirt.powervm.rest import session

LOG = logging.getLogger(__name__)

_AGAIN = 5.0


def _is_local(host: str) -> bool:
    """Whether a name or address is this machine's loopback."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class LazyAdapter:
    """Stands for pypowervm's Adapter before there is a session.

    The objects of the backend are made without any network; they get this.
    """

    def __init__(self) -> None:
        self._real: typing.Any = None

    def use(self, adapter: typing.Any) -> None:
        self._real = adapter

    def __getattr__(self, name: str) -> typing.Any:
        if self._real is None:
            raise exceptions.HypervisorUnavailable(
                "reach NovaLink", "the service has not started yet"
            )
        return getattr(self._real, name)


class Connection:
    """A session and its adapter.

    :param options: the group ``[powervm]`` of the configuration.
    :param wait: seconds to wait for the REST server; None = as configured.
    """

    def __init__(self, options: typing.Any, wait: float | None = None) -> None:
        self._options = options
        self._wait = options.vios_wait_timeout if wait is None else wait
        self._session: session.Session | None = None
        self.adapter = LazyAdapter()

    def open(self) -> None:
        """Log on; wait for the REST server as long as for a VIOS.

        :raises InvalidRequest: http, and not to this machine.
        :raises HypervisorUnavailable: it does not answer, or refuses us.
        """
        opts = self._options
        if opts.novalink_protocol == "http" and not _is_local(opts.novalink_host):
            raise exceptions.InvalidRequest(
                f"log on to NovaLink at {opts.novalink_host}",
                "http would show the password and the token on the network",
                "set [powervm]novalink_protocol to https",
            )
        end = clock.now() + self._wait
        what = f"log on to NovaLink at {opts.novalink_host}"
        while True:
            try:
                self._session = self._log_on()
                break
            except pypowervm.ConnectionError as error:
                if clock.now() >= end:
                    raise exceptions.HypervisorUnavailable(
                        what,
                        str(error),
                        "look whether NovaLink's REST service (pvm-rest) runs",
                    ) from error
                LOG.warning("waiting for NovaLink's REST service: %s", error)
                context.wait(_AGAIN)
            except pypowervm.Error as error:
                raise exceptions.HypervisorUnavailable(
                    what,
                    str(error),
                    "check the user, password, certificate and, with local "
                    "authentication, the membership in the group pvm_admin",
                ) from error
        self.adapter.use(pypowervm_adapter.Adapter(self._session))

    def _log_on(self) -> session.Session:
        opts = self._options
        return session.Session(
            host=opts.novalink_host,
            port=opts.novalink_port,
            protocol=opts.novalink_protocol,
            username=opts.novalink_user,
            password=opts.novalink_password,
            ca_file=opts.novalink_ca_file,
            connect_timeout=opts.connect_timeout,
            request_timeout=opts.request_timeout,
        )

    def close(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None
