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

"""What the drivers raise, before it is told to Nova (see ``errors``)."""

from __future__ import annotations

from nova import exception as nova


class IBMVirtError(nova.NovaException):
    """Something was attempted and failed.

    It is one of Nova's, since Nova cleans up after those alone (the port of an
    interface that was not attached), and shows users the text of those alone.

    :param attempted: what was done and on what: "map the disk boot_a to the
        partition lpar1".
    :param reason: why that failed, in the platform's words where it has any.
    :param remedy: what the operator can do; empty when nothing helps.
    """

    def __init__(self, attempted: str, reason: str, remedy: str = "") -> None:
        self.attempted = attempted
        self.reason = reason
        self.remedy = remedy
        text = f"Could not {attempted}: {reason.rstrip('. ')}."
        if remedy:
            text += f" {remedy[0].upper()}{remedy[1:].rstrip('. ')}."
        super().__init__(text)


class InvalidRequest(IBMVirtError):
    """The flavor, image, network or volume cannot be used on any such host.

    Raised before anything is changed; the build is not tried elsewhere.
    """

    code = 400


class Unsupported(InvalidRequest):
    """The platform, or this driver, does not have the operation."""


class HypervisorError(IBMVirtError):
    """The hypervisor refused or failed; another host may do better."""


class HypervisorUnavailable(HypervisorError):
    """The hypervisor's interface does not answer."""


class OutOfResources(HypervisorError):
    """Too little memory, processor, disk or slots on this host."""


class GuestNotFound(IBMVirtError):
    """The hypervisor has no such guest."""


class NameTaken(HypervisorError):
    """Somebody else has what the platform would name the guest."""


class WrongState(HypervisorError):
    """The guest is in a state in which that cannot be done."""


class NetworkNotPlugged(HypervisorError):
    """Neutron did not report a port as plugged in time, or as failed."""


class ImageTransferFailed(HypervisorError):
    """The bytes of an image did not arrive whole."""


class ImageGone(HypervisorError):
    """An image that was prepared has been removed since; prepare it again."""


class Cancelled(IBMVirtError):
    """The server is being deleted: Nova does not want the operation any more."""
