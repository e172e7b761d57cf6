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


"""Make the image of a config drive with pycdlib.

pycdlib lays the image out and makes its descriptors and directories, into
memory; the content of the files is never copied: what pycdlib "writes" is a
reference, and the contents go from the caller's memory or files to the
output in one pass, while the SHA-256 is taken.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import hashlib
import io
import os
import time as _time
from typing import Any, BinaryIO, cast

import pycdlib

from ibmvirt.configdrive import dates, tree
from ibmvirt.configdrive import output as outputs
from ibmvirt.configdrive.content import CHUNK, Content, Progress
from ibmvirt.configdrive.errors import ConfigDriveError, ConfigDriveInputError

LABEL = "config-2"
PUBLISHER = "ibmvirt"

_DIRECTORY_MODE = 0o040555
_FILE_MODE = 0o100444
_ZEROS = bytes(CHUNK)


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
    image = _lay_out(root, label, _clean(publisher), deduplicate)
    dates.set_dates(image.head, moment)
    if isinstance(output, (str, os.PathLike)):
        with outputs.new_file(os.fspath(output)) as sink:
            sha256 = _emit(image, sink, progress)
    elif hasattr(output, "write"):
        with outputs.open_file(output) as sink:
            sha256 = _emit(image, sink, progress)
    else:
        raise ConfigDriveInputError(
            "write", "the config drive", f"{output!r} is neither path nor binary file"
        )
    contents = [file.content for file in tree.files_of(root)]
    return Built(
        image.size, sha256, len(contents), sum(content.size for content in contents)
    )


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
    text = "".join(c if c.isascii() and c.isprintable() else "?" for c in publisher)
    return text.lstrip("_")[:64]  # "_" would make it the name of a file


class _Reference(io.BufferedIOBase):
    """The content as pycdlib reads it: a stand-in for all of it, at once."""

    def __init__(self, content: Content) -> None:
        self.content = content

    def seek(self, offset: int, whence: int = 0, /) -> int:
        assert offset == 0
        return 0

    def read(self, size: int | None = -1, /) -> Any:
        assert size == self.content.size
        return self

    def __len__(self) -> int:
        return self.content.size


class _Layout(io.BufferedIOBase):
    """Takes what pycdlib writes: descriptors and directories, then contents.

    :ivar head: the image up to the first content.
    :ivar contents: where each content begins, in bytes; in no order.
    """

    def __init__(self) -> None:
        self.head = bytearray()
        self.contents: list[tuple[int, Content]] = []
        self.size = 0
        self._position = 0

    def seek(self, offset: int, whence: int = 0, /) -> int:
        base = {0: 0, 1: self._position, 2: self.size}[whence]
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def write(self, data: Any, /) -> int:
        length = len(data)
        end = self._position + length
        if isinstance(data, _Reference):
            self.contents.append((self._position, data.content))
        elif not self.contents:
            if len(self.head) < end:
                self.head.extend(bytes(end - len(self.head)))
            self.head[self._position : end] = data
        elif any(data):  # behind a content, nothing but padding can come
            raise RuntimeError("pycdlib wrote a directory behind the contents")
        self._position = end
        self.size = max(self.size, end)
        return length


def _lay_out(root: tree.Directory, label: str, publisher: str, share: bool) -> _Layout:
    layout = _Layout()
    iso = pycdlib.PyCdlib()
    try:
        iso.new(
            interchange_level=3,
            sys_ident="LINUX",
            vol_ident=label,
            vol_set_ident="",
            pub_ident_str=publisher,
            app_ident_str="ibmvirt",
            joliet=3,
            # 1.12 adds serial numbers, which pycdlib leaves 0; readers on
            # libarchive then take all files for links to one empty file.
            rock_ridge="1.09",
        )
        _add_all(iso, root, _Sharing(root) if share else None)
        # In one piece per content, whatever its size.
        iso.write_fp(cast(BinaryIO, layout), blocksize=2**33)
    except pycdlib.pycdlibexception.PyCdlibException as error:
        raise ConfigDriveError("lay out", "the config drive", str(error)) from error
    finally:
        with contextlib.suppress(pycdlib.pycdlibexception.PyCdlibException):
            iso.close()
    return layout


class _Sharing:
    """Finds files with equal content, reading only those of equal size."""

    def __init__(self, root: tree.Directory) -> None:
        self._sizes = collections.Counter(
            file.content.size for file in tree.files_of(root)
        )
        self._first: dict[tuple[int, bytes], str] = {}

    def first(self, file: tree.File) -> str | None:
        """The ISO path of an earlier file with this content, if there is one."""
        size = file.content.size
        if not size or self._sizes[size] == 1:
            return None
        first = self._first.setdefault((size, file.content.digest()), file.iso_path)
        return None if first == file.iso_path else first


def _add_all(iso: Any, directory: tree.Directory, sharing: _Sharing | None) -> None:
    for child in directory.children.values():
        names = {"rr_name": child.name, "joliet_path": "/" + child.path}
        if isinstance(child, tree.Directory):
            iso.add_directory(child.iso_path, file_mode=_DIRECTORY_MODE, **names)
            _add_all(iso, child, sharing)
        elif sharing and (first := sharing.first(child)):
            iso.add_hard_link(
                iso_old_path=first, iso_new_path=child.iso_path, rr_name=child.name
            )
            iso.add_hard_link(iso_old_path=first, joliet_new_path="/" + child.path)
        else:
            iso.add_fp(
                _Reference(child.content),
                child.content.size,
                iso_path=child.iso_path,
                file_mode=_FILE_MODE,
                **names,
            )


def _emit(layout: _Layout, sink: outputs.Sink, progress: Progress | None) -> str:
    digest = hashlib.sha256()
    done = 0

    def put(data: bytes | bytearray | memoryview) -> None:
        nonlocal done
        sink.write(data)
        digest.update(data)
        done += len(data)
        if progress is not None:
            progress(done, layout.size)

    def pad(position: int) -> None:
        while done < position:
            put(memoryview(_ZEROS)[: position - done])

    put(layout.head)
    for position, content in sorted(layout.contents, key=lambda item: item[0]):
        if position < done:
            raise RuntimeError("pycdlib put a content inside another")
        pad(position)
        for piece in content.chunks():
            put(piece)
    pad(layout.size)
    return digest.hexdigest()
