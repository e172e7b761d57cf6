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


"""What the subcommands of ``ibmvirt-configdrive`` do."""

from __future__ import annotations

import argparse
import datetime
import io
import json
import os
import pathlib
import stat
import sys
import time
from collections.abc import Iterator
from typing import Any, BinaryIO, NoReturn, cast

from ibmvirt.configdrive import builder, errors, reader, verification
from ibmvirt.configdrive.views import Entry

EXIT_MISSING = 3
"""A guest would miss something."""


def build(arguments: argparse.Namespace) -> int:
    moment = arguments.time
    if moment is None and (epoch := os.environ.get("SOURCE_DATE_EPOCH")):
        try:
            moment = float(epoch)
        except ValueError:
            raise errors.ConfigDriveInputError(
                "date", "the config drive", f"SOURCE_DATE_EPOCH is {epoch!r}"
            ) from None
    to_stdout = arguments.output == "-"
    output: str | BinaryIO = arguments.output
    earlier = None if to_stdout else os.path.realpath(arguments.output)
    if to_stdout:
        if sys.stdout.isatty():
            raise errors.ConfigDriveWriteError(
                "write", "standard output", "it is a terminal",
                "Redirect it, or give a file to -o.",
            )  # fmt: skip
        output = cast(BinaryIO, _Pipe(sys.stdout.buffer))
    progress = _Progress(sys.stderr, quiet=arguments.quiet)
    try:
        built = builder.build(
            _files_below(arguments.directory, earlier),
            output,
            label=arguments.label,
            publisher=arguments.publisher,
            deduplicate=not arguments.no_deduplicate,
            time=moment,
            progress=progress,
        )
    finally:
        progress.clear()
    report = sys.stderr if to_stdout else sys.stdout
    if arguments.json:
        values = {
            "output": arguments.output,
            "size": built.size,
            "sha256": built.sha256,
            "files": built.files,
            "content_size": built.content_size,
        }
        print(json.dumps(values), file=report)
    elif not arguments.quiet:
        name = "standard output" if to_stdout else plain(arguments.output)
        print(
            f"{name}: {built.files} files, {built.size} bytes, SHA-256 {built.sha256}",
            file=report,
        )
    return 0


def _files_below(
    directory: pathlib.Path, left_out: str | None
) -> Iterator[tuple[str, pathlib.Path]]:
    """The plain files, but for one of this real path."""

    def refuse(error: OSError) -> NoReturn:
        raise errors.ConfigDriveInputError(
            "read the directory", repr(os.fspath(directory)), str(error)
        ) from error

    if not directory.is_dir():
        refuse(NotADirectoryError("it is no directory"))
    real = os.path.realpath(directory)
    for folder, names, files in os.walk(directory, onerror=refuse):
        for name in names + files:
            path = pathlib.Path(folder, name)
            mode = path.lstat().st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                kind = "a symbolic link" if stat.S_ISLNK(mode) else "no plain file"
                raise errors.ConfigDriveInputError(
                    "put on the config drive", repr(os.fspath(path)), f"it is {kind}"
                )
            if stat.S_ISREG(mode):
                stored = path.relative_to(directory).as_posix()
                if os.path.join(real, stored) != left_out:
                    yield stored, path


