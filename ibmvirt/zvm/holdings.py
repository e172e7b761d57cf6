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

"""What guests hold of FCP devices, kept over a restart of the service.

The Connector counts the volumes on a device and does not know which they are:
it would count the same volume twice, and let go of another volume's path when
one is detached twice. So what is attached is kept here, and what is under way
is written down before the Connector is called.
"""

from __future__ import annotations

import collections.abc
import contextlib
import dataclasses
import logging
import pathlib
import threading
import typing

from ibmvirt.common import exceptions, statefile

LOG = logging.getLogger(__name__)

COMING, FAILED, ATTACHED, GOING = "coming", "failed", "attached", "going"


@dataclasses.dataclass(frozen=True)
class Attachment:
    """A volume on a guest.

    :param state: coming or going: the call's end is not known; failed: the
        Connector said so, and took back what it could.
    :param whole: False: a detach of it was cut off; the guest may lack it.
    """

    state: str
    devices: tuple[str, ...]
    wwpns: tuple[str, ...]
    lun: str
    os_version: str
    mount_point: str
    whole: bool = True


@dataclasses.dataclass(frozen=True)
class Holding:
    """What one guest holds.

    :param template: id of the FCP template; empty = the answer was lost.
    :param since: seconds since the epoch of the last wish for a connector.
    :param known: False: it may hold more than is written here.
    """

    user: str
    template: str = ""
    since: float = 0.0
    known: bool = True
    volumes: typing.Mapping[str, Attachment] = dataclasses.field(default_factory=dict)

    def counted(self, device: str) -> int:
        """Volumes that are surely on a device."""
        return sum(
            1
            for volume in self.volumes.values()
            if volume.state == ATTACHED and device in volume.devices
        )

    def with_volume(self, name: str, attachment: Attachment) -> Holding:
        return dataclasses.replace(self, volumes={**self.volumes, name: attachment})

    def without(self, name: str) -> Holding:
        rest = {key: value for key, value in self.volumes.items() if key != name}
        return dataclasses.replace(self, volumes=rest)


def _attachment(item: dict[str, typing.Any]) -> Attachment:
    return Attachment(
        state=item["state"],
        devices=tuple(item["devices"]),
        wwpns=tuple(item["wwpns"]),
        lun=item["lun"],
        os_version=item["os_version"],
        mount_point=item["mount_point"],
        whole=item.get("whole", True),
    )


class Holdings:
    """One small file a guest, written whole before a change is begun."""

    def __init__(self, directory: pathlib.Path) -> None:
        self._files = statefile.Folder(directory)
        self._guard = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}

    @contextlib.contextmanager
    def of(self, user: str, *, wait: bool = True) -> collections.abc.Iterator[bool]:
        """The block is the only one that works on this guest's devices.

        Gives False at once where another does and ``wait`` is not set.
        """
        with self._guard:
            lock = self._locks.setdefault(user, threading.Lock())
        mine = lock.acquire(blocking=wait)
        try:
            yield mine
        finally:
            if mine:
                lock.release()

    def get(self, user: str) -> Holding | None:
        """What is noted of a guest.

        :raises HypervisorError: it cannot be read: nothing may be done, as a
            volume would be attached, and counted, a second time.
        """
        try:
            found = self._files.read(user)
            if found is None:
                return None
            volumes = {
                name: _attachment(item) for name, item in found["volumes"].items()
            }
            return Holding(
                user, found["template"], found["since"], found["known"], volumes
            )
        except OSError as error:
            raise self._failed("read", user, error) from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            LOG.error("%s is damaged: %r", self._files.path(user), error)
            return Holding(user, known=False)

    def put(self, holding: Holding) -> None:
        """:raises HypervisorError: it cannot be written."""
        try:
            self._files.write(holding.user, dataclasses.asdict(holding))
        except OSError as error:
            raise self._failed("write", holding.user, error) from error

    def _failed(
        self, what: str, user: str, error: OSError
    ) -> exceptions.HypervisorError:
        return exceptions.HypervisorError(
            f"{what} what the guest {user} holds of volumes",
            f"{self._files.path(user)}: {error.strerror}",
            "check [DEFAULT]state_path: it needs room, and must be ours to write",
        )

    def drop(self, user: str) -> None:
        self._files.remove(user)

    def users(self) -> list[str]:
        return self._files.names()
