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

"""Files on their way between this host and the Connector.

A transport brings config drives and images to the Connector and takes
captured disks from it. All of its files have mode 0600, are in one directory
of this service, and are removed on every path; what a killed service left is
removed when it starts again.
"""

from __future__ import annotations

import abc
import collections.abc
import contextlib
import dataclasses
import hashlib
import logging
import os
import pathlib
import pwd
import re
import shutil
import typing
import urllib.parse
import uuid

from ibmvirt.common import context, exceptions

LOG = logging.getLogger(__name__)

# The guest takes the drive only under this name, which the Connector gives
# the reader's file after the path.
DRIVE = "cfgdrive.iso"
# zvmsdk/sdkwsgi/validation/parameter_types.py: remotehost.
_REMOTE_HOST = re.compile(
    r"^[a-zA-Z0-9-]+@([0-9]{1,3}(\.[0-9]{1,3}){3}|[a-zA-Z0-9-]+(\.[a-zA-Z0-9-]+)+)$"
)


@dataclasses.dataclass(frozen=True)
class Sent:
    """A file that the Connector can take: its path and its bytes' MD5.

    MD5 because that is what the Connector can check.
    """

    path: pathlib.Path
    md5: str

    @property
    def url(self) -> str:
        return f"file://{self.path}"


@dataclasses.dataclass(frozen=True)
class Setup:
    """What a transport is made of.

    :param options: the group [zvm].
    :param state: directory of this service.
    :param own_name: of this service, [DEFAULT]host.
    """

    options: typing.Any
    state: pathlib.Path
    own_ip: str
    own_name: str


class Transport(abc.ABC):
    """A way of files to the Connector and back.

    :param root: directory of this service alone, made when it is needed.
    :ivar remote_host: user@address that the Connector copies from and to, or
        None where it sees the paths itself.
    """

    kind: typing.ClassVar[str]
    # What to look at when a file cannot be written here.
    remedy: typing.ClassVar[str]
    remote_host: str | None = None

    def __init__(self, root: pathlib.Path) -> None:
        self.root = root

    @classmethod
    @abc.abstractmethod
    def configured(cls, setup: Setup) -> Transport:
        """:raises InvalidRequest: the configuration cannot be right."""

    def start(self) -> None:
        """Remove what a killed service left; no operation may be under way."""
        shutil.rmtree(self.root, ignore_errors=True)

    # -- config drives --------------------------------------------------------

    def drive_path(self, server: str) -> pathlib.Path:
        return self.root / "drives" / server / DRIVE

    def write_drive(self, server: str, content: bytes) -> pathlib.Path:
        """Mode 0600 from the first byte; it holds passwords."""
        path = self.drive_path(server)
        self.remove_drive(server)
        try:
            self._write(path, [content])
        except BaseException:
            self.remove_drive(server)
            raise
        return path

    def remove_drive(self, server: str) -> None:
        shutil.rmtree(self.drive_path(server).parent, ignore_errors=True)

    # -- images -----------------------------------------------------------------

    @contextlib.contextmanager
    def sent(
        self, name: str, chunks: collections.abc.Iterable[bytes]
    ) -> collections.abc.Iterator[Sent]:
        """A file with these bytes while the block runs."""
        with self._file("images", name) as path:
            md5 = self._write(path, chunks)
            yield Sent(path, md5)

    @contextlib.contextmanager
    def taken(self, name: str) -> collections.abc.Iterator[pathlib.Path]:
        """An empty file for the Connector to write to while the block runs.

        It is made here so that it has mode 0600 before the first byte.
        """
        with self._file("captures", name) as path:
            self._write(path, [])
            yield path

    @contextlib.contextmanager
    def _file(self, part: str, name: str) -> collections.abc.Iterator[pathlib.Path]:
        # Nobody else's, whoever works on the same image.
        path = self.root / part / f"{name}.{uuid.uuid4().hex[:8]}"
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def _write(
        self, path: pathlib.Path, chunks: collections.abc.Iterable[bytes]
    ) -> str:
        """Write a new file; the MD5 of its bytes."""
        digest = hashlib.md5(usedforsecurity=False)
        try:
            # The Connector of kind scp comes as our user, too.
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            descriptor = os.open(path, flags, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                for chunk in chunks:
                    context.check()
                    file.write(chunk)
                    digest.update(chunk)
        except OSError as error:
            raise exceptions.HypervisorError(
                f"write {path}", str(error.strerror or error), self.remedy
            ) from error
        return digest.hexdigest()


class SharedDirectory(Transport):
    """Kind ``shared``: the Connector sees the directory under the same path."""

    kind = "shared"
    remedy = "check [zvm]shared_directory: it needs room and must be writable"

    @classmethod
    def configured(cls, setup: Setup) -> SharedDirectory:
        shared = setup.options.shared_directory or setup.state / "shared"
        # Several services may share it; each cleans its own part.
        own = urllib.parse.quote(setup.own_name, safe="")
        return cls(pathlib.Path(shared) / own)


class SecureCopy(Transport):
    """Kind ``scp``: the Connector copies from this host and to it, by ssh.

    :param remote_host: user@address of this host, as the Connector reaches it.
    :raises InvalidRequest: the Connector would not accept ``remote_host``.
    """

    kind = "scp"
    remedy = "check the file system of [DEFAULT]state_path: it needs room"

    def __init__(self, root: pathlib.Path, remote_host: str) -> None:
        super().__init__(root)
        if not _REMOTE_HOST.match(remote_host):
            raise exceptions.InvalidRequest(
                "use the transport scp",
                f"the Connector does not accept {remote_host!r} as the address "
                "of this host",
                "set [zvm]scp_remote_host to user@IPv4-address or user@name.domain",
            )
        self.remote_host = remote_host

    @classmethod
    def configured(cls, setup: Setup) -> SecureCopy:
        remote = setup.options.scp_remote_host
        if not remote:
            try:
                user = pwd.getpwuid(os.geteuid()).pw_name
            except KeyError:
                user = ""
            remote = f"{user}@{setup.own_ip}"
        return cls(setup.state / "transfer", remote)

    def start(self) -> None:
        super().start()
        # The Connector 1.6.3 runs scp with StrictHostKeyChecking=no, and has
        # no option for that.
        LOG.warning(
            "[zvm]transport is scp: the Connector copies as %s and does not "
            "verify this host's key. Let no other machine answer at that "
            "address. Images and snapshots are checked by their MD5; config "
            "drives are not.",
            self.remote_host,
        )


KINDS: dict[str, type[Transport]] = {
    kind.kind: kind for kind in (SharedDirectory, SecureCopy)
}
