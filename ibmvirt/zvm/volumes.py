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

"""Cinder volumes over Fibre Channel, by the Connector's FCP templates."""

from __future__ import annotations

import collections.abc
import dataclasses
import logging
import threading
import time

from ibmvirt.common import capability, context, exceptions, plan
from ibmvirt.zvm import attachments, holdings, identity, lun, paused, userids
from ibmvirt.zvm.client import connector, fcp

LOG = logging.getLogger(__name__)

PROTOCOL = "fibre_channel"
_DEVICE = "/dev/vdb"
# Seconds after which a build is not under way any more.
_BUILD = 86400.0
# zvmsdk/dist.py: rhel6 implements neither attach nor detach.
_NO_SCRIPTS = ("rhel6", "redhat6")


class Volumes(capability.Volumes):
    """One reservation a guest: an FCP device on each path of a template.

    A reservation is given back with the last volume, with the guest, and by
    :meth:`sweep` where neither came.

    :param exists: whether the Connector has a guest.
    :param template: name or id of the FCP template; empty = the Connector's
        default.
    :param grace: seconds that a reservation may wait for its volume.
    """

    def __init__(
        self,
        calls: connector.Connector,
        kept: holdings.Holdings,
        names: userids.Userids,
        exists: collections.abc.Callable[[str], bool],
        pauses: paused.Paused,
        *,
        template: str,
        own_ip: str,
        grace: float,
    ) -> None:
        self._calls = calls
        self._fcp = fcp.Fcp(calls)
        self._kept = kept
        self._names = names
        self._exists = exists
        self._template = template
        self._template_id = ""
        self._own_ip = own_ip
        self._grace = grace
        self._reserving = threading.Lock()
        # Users of guests that are being built, until their first volume comes.
        self._building: set[str] = set()
        self._attachments = attachments.Attachments(
            calls, self._fcp, kept, pauses, self._reserving
        )

    # -- connector --------------------------------------------------------

    def connector(
        self, server: plan.Server, guest: plan.GuestRef | None
    ) -> plan.Values:
        """The same for the same server, until its last volume is gone."""
        user = guest.id if guest is not None else identity.known(server)
        if not user:
            raise exceptions.GuestNotFound(
                f"reserve FCP devices for {server.name} ({server.uuid})",
                "it has no userid",
            )
        with self._kept.of(user):
            if guest is None:
                self._building.add(user)
            paths = self._reserve(user)
        return {
            "host": paths.host,
            "ip": self._own_ip,
            "wwpns": list(paths.wwpns),
            "multipath": len(paths.devices) > 1,
            "platform": "s390x",
            "os_type": "linux",
            "zvm_fcp": list(paths.devices),
            "fcp_paths": len(paths.devices),
            "fcp_template_id": paths.template,
            "phy_to_virt_initiators": dict(paths.physical),
        }

    def _reserve(self, user: str) -> fcp.Paths:
        """The caller holds the guest's lock."""
        holding = self._attachments.known(user)
        # What a guest has decides; an option that changes is for the next one.
        wanted = holding.template or self._wanted()
        # Written first: whatever becomes of the answer, the sweep knows of it.
        holding = dataclasses.replace(holding, template=wanted, since=time.time())
        self._kept.put(holding)
        with self._reserving:
            paths = self._fcp.reserve(user, wanted or None)
        self._kept.put(dataclasses.replace(holding, template=paths.template))
        return paths

    def _wanted(self) -> str:
        """The id of the template that the option names, or nothing."""
        if self._template and not self._template_id:
            self._template_id = self._fcp.template_id(self._template)
        return self._template_id

    def incomplete(self, server: plan.Server, guest: plan.GuestRef | None) -> bool:
        """Nova prepares the volumes of a build before its guest is there."""
        return guest is None and not identity.known(server)

    def record(self, server: plan.Server) -> plan.Values:
        return self._names.of(server)

    def abandon(self, server: plan.Server) -> None:
        self._names.withdraw(server)
        self.forget(identity.known(server))

    def decline(self, guest: plan.GuestRef) -> None:
        with self._kept.of(guest.id):
            holding = self._kept.get(guest.id)
            if holding is not None and holding.known and not holding.volumes:
                self._release(holding)

    # -- attach and detach --------------------------------------------------

    def check(self, volumes: tuple[plan.Volume, ...]) -> None:
        for volume in volumes:
            what = f"use the volume {volume.id}"
            if volume.protocol != PROTOCOL:
                raise exceptions.InvalidRequest(
                    what,
                    f"its protocol is {volume.protocol!r} and z/VM knows {PROTOCOL}",
                    "use a volume type whose storage has such a connection",
                )
            if volume.boot:
                raise exceptions.Unsupported(
                    what, "booting from a volume is not supported on z/VM"
                )
            lun.targets(volume)
            lun.number(volume)

    def attach(self, guest: plan.GuestRef, volume: plan.Volume) -> None:
        """Idempotent; what is left of a failed one, :meth:`detach` removes."""
        user, name = guest.id, _name(volume)
        wanted = _attachment(guest, volume, holdings.COMING)
        with self._kept.of(user):
            if name in self._attachments.settled(user).volumes:
                return
            paths = self._reserve(user)
            wanted = dataclasses.replace(wanted, devices=paths.devices)
            # A guest that a build makes does not run yet.
            running = identity.KEY not in guest.record
            self._attachments.add(
                self._attachments.known(user), name, wanted, may_run=running
            )
            self._building.discard(user)

    def detach(self, guest: plan.GuestRef, volume: plan.Volume) -> None:
        user, name = guest.id, _name(volume)
        with self._kept.of(user):
            kept = self._kept.get(user)
            if kept is None or not kept.known:
                self._detach_unknown(guest, volume)
                if kept is not None:
                    self._kept.put(kept.without(name))
                return
            holding = self._attachments.settled(user, but=name)
            found = holding.volumes.get(name)
            if found is not None:
                holding = self._attachments.remove(holding, name, found)
            if not holding.volumes:
                self._release(holding)

    def extend(self, guest: plan.GuestRef, volume: plan.Volume, size: int) -> None:
        """A guest that is off sees the new size when it starts.

        :raises Unsupported: it runs: the Connector 1.6.3 has no call that lets
            a running guest look again.
        """
        if self._calls.power_state(guest.id) == "on":
            raise exceptions.Unsupported(
                f"let the running guest {guest.id} see the new size of the volume "
                f"{volume.id}",
                "the Cloud Connector has no call for it",
                "stop and start the server, or rescan the disk's paths and resize "
                "the multipath device in the guest",
            )

    def _detach_unknown(self, guest: plan.GuestRef, volume: plan.Volume) -> None:
        """A volume of a guest of which nothing is kept: the state path is new."""
        mine = self._held(guest.id)
        used = tuple(d.number for d in mine if d.connections)
        if used:
            found = _attachment(guest, volume, holdings.GOING)
            found = dataclasses.replace(found, devices=used)
            self._attachments.detach(attachments.connection(guest.id, found))
            if not any(device.connections for device in self._held(guest.id)):
                self._attachments.take_back(guest.id, "", found)
        for template in {d.template for d in mine}:
            self._fcp.release(guest.id, template)

    def _held(self, user: str) -> list[fcp.Device]:
        """The devices that the Connector counts or reserves for a guest."""
        found = {
            d.number: d
            for d in self._fcp.devices()
            if d.holder == user and (d.connections or d.reserved)
        }
        return list(found.values())

    # -- giving back ----------------------------------------------------------

    def _release(self, holding: holdings.Holding) -> None:
        """Give back what has no volume, and forget the guest."""
        user, templates = holding.user, {holding.template}
        self._building.discard(user)
        if not holding.template:
            templates = {device.template for device in self._held(user)}
        for template in templates:
            self._fcp.release(user, template)
        self._kept.drop(user)

    def expect(self, user: str) -> None:
        """Nova knows of volumes of the guest, whatever is kept here."""
        if self._kept.get(user) is None:
            self._kept.put(holdings.Holding(user, since=time.time(), known=False))

    def forget(self, user: str) -> None:
        """The guest is gone: nothing is counted or reserved for it any more."""
        if user:
            with self._kept.of(user):
                self._forget(user)

    def _forget(self, user: str) -> None:
        """The caller holds the guest's lock."""
        self._building.discard(user)
        holding = self._kept.get(user)
        if holding is None:
            return
        if holding.volumes or not holding.known:
            for device in self._held(user):
                self._fcp.set_use(device.number, user, 0, "")
            self._kept.drop(user)
        else:
            self._release(holding)

    def sweep(self) -> None:
        """Give back reservations whose volume did not come in time.

        An attach that did not end well is undone; it was never reported as
        done. A guest that is gone holds nothing. One guest's failure does not
        keep the others.
        """
        with context.background("fcp_sweep"):
            for user in self._kept.users():
                try:
                    with self._kept.of(user, wait=False) as mine:
                        if mine:
                            self._sweep(user)
                except exceptions.IBMVirtError as error:
                    LOG.warning("%s", error)

    def _patience(self, user: str) -> float:
        """Seconds that a reservation waits.

        Storage shows a build's volumes to the WWPNs of these devices, and a large
        image takes its time. A build that fails gives them back itself.
        """
        return max(self._grace, _BUILD) if user in self._building else self._grace

    def _sweep(self, user: str) -> None:
        """The caller holds the guest's lock."""
        holding = self._kept.get(user)
        if holding is None or time.time() - holding.since < self._patience(user):
            return
        # A guest that the Connector does not have may still be in the directory,
        # with its devices.
        if not self._exists(user) and self._calls.directory_entry(user) is None:
            LOG.info("%s is gone: its FCP devices are released", user)
            self._forget(user)
            return
        states = {volume.state for volume in holding.volumes.values()}
        if states & {holdings.COMING, holdings.FAILED}:
            holding = self._attachments.settled(user)
        if holding.known and not holding.volumes:
            LOG.info("the FCP devices of %s waited for no volume: released", user)
            self._release(holding)


def _name(volume: plan.Volume) -> str:
    return volume.id or f"{lun.number(volume)}@{lun.targets(volume)[0]}"


def _attachment(
    guest: plan.GuestRef, volume: plan.Volume, state: str
) -> holdings.Attachment:
    """:raises InvalidRequest: the guest's release of Linux is not known, or cannot."""
    os_version = str(guest.record.get(identity.OS_KEY) or "")
    if not os_version:
        raise exceptions.InvalidRequest(
            f"use the volume {volume.id} with the guest {guest.id}",
            "the guest's release of Linux is not known",
            "set os_distro and os_version in the properties of its image",
        )
    if os_version.startswith(_NO_SCRIPTS):
        raise exceptions.InvalidRequest(
            f"use the volume {volume.id} with the guest {guest.id}",
            f"the Connector has no scripts for volumes in {os_version}",
            "use an image of rhel7 or later, sles or ubuntu",
        )
    return holdings.Attachment(
        state=state,
        devices=(),
        wwpns=lun.targets(volume),
        lun=lun.number(volume),
        os_version=os_version,
        mount_point=volume.device or _DEVICE,
    )