class _Pipe(io.RawIOBase):
    """Standard output, to be written from start to end and never cut."""

    name = "standard output"

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def seekable(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        return self._stream.write(data)

    def flush(self) -> None:
        self._stream.flush()


class _Progress:
    """A line on a terminal while much is written."""

    _LEAST = 8 * 2**20
    _INTERVAL = 0.1

    def __init__(self, stream: Any, *, quiet: bool) -> None:
        self._stream = stream
        self._shown = False
        self._next = 0.0 if stream.isatty() and not quiet else float("inf")

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if total < self._LEAST or now < self._next:
            return
        self._next = now + self._INTERVAL
        self._shown = True
        part = f"{done / 2**20:.1f} of {total / 2**20:.1f} MiB"
        self._stream.write(f"\r{100 * done // total:3} %  {part} ")
        self._stream.flush()

    def clear(self) -> None:
        if self._shown:
            self._stream.write("\r\x1b[K")
            self._stream.flush()


def show(arguments: argparse.Namespace) -> int:
    with reader.Image(arguments.image) as image:
        entries = image.entries(arguments.view)
        about = {
            "image": image.name,
            "size": image.size,
            "label": image.label,
            "publisher": image.publisher,
            "application": image.application,
            "modified": _date(image.modified),
            "rock_ridge": image.rock_ridge,
            "views": list(image.views),
            "view": arguments.view or image.views[0],
        }
    if arguments.json:
        listed = [_values(entry) for entry in entries]
        print(json.dumps({**about, "entries": listed}, indent=2))
        return 0
    for key, value in about.items():
        text = ", ".join(value) if isinstance(value, list) else value
        print(f"{key + ':':13}{plain(str('-' if text is None else text))}")
    print()
    for entry in entries:
        print(_line(entry))
    return 0


def _values(entry: Entry) -> dict[str, Any]:
    return {
        "path": entry.path,
        "kind": entry.kind,
        "size": entry.size,
        "mode": None if entry.mode is None else f"{entry.mode:04o}",
        "uid": entry.uid,
        "gid": entry.gid,
        "modified": _date(entry.modified),
        "safe": entry.safe,
    }


def _line(entry: Entry) -> str:
    types = {"directory": stat.S_IFDIR, "symlink": stat.S_IFLNK, "file": stat.S_IFREG}
    mode = "-" * 10
    if entry.mode is not None:
        mode = stat.filemode(types.get(entry.kind, 0) | entry.mode)
    owner = "-" if entry.uid is None else f"{entry.uid}:{entry.gid}"
    date = (_date(entry.modified) or "-")[:19]
    slash = "/" if entry.kind == "directory" else ""
    slash += "" if entry.safe else "   (no name of a file: not extracted)"
    return f"{mode} {owner:>5} {entry.size:>10} {date:19} {plain(entry.path)}{slash}"


def _date(moment: float | None) -> str | None:
    if moment is None:
        return None
    return datetime.datetime.fromtimestamp(moment, datetime.UTC).isoformat()


def plain(text: str) -> str:
    """The text without what could steer a terminal."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "replace").decode()
        for c in text
    )


def extract(arguments: argparse.Namespace) -> int:
    with reader.Image(arguments.image) as image:
        if arguments.directory == "-":
            return _print_file(image, arguments)
        progress = _Progress(sys.stderr, quiet=arguments.quiet)
        try:
            written = image.extract(
                arguments.directory,
                arguments.paths or None,
                view=arguments.view,
                limit=arguments.limit,
                progress=progress,
            )
        finally:
            progress.clear()
    if arguments.json:
        print(json.dumps({"directory": arguments.directory, "files": written}))
    elif not arguments.quiet:
        print(f"{plain(arguments.directory)}: {len(written)} files")
    return 0


def _print_file(image: reader.Image, arguments: argparse.Namespace) -> int:
    if len(arguments.paths) != 1:
        raise errors.ConfigDriveInputError(
            "extract to", "standard output", "exactly one PATH is needed"
        )
    for piece in image.chunks(image.file(arguments.paths[0], arguments.view)):
        sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()
    return 0


def verify(arguments: argparse.Namespace) -> int:
    report = verification.verify(arguments.image, arguments.guest)
    if arguments.json:
        print(json.dumps(report.to_dict(), indent=2))
        return 0 if report.ok else EXIT_MISSING
    for problem in report.problems:
        print(f"image: {plain(problem)}")
    for guest in report.guests:
        state = "finds all it needs" if guest.ok else "would miss something"
        print(f"{guest.guest} ({guest.view}): {state}")
        for title in ("missing", "found", "notes"):
            for item in getattr(guest, title):
                print(f"    {title:9}{plain(item)}")
    return 0 if report.ok else EXIT_MISSING
