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

"""What all parts of the driver share: operations, errors, capabilities."""

from __future__ import annotations

import collections.abc
import contextlib
import functools
import logging
import typing

import nova.exception
from nova.compute import task_states

from ibmvirt.common import (
    availability,
    capability,
    context,
    errors,
    events,
    exceptions,
    images,
    plan,
    planning,
)

LOG = logging.getLogger(__name__)

# Operations after which a guest runs, or does not, as before. A guest that stops
# meanwhile has done so by itself, and Nova shall hear of it.
_LEAVE_POWER_ALONE = frozenset(
    {
        "attach_interface",
        "attach_volume",
        "connector",
        "console",
        "detach_interface",
        "detach_volume",
        "diagnostics",
        "extend_volume",
        "plug_vifs",
        "unplug_vifs",
    }
)


class DriverPart:
    """The base of the parts of which BaseDriver is made.

    :ivar virtapi: the way back into Nova's compute manager.
    :ivar backend: the platform.
    :ivar images: the images that it takes.
    :ivar reporter: tells Nova of power states.
    :ivar availability: tells Nova whether the platform's interface is there.
    """

    virtapi: typing.Any
    backend: capability.Backend
    images: images.Images
    reporter: events.Reporter
    availability: availability.Availability

    @contextlib.contextmanager
    def _operation(
        self,
        name: str,
        instance: typing.Any,
        request: typing.Any = None,
        *,
        building: bool = False,
    ) -> collections.abc.Iterator[None]:
        """The block is an operation: named in every call, its errors Nova's."""
        work = context.Operation(
            name,
            instance.uuid,
            request_id=getattr(request, "request_id", None),
            probe=functools.partial(_deleting, instance) if building else None,
        )
        with (
            errors.to_nova(instance.uuid, building=building),
            context.operation(work),
            self.reporter.operating(
                instance.uuid, changes=name not in _LEAVE_POWER_ALONE
            ),
        ):
            yield

    @contextlib.contextmanager
    def _on_host(
        self, task: str, *, listing: bool = False
    ) -> collections.abc.Iterator[None]:
        """The block is work on the node, not on a server; its errors Nova's."""
        with errors.to_nova(listing=listing), context.background(task):
            yield

    def _guest(self, instance: typing.Any) -> plan.GuestRef:
        """:raises GuestNotFound: the platform does not have it."""
        guest = self.backend.guests.find(planning.server(instance))
        if guest is None:
            raise exceptions.GuestNotFound(
                f"find the guest of {instance.name} ({instance.uuid})",
                f"{self.backend.name} has none",
            )
        return guest

    def _need(self, part: typing.Any, what: str) -> typing.Any:
        """A capability that may be absent, or Unsupported."""
        if part is None:
            raise exceptions.Unsupported(
                what, f"the {self.backend.name} driver does not support it"
            )
        return part

    def _refuse(self, what: str) -> typing.NoReturn:
        raise errors.NotSupported(self._refusal(what))

    def _refusal(self, what: str) -> str:
        return f"Could not {what}: the {self.backend.name} driver does not support it."

    def _refuse_rescue(self, instance: typing.Any) -> None:
        """Nova stops a server before its rescue: it shall rather run on."""
        if instance.task_state == task_states.RESCUING:
            self._refuse(f"rescue the server {instance.uuid}")

    def _or_later(self, action: collections.abc.Callable[[], None]) -> None:
        """Do it, or at service start once the platform is there."""
        try:
            action()
        except nova.exception.HypervisorUnavailable as error:
            if not self.availability.starting:
                raise
            LOG.warning("%s It is done when the platform is back.", error)
            self.availability.when_available(action)

    @staticmethod
    def _undo(action: collections.abc.Callable[[], typing.Any]) -> None:
        """Take back what may have happened in half; the first error stands."""
        with context.reverting():
            try:
                action()
            except Exception:
                LOG.exception("taking it back failed")


def _deleting(instance: typing.Any) -> str | None:
    """Why a build shall stop: Nova is deleting the server, or it is gone."""
    from nova import objects

    try:
        current = objects.Instance.get_by_uuid(
            instance._context, instance.uuid, expected_attrs=[]
        )
    except nova.exception.InstanceNotFound:
        return "the server was deleted"
    if current.task_state == task_states.DELETING:
        return "the server is being deleted"
    return None
