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


"""Build a config drive: check, lay out, and write in one pass."""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import os
import time as _time
from typing import BinaryIO

from ibmvirt.configdrive import dates, layout, tree
from ibmvirt.configdrive import output as outputs
from ibmvirt.configdrive.content import Content, Progress
from ibmvirt.configdrive.errors import ConfigDriveInputError

LABEL = "config-2"
PUBLISHER = "ibmvirt"

_MAX_BLOCKS = 2**32 - 1
_ZEROS = bytes(layout.BLOCK)


@dataclasses.dataclass(frozen=True, slots=True)
class Built:
    """A finished image.

    :ivar size: bytes of the image, a multiple of 2048.
    :ivar sha256: the SHA-256 of the image, in hexadecimal.
    :ivar files: how many files it holds.
    :ivar content_size: bytes of these files together.
    """

    size: int
    sha256: str
    files: int
    content_size: int


def build(
    files: tree.Files,
    output: str | os.PathLike[str] | BinaryIO,
    *,
    label: str = LABEL,
    publisher: str = PUBLISHER,
    deduplicate: bool = True,
    time: float | None = None,
    progress: Progress | None = None,
) -> Built:
    """Make a config drive: ISO 9660 level 3, Rock Ridge 1.09 and Joliet 3.

    All files are owned by root and have mode 0444, directories 0555. Safe to
    be called from many threads at once.

    :param files: pairs of path and content, or a mapping: what
        ``InstanceMetadata.metadata_for_config_drive()`` of nova yields. Paths
        are relative, with slashes; content is ``bytes``, ``str`` (stored as
        UTF-8) or an :class:`os.PathLike`, the file to read it from.
    :param output: a path or a writable binary file. A path gets the mode 0600
        and appears when the image is complete. A file gets the image from its
        position on and, if it can seek, is cut behind it and left positioned
        at the image's start.
    :param label: the volume's label; guests look for ``config-2``.
    :param publisher: the publisher in the descriptors; it is cut to 64
        characters, and others than ASCII are replaced.
    :param deduplicate: store equal contents once.
    :param time: every date of the image, in seconds since 1970-01-01 UTC; now
        if None. With a fixed time, the same input gives the same bytes.
    :param progress: called with the bytes written so far and the size of the
        image. What it raises ends the build, and nothing is left.
    :returns: size and SHA-256 of the image.
    :raises ConfigDriveInputError: the drive cannot hold this; nothing was
        written.
    :raises ConfigDriveWriteError: the output cannot be written; nothing was
        left.
    """
    moment = _time.time() if time is None else time
    dates.check(moment)
    _check_label(label)
    root = tree.plan(files)
    plan = layout.lay_out(root, label, _clean(publisher))
    first = len(plan.head) // layout.BLOCK
    extents, contents, blocks = _place(root, first, deduplicate)
    head = plan.fill(extents, blocks, moment)
    size = blocks * layout.BLOCK
    if isinstance(output, (str, os.PathLike)):
        opened = outputs.new_file(os.fspath(output))
    elif hasattr(output, "write"):
        opened = outputs.open_file(output)
    else:
        raise ConfigDriveInputError(
            "write", "the config drive", f"{output!r} is neither path nor binary file"
        )
    with opened as sink:
        sha256 = _emit(head, contents, size, sink, progress)
    sizes = [file.content.size for file in tree.files_of(root)]
    return Built(size, sha256, len(sizes), sum(sizes))


def _check_label(label: str) -> None:
    if (
        not isinstance(label, str)
        or not 1 <= len(label) <= 16
        or not (label.isascii() and label.isprintable())
    ):
        raise ConfigDriveInputError(
            "label", "the config drive", f"{label!r} is not 1 to 16 characters of ASCII"
        )


def _clean(publisher: str) -> str:
    """The publisher as the descriptors of ISO 9660 and of Joliet can hold it."""
    if not isinstance(publisher, str):
        raise ConfigDriveInputError(
            "publish", "the config drive", f"{publisher!r} is no text"
        )
    text = "".join(c if c.isascii() and c.isprintable() else "?" for c in publisher)
    return text.lstrip("_")[:64]  # "_" would make it the name of a file


def _place(
    root: tree.Directory, first: int, share: bool
) -> tuple[dict[str, tuple[int, int]], list[tuple[int, Content]], int]:
    """Give each content its blocks, one behind the other.

    :param first: the first block for contents.
    :param share: give equal contents the same blocks; only contents of equal
        size are read for that.
    :returns: block and size of each file that is not empty, by its path; each
        content with its block; the blocks of the whole image.
    """
    sizes = collections.Counter(file.content.size for file in tree.files_of(root))
    extents: dict[str, tuple[int, int]] = {}
    contents: list[tuple[int, Content]] = []
    known: dict[tuple[int, bytes], int] = {}
    free = first
    for file in tree.files_of(root):
        content = file.content
        if not content.size:
            continue
        block = free
        if share and sizes[content.size] > 1:
            block = known.setdefault((content.size, content.digest()), free)
        extents[file.path] = (block, content.size)
        if block == free:
            contents.append((block, content))
            free += -(-content.size // layout.BLOCK)
    if free > _MAX_BLOCKS:
        raise ConfigDriveInputError(
            "build", "the config drive", f"it would have {free} blocks",
            f"At most {_MAX_BLOCKS} are possible.",
        )  # fmt: skip
    return extents, contents, free


def _emit(
    head: bytearray,
    contents: list[tuple[int, Content]],
    size: int,
    sink: outputs.Sink,
    progress: Progress | None,
) -> str:
    """Write the image in one pass; returns its SHA-256."""
    digest = hashlib.sha256()
    done = 0

    def put(data: bytes | bytearray | memoryview) -> None:
        nonlocal done
        sink.write(data)
        digest.update(data)
        done += len(data)
        if progress is not None:
            progress(done, size)

    put(head)
    for block, content in contents:
        put(_ZEROS[: block * layout.BLOCK - done])
        for piece in content.chunks():
            put(piece)
    put(_ZEROS[: size - done])
    return digest.hexdigest()
