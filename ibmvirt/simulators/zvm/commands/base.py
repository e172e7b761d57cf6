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

"""Commands that the Connector executes: registered by name."""

from __future__ import annotations

import collections.abc
import dataclasses

from ibmvirt.simulators.zvm import model
from ibmvirt.simulators.zvm.codes import Refusal, refuse


@dataclasses.dataclass(frozen=True)
class Result:
    """Exit code and what was written."""

    rc: int = 0
    out: str = ""
    err: str = ""


@dataclasses.dataclass(frozen=True)
class Caller:
    """The Connector's own user on a member, and its working directory."""

    member: str
    userid: str
    cwd: str


class Arguments:
    """Options of an smcli call: -T value, -k name=value, -k 'name=value'."""

    def __init__(self, words: list[str]) -> None:
        self.single: dict[str, str] = {}
        self.keys: dict[str, str] = {}
        self.all: dict[str, list[str]] = {}
        index = 0
        while index < len(words):
            word = words[index]
            if word.startswith("--"):
                index += 1
                continue
            if word.startswith("-") and " " in word:
                # The Connector passes some options as one argument.
                flag, _, value = word.partition(" ")
                index += 1
            elif word.startswith("-") and index + 1 < len(words):
                flag, value = word, words[index + 1]
                index += 2
            else:
                index += 1
                continue
            self._keep(flag, value)

    def _keep(self, flag: str, value: str) -> None:
        if flag in ("-k", "-p") and "=" in value:
            name, _, text = value.partition("=")
            self.keys[name] = text.strip("'\"")
        self.single[flag] = value
        self.all.setdefault(flag, []).append(value)

    def user(self) -> str:
        return self.flag("-T").upper()

    def flag(self, name: str) -> str:
        """:raises Refusal: the option is missing."""
        if name not in self.single:
            raise refuse("bad_argument", name=name)
        return self.single[name]

    def key(self, name: str) -> str:
        """:raises Refusal: the key is missing."""
        if name not in self.keys:
            raise refuse("bad_argument", name=name)
        return self.keys[name]


Api = collections.abc.Callable[[model.Zvm, Caller, Arguments], str]
Tool = collections.abc.Callable[[model.Zvm, Caller, list[str]], Result]
FAMILIES = (
    "users", "definitions", "disks", "networks", "adapters", "devices",
    "system", "cp", "spool", "iucv", "linux",
)  # fmt: skip
APIS: dict[str, Api] = {}
TOOLS: dict[str, Tool] = {}


def api(*names: str) -> collections.abc.Callable[[Api], Api]:
    """Register smcli APIs; each returns the response without the header."""

    def keep(function: Api) -> Api:
        for name in names:
            APIS[name] = function
        return function

    return keep


def tool(*names: str) -> collections.abc.Callable[[Tool], Tool]:
    def keep(function: Tool) -> Tool:
        for name in names:
            TOOLS[name] = function
        return function

    return keep


@tool("smcli")
def smcli(zvm: model.Zvm, caller: Caller, words: list[str]) -> Result:
    """``smcli API --addRCheader options``: the first line tells the codes."""
    name = words[0] if words else ""
    function = APIS.get(name)
    try:
        if function is None:
            raise refuse("unknown_api", name=name)
        out = function(zvm, caller, Arguments(words[1:]))
    except Refusal as error:
        return failure(error)
    return Result(0, f"0 0 0 (details) None\n{out}")


def failure(error: Refusal) -> Result:
    head = f"{error.overall} {error.rc} {error.rs} (details) {error.text}"
    return Result(1, f"{head}\n{error.text}\n")


def load() -> None:
    """Import every family of commands, which register themselves."""
    import importlib

    for name in FAMILIES:
        importlib.import_module(f"ibmvirt.simulators.zvm.commands.{name}")


def run(zvm: model.Zvm, caller: Caller, argv: list[str]) -> Result:
    """Carry out a command line, with its leading sudo taken off."""
    words = argv[1:] if argv and argv[0] == "sudo" else argv
    name = words[0].rsplit("/", 1)[-1] if words else ""
    function = TOOLS.get(name)
    if function is None:
        return Result(127, "", f"{name}: not known to this z/VM\n")
    return function(zvm, caller, words[1:])
