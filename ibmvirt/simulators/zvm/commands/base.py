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

"""The commands that the Connector executes, registered by name.

Each says which options it takes: any other is refused and named. ``answer``
and ``refusals`` tell where the simulator has its knowledge from: *documented*,
the Connector's code writes, parses or matches it; *assumed*, it is the
simulator's own. (*captured* would be a recording of a real z/VM.)
"""

from __future__ import annotations

import collections.abc
import dataclasses
import importlib
import typing

from ibmvirt.simulators.zvm import model
from ibmvirt.simulators.zvm.codes import Refusal, refuse

CAPTURED, DOCUMENTED, ASSUMED = SOURCES = ("captured", "documented", "assumed")


@dataclasses.dataclass(frozen=True)
class Result:
    """Exit code and what was written.

    ``unknown`` names what is not known here, for the journal.
    """

    rc: int = 0
    out: str = ""
    err: str = ""
    unknown: str | None = None


@dataclasses.dataclass(frozen=True)
class Caller:
    """The Connector's own user on a member, its directory, its input."""

    member: str
    userid: str
    cwd: str
    stdin: str = ""


class Unknown(Refusal):
    """An API or an argument that is not known here."""

    def __init__(self, key: str, name: str) -> None:
        found = refuse(key, name=name)
        super().__init__(found.overall, found.rc, found.rs, found.text)
        self.name = name


class Arguments:
    """Options of an smcli call: -T value, -k name=value, "-k name=value".

    :param flags: those that the API takes.
    :param keys: names that may follow -k.
    :raises Unknown: any other.
    """

    def __init__(
        self,
        words: collections.abc.Sequence[str],
        flags: collections.abc.Collection[str],
        keys: collections.abc.Collection[str],
    ) -> None:
        self._flags: dict[str, str] = {}
        self.keys: dict[str, str] = {}
        # -k name=value as they came: some are given several times.
        self.definitions: list[str] = []
        for flag, value in _pairs(words):
            if flag == "-k":
                name, _, text = value.partition("=")
                if name not in keys:
                    raise Unknown("unknown_argument", f"-k {name}")
                self.keys[name] = text.strip("'\"")
                self.definitions.append(value)
            elif flag not in flags:
                raise Unknown("unknown_argument", flag)
            else:
                self._flags[flag] = value

    def __contains__(self, flag: str) -> bool:
        return flag in self._flags

    def user(self) -> str:
        return self.flag("-T").upper()

    def flag(self, name: str) -> str:
        """:raises Refusal: the option is missing."""
        if name not in self._flags:
            raise refuse("no_argument", name=name)
        return self._flags[name]

    def key(self, name: str) -> str:
        """:raises Refusal: the key is missing."""
        if name not in self.keys:
            raise refuse("no_argument", name=f"-k {name}")
        return self.keys[name]


def _pairs(
    words: collections.abc.Sequence[str],
) -> collections.abc.Iterator[tuple[str, str]]:
    """Options and their values.

    :raises Unknown: a word that is no option.
    """
    rest = collections.deque(words)
    while rest:
        word = rest.popleft()
        if word == "--addRCheader":
            continue
        # The Connector passes some options as one argument.
        flag, blank, value = word.partition(" ")
        if not flag.startswith("-") or flag.startswith("--"):
            raise Unknown("unknown_argument", word)
        if not blank:
            if not rest:
                raise refuse("no_argument", name=f"the value of {flag}")
            value = rest.popleft()
        yield flag, value


Run = collections.abc.Callable[[model.Zvm, Caller, Arguments], str]
RunTool = collections.abc.Callable[[model.Zvm, Caller, list[str]], Result]


@dataclasses.dataclass(frozen=True)
class Api:
    """An smcli API."""

    name: str
    run: Run
    flags: frozenset[str]
    keys: frozenset[str]
    answer: str
    refusals: str


