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

"""Files that the Connector takes from a directory it shares with us."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import typing

from ibmvirt.common import context, exceptions

_CHUNK = 1 << 20
# The guest takes the drive only under this name, which the Connector gives
# the reader's file after the path.
DRIVE = "cfgdrive.iso"


class SharedDirectory:
    """Kind ``shared``: the same path on both sides."""

    def __init__(self, root: pathlib.Path) -> None:
        self.root = root

    def drive_path(self, uuid: str) -> pathlib.Path:
        return self.root / "drives" / uuid / DRIVE

    def write_drive(self, uuid: str, content: bytes) -> pathlib.Path:
        """Mode 0600 from the first byte; it holds passwords."""
        path = self.drive_path(uuid)
        self.remove_drive(uuid)
        try:
            path.parent.mkdir(parents=True, mode=0o700)
            self._write(path, [content])
        except OSError as error:
            self.remove_drive(uuid)
            raise _failed(path, error) from error
        return path

    def remove_drive(self, uuid: str) -> None:
        shutil.rmtree(self.drive_path(uuid).parent, ignore_errors=True)

    @contextlib.contextmanager
    def image(
        self, name: str, stream: typing.BinaryIO
    ) -> typing.Iterator[pathlib.Path]:
        """A file with an image's bytes while the block runs."""
        path = self.root / "images" / f"{name}.{os.getpid()}"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._write(path, iter(lambda: stream.read(_CHUNK), b""))
        except OSError as error:
            path.unlink(missing_ok=True)
            raise _failed(path, error) from error
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    @staticmethod
    def _write(path: pathlib.Path, chunks: typing.Iterable[bytes]) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            for chunk in chunks:
                context.check()
                file.write(chunk)


def _failed(path: pathlib.Path, error: OSError) -> exceptions.HypervisorError:
    return exceptions.HypervisorError(
        f"write {path}",
        str(error.strerror or error),
        "check [zvm]shared_directory: it needs room and must be writable",
    )
