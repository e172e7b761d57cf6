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

"""Removing a server, whatever of it is there.

Every step is idempotent and looks for itself what is left, so that what a
failed or killed build left behind is removed as well. After an error Nova
keeps the server, and a second delete goes on where the first one stopped.
"""

from __future__ import annotations

import contextlib
import typing

from taskflow.patterns import linear_flow

from ibmvirt.common import capability, exceptions, plan, step


def build(destroy: plan.Destroy, backend: capability.Backend) -> linear_flow.Flow:
    """The flow of a removal; nothing is called until it runs."""
    server = destroy.server
    flow = linear_flow.Flow("destroy")
    flow.add(
        step.Step(
            "find the guest",
            lambda: backend.guests.find_removable(server),
            provides="guest",
        )
    )

    def power_off(guest: plan.GuestRef | None) -> None:
        if guest is not None:
            # A removal that failed on its way may have left a part of it.
            with contextlib.suppress(exceptions.GuestNotFound):
                backend.guests.power_off(guest, timeout=0, retry_interval=0)

    flow.add(step.Step("power off", power_off, requires=["guest"]))

    def unplug(guest: plan.GuestRef | None) -> None:
        if destroy.vifs and destroy.destroy_vifs:
            backend.networks.unplug(guest, destroy.vifs, removing=True)

    flow.add(step.Step("unplug the networks", unplug, requires=["guest"]))

    def disconnect(guest: plan.GuestRef | None) -> capability.Released:
        if guest is None:
            # A build's rollback may have removed the guest and not its storage.
            backend.storage.release(server, destroy.volumes)
            return capability.Released()
        return backend.storage.disconnect(guest, destroy.volumes)

    flow.add(
        step.Step(
            "disconnect the storage",
            disconnect,
            requires=["guest"],
            provides="released",
        )
    )

    def undefine(guest: plan.GuestRef | None) -> None:
        if guest is not None:
            backend.guests.undefine(guest)

    flow.add(step.Step("remove the guest", undefine, requires=["guest"]))

    def remove_media(released: capability.Released) -> None:
        found = {media.id: media for media in released.media}
        found.update((m.id, m) for m in backend.media.leftovers(server))
        for media in found.values():
            backend.media.delete(media)

    flow.add(step.Step("remove the config drive", remove_media, requires=["released"]))
    if destroy.destroy_disks:
        flow.add(_remove_disks(server, backend))
    return flow


def _remove_disks(server: plan.Server, backend: capability.Backend) -> step.Step:
    def remove(released: capability.Released) -> None:
        found: dict[typing.Any, plan.DiskRef] = {d.id: d for d in released.disks}
        found.update((d.id, d) for d in backend.disks.leftovers(server))
        backend.disks.delete(tuple(found.values()))

    return step.Step("delete the disks", remove, requires=["released"])
