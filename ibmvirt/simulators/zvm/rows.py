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

"""The rows of the Connector's databases and its files, as kept state."""

from __future__ import annotations

import collections.abc
import contextlib
import pathlib
import sqlite3
import typing
import uuid

from ibmvirt.simulators.zvm import generator

# Tables whose rows are compared; images are a cache.
TABLES = {
    "sdk_guest.sqlite": ("guests",),
    "sdk_network.sqlite": ("switch",),
    "sdk_fcp.sqlite": (
        "fcp",
        "template",
        "template_sp_mapping",
        "template_fcp_mapping",
    ),
}


def read(directory: pathlib.Path) -> dict[str, typing.Any]:
    """{table: {first columns: row}}; empty before the Connector has any."""
    found: dict[str, typing.Any] = {}
    for file, tables in TABLES.items():
        if not (directory / file).exists():
            continue
        with contextlib.closing(_open(directory / file)) as database:
            for table in tables:
                with contextlib.suppress(sqlite3.OperationalError):
                    rows = database.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608
                    found[table] = {
                        "/".join(str(value) for value in row[:2]): list(row)
                        for row in rows
                    }
    return found


def kept(read: dict[str, typing.Any]) -> dict[str, typing.Any]:
    """What of the rows is compared.

    Of an FCP device's row: who holds it and how often. The Connector copies
    z/VM's state and owner there whenever it reserves one, and leaves the last
    holder's name in the row of a device that nobody holds any more.
    """
    devices = {
        row[0]: {"holder": row[1], "connections": row[2], "reserved": row[3]}
        for row in read.get("fcp", {}).values()
        if row[2] or row[3]
    }
    return {**read, "fcp": devices}


def restore(directory: pathlib.Path, was: dict[str, typing.Any]) -> None:
    """Put the rows of a mark back."""
    for file, tables in TABLES.items():
        if not (directory / file).exists():
            continue
        with contextlib.closing(_open(directory / file)) as database, database:
            for table in tables:
                with contextlib.suppress(sqlite3.OperationalError):
                    database.execute(f"DELETE FROM {table}")  # noqa: S608
                    for row in was.get(table, {}).values():
                        marks = ",".join("?" * len(row))
                        database.execute(
                            f"INSERT INTO {table} VALUES ({marks})",  # noqa: S608
                            row,
                        )


def register(
    directory: pathlib.Path, guests: collections.abc.Iterable[generator.Guest]
) -> None:
    """Let a Connector know guests that are there, as guest_register does."""
    found = list(guests)
    if not found:
        return
    rows = [
        (
            str(uuid.uuid5(uuid.NAMESPACE_DNS, guest.name)),
            guest.name,
            f"os_version={guest.os_version}",
            "1" if guest.adapters else "0",
            "",
        )
        for guest in found
    ]
    with (
        contextlib.closing(_open(directory / "sdk_guest.sqlite")) as database,
        database,
    ):
        database.executemany("INSERT OR IGNORE INTO guests VALUES (?,?,?,?,?)", rows)
    nics = [
        (guest.name, nic.vdev, nic.vswitch or None, None, None)
        for guest in found
        for nic in guest.adapters
    ]
    file = directory / "sdk_network.sqlite"
    with contextlib.closing(_open(file)) as database, database:
        database.executemany("INSERT OR IGNORE INTO switch VALUES (?,?,?,?,?)", nics)


def _open(path: pathlib.Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=20)


def read_incomplete(home: pathlib.Path) -> list[str]:
    """Files of images that the Connector has no record of, by their path.

    A finished image is a cache and is not compared.
    """
    images = home / "images"
    known = set()
    file = home / "databases" / "sdk_image.sqlite"
    if file.exists():
        with (
            contextlib.closing(_open(file)) as database,
            contextlib.suppress(sqlite3.OperationalError),
        ):
            rows = database.execute("SELECT imagename FROM image").fetchall()
            known = {row[0] for row in rows}
    return sorted(
        str(path.relative_to(images))
        for path in images.rglob("*")
        if path.is_file()
        and not (path.parent.name in known and "netboot" in path.parts)
    )


def restore_incomplete(home: pathlib.Path, was: list[str]) -> None:
    """Remove what is more than a mark had."""
    for name in set(read_incomplete(home)) - set(was):
        (home / "images" / name).unlink(missing_ok=True)
