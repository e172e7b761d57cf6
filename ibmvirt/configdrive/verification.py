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


"""What each kind of guest would find on an image, and what it would miss.

Sources, by guest: the readers of cloud-init (``DataSourceConfigDrive``,
``helpers/openstack.py``), cloudbase-init (``configdrive``), AIX 7 "CD-ROM file
system", IBM i "ISO 9660" (optical media formats), and ``zvmguestconfigure`` of
Feilong.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO

from ibmvirt.configdrive.errors import ConfigDriveInputError, ConfigDriveReadError
from ibmvirt.configdrive.reader import Image
from ibmvirt.configdrive.views import ISO9660, JOLIET, ROCK_RIDGE, Entry

ROOT = "openstack"
LATEST = "latest"
# The versions that cloud-init knows; of those present it takes the newest.
_VERSIONS = (
    "2018-08-27", "2017-02-22", "2016-10-06", "2016-06-30", "2015-10-15",
    "2013-10-17", "2013-04-04", "2012-08-10",
)  # fmt: skip
_OPTIONAL = ("user_data", "network_data.json", "vendor_data.json", "vendor_data2.json")
_MAX_PROBLEMS = 50
_MAX_JSON = 16 * 2**20
# cloudbase-init reads the blocks of a raw disk from a field of 16 bits.
_MAX_RAW = 65535 * 2048
_AIX_MAX_FILE = 2**31 - 1


@dataclasses.dataclass(frozen=True, slots=True)
class GuestReport:
    """What one kind of guest would find.

    :ivar guest: ``linux``, ``windows``, ``aix``, ``ibm_i`` or ``zvm``.
    :ivar view: the directory tree it reads.
    :ivar found: the files it would use, with their paths as it sees them.
    :ivar missing: what it needs and would not find; empty if all is well.
    :ivar notes: what an operator should know, and no failure.
    """

    guest: str
    view: str
    found: tuple[str, ...]
    missing: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether the guest finds all that it needs."""
        return not self.missing


@dataclasses.dataclass(frozen=True, slots=True)
class Report:
    """What :func:`verify` found.

    :ivar image: the image's name.
    :ivar label: its label.
    :ivar problems: what is wrong for every guest.
    :ivar guests: a report for each kind.
    """

    image: str
    label: str
    problems: tuple[str, ...]
    guests: tuple[GuestReport, ...]

    @property
    def ok(self) -> bool:
        """Whether the image is whole and every guest finds what it needs."""
        return not self.problems and all(guest.ok for guest in self.guests)

    def to_dict(self) -> dict[str, Any]:
        """The report as plain values, for JSON."""
        values = dataclasses.asdict(self)
        for guest, report in zip(values["guests"], self.guests, strict=True):
            guest["ok"] = report.ok
        return {**values, "ok": self.ok}


def verify(
    image: Image | str | os.PathLike[str] | BinaryIO,
    guests: Sequence[str] | None = None,
) -> Report:
    """Say what each kind of guest would find on a config drive.

    :param image: an open image, or what :class:`~ibmvirt.configdrive.Image`
        takes.
    :param guests: the kinds to report; all of :data:`GUESTS` if None.
    :raises ConfigDriveInputError: a kind is unknown.
    :raises ConfigDriveReadError: the image is too damaged to be read.
    :raises ConfigDriveUnsupportedFormat: it is not ISO 9660.
    """
    wanted = list(GUESTS) if guests is None else list(guests)
    for guest in wanted:
        if guest not in GUESTS:
            raise ConfigDriveInputError(
                "verify for", repr(guest), f"the guests are {', '.join(GUESTS)}"
            )
    if not isinstance(image, Image):
        with Image(image) as opened:
            return verify(opened, wanted)
    problems = _problems(image)
    if len(problems) > _MAX_PROBLEMS:
        more = len(problems) - _MAX_PROBLEMS
        problems = [*problems[:_MAX_PROBLEMS], f"and {more} more like these"]
    reports = tuple(GUESTS[guest](image) for guest in wanted)
    return Report(image.name, image.label, tuple(problems), reports)


