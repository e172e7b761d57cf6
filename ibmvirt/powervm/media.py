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

"""Config drives in the media repository."""

from __future__ import annotations

import collections.abc
import contextlib
import hashlib
import io
import logging
import re
import threading
import typing

from pypowervm.wrappers import storage as storage_wrapper

from ibmvirt.common import capability, exceptions, plan
from ibmvirt.powervm import mappings, writer
from ibmvirt.powervm.rest import topology, uploads

# Longest name of optical media (pypowervm const.MaxLen.VOPT_NAME).
LOG = logging.getLogger(__name__)

_NAME_MAX = 37
_DIGITS = _NAME_MAX - len("cfg_.iso")
_DRIVE = re.compile(f"cfg_([0-9a-f]{{{_DIGITS}}})[.]iso")
_REPOSITORY = "vopt"


def drive_name(server: plan.Server) -> str:
    """cfg_<UUID>.iso as nova-powervm cuts it."""
    return f"cfg_{_digits(server.uuid)}.iso"


def digits_of(name: str) -> str | None:
    """What a drive's name tells of its partition's UUID; None: it is no drive."""
    match = _DRIVE.fullmatch(name)
    return partition_digits(match.group(1)) if match else None


def partition_digits(uuid: str) -> str:
    """The beginning of a UUID as a partition has it: without its first bit."""
    digits = _digits(uuid)
    return f"{int(digits[0], 16) & 7:x}{digits[1:]}"


def _digits(uuid: str) -> str:
    return re.sub("[^0-9a-f]", "", uuid.lower())[:_DIGITS]


class Repository:
    """The media repository: that of one VIOS, for the drives of all servers.

    :param group: name of the volume group that it is made in where no VIOS
        has one.
    :param size: its size in GB then.
    """

    def __init__(
        self,
        adapter: typing.Any,
        places: topology.Topology,
        writers: writer.Writers,
        group: str,
        size: int,
    ) -> None:
        self._adapter = adapter
        self._topology = places
        self._writers = writers
        self._group = group
        self._size = size
        self._lock = threading.Lock()

    def home(self) -> topology.Group:
        """The volume group with the repository, which is made if there is none.

        :raises HypervisorError: it cannot be made.
        """
        found = self.find()
        if found is not None:
            return found
        with self._lock:
            # Another thread, or somebody else, may have made it since.
            self._topology.drop_groups()
            found = self.find()
            if found is None:
                self._make()
                self._topology.drop_groups()
                found = self.find()
        if found is None:
            raise exceptions.HypervisorError(
                f"make a media repository in {self._group}",
                "the platform took it and does not show it",
                "look at it: lsrep on the VIOS",
            )
        return found

    def find(self) -> topology.Group | None:
        """The volume group with the repository."""
        return next(iter(self.all()), None)

    def all(self) -> list[topology.Group]:
        """All volume groups with one: a VIOS may have been away when another
        got its own."""
        return [group for group in self._ordered() if group.repository]

    def candidates(self) -> tuple[topology.Group, ...]:
        """Where it would be made.

        :raises HypervisorError: nowhere.
        """
        groups = self._ordered()
        found = tuple(g for g in groups if g.name == self._group)
        if not found:
            names = ", ".join(sorted({g.name for g in groups})) or "none"
            raise exceptions.HypervisorError(
                "find a media repository",
                "no VIOS has one, and none has the volume group "
                f"{self._group} to make it in (there are: {names})",
                "create it: mkrep on a VIOS, or correct "
                "[powervm]vopt_media_volume_group",
            )
        return found

    def _ordered(self) -> list[topology.Group]:
        # The management partition's VIOS first: its files are local.
        return sorted(self._topology.groups(), key=lambda g: not g.vios.management)

    def _make(self) -> None:
        first: exceptions.HypervisorError | None = None
        for group in self.candidates():
            what = f"make a media repository of {self._size} GB"
            try:
                self._writers.of_group(group).apply(self._add, what)
            except exceptions.HypervisorError as error:
                LOG.warning("%s", error)
                first = first or error
            else:
                LOG.info("made a media repository in %s", group.name)
                return
        if first is not None:
            raise first

    def _add(self, group: typing.Any) -> bool:
        if group.vmedia_repos:
            return False
        made = storage_wrapper.VMediaRepos.bld(
            self._adapter, _REPOSITORY, str(self._size)
        )
        group.vmedia_repos = [made]
        return True


