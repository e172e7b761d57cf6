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

"""Disk pools: which one a server's minidisks are made in."""

from __future__ import annotations

import collections.abc
import dataclasses
import logging
import re
import threading
import typing

from ibmvirt.common import exceptions, plan
from ibmvirt.zvm.client import errors

LOG = logging.getLogger(__name__)

SPEC = "zvm:disk_pool"
_DEVICES = ("3390", "9336")
# zvmsdk/sdkwsgi/validation/parameter_types.py: disk_pool.
_POOL = re.compile(r"^(ECKD|FBA):(\w+)$", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Pool:
    """A directory manager's region group; type ECKD or FBA."""

    type: str
    name: str

    def __str__(self) -> str:
        return f"{self.type}:{self.name}"


def parse(text: str) -> Pool:
    """``ECKD:POOL1``.

    :raises ValueError: it is something else.
    """
    match = _POOL.match(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not ECKD:NAME or FBA:NAME")
    return Pool(match[1].upper(), match[2].upper())


class Calls(typing.Protocol):
    """What is asked of the Connector; see ``client.connector``."""

    def pool_volumes(self) -> list[str]: ...

    def volume_type(self, volume: str) -> str: ...

    def pool_info(self, pool: str) -> dict[str, typing.Any]: ...


class Pools:
    """The pools of [zvm]disk_pools, or the Connector's own.

    :param configured: ``ECKD:POOL1`` and so on; the first one of the type
        that an image needs is used where the flavor names none.
    :raises InvalidRequest: one is no pool.
    """

    def __init__(self, calls: Calls, configured: collections.abc.Iterable[str]) -> None:
        self._calls = calls
        self._lock = threading.Lock()
        self._default_type: str | None = None
        self._asked = False
        try:
            self.configured = tuple(parse(text) for text in configured)
        except ValueError as error:
            raise exceptions.InvalidRequest(
                "use the pools of [zvm]disk_pools", str(error)
            ) from error

    def choose(
        self, server: str, wanted: str | None, disk_type: str | None
    ) -> Pool | None:
        """The pool of a server's disks; None: the Connector's own.

        :param server: its name, for errors.
        :param wanted: the flavor's extra spec, ``ECKD:POOL1`` or ``POOL1``.
        :param disk_type: of the disk in the image, ECKD or FBA; None: no image.
        :raises InvalidRequest: there is no such pool, or none of that type.
        """
        attempted = f"choose the disk pool of {server}"
        if wanted:
            found = [
                pool
                for pool in self.configured
                if wanted.upper() in (pool.name, str(pool))
            ]
            if not found:
                known = ", ".join(map(str, self.configured)) or "none"
                raise exceptions.InvalidRequest(
                    attempted,
                    f"{SPEC} is {wanted!r}, and [zvm]disk_pools has {known}",
                )
            if disk_type not in (None, found[0].type):
                raise exceptions.InvalidRequest(
                    attempted,
                    f"the image is of an {disk_type} disk, and {SPEC} names {found[0]}",
                )
            return found[0]
        for pool in self.configured:
            if disk_type in (None, pool.type):
                return pool
        own = self._default_type
        if self.configured or (None not in (own, disk_type) and own != disk_type):
            known = ", ".join(map(str, self.configured)) or str(own)
            raise exceptions.InvalidRequest(
                attempted,
                f"the image is of an {disk_type} disk, and the disk pools are {known}",
                "use an image made from a disk of that type",
            )
        return None

    def learn(self) -> None:
        """Ask once of which type the Connector's own pool is.

        It does not say so itself; the first of its volumes does. Where that
        cannot be found out, a build shows whether an image fits.
        """
        with self._lock:
            if self.configured or self._asked:
                return
            try:
                volumes = self._calls.pool_volumes()
                device = self._calls.volume_type(volumes[0]) if volumes else ""
            except errors.ConnectorUnreachable:
                return
            except errors.ConnectorError as error:
                LOG.warning("%s", error)
                device = ""
            self._asked = True
            if device.startswith(_DEVICES):
                self._default_type = "ECKD" if device.startswith("3390") else "FBA"
            else:
                LOG.warning(
                    "The type of the Connector's disk pool is not known: set "
                    "disk_pool of its configuration, or [zvm]disk_pools"
                )

    def capacity(self) -> tuple[int, int] | None:
        """GiB in total and in use of the configured pools; None: ask the host."""
        if not self.configured:
            return None
        found = [self._calls.pool_info(str(pool)) for pool in self.configured]
        return (
            sum(int(info["disk_total"]) for info in found),
            sum(int(info["disk_used"]) for info in found),
        )


def wanted(flavor: plan.Values) -> str | None:
    """The pool that a flavor names."""
    specs: typing.Any = flavor["extra_specs"]
    return str(specs[SPEC]) if specs.get(SPEC) else None