def _problems(image: Image) -> list[str]:
    found = []
    if image.size < image.declared_size:
        found.append(
            f"truncated: {image.size} of {image.declared_size} bytes are there"
        )
    for view in image.views:
        paths = set()
        for entry in image.entries(view):
            if not entry.safe:
                found.append(f"{entry.path!r} is no name of a file ({view})")
            if entry.path in paths:
                found.append(f"{entry.path!r} is there twice ({view})")
            paths.add(entry.path)
            if any(start + size > image.size for start, size in entry.extents):
                found.append(f"the content of {entry.path!r} is cut off ({view})")
    if {ROCK_RIDGE, JOLIET} <= set(image.views):
        found.extend(_differences(image))
    return found


def _differences(image: Image) -> list[str]:
    """Where Linux and Windows would see other files."""
    rock_ridge, joliet = (
        {entry.path: (entry.kind, entry.extents) for entry in image.entries(view)}
        for view in (ROCK_RIDGE, JOLIET)
    )
    return [
        f"{path!r} is not the same in Rock Ridge and Joliet"
        for path in sorted(rock_ridge.keys() | joliet.keys())
        if rock_ridge.get(path) != joliet.get(path)
    ]


class _Guest:
    """Collects what a guest finds in one tree of the image."""

    def __init__(self, image: Image, view: str, *, fold: bool = False) -> None:
        self.image = image
        self.view = view
        self.missing: list[str] = []
        self.notes: list[str] = []
        self.found: list[str] = []
        self._fold = fold
        self._files: dict[str, Entry] = {}
        self._directories: set[str] = set()
        for entry in image.entries(view):
            path = entry.path.lower() if fold else entry.path
            if entry.kind == "file":
                self._files.setdefault(path, entry)
            self._directories.update(
                "/".join(path.split("/")[:depth]) for depth in (1, 2)
            )

    def need_label(self, matches: Callable[[str], bool]) -> None:
        if not matches(self.image.label):
            self.missing.append(f"the label is {self.image.label!r}, not 'config-2'")

    def need_files(self, versions: Sequence[str]) -> None:
        """Find the metadata in the first of these versions that is there."""
        present = [v for v in versions if f"{ROOT}/{v}" in self._directories]
        version = present[0] if present else LATEST
        metadata = self._need(f"{ROOT}/{version}/meta_data.json")
        for name in _OPTIONAL:
            path = f"{ROOT}/{version}/{name}"
            if path in self._files:
                self.found.append(path)
                if name.endswith(".json"):
                    self._json(path)
        if metadata is not None:
            self._need_contents(metadata)

    def _need(self, path: str) -> Any:
        if path not in self._files:
            self.missing.append(f"{path} is not there")
            return None
        self.found.append(path)
        return self._json(path)

    def _json(self, path: str) -> Any:
        entry = self._files[path]
        if entry.size > _MAX_JSON:
            self.missing.append(f"{path} has {entry.size} bytes")
            return None
        try:
            data = json.loads(b"".join(self.image.chunks(entry)))
        except (ConfigDriveReadError, ValueError, RecursionError) as error:
            self.missing.append(f"{path} cannot be read as JSON: {error}")
            return None
        if not isinstance(data, dict):
            # nova writes null where there is no network data
            if data is not None or path.endswith("meta_data.json"):
                self.missing.append(f"{path} is no JSON object")
            return None
        return data

    def _need_contents(self, metadata: dict[str, Any]) -> None:
        if not metadata.get("uuid"):
            self.notes.append("meta_data.json has no uuid, the guest's instance id")
        listed = metadata.get("files")
        references = list(listed) if isinstance(listed, list) else []
        references.append(metadata.get("network_config"))
        for reference in references:
            if not isinstance(reference, dict):
                continue
            content = reference.get("content_path")
            if not isinstance(content, str):
                continue
            path = f"{ROOT}/{content.strip('/')}"
            if (path.lower() if self._fold else path) in self._files:
                self.found.append(path)
            else:
                self.missing.append(
                    f"{path} is not there, for the file {reference.get('path', '')!r}"
                )

    def report(self, guest: str) -> GuestReport:
        return GuestReport(
            guest, self.view, tuple(self.found), tuple(self.missing), tuple(self.notes)
        )


