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

"""Which server each guest is, and which guests are not a server's of ours.

A userid does not tell its server, and the Connector's REST calls cannot write a
comment that would. So what this service is about to make, made, or was asked about
by Nova, is kept here until it is removed: a server may be deleted while the service
is away, and a userid that a build had noted when it was killed may be somebody
else's by now.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import logging
import pathlib
import threading

from ibmvirt.common import plan, statefile

LOG = logging.getLogger(__name__)

_UNITS = {"K": 1 / 1024, "M": 1, "G": 1024, "T": 1024 * 1024}


@dataclasses.dataclass(frozen=True)
class Build:
    """What a directory entry that a build makes looks like.

    :param macs: of its adapters, the last six digits in upper case: no other
        server has them.
    """

    vcpus: int
    memory_mib: int
    macs: tuple[str, ...]

    @classmethod
    def of(cls, spec: plan.GuestSpec) -> Build:
        macs = (vif.mac.replace(":", "")[-6:].upper() for vif in spec.vifs)
        return cls(spec.vcpus, spec.memory_mib, tuple(macs))

    def has_made(self, entry: collections.abc.Iterable[str]) -> bool:
        """Whether an entry may be this build's, whole or in part.

        Disks and adapters come after the statements that are compared.
        """
        lines = [line.upper().split() for line in entry]
        sizes = [words[3] for words in lines if words[:1] == ["USER"] and words[3:]]
        cpus = [words for words in lines if words[:3] == ["COMMAND", "DEFINE", "CPU"]]
        macs = {
            words[words.index("MACID") + 1]
            for words in lines
            if words[:1] == ["NICDEF"] and "MACID" in words[:-1]
        }
        return (
            [_mib(size) for size in sizes] == [self.memory_mib]
            and len(cpus) == self.vcpus
            and macs <= set(self.macs)
        )


def _mib(size: str) -> float | None:
    """A size of storage of the directory, 512M; None: it is none."""
    unit = _UNITS.get(size[-1:])
    return int(size[:-1]) * unit if unit and size[:-1].isdigit() else None


@dataclasses.dataclass(frozen=True)
class Resident:
    """A guest's server.

    :param server: empty: somebody else made the guest that a build had begun.
    :param build: it is being made, and may not be there.
    """

    server: str
    build: Build | None = None


class Residents:
    """{userid: its server} in a small file, written whole."""

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._known: dict[str, Resident] | None = None

    def _read(self) -> dict[str, Resident]:
        if self._known is None:
            try:
                found = dict(statefile.read(self._path) or {})
                self._known = {user: _resident(item) for user, item in found.items()}
            except (OSError, TypeError, ValueError, KeyError) as error:
                LOG.warning("%s cannot be read: %s", self._path, error)
                self._known = {}
        return self._known

    def begin(self, user: str, server: str, build: Build) -> None:
        """The guest is about to be made for this server."""
        self._set(user, Resident(server, build))

    def keep(self, user: str, server: str) -> None:
        """The guest is this server's; known without a file where none can be."""
        self._set(user, Resident(server))

    def _set(self, user: str, resident: Resident) -> None:
        with self._lock:
            if self._read().get(user) != resident:
                self._write({**self._read(), user: resident})

    def get(self, user: str) -> Resident | None:
        with self._lock:
            return self._read().get(user)

    def forget(self, user: str) -> None:
        """It is gone: who has that userid next is somebody else."""
        with self._lock:
            self._remove({user})

    def forget_gone(self, known: collections.abc.Mapping[str, Resident]) -> None:
        """They were not there, unless one is made since it was known so."""
        with self._lock:
            here = self._read()
            self._remove({user for user in known if here.get(user) == known[user]})

    def drop(self, user: str, server: str) -> None:
        """There is no such guest, if it was to be this server's."""
        with self._lock:
            found = self._read().get(user)
            if found is not None and found.server == server:
                self._remove({user})

    def leave(self, user: str, server: str) -> None:
        """The guest is not this server's, whatever the server has noted."""
        with self._lock:
            found = self._read().get(user)
            if found is not None and found.server == server:
                left = dataclasses.replace(found, server="")
                self._write({**self._read(), user: left})

    def _remove(self, users: collections.abc.Set[str]) -> None:
        """Under the lock."""
        known = self._read()
        if users & known.keys():
            self._write({u: one for u, one in known.items() if u not in users})

    def all(self) -> dict[str, Resident]:
        with self._lock:
            return dict(self._read())

    def _write(self, known: dict[str, Resident]) -> None:
        self._known = known
        value = {user: dataclasses.asdict(known[user]) for user in known}
        try:
            statefile.write(self._path, value)
        except OSError as error:
            # The guest is as it is: it is known until this service ends.
            LOG.warning("%s cannot be written: %s", self._path, error.strerror)


def _resident(item: dict[str, object]) -> Resident:
    build = item["build"]
    if not isinstance(build, dict):
        return Resident(str(item["server"]))
    found = Build(int(build["vcpus"]), int(build["memory_mib"]), tuple(build["macs"]))
    return Resident(str(item["server"]), found)
