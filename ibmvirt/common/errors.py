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

"""One table: what Nova sees of our errors.

=====================  ==========================================
ours                   Nova's, and what Nova does
=====================  ==========================================
InvalidRequest         BuildAbortException in a build (not tried on
                       another host); the error itself elsewhere
Cancelled              InstanceNotFound in a build: Nova cleans up
OutOfResources         ComputeResourcesUnavailable: rescheduled
GuestNotFound          InstanceNotFound; in a build rescheduled: Nova takes
                       InstanceNotFound there for a server that is deleted,
                       and leaves it as it is
Unsupported            NotSupported, a NotImplementedError: the API answers
                       4xx or the instance action ends in error
HypervisorUnavailable  HypervisorUnavailable; in a build rescheduled;
                       VirtDriverNotReady where nodes or guests are listed:
                       Nova's periodic tasks wait for their next turn
NetworkNotPlugged      VirtualInterfaceCreateException
ImageTransferFailed    rescheduled as it is
other                  rescheduled in a build, else a fault
=====================  ==========================================
"""

from __future__ import annotations

import collections.abc
import contextlib

from nova import exception as nova

from ibmvirt.common import exceptions


class NotSupported(nova.NovaException, NotImplementedError):
    """NotImplementedError whose text users see.

    Nova leaves a server as it is after a NotImplementedError, and shows the text
    of its own exceptions alone in the events of an instance action.
    """


def translate(
    error: Exception,
    server_uuid: str = "",
    *,
    building: bool = False,
    listing: bool = False,
) -> Exception:
    """The exception that Nova shall get for one of ours, or ``error`` itself."""
    text = str(error)
    translated: Exception = error
    if isinstance(error, exceptions.Unsupported) and not building:
        translated = NotSupported(text)
    elif isinstance(error, exceptions.InvalidRequest) and building:
        translated = nova.BuildAbortException(instance_uuid=server_uuid, reason=text)
    elif isinstance(error, exceptions.Cancelled) and building:
        translated = nova.InstanceNotFound(instance_id=server_uuid)
    elif isinstance(error, exceptions.OutOfResources) and building:
        translated = nova.ComputeResourcesUnavailable(reason=text)
    elif isinstance(error, exceptions.HypervisorUnavailable) and listing:
        translated = nova.VirtDriverNotReady(text)
    elif isinstance(error, exceptions.HypervisorUnavailable) and not building:
        translated = nova.HypervisorUnavailable(text)
    elif isinstance(error, exceptions.GuestNotFound) and not building:
        translated = nova.InstanceNotFound(instance_id=server_uuid)
    elif isinstance(error, exceptions.NetworkNotPlugged):
        translated = nova.VirtualInterfaceCreateException(text)
    return translated


@contextlib.contextmanager
def to_nova(
    server_uuid: str = "", *, building: bool = False, listing: bool = False
) -> collections.abc.Iterator[None]:
    """Raise for Nova what the block raises of ours.

    :param server_uuid: empty where the work is on the node itself.
    :param building: a build, which Nova can try on another host.
    :param listing: the nodes or guests are listed.

    Ours stays in the chain of causes, so that logs show both.
    """
    try:
        yield
    except exceptions.IBMVirtError as error:
        translated = translate(error, server_uuid, building=building, listing=listing)
        if translated is error:
            raise
        raise translated from error