class Media(capability.Media):
    """Uploaded from memory, mapped by Storage, removed with the server.

    The drive gives the guest the server's UUID, as Nova's metadata service
    does, and not the partition's (nova-powervm), which differs in one bit for
    half of the servers.
    """

    def __init__(
        self,
        repository: Repository,
        writers: writer.Writers,
        sender: uploads.Uploads,
        stay: int | None,
    ) -> None:
        """:param stay: minutes from a start on; None = for ever."""
        self._repository = repository
        self._uploads = sender
        self._writers = writers
        self._stay = stay
        self._lock = threading.Lock()
        # Drives of servers that this service has started.
        self._booted: set[str] = set()

    def check(self) -> None:
        """:raises HypervisorError: there is no media repository, nor room for one."""
        self._repository.home()

    def upload(self, server: plan.Server, content: bytes) -> plan.MediaRef:
        name = drive_name(server)
        self._uploads.send(
            io.BytesIO(content),
            name=name,
            size=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            vios_uuid=self._repository.home().vios.uuid,
            what=f"upload the config drive of {server.name}",
        )
        with self._lock:
            self._booted.discard(name)
        return plan.MediaRef(name, name, len(content))

    @contextlib.contextmanager
    def at_boot(self, guest: plan.GuestRef) -> collections.abc.Iterator[dict[str, str]]:
        """Parameters of a start after which the platform takes the drive away.

        With the first start by this service, if the drive is there still: the
        one before may have been killed before it started the server.
        """
        name = drive_name(plan.Server(guest.uuid, guest.name)) if guest.uuid else ""
        with self._lock:
            first = name not in self._booted
        wanted = name and first and self._stay is not None and self._has(guest, name)
        yield (
            {"remove_optical_name": name, "remove_optical_time": str(self._stay)}
            if wanted
            else {}
        )
        with self._lock:
            self._booted.add(name)

    def _has(self, guest: plan.GuestRef, name: str) -> bool:
        """Whether a drive is mapped to a partition; no call while that is known."""
        found: list[bool] = []

        def look(wrapper: typing.Any) -> None:
            there = mappings.keys(mappings.of(wrapper, guest.id))
            found.append((mappings.MEDIA, name) in there)

        try:
            for home in self._repository.all():
                vios = home.vios
                self._writers.of(vios.uuid, vios.name, mappings.GROUP).look(
                    look, f"look for the config drive of {guest.name}"
                )
        except exceptions.HypervisorError as error:
            # The start is what is wanted: the drive stays until the next one.
            LOG.warning("%s", error)
        return any(found)

    def leftovers(self, server: plan.Server) -> tuple[plan.MediaRef, ...]:
        name = drive_name(server)
        return (plan.MediaRef(name, name),)

    def delete(self, media: plan.MediaRef) -> None:
        """Two calls: the volume group is read and written."""
        with self._lock:
            self._booted.discard(media.name)
        self.remove({media.name}, f"remove the config drive {media.name}")

    def remove(self, names: collections.abc.Set[str], what: str) -> None:
        """Remove media by their names; silent about those that are gone."""

        def change(group: typing.Any) -> bool:
            gone = [
                (repository, item)
                for repository in group.vmedia_repos
                for item in repository.optical_media
                if item.name in names
            ]
            for repository, item in gone:
                repository.optical_media.remove(item)
            return bool(gone)

        # Removals at the same time are one write of the volume group.
        for home in self._repository.all():
            self._writers.of_group(home).apply(change, what)

    def names(self) -> set[str]:
        """What the repositories hold. One call each."""
        return {
            str(item.name)
            for home in self._repository.all()
            for repository in self._writers.of_group(home).read().vmedia_repos
            for item in repository.optical_media
        }
