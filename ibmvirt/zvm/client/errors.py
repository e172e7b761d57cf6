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

"""What can go wrong with the Cloud Connector, as types.

The Connector answers each call with overallRC, rc and rs. The tables here
say what those mean (zvmsdk/returncode.py, smtLayer/msgs.py and
zvmsdk/sdkwsgi/util.py of the Connector 1.6.3).
"""

from __future__ import annotations

import typing

from ibmvirt.common import exceptions


class ConnectorError(exceptions.HypervisorError):
    """The Connector, or z/VM beneath it, refused or failed a call.

    :cvar usual_remedy: where no other is given.
    """

    usual_remedy = ""

    def __init__(
        self,
        attempted: str,
        reason: str,
        *,
        remedy: str = "",
        codes: tuple[int, int, int] = (0, 0, 0),
    ) -> None:
        self.codes = codes
        super().__init__(attempted, reason, remedy or self.usual_remedy)

    def during(self, attempted: str) -> typing.Self:
        """The same error, in words of what the call was for."""
        reason = f"{self.attempted}: {self.reason}"
        return type(self)(attempted, reason, remedy=self.remedy, codes=self.codes)


class ConnectorMisconfigured(ConnectorError):
    """An option of ours cannot be right."""


class ConnectorUnreachable(ConnectorError, exceptions.HypervisorUnavailable):
    """The call was surely not carried out."""

    usual_remedy = (
        "look whether the Connector's web server and its daemon (sdkserver) run, and "
        "at [zvm]cloud_connector_url"
    )


class ConnectorClosed(ConnectorUnreachable):
    """This service stops, and calls nobody any more; nothing was done."""

    usual_remedy = ""


class ConnectorAnswerLost(ConnectorError):
    """The call may have been carried out; nobody knows."""

    usual_remedy = "look at the Connector's zvmsdk.log, and try again"


class ConnectorTimedOut(ConnectorAnswerLost):
    """Its answer was waited for as long as it may take."""

    usual_remedy = (
        "look at the Connector's zvmsdk.log; what takes longer needs a larger "
        "[zvm]request_timeout"
    )


class ConnectorUnauthorized(ConnectorError):
    """The token is missing or refused."""


class RequestTooLong(ConnectorError):
    """The Connector would cut the request off; nothing was done."""


class ConnectorBusy(ConnectorError):
    """Too many deploys or captures run; nothing was done."""


class ConnectorRefused(ConnectorError):
    """The Connector's schema, or a state of the guest, forbids the call."""


class NotFound(ConnectorError):
    """The guest, image, vswitch, template or device does not exist."""


class AlreadyExists(ConnectorError):
    """The guest, image, vswitch or device exists."""


class Conflict(ConnectorError):
    """The state of the object does not allow it."""


class GuestUnreachable(ConnectorError):
    """The guest's Linux did not take a command; nothing was done in it."""


class GuestSilent(ConnectorError):
    """The guest's Linux took a command and did not answer in time."""


class PoolFull(ConnectorError, exceptions.OutOfResources):
    """The disk pool has no room for the minidisk."""


class Unsupported(ConnectorError):
    """This Connector, or z/VM, cannot do it."""


Codes = tuple[int, int | None, int | None]

_IUCV = (
    "the guest needs the IUCV server of the Connector's package (iucvserd), and "
    "/etc/iucv_authorized_userid in it must name the Connector's userid"
)

_TABLE: dict[Codes, tuple[type[ConnectorError], str]] = {
    (400, None, None): (ConnectorRefused, ""),
    # What iucvclnt ends with, as rc (smtLayer/vmUtils.py, execCmdThruIUCV).
    (2, None, None): (GuestUnreachable, _IUCV),
    (3, 64, 408): (GuestUnreachable, _IUCV),
    (5, 1, 501): (GuestSilent, _IUCV),
    (100, None, None): (ConnectorRefused, ""),
    (404, None, None): (NotFound, ""),
    (409, None, None): (Conflict, ""),
    (410, None, None): (NotFound, ""),
    (501, None, None): (Unsupported, ""),
    (503, None, None): (
        ConnectorBusy,
        "raise [wsgi]max_concurrent_deploy_capture of the Connector, or build "
        "fewer servers at once",
    ),
    (8, 400, 4): (NotFound, ""),
    (8, 200, 4): (NotFound, ""),
    (8, 212, 40): (NotFound, "create the vswitch, or correct the physical network"),
    (4, 5, 402): (NotFound, "correct the disk pool in [zvm]disk_pools"),
    (8, 400, 8): (AlreadyExists, ""),
    (8, 400, 12): (
        ConnectorError,
        "if nobody is changing its directory entry, unlock it on z/VM (smcli "
        "Image_Unlock_DM -T USERID, or DIRM FOR USERID UNLOCK), and try again",
    ),
    (8, 212, 36): (AlreadyExists, ""),
    (8, 596, 3543): (PoolFull, "add volumes to the disk pool, or delete guests"),
}

_SHARED = (
    "the Connector's user must see [zvm]shared_directory under the same path and "
    "read and write files there; or set [zvm]transport to scp"
)
_SCP = "check that the Connector's user reaches [zvm]scp_remote_host by ssh with a key"
_FILES = f"with transport shared, {_SHARED}. With scp, {_SCP}"
_GUEST_FC = (
    "look at /var/log/messages of the guest: multipathd must run there, and the "
    "storage must show the volume to the WWPNs of the guest's FCP devices"
)
# Of overallRC 300, by the Connector's module and rs: 10 = guest, 30 = volume,
# 40 = image.
_MODULES: dict[tuple[int, int], tuple[type[ConnectorError], str]] = {
    (10, 3): (
        ConnectorError,
        "look at the Connector's /var/log/zthin/unpackdiskimage_trace_*; an image "
        "that was cut off or packed twice is to be made again",
    ),
    (10, 4): (ConnectorError, _FILES),
    (30, 6): (
        ConnectorError,
        "the guest's /etc/iucv_authorized_userid must name the Connector's userid",
    ),
    (30, 8): (ConnectorError, _GUEST_FC),
    (30, 9): (
        ConnectorError,
        f"{_GUEST_FC}; a volume is also detached from a server that is stopped",
    ),
    (40, 10): (ConnectorError, _SCP),
    (40, 12): (ConnectorError, _SHARED),
    (40, 13): (AlreadyExists, ""),
    (40, 14): (ConnectorError, "look for a full file system at the Connector"),
    (40, 20): (NotFound, ""),
    (40, 21): (ConnectorError, _SCP),
    (40, 22): (ConnectorError, _SHARED),
}


def _number(value: object) -> int:
    """Defect: some errors name their module, where all others have its number."""
    try:
        return int(str(value))
    except ValueError:
        return 0


def error_for(
    attempted: str, answer: typing.Mapping[str, typing.Any]
) -> ConnectorError:
    """The error that an answer with an overallRC other than 0 stands for."""
    overall, rc, rs, module = (
        _number(answer.get(name)) for name in ("overallRC", "rc", "rs", "modID")
    )
    codes = (overall, rc, rs)
    found = _MODULES.get((module, codes[2])) if codes[0] == 300 else _TABLE.get(codes)
    kind, remedy = found or _TABLE.get((codes[0], None, None), (ConnectorError, ""))
    # Outputs of tools have line ends, and some are written as text.
    text = str(answer.get("errmsg") or "no reason given").replace("\\n", " ")
    reason = " ".join(text.split())
    shown = f"{reason} (overallRC {codes[0]}, rc {codes[1]}, rs {codes[2]})"
    return kind(attempted, shown, remedy=remedy, codes=codes)