def _linux_guest(image: Image) -> _Guest:
    # The kernel prefers Rock Ridge, then Joliet, and else folds upper case.
    view = image.views[0]
    guest = _Guest(image, view, fold=view == ISO9660)
    if view != ROCK_RIDGE:
        guest.notes.append(f"there is no Rock Ridge; names are those of {view}")
    serials = [
        entry.serial for entry in image.entries() if entry.kind == "file" and entry.size
    ]
    if len(serials) > 1 and set(serials) == {0}:
        guest.notes.append(
            "all files have the serial number 0 (Rock Ridge 1.12): readers on "
            "libarchive, such as bsdtar, see links to one empty file"
        )
    return guest


def _linux(image: Image) -> GuestReport:
    guest = _linux_guest(image)
    guest.need_label(lambda label: label in ("config-2", "CONFIG-2"))
    guest.need_files(_VERSIONS)
    return guest.report("linux")


def _windows(image: Image) -> GuestReport:
    joliet = JOLIET in image.views
    guest = _Guest(image, JOLIET if joliet else ISO9660, fold=True)
    if not joliet:
        guest.missing.append("there is no Joliet, and names are cut or changed")
    guest.need_label(lambda label: label.lower() == "config-2")
    if image.joliet_label not in (None, image.label):
        guest.missing.append(f"the label in Joliet is {image.joliet_label!r}")
    guest.need_files(())
    if image.size > _MAX_RAW:
        guest.notes.append(
            "cloudbase-init reads it from an optical drive, but not from a raw "
            "disk, since it has more than 128 MiB"
        )
    return guest.report("windows")


def _aix(image: Image) -> GuestReport:
    rock_ridge = ROCK_RIDGE in image.views
    guest = _Guest(image, ROCK_RIDGE if rock_ridge else ISO9660)
    if not rock_ridge:
        guest.missing.append("there is no Rock Ridge; AIX does not read Joliet")
    elif not (image.rock_ridge or "").startswith("RRIP_1991"):
        guest.notes.append(f"the Rock Ridge is {image.rock_ridge}; 1.09 is sure")
    guest.need_files(_VERSIONS)
    guest.missing.extend(
        f"{entry.path} has more than 2 GiB"
        for entry in image.entries(guest.view)
        if entry.size > _AIX_MAX_FILE
    )
    return guest.report("aix")


def _ibm_i(image: Image) -> GuestReport:
    rock_ridge = ROCK_RIDGE in image.views
    guest = _Guest(image, ROCK_RIDGE if rock_ridge else ISO9660)
    if rock_ridge:
        guest.notes.append(
            "names are in upper case (OPENSTACK/LATEST/META_DATA.JSON) unless the "
            "guest has CHGOPTA EXTMEDFMT(*YES)"
        )
    else:
        guest.missing.append("there is no Rock Ridge; IBM i does not read Joliet")
    if not all(
        c.isascii() and (c.isupper() or c.isdigit() or c == "_") for c in image.label
    ):
        guest.notes.append(
            f"the label {image.label!r} is outside of A-Z, 0-9 and _, which IBM i "
            "expects of a volume"
        )
    guest.need_files(_VERSIONS)
    return guest.report("ibm_i")


def _zvm(image: Image) -> GuestReport:
    guest = _linux_guest(image)
    # zvmguestconfigure looks with `blkid -L config-2`, and exactly that.
    guest.need_label(lambda label: label == "config-2")
    guest.need_files(_VERSIONS)
    if os.path.basename(image.name) != "cfgdrive.iso":
        guest.notes.append("it has to reach the guest under the name cfgdrive.iso")
    return guest.report("zvm")


GUESTS: dict[str, Callable[[Image], GuestReport]] = {
    "linux": _linux,
    "windows": _windows,
    "aix": _aix,
    "ibm_i": _ibm_i,
    "zvm": _zvm,
}
"""The kinds of guests that :func:`verify` knows."""