@dataclasses.dataclass(frozen=True)
class Tool:
    """A program. ``locked``: it runs in a transaction on the world; one that
    reads or writes files makes its own, a short one, at its end."""

    name: str
    run: RunTool
    locked: bool
    answer: str
    refusals: str


FAMILIES = (
    "users", "definitions", "disks", "formatting", "images", "networks",
    "adapters", "devices", "bootmap", "relocation", "system", "performance",
    "cp", "spool", "iucv", "linux",
)  # fmt: skip
APIS: dict[str, Api] = {}
TOOLS: dict[str, Tool] = {}


def api(
    name: str,
    flags: str = "-T",
    keys: str = "",
    *,
    answer: str = DOCUMENTED,
    refusals: str = DOCUMENTED,
) -> collections.abc.Callable[[Run], Run]:
    """Register an smcli API that returns its response without the header.

    :param flags: options it takes, separated by blanks.
    :param keys: names of its -k options, likewise.
    """

    def keep(function: Run) -> Run:
        APIS[name] = Api(
            name,
            function,
            frozenset(flags.split()),
            frozenset(keys.split()),
            answer,
            refusals,
        )
        return function

    return keep


def tool(
    name: str,
    *,
    locked: bool = True,
    answer: str = DOCUMENTED,
    refusals: str = DOCUMENTED,
) -> collections.abc.Callable[[RunTool], RunTool]:
    """Register a program."""

    def keep(function: RunTool) -> RunTool:
        TOOLS[name] = Tool(name, function, locked, answer, refusals)
        return function

    return keep


def smcli(zvm: model.Zvm, caller: Caller, words: list[str]) -> Result:
    """``smcli API --addRCheader options``: the first line tells the codes."""
    name = words[0] if words else ""
    found = APIS.get(name)
    try:
        if found is None:
            raise Unknown("unknown_api", name)
        arguments = Arguments(words[1:], found.flags, found.keys)
        with zvm.world.transaction():
            out = found.run(zvm, caller, arguments)
    except Unknown as error:
        return dataclasses.replace(failure(error), unknown=f"{name} {error.name}")
    except Refusal as error:
        return failure(error)
    return Result(0, f"0 0 0 (details) None\n{out}")


def failure(error: Refusal) -> Result:
    """How smcli tells of a refusal: codes, and the text once more."""
    head = f"{error.overall} {error.rc} {error.rs} (details) {error.text}"
    return Result(1, f"{head}\n{error.text}\n")


def struck(name: str, effect: dict[str, typing.Any]) -> Result:
    """How a program tells of what a fault rule refuses."""
    text = str(effect.get("message", "a fault"))
    rc, rs = effect.get("rc"), int(effect.get("rs", 99))
    if name == "smcli":
        overall = int(effect.get("overall", 8))
        return failure(Refusal(overall, 99 if rc is None else int(rc), rs, text))
    status = int(rc) if rc is not None and 1 <= int(rc) <= 255 else 0
    if name == "iucvclnt":
        status = status or 8
        return Result(status, f"{text}\nReturn code {status}, Reason code {rs}.\n")
    if name in ("unpackdiskimage", "creatediskimage"):
        text = f"ERROR: {text}"
    return Result(status or 1, f"{text}\n", f"{name}: {text}\n")


def load() -> None:
    """Import every family of commands, which register themselves."""
    for name in FAMILIES:
        importlib.import_module(f"ibmvirt.simulators.zvm.commands.{name}")


def run(zvm: model.Zvm, caller: Caller, argv: list[str]) -> Result:
    """Carry out a command line, with its leading sudo taken off."""
    words = argv[1:] if argv and argv[0] == "sudo" else argv
    name = words[0].rsplit("/", 1)[-1] if words else ""
    if name == "smcli":
        return smcli(zvm, caller, words[1:])
    found = TOOLS.get(name)
    if found is None:
        text = f"{name}: not known to this z/VM\n"
        return Result(127, "", text, unknown=name)
    if not found.locked:
        return found.run(zvm, caller, words[1:])
    with zvm.world.transaction():
        return found.run(zvm, caller, words[1:])
