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

"""Building a server.

The image transfer, the guest definition with its adapters, and the config
drive do not wait for each other; the storage waits for all of them.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import functools
import threading
import typing

from taskflow.patterns import graph_flow

from ibmvirt.common import capability, exceptions, plan, step

# Makes the drive: the server, its guest and the management adapter -> bytes.
MakeDrive = collections.abc.Callable[
    [plan.Server, plan.GuestRef, "plan.ManagementVif | None"], bytes
]
# Runs the plugging in its argument and waits for Neutron to report the ports.
PlugAndWait = collections.abc.Callable[
    [tuple[plan.Vif, ...], collections.abc.Callable[[], None]], None
]
# Keeps what a backend wants to find the guest by, before the guest is used.
Keep = collections.abc.Callable[[plan.Values], None]


@dataclasses.dataclass(frozen=True)
class Tools:
    """What the flow needs of Nova."""

    image_source: capability.ImageSource | None
    make_drive: MakeDrive
    plug_and_wait: PlugAndWait
    keep: Keep


def build(
    spawn: plan.Spawn, backend: capability.Backend, tools: Tools
) -> graph_flow.Flow:
    """The flow of a build; nothing is called until it runs."""
    flow = graph_flow.Flow("spawn")
    server = spawn.server
    flow.add(*_disk_steps(spawn, backend, tools))
    flow.add(_define(spawn, backend, tools))
    if spawn.guest.vifs:
        flow.add(_plug(spawn, backend, tools))
    flow.add(
        step.Step(
            "plug the management adapter",
            lambda guest: backend.networks.plug_management(guest),
            requires=["guest"],
            provides="management",
        )
    )
    if spawn.config_drive:
        flow.add(_drive(server, backend, tools))
    flow.add(_connect(spawn, backend))
    if spawn.settles:
        flow.add(_settle(spawn, backend))
    if spawn.power_on:
        flow.add(_power_on(spawn, backend))
    return flow


def _disk_steps(
    spawn: plan.Spawn, backend: capability.Backend, tools: Tools
) -> list[step.Step]:
    steps = []
    image = spawn.image
    if image is not None and tools.image_source is not None:
        source = tools.image_source
        steps.append(
            step.Step(
                "prepare the image",
                lambda: backend.disks.prepare_image(image, source),
                provides="image_key",
            )
        )

    def create(image_key: str | None = None) -> tuple[plan.DiskRef, ...]:
        make = functools.partial(backend.disks.create, spawn.server, spawn.guest.disks)
        try:
            return make(image_key)
        except exceptions.ImageGone:
            # Another host, or the ageing of images, was faster.
            if image is None or tools.image_source is None:
                raise
            return make(backend.disks.prepare_image(image, tools.image_source))

    def delete(
        result: tuple[plan.DiskRef, ...] | None, image_key: str | None = None
    ) -> None:
        # Half of them may have been made: by name, what is there.
        found = result or backend.disks.leftovers(spawn.server)
        backend.disks.delete(found)

    steps.append(
        step.Step(
            "create the disks",
            create,
            revert=delete,
            requires=["image_key"] if steps else [],
            provides="disks",
        )
    )
    return steps


def _define(spawn: plan.Spawn, backend: capability.Backend, tools: Tools) -> step.Step:
    taken = threading.Event()

    def define() -> plan.GuestRef:
        record = backend.guests.record(spawn.guest)
        tools.keep(record)
        try:
            guest = backend.guests.define(spawn.guest)
        except exceptions.NameTaken:
            # Nothing may find somebody else's guest by it, also not the revert.
            taken.set()
            tools.keep(dict.fromkeys(record, ""))
            raise
        tools.keep(guest.record)
        return guest

    def undefine(result: plan.GuestRef | None) -> None:
        if taken.is_set():
            return
        guest = result or backend.guests.find(spawn.server)
        if guest is not None:
            backend.guests.undefine(guest)

    return step.Step("define the guest", define, revert=undefine, provides="guest")


def _plug(spawn: plan.Spawn, backend: capability.Backend, tools: Tools) -> step.Step:
    vifs = spawn.guest.vifs

    def plug(guest: plan.GuestRef) -> None:
        tools.plug_and_wait(vifs, lambda: backend.networks.plug(guest, vifs))

    def unplug(guest: plan.GuestRef, result: typing.Any) -> None:
        backend.networks.unplug(guest, vifs, removing=True)

    return step.Step(
        "plug the networks",
        plug,
        revert=unplug,
        requires=["guest"],
        after=["connected"] if backend.plug_after_storage else [],
        provides="plugged",
    )


def _drive(server: plan.Server, backend: capability.Backend, tools: Tools) -> step.Step:
    def make(
        guest: plan.GuestRef, management: plan.ManagementVif | None
    ) -> plan.MediaRef:
        content = tools.make_drive(server, guest, management)
        return backend.media.upload(server, content)

    def remove(
        result: plan.MediaRef | None,
        guest: plan.GuestRef,
        management: plan.ManagementVif | None,
    ) -> None:
        found = (result,) if result else backend.media.leftovers(server)
        for media in found:
            backend.media.delete(media)

    return step.Step(
        "make the config drive",
        make,
        revert=remove,
        requires=["guest", "management"],
        provides="media",
    )


def _connect(spawn: plan.Spawn, backend: capability.Backend) -> step.Step:
    volumes = spawn.guest.volumes

    def connect(
        guest: plan.GuestRef,
        disks: tuple[plan.DiskRef, ...],
        media: plan.MediaRef | None = None,
    ) -> None:
        backend.storage.connect(guest, disks, media, volumes)

    def disconnect(
        result: typing.Any,
        guest: plan.GuestRef,
        disks: tuple[plan.DiskRef, ...],
        media: plan.MediaRef | None = None,
    ) -> None:
        backend.storage.disconnect(guest, volumes)

    requires = ["guest", "disks"] + (["media"] if spawn.config_drive else [])
    return step.Step(
        "connect the storage",
        connect,
        revert=disconnect,
        requires=requires,
        provides="connected",
    )


def _settle(spawn: plan.Spawn, backend: capability.Backend) -> step.Step:
    def settle(guest: plan.GuestRef, disks: tuple[plan.DiskRef, ...]) -> None:
        backend.guests.settle(guest, spawn.guest, disks)

    return step.Step(
        "settle the guest",
        settle,
        requires=["guest", "disks"],
        after=["connected"],
        provides="settled",
    )


def _power_on(spawn: plan.Spawn, backend: capability.Backend) -> step.Step:
    def power_on(guest: plan.GuestRef) -> None:
        backend.guests.power_on(guest)

    def power_off(result: typing.Any, guest: plan.GuestRef) -> None:
        backend.guests.power_off(guest, timeout=0, retry_interval=0)

    after = ["connected", "management"] + (["plugged"] if spawn.guest.vifs else [])
    after += ["settled"] if spawn.settles else []
    return step.Step(
        "power on", power_on, revert=power_off, requires=["guest"], after=after
    )
