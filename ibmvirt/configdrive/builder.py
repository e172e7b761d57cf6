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

"""Building a config drive: an ISO 9660 image with Rock Ridge and Joliet."""

from __future__ import annotations

import collections.abc
import contextlib
import dataclasses
import hashlib
import io
import os
import pathlib
import typing

import pycdlib
from pycdlib import pycdlibexception

from ibmvirt.configdrive import errors, names, stamp

LABEL = "config-2"
PUBLISHER = "ibmvirt"
# Directories r-xr-xr-x and files r--r--r--, owned by root, in Rock Ridge.
_DIRECTORY_MODE = 0o040555
_FILE_MODE = 0o100444
_LABEL_MAX = 16
# With Joliet a publisher has 64 characters, of which it takes UCS-2 pairs.
_PUBLISHER_MAX = 64
# ISO 9660 dates have one byte for the year since 1900.
_TIME_MAX = 5_869_583_999
_CHUNK = 1 << 20

Output = str | os.PathLike[str] | typing.BinaryIO
Progress = collections.abc.Callable[[int, int], None]


@dataclasses.dataclass(frozen=True)
class Built:
    """What was written: ``size`` in bytes and ``sha256`` in hexadecimal."""

    size: int
    sha256: str


def build(
    files: names.Files,
    output: Output,
    *,
    label: str = LABEL,
    publisher: str = PUBLISHER,
    deduplicate: bool = True,
    time: float | None = None,
    progress: Progress | None = None,
) -> Built:
    """Write a config drive.

    :param files: pairs of path and content (what nova's
        ``InstanceMetadata.metadata_for_config_drive()`` yields) or a mapping;
        a str content is encoded as UTF-8.
    :param output: a path, made with mode 0600 and replaced as a whole, or a
        seekable binary file, written from its present position on.
    :param label: volume label, 1 to 16 ASCII characters; cloud-init finds
        the drive by ``config-2``.
    :param publisher: written into the volume descriptor; what it cannot hold
        is replaced.
    :param deduplicate: files of equal content share their bytes.
    :param time: seconds since the epoch to write as every date; the same
        input then gives the same bytes. None = now.
    :param progress: called with bytes written and bytes in all.
    :raises ConfigDriveInputError: before anything is written.
    :raises ConfigDriveWriteError: the output failed; no partial file is left.
    """
    _check_label(label)
    _check_time(time)
    entries = names.plan(files)
    with contextlib.ExitStack() as stack:
        stack.enter_context(stamp.fixed(time))
        image = pycdlib.PyCdlib()
        try:
            image.new(
                interchange_level=3,
                sys_ident="LINUX",
                vol_ident=label,
                vol_set_ident="",
                pub_ident_str=_publisher(publisher),
                app_ident_str="ibmvirt",
                joliet=3,
                # Not 1.12: pycdlib gives every file serial 0 there, which
                # libarchive takes for hard links of one empty file.
                rock_ridge="1.09",
            )
            stack.callback(image.close)
            _fill(image, entries, deduplicate)
        except pycdlibexception.PyCdlibException as error:
            raise errors.ConfigDriveInputError(
                f"the files do not fit a config drive: {error}"
            ) from error
        if isinstance(output, str | os.PathLike):
            return _write_path(image, pathlib.Path(output), progress)
        return _write_file(image, output, progress)


def _fill(
    image: pycdlib.PyCdlib, entries: list[names.Entry], deduplicate: bool
) -> None:
    first: dict[bytes, names.Entry] = {}
    for entry in entries:
        if entry.data is None:
            image.add_directory(
                entry.iso_path,
                rr_name=entry.name,
                joliet_path=entry.joliet_path,
                file_mode=_DIRECTORY_MODE,
            )
            continue
        twin = first.setdefault(entry.data, entry) if deduplicate else entry
        if twin is entry or not entry.data:
            image.add_fp(
                io.BytesIO(entry.data),
                len(entry.data),
                iso_path=entry.iso_path,
                rr_name=entry.name,
                joliet_path=entry.joliet_path,
                file_mode=_FILE_MODE,
            )
            continue
        image.add_hard_link(
            iso_old_path=twin.iso_path,
            iso_new_path=entry.iso_path,
            rr_name=entry.name,
        )
        image.add_hard_link(
            iso_old_path=twin.iso_path, joliet_new_path=entry.joliet_path
        )


