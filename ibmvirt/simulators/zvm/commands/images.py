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

"""Images: their bytes go onto minidisks and come back from them."""

from __future__ import annotations

import pathlib

from ibmvirt.simulators.zvm import imagefile, model
from ibmvirt.simulators.zvm.codes import Refusal
from ibmvirt.simulators.zvm.commands.base import Caller, Result, tool

_KINDS = {"3390": "ECKD", "9336": "FBA"}


@tool("unpackdiskimage", locked=False)
def unpack(zvm: model.Zvm, caller: Caller, words: list[str]) -> Result:
    """``unpackdiskimage USERID VDEV FILE``: an image's bytes onto a minidisk."""
    if len(words) != 3:
        # The forms for RHCOS, which install from a raw image.
        text = "ERROR: only USERID VDEV FILE are known here\n"
        return Result(3, text, unknown=f"unpackdiskimage with {len(words)} words")
    user, vdev, path = words
    try:
        disk = zvm.disk(user, vdev)
        head, blob = zvm.unpacker.unpack(pathlib.Path(caller.cwd, path))
        with zvm.world.transaction():
            disk = zvm.disk(user, vdev)
            if head.kind != _KINDS[disk.type]:
                text = f"ERROR: the image is {head.kind}, the disk {disk.type}\n"
                return Result(3, text)
            if head.size > disk.size:
                text = f"ERROR: the image has {head.size} units, the disk {disk.size}\n"
                return Result(3, text)
            zvm.put_disk(_written(disk, blob, pathlib.Path(path)))
    except Refusal as error:
        return Result(3, f"ERROR: {error.text}\n")
    except (OSError, imagefile.NoImage) as error:
        return Result(3, f"ERROR: {path}: {error}\n")
    return Result(0, "")


def _written(disk: model.Minidisk, blob: str, path: pathlib.Path) -> model.Minidisk:
    """A disk with an image on it.

    The Connector's repository is ordered by os_version (documented):
    netboot/<os_version>/<name>/0100.
    """
    system = path.parts[-3] if len(path.parts) > 3 else ""
    return disk.changed(
        blob=blob, low_level="", partitions=0, file_system="", system=system
    )


@tool("creatediskimage", locked=False)
def pack(zvm: model.Zvm, caller: Caller, words: list[str]) -> Result:
    """``creatediskimage USERID VDEV FILE [--compression N]``."""
    if len(words) not in (3, 5) or words[3:4] not in ([], ["--compression"]):
        text = f"ERROR: creatediskimage {' '.join(words)}: unknown words\n"
        return Result(3, text, unknown=f"creatediskimage {' '.join(words[3:])}")
    user, vdev, path = words[:3]
    level = words[4] if len(words) == 5 else "6"
    if level not in tuple("0123456789"):
        return Result(3, f"ERROR: the compression {level} is not 0 to 9\n")
    try:
        disk = zvm.disk(user, vdev)
        if pathlib.Path(caller.cwd, path).exists():
            return Result(3, "ERROR: The specified image file already exists.\n")
        if zvm.user(user).on:
            text = "ERROR: The specified source system is currently running.\n"
            return Result(3, text)
        source = zvm.blobs.path(disk.blob) if disk.blob else None
        imagefile.pack(
            source,
            pathlib.Path(caller.cwd, path),
            _KINDS[disk.type],
            disk.size,
            int(level),
        )
    except Refusal as error:
        return Result(3, f"ERROR: {error.text}\n")
    except OSError as error:
        return Result(3, f"ERROR: {path}: {error.strerror}\n")
    return Result(0, "")
