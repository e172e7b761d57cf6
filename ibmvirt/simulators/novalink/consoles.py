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

"""Consoles of partitions, as mkvterm and rmvterm open and close them.

Exit codes and outputs are what pypowervm reads (documented): the port on the
first line, code 3 for a console that is open already.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import threading
import typing

from ibmvirt.simulators.novalink import rfb, store

Result = dict[str, typing.Any]
_OPEN_ALREADY = 3


@dataclasses.dataclass
class Console:
    """An open console; ``server`` is None for one on a terminal."""

    number: int
    arguments: str
    server: rfb.Server | None


class _Usage(Exception):
    """The arguments of a program are not right."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> typing.NoReturn:
        raise _Usage(f"{self.prog}: {message}")


class Consoles:
    """All consoles of one system, and what was typed on them."""

    def __init__(self, system: store.System) -> None:
        self._system = system
        self._lock = threading.Lock()
        self._open: dict[int, Console] = {}
        self._log: dict[int, str] = {}
        system.close_console.append(
            lambda item: self._close(int(item.value("PartitionID")))
        )
        system.forget.append(self._forget)

    def run(self, program: str, words: list[str]) -> Result:
        """What a program prints and its exit code."""
        action = {"mkvterm": self._mkvterm, "rmvterm": self._rmvterm}.get(program)
        if program == "pgrep":
            return self._pgrep(words)
        if action is None:
            return _result(127, "", f"{program}: not found")
        try:
            return action(words)
        except _Usage as error:
            return _result(2, "", str(error))

    def log(self, number: int) -> str:
        """What was typed on the console of a partition."""
        return self._log.get(number, "")

    def typed(self, number: int, text: str) -> None:
        with self._lock:
            self._log[number] = self._log.get(number, "") + text

    def clear(self) -> None:
        with self._lock:
            gone, self._open = list(self._open.values()), {}
            self._log = {}
        for console in gone:
            if console.server is not None:
                console.server.close()

    def _mkvterm(self, words: list[str]) -> Result:
        parser = _Parser(prog="mkvterm", add_help=False)
        parser.add_argument("--id", type=int, required=True)
        parser.add_argument("--vnc", action="store_true")
        parser.add_argument("--local", action="store_true")
        parser.add_argument("--consolesettings", default="")
        given = parser.parse_args(words)
        item = self._system.partition_by_id(str(given.id))
        if item is None:
            return _result(1, "", f"mkvterm: there is no partition {given.id}")
        with self._lock:
            found = self._open.get(given.id)
            if found is not None:
                port = f"{found.server.port}\n" if found.server else ""
                text = "mkvterm: a terminal session is open for the partition"
                return _result(_OPEN_ALREADY, port, text)
            text = f"--id {given.id}" + (" --vnc --local" if given.vnc else "")
            if given.consolesettings:
                text += " --" + given.consolesettings.replace("=", " ")
            server = None
            if given.vnc:
                server = rfb.Server(
                    item.value("PartitionName"),
                    lambda typed: self.typed(given.id, typed),
                )
            self._open[given.id] = Console(given.id, text, server)
        return _result(0, f"{server.port}\n" if server else "", "")

    def _rmvterm(self, words: list[str]) -> Result:
        parser = _Parser(prog="rmvterm", add_help=False)
        parser.add_argument("--id", type=int, required=True)
        self._close(parser.parse_args(words).id)
        return _result(0, "", "")

    def _close(self, number: int) -> None:
        with self._lock:
            found = self._open.pop(number, None)
        if found is not None and found.server is not None:
            found.server.close()

    def _forget(self, item: store.SimObject) -> None:
        """The next partition of that id has nothing of this one's console."""
        number = int(item.value("PartitionID"))
        self._close(number)
        with self._lock:
            self._log.pop(number, None)

    def _pgrep(self, words: list[str]) -> Result:
        if "mkvtermutil" not in words:
            return _result(2, "", "pgrep: only mkvtermutil is known here")
        with self._lock:
            lines = [
                f"{os.getpid()} mkvtermutil {console.arguments}\n"
                for console in self._open.values()
            ]
        return _result(0 if lines else 1, "".join(lines), "")


def _result(code: int, out: str, err: str) -> Result:
    return {"code": code, "out": out, "err": err}