def _write_path(
    image: pycdlib.PyCdlib, path: pathlib.Path, progress: Progress | None
) -> Built:
    """Write beside the target and rename, so that it is whole or not there."""
    partial = path.with_name(f".{path.name[:200]}.{os.getpid()}-{id(image):x}.part")
    try:
        # The drive holds passwords: 0600 from the first byte.
        descriptor = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise _write_error(path, error) from error
    try:
        with os.fdopen(descriptor, "w+b") as file:
            built = _write_file(image, file, progress)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        if isinstance(error, OSError):
            raise _write_error(path, error) from error
        raise
    return built


def _write_file(
    image: pycdlib.PyCdlib, file: typing.BinaryIO, progress: Progress | None
) -> Built:
    try:
        start = file.tell()
    except (OSError, AttributeError, ValueError) as error:
        raise errors.ConfigDriveInputError(
            "the output is neither a path nor a seekable binary file"
        ) from error
    window = _Window(file, start)

    def report(done: int, total: int, _opaque: object) -> None:
        if progress is not None:
            progress(done, total)

    try:
        image.write_fp(typing.cast(typing.BinaryIO, window), progress_cb=report)
        size = window.seek(0, io.SEEK_END)
        digest = hashlib.sha256()
        window.seek(0)
        while chunk := window.read(_CHUNK):
            digest.update(chunk)
    except pycdlibexception.PyCdlibException as error:
        raise errors.ConfigDriveWriteError(f"write the drive: {error}") from error
    except (OSError, io.UnsupportedOperation) as error:
        raise errors.ConfigDriveWriteError(
            f"write the drive: {error}; the output must be readable, writable "
            "and seekable"
        ) from error
    return Built(size=size, sha256=digest.hexdigest())


class _Window:
    """The output from its present position on, as pycdlib's whole file."""

    def __init__(self, file: typing.BinaryIO, start: int) -> None:
        self._file = file
        self._start = start

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_SET:
            offset += self._start
        return self._file.seek(offset, whence) - self._start

    def tell(self) -> int:
        return self._file.tell() - self._start

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size)

    def write(self, data: bytes) -> int:
        return self._file.write(data)

    def truncate(self, size: int | None = None) -> int:
        return self._file.truncate(None if size is None else size + self._start)

    def flush(self) -> None:
        self._file.flush()

    @property
    def mode(self) -> str:
        return "w+b"


def _check_label(label: object) -> None:
    if (
        not isinstance(label, str)
        or not 1 <= len(label) <= _LABEL_MAX
        or not label.isascii()
        or not label.isprintable()
        or " " in label
    ):
        raise errors.ConfigDriveInputError(
            f"the label {label!r} is not 1 to {_LABEL_MAX} printable ASCII "
            "characters without blanks"
        )


def _check_time(time: object) -> None:
    if time is None:
        return
    if not isinstance(time, int | float) or not 0 <= time <= _TIME_MAX:
        raise errors.ConfigDriveInputError(
            f"the time {time!r} is not in seconds since 1970, before 2156"
        )


def _publisher(text: str) -> str:
    # An operator may set any product name in nova; the descriptor holds ASCII.
    plain = "".join(c if c.isascii() and c.isprintable() else "_" for c in text)
    return plain[:_PUBLISHER_MAX]


def _write_error(path: pathlib.Path, error: OSError) -> errors.ConfigDriveWriteError:
    return errors.ConfigDriveWriteError(
        f"write the config drive {path}: {error.strerror or error}"
    )
