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


"""Fibre Channel volumes as disks of the VIOSes, mapped over virtual SCSI."""

from __future__ import annotations

import collections.abc
import logging
import typing

from pypowervm import const
from pypowervm.wrappers import storage as storage_wrapper
from pypowervm.wrappers import virtual_io_server

from ibmvirt.common import exceptions, plan
from ibmvirt.powervm import parallel
from ibmvirt.powervm.rest import errors, jobs, topology
from ibmvirt.powervm.volumes import base, intents, ledger, luarecovery

LOG = logging.getLogger(__name__)

# In a connection's data, as nova-powervm kept it: the UDID of the disk.
KEPT = "target_UDID"
# Lets a VIOS look for a volume; None: it has no port to it.
Recover = collections.abc.Callable[
    [topology.Vios, plan.Volume], luarecovery.Found | None
]


class Vscsi(base.VolumeKind):
    """Every active VIOS that reaches the LUN maps it: each is a path.

    One that does not find it is left out, with a warning.

    :param locks: by volume; who changes one holds its lock.
    :param scrub: removes a VIOS's mappings of partitions that are gone; whether
        there were any.
    :param required: VIOSes that must find it.
    """

    PROTOCOL = "fibre_channel"

    def __init__(
        self,
        adapter: typing.Any,
        places: topology.Topology,
        runner: jobs.Jobs,
        locks: parallel.Locks,
        scrub: collections.abc.Callable[[topology.Vios], bool],
        required: int,
    ) -> None:
        self._adapter = adapter
        self._topology = places
        self._jobs = runner
        self._required = required
        self._locks = locks
        self._scrub = scrub
        self._ledger = ledger.Ledger()

    def check(self, volume: plan.Volume) -> None:
        what = f"use the volume {volume.id}"
        if not _targets(volume, ""):
            raise exceptions.InvalidRequest(
                what,
                "its connection names no target_wwn",
                "look at the connection that the volume service made",
            )
        lun = volume.data.get("target_lun")
        if not isinstance(lun, int) or isinstance(lun, bool) or lun < 0:
            raise exceptions.InvalidRequest(
                what,
                f"its connection's target_lun is {lun!r}, not a number",
                "look at the connection that the volume service made",
            )

    def connector(self, server: plan.Server) -> plan.Values:
        return {"wwpns": sorted(self._topology.fc_homes())}

    # -- finding ------------------------------------------------------------

    def reach(self, guest: plan.GuestRef, volume: plan.Volume) -> base.Elements:
        found = self._search(volume, self._required, attaching=True)
        return {
            uuid: [storage_wrapper.PV.bld(self._adapter, seen.name, udid=seen.udid)]
            for uuid, seen in found.items()
        }

    def _search(
        self, volume: plan.Volume, required: int, *, attaching: bool = False
    ) -> ledger.Disks:
        """Let all active VIOSes look for a volume at once.

        :param attaching: remove what gone partitions have left, where it hinders.
        :raises HypervisorError: fewer than ``required`` found it.
        """
        recover = self._recover_scrubbed if attaching else self._recover
        found, failures = self._look(volume, self._topology.active_vioses(), recover)
        for failure in failures:
            LOG.warning("volume %s was not found by a VIOS: %s", volume.id, failure)
        if len(found) < required:
            count = f"{len(found)} of {required} VIOSes found it" if found else ""
            raise exceptions.HypervisorError(
                f"find the volume {volume.id}",
                "; ".join(filter(None, [count, *failures])),
                "look at the zoning and at the host's mapping in the storage",
            )
        return found

    def _look(
        self,
        volume: plan.Volume,
        vioses: tuple[topology.Vios, ...],
        recover: Recover,
    ) -> tuple[ledger.Disks, list[str]]:
        """Where it was found, and why it was not elsewhere."""
        found: ledger.Disks = {}
        failures: list[str] = []
        unknown: set[str] = set()

        def look(vios: topology.Vios) -> None:
            try:
                try:
                    seen = recover(vios, volume)
                except exceptions.HypervisorUnavailable:
                    # The answer is lost, perhaps with a disk that was made:
                    # the job may be repeated, and then it is known.
                    seen = recover(vios, volume)
            except exceptions.HypervisorError as error:
                failures.append(str(error))
                if not isinstance(error, errors.JobFailed):
                    unknown.add(vios.uuid)
                return
            if seen is None:
                failures.append(f"{vios.name} has no Fibre Channel port to it")
            elif seen.usable:
                found[vios.uuid] = seen
                if seen.status == luarecovery.PATHS_BROKEN:
                    LOG.warning(
                        "volume %s on %s: %s", volume.id, vios.name, seen.message
                    )
            else:
                failures.append(f"{vios.name}: {seen.message} (status {seen.status})")

        parallel.over_vioses(look, vioses)
        asked = {vios.uuid for vios in vioses}
        self._ledger.learn(volume, asked, found, unknown)
        return found, failures

    def _recover_scrubbed(
        self, vios: topology.Vios, volume: plan.Volume
    ) -> luarecovery.Found | None:
        """Once more, if mappings of partitions that are gone may be in its way.

        A VIOS then says that the disk is in use, or does not show the LUN at
        all. (pypowervm's ``discover_hdisk`` scrubs after errors alone.)
        """
        seen: luarecovery.Found | None = None
        failed: errors.JobFailed | None = None
        try:
            seen = self._recover(vios, volume)
        except errors.JobFailed as error:
            failed = error
        free = seen is not None and seen.usable and seen.status != luarecovery.IN_USE
        if not free and (seen or failed) and self._scrubbed(vios):
            return self._recover(vios, volume)
        if failed is not None:
            raise failed
        return seen

    def _scrubbed(self, vios: topology.Vios) -> bool:
        try:
            return self._scrub(vios)
        except exceptions.HypervisorError as error:
            # What the VIOS said counts.
            LOG.warning("%s", error)
            return False

    def _recover(
        self, vios: topology.Vios, volume: plan.Volume
    ) -> luarecovery.Found | None:
        paths = [
            luarecovery.Path(port.wwpn, target, int(volume.data["target_lun"]))
            for port in self._topology.fc_ports().get(vios.uuid, ())
            for target in _targets(volume, port.wwpn)
        ]
        if not paths:
            return None
        what = f"find the volume {volume.id} on {vios.name}"
        results = self._jobs.run(
            "VirtualIOServer",
            vios.uuid,
            "LUARecovery",
            {"inputXML": luarecovery.request(paths)},
            what=what,
        )
        text = results.get("OutputXML") or results.get("StdOut") or ""
        return luarecovery.answer(text, what)

    def udid(self, guest: plan.GuestRef, volume: plan.Volume) -> str | None:
        """As it was discovered or is kept; else it is discovered again."""
        told = self.told(volume)
        if told is not None:
            return told
        try:
            known = self._search(volume, 1)
        except exceptions.HypervisorError as error:
            raise base.Unknown(
                f"find the disk of the volume {volume.id} of {guest.name}",
                error.reason,
                error.remedy,
            ) from error
        return next(seen.udid for seen in known.values())

    def told(self, volume: plan.Volume) -> str | None:
        for seen in self._ledger.found(volume.id).values():
            return seen.udid
        return str(volume.data[KEPT]) if volume.data.get(KEPT) else None

    def intent(self, guest: plan.GuestRef, volume: plan.Volume) -> plan.Values:
        return intents.intent(volume, _targets(volume, ""))

    def kept(self, volume: plan.Volume) -> plan.Values:
        for seen in self._ledger.found(volume.id).values():
            return {KEPT: seen.udid}
        return plan.NOTHING

    # -- forgetting -----------------------------------------------------------

    def disks_of(self, vios: topology.Vios, udid: str) -> set[base.Disk]:
        """One call, with all storage of the VIOS: a long one."""
        with errors.attempting(f"read the disks of {vios.name}"):
            wrapper = virtual_io_server.VIOS.get(
                self._adapter, uuid=vios.uuid, xag=[const.XAG.VIO_STOR]
            )
        return {(one.name, one.udid) for one in wrapper.phys_vols if one.udid == udid}

    def known(self, volume: plan.Volume) -> base.Disks:
        found = self._ledger.found(volume.id)
        return {uuid: {(seen.name, seen.udid)} for uuid, seen in found.items()}

    def uncertain(self, volume: plan.Volume) -> bool:
        return self._ledger.doubtful(volume.id)

    def search(self, guest: plan.GuestRef, volume: plan.Volume) -> None:
        try:
            self._search(volume, 1)
        except exceptions.HypervisorError as error:
            # Its LUN is gone, and then there is no new disk of it either.
            LOG.info("%s", error)

    def forget(
        self, disks: base.Disks, udids: set[str], kept: dict[str, set[str]]
    ) -> base.Disks:
        """A disk that stays after its LUN is gone hinders the next LUN there."""
        wanted = self._ledger.take_left()
        active = self._topology.active_vioses()
        away = wanted.keys() - {vios.uuid for vios in active}
        for uuid in away:
            for name, udid in wanted[uuid]:
                self._ledger.keep(uuid, name, udid)
        for some in (disks, self._ledger.disks(udids), self._doubtful()):
            for uuid, found in some.items():
                wanted.setdefault(uuid, set()).update(found)
        # Those that are away forget nothing.
        left = {
            uuid: {disk for disk in found if disk[1] not in kept.get(uuid, ())}
            for uuid, found in wanted.items()
        }

        def remove(vios: topology.Vios) -> None:
            left[vios.uuid] = {
                (name, udid)
                for name, udid in sorted(left.get(vios.uuid, ()))
                if not self._forget(vios, name, udid)
            }

        if wanted:
            parallel.over_vioses(remove, active)
        return left

    def _doubtful(self) -> base.Disks:
        """Disks that VIOSes made of volumes before their answers were lost."""
        disks: base.Disks = {}
        vioses = {vios.uuid: vios for vios in self._topology.active_vioses()}
        for volume, uuids in self._ledger.doubts():
            # Who holds it is about to use the volume, and sees to it itself.
            with self._locks.attempt(volume.id) as free:
                some = tuple(vioses[uuid] for uuid in uuids if uuid in vioses)
                if not (free and some):
                    continue
                for uuid, seen in self._look(volume, some, self._recover)[0].items():
                    if seen.status != luarecovery.IN_USE:
                        disks.setdefault(uuid, set()).add((seen.name, seen.udid))
        return disks

    def _forget(self, vios: topology.Vios, name: str, udid: str) -> bool:
        """Whether the VIOS does not have the disk for nothing any more."""
        what = f"remove the disk {name} of {vios.name}"
        for last in (False, True):
            try:
                self._jobs.run(
                    "VirtualIOServer",
                    vios.uuid,
                    "RemoveDevice",
                    {"devName": name},
                    what=what,
                )
            except errors.JobFailed as error:
                # It is gone, or a partition uses it that we know nothing of.
                LOG.info("%s", error)
            except exceptions.HypervisorError as error:
                LOG.warning("%s", error)
                if not last:
                    continue
                self._ledger.keep(vios.uuid, name, udid)
                return False
            break
        self._ledger.forgotten(vios.uuid, name, udid)
        return True

    def extend(self, guest: plan.GuestRef, volume: plan.Volume) -> None:
        udid = self.udid(guest, volume)
        assert udid is not None
        failures: list[str] = []
        done: list[str] = []

        def rescan(vios: topology.Vios) -> None:
            try:
                self._jobs.run(
                    "VirtualIOServer",
                    vios.uuid,
                    "RescanVirtualDisk",
                    {"VirtualDiskUDID": udid},
                    what=f"let {vios.name} see the new size of {volume.id}",
                )
            except exceptions.HypervisorError as error:
                # One that was not active when the volume was attached.
                LOG.warning("%s", error)
                failures.append(str(error))
            else:
                done.append(vios.name)

        parallel.over_vioses(rescan, self._topology.active_vioses())
        if not done:
            raise exceptions.HypervisorError(
                f"let the partition {guest.name} see the new size of the volume "
                f"{volume.id}",
                "; ".join(failures),
            )


def _targets(volume: plan.Volume, port: str) -> list[str]:
    """The target ports of a volume, for an initiator port where the map says."""
    mapped = volume.data.get("initiator_target_map") or {}
    for initiator, targets in mapped.items():
        if port and _bare(initiator) == _bare(port):
            return _several(targets)
    if port and mapped:
        # This port is not zoned to the storage.
        return []
    targets = volume.data.get("target_wwn") or volume.data.get("target_wwns") or []
    return _several(targets)


def _several(value: typing.Any) -> list[str]:
    items = [value] if isinstance(value, str) else list(value)
    return [_bare(str(item)) for item in items]


def _bare(wwpn: str) -> str:
    return wwpn.replace(":", "").lower()
