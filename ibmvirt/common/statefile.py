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


"""Small files that keep what a service must still know after it was killed.

JSON under ``[DEFAULT]state_path``. A file is written whole beside the old one
and put in its place: whoever reads it finds the one or the other.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import typing
import urllib.parse

_SUFFIX = ".json"


def read(path: pathlib.Path) -> typing.Any:
    """What is in a file; None: there is no such file.

    :raises OSError: it cannot be read.
    :raises ValueError: it is damaged.
    """
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return None


def write(path: pathlib.Path, value: typing.Any, *, durable: bool = True) -> None:
    """Write a file, and its directory; who writes the same one holds a lock.

    :param durable: also when the machine fails just after it.
    :raises OSError: it is as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part")
    with partial.open("w") as file:
        json.dump(value, file)
        if durable:
            file.flush()
            os.fsync(file.fileno())
    os.replace(partial, path)
    if durable:
        _keep_names(path.parent)


def _keep_names(directory: pathlib.Path) -> None:
    """A file has its new contents for sure once its directory is written too.

    Some file systems cannot do that; the new contents are there all the same.
    """
    with contextlib.suppress(OSError):
        opened = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


class Folder:
    """A directory with a file for each name."""

    def __init__(self, directory: pathlib.Path) -> None:
        self._directory = directory

    def path(self, name: str) -> pathlib.Path:
        return self._directory / f"{urllib.parse.quote(name, safe='')}{_SUFFIX}"

    def names(self) -> list[str]:
        """Those that have a file.

        :raises OSError: they cannot be listed.
        """
        try:
            found = [path.name for path in self._directory.iterdir()]
        except FileNotFoundError:
            return []
        return sorted(
            urllib.parse.unquote(name.removesuffix(_SUFFIX))
            for name in found
            if name.endswith(_SUFFIX)
        )

    def read(self, name: str) -> typing.Any:
        """As :func:`read`."""
        return read(self.path(name))

    def write(self, name: str, value: typing.Any, *, durable: bool = True) -> None:
        """As :func:`write`."""
        write(self.path(name), value, durable=durable)

    def remove(self, name: str) -> None:
        """Silent if it is gone.

        :raises OSError: it cannot be removed.
        """
        self.path(name).unlink(missing_ok=True)
