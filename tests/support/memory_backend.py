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


"""A hypervisor that is a few dictionaries, for tests of the base driver."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import threading

from nova.compute import power_state

from ibmvirt.common import capability, context, driver, exceptions, plan


@dataclasses.dataclass
class Guest:
    """What the hypervisor knows of one guest."""

    ref: plan.GuestRef
    state: int = power_state.SHUTDOWN
    ports: set = dataclasses.field(default_factory=set)
    disks: dict = dataclasses.field(default_factory=dict)
    media: dict = dataclasses.field(default_factory=dict)
    volumes: dict = dataclasses.field(default_factory=dict)


class World:
    """All that the hypervisor holds, and how its calls fail.

    ``faults`` maps a call's name to (phase, exception); at phase ``before``
    nothing has changed, at ``after`` everything has. ``passed`` maps a call's
    name to a function that runs in the middle of it.
    """

    def __init__(self):
        self.lock = threading.RLock()
        self.guests = {}
        self.disks = {}
        self.media = {}
        self.images = {}
        self.calls = []
        self.mementos = set()
        self.faults = {}
        self.passed = {}
        self.traits = {"CUSTOM_IBMVIRT_WEIGHT"}

    def kept(self):
        """What must be as before after a failed build. Images may stay."""
        return {
            "guests": sorted(self.guests),
            "disks": sorted(self.disks),
            "media": sorted(self.media),
        }

    @contextlib.contextmanager
    def call(self, name):
        with self.lock:
            self.calls.append(name)
            self.mementos.add(context.current_memento())
            phase, error = self.faults.get(name, (None, None))
        if phase == "before":
            raise error
        if name in self.passed:
            self.passed[name]()
        with self.lock:
            yield
        if phase == "after":
            raise error

    def guest(self, ref):
        try:
            return self.guests[ref.id]
        except KeyError:
            raise exceptions.GuestNotFound(f"use {ref.name}", "it is gone") from None


class Part:
    def __init__(self, world):
        self.world = world


class Guests(Part, capability.Guests):
    def platform(self, server, flavor, image):
        weight = flavor["extra_specs"].get("memory:weight", "1")
        if not weight.isdigit():
            raise exceptions.InvalidRequest(
                f"use the flavor {flavor['name']}", f"memory:weight is {weight}"
            )
        return {"weight": int(weight)}

    def define(self, spec):
        with self.world.call("define"):
            ref = plan.GuestRef(spec.server.uuid, spec.server.name, spec.server.uuid)
            self.world.guests[ref.id] = Guest(ref)
            return ref

    def undefine(self, guest):
        with self.world.call("undefine"):
            self.world.guests.pop(guest.id, None)

    def find(self, server):
        with self.world.call("find"):
            guest = self.world.guests.get(server.uuid)
            return guest.ref if guest else None

    def list(self):
        with self.world.call("list"):
            return [guest.ref for guest in self.world.guests.values()]

    def state(self, guest, *, use_cache):
        with self.world.call("state"):
            return plan.GuestState(self.world.guest(guest).state, "7")

    def power_on(self, guest):
        with self.world.call("power_on"):
            self.world.guest(guest).state = power_state.RUNNING

    def power_off(self, guest, *, timeout, retry_interval):
        with self.world.call("power_off"):
            self.world.guest(guest).state = power_state.SHUTDOWN

    def reboot(self, guest, *, hard):
        with self.world.call("reset" if hard else "restart"):
            self.world.guest(guest).state = power_state.RUNNING

    def diagnostics(self, guest):
        with self.world.call("diagnostics"):
            found = self.world.guest(guest)
            return {
                "uptime": 12,
                "num_disks": len(found.disks),
                "nics": ["fa:16:3e:00:00:01" for _port in found.ports],
                "memory_max": 512,
                "memory_used": 100,
            }


class Disks(Part, capability.Disks):
    def prepare_image(self, image, source):
        with self.world.call("prepare_image"):
            if image.id in self.world.images:
                return image.id
        with source.open() as stream:
            content = stream.read()
        with self.world.call("store_image"):
            self.world.images[image.id] = content
        return image.id

    def create(self, server, disks, image_key):
        refs = []
        for disk in disks:
            name = f"{disk.role}{disk.index}-{server.uuid}"
            with self.world.call(f"create_{disk.role}"):
                ref = plan.DiskRef("memory", name, name, role=disk.role)
                self.world.disks[name] = ref
                refs.append(ref)
        return tuple(refs)

    def delete(self, disks):
        with self.world.call("delete_disks"):
            for disk in disks:
                self.world.disks.pop(disk.id, None)

    def leftovers(self, server):
        with self.world.call("leftover_disks"):
            found = self.world.disks.values()
            return tuple(d for d in found if d.name.endswith(server.uuid))


class Storage(Part, capability.Storage):
    def connect(self, guest, disks, media, volumes):
        with self.world.call("connect"):
            found = self.world.guest(guest)
            found.disks = {disk.id: disk for disk in disks}
            found.media = {media.id: media} if media else {}
            found.volumes = {volume.id: volume for volume in volumes}

    def disconnect(self, guest, volumes):
        with self.world.call("disconnect"):
            found = self.world.guest(guest)
            released = capability.Released(
                tuple(found.disks.values()), tuple(found.media.values())
            )
            found.disks, found.media, found.volumes = {}, {}, {}
            return released


class Networks(Part, capability.Networks):
    def check(self, vifs):
        for vif in vifs:
            if vif.type == "unbound":
                raise exceptions.InvalidRequest(f"plug {vif.id}", "it is not bound")

    def plug(self, guest, vifs):
        with self.world.call("plug"):
            self.world.guest(guest).ports.update(vif.id for vif in vifs)

    def unplug(self, guest, vifs, *, removing=False):
        with self.world.call("unplug"):
            found = self.world.guests.get(guest.id) if guest else None
            if found:
                found.ports.difference_update(vif.id for vif in vifs)

    def plug_management(self, guest):
        return plan.ManagementVif("02:00:00:00:00:07")


class Media(Part, capability.Media):
    def upload(self, server, content):
        with self.world.call("upload_media"):
            ref = plan.MediaRef(f"cfg-{server.uuid}", f"cfg-{server.name}")
            self.world.media[ref.id] = content
            return ref

    def delete(self, media):
        with self.world.call("delete_media"):
            self.world.media.pop(media.id, None)

    def leftovers(self, server):
        name = f"cfg-{server.uuid}"
        known = name in self.world.media
        return (plan.MediaRef(name, name),) if known else ()


class Host(Part, capability.Host):
    def start(self, listener):
        self.listener = listener

    def stop(self):
        self.listener = None

    def node_name(self):
        with self.world.call("node_name"):
            return "memory-1"

    def resources(self):
        with self.world.call("resources"):
            return plan.HostResources(
                hypervisor_type="powervm", hypervisor_version=1,
                vcpus=8, vcpus_used=1, memory_mib=16384, memory_mib_used=512,
                memory_mib_reserved=1024, disk_gb=1000, disk_gb_used=10,
                architecture="ppc64", cpu_info={"arch": "ppc64"},
                supported=(("ppc64", "powervm", "hvm"),),
                traits=frozenset(self.world.traits),
            )  # fmt: skip

    def uptime(self):
        with self.world.call("uptime"):
            return "up 3 days"

    def ip_address(self):
        with self.world.call("ip_address"):
            return "127.0.0.1"

    def cpu_stats(self):
        return {"kernel": 1, "idle": 2, "user": 3, "iowait": 4, "frequency": 5}


class Volumes(Part, capability.Volumes):
    def connector(self, server, guest):
        return {"host": "memory-1", "ip": "127.0.0.1", "initiator": server.uuid}

    def check(self, volumes):
        for volume in volumes:
            if volume.protocol == "unknown":
                raise exceptions.InvalidRequest("use a volume", "unknown protocol")

    def attach(self, guest, volume):
        with self.world.call("attach"):
            self.world.guest(guest).volumes[volume.id] = volume

    def detach(self, guest, volume):
        with self.world.call("detach"):
            self.world.guest(guest).volumes.pop(volume.id, None)

    def extend(self, guest, volume, size):
        with self.world.call("extend"):
            self.world.guest(guest).volumes[volume.id] = (volume, size)


class Pause(Part, capability.Pause):
    def pause(self, guest):
        with self.world.call("pause"):
            self.world.guest(guest).state = power_state.PAUSED

    def unpause(self, guest):
        with self.world.call("unpause"):
            self.world.guest(guest).state = power_state.RUNNING


class CrashDump(Part, capability.CrashDump):
    def trigger(self, guest):
        with self.world.call("crash_dump"):
            self.world.guest(guest)


class Consoles(Part, capability.Consoles):
    def log(self, guest):
        with self.world.call("console"):
            return f"login on {self.world.guest(guest).ref.name}:"


class Snapshots(Part, capability.Snapshots):
    @contextlib.contextmanager
    def open(self, server, guest):
        with self.world.call("capture"):
            self.world.guest(guest)
        content = b"root disk of " + server.uuid.encode()
        try:
            yield capability.Captured(
                io.BytesIO(content), len(content), properties={"from": "memory"}
            )
        finally:
            with self.world.call("release"):
                pass


class ImageCache(Part, capability.ImageCache):
    def age(self, in_use):
        with self.world.call("age"):
            for key in set(self.world.images) - in_use:
                del self.world.images[key]


MANDATORY = {
    "guests": Guests, "disks": Disks, "storage": Storage,
    "networks": Networks, "media": Media, "host": Host,
}  # fmt: skip
OPTIONAL = {
    "volumes": Volumes, "pause": Pause, "crash_dump": CrashDump,
    "consoles": Consoles, "snapshots": Snapshots, "image_cache": ImageCache,
}  # fmt: skip


def full(world):
    """A backend with all that a backend may have."""
    parts = {name: kind(world) for name, kind in {**MANDATORY, **OPTIONAL}.items()}
    return capability.Backend(
        name="memory", **parts, hot_plug_networks=True, extend_volumes=True,
        multiattach=True, qcow2_images=True,
    )  # fmt: skip


def least(world):
    """A backend with what a backend must have."""
    return capability.Backend(
        name="memory", **{name: kind(world) for name, kind in MANDATORY.items()}
    )


class MemoryDriver(driver.BaseDriver):
    """The base driver on a world of its own."""

    def make_backend(self):
        self.world = World()
        return full(self.world)


class LeastDriver(driver.BaseDriver):
    def make_backend(self):
        self.world = World()
        return least(self.world)
