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

"""World files: YAML that a simulator describes field by field.

A simulator declares what its file may hold with :func:`fields`, :func:`items`,
:func:`text`, :func:`integer`, ... and gets plain dictionaries and lists with
every default filled in. What is wrong is told with file, line and field, also
what the simulator finds wrong later (:meth:`Document.error`).
"""

from __future__ import annotations

import collections.abc
import dataclasses
import difflib
import math
import pathlib
import re
import typing

import yaml

MAX_BYTES = 16 << 20
Path = tuple[str | int, ...]


class WorldFileError(ValueError):
    """The world file cannot be used; the text names file, line and field."""


class Problem(Exception):
    """Found by a kind: what is wrong at a place."""

    def __init__(self, path: Path, line: int, text: str) -> None:
        super().__init__(text)
        self.path = path
        self.line = line


Read = collections.abc.Callable[["_Reader", yaml.Node, Path], typing.Any]


@dataclasses.dataclass(frozen=True)
class Kind:
    """How a value is read; ``default`` is taken where the field is absent."""

    read: Read
    default: typing.Any = None
    required: bool = False


class Document:
    """What a file holds, and where."""

    def __init__(
        self, name: str, value: dict[str, typing.Any], lines: dict[Path, int]
    ) -> None:
        self.name = name
        self.value = value
        self._lines = lines

    def error(self, path: Path, text: str) -> WorldFileError:
        """The error of a value that is of the right kind and still wrong."""
        known = path
        while known and known not in self._lines:
            known = known[:-1]
        return _error(self.name, self._lines.get(known, 1), path, text)


class _Reader:
    """Nodes of one file, with the lines of what was read."""

    def __init__(self) -> None:
        self.lines: dict[Path, int] = {}
        self._inside: set[int] = set()

    def read(self, kind: Kind, node: yaml.Node, path: Path) -> typing.Any:
        if id(node) in self._inside:
            raise problem(node, path, "contains itself")
        self.lines[path] = _line(node)
        self._inside.add(id(node))
        try:
            return kind.read(self, node, path)
        finally:
            self._inside.discard(id(node))


def load(path: str | pathlib.Path, root: Kind) -> Document:
    """Read a world file.

    :raises WorldFileError: it cannot be read, or is not as ``root`` says.
    """
    try:
        raw = pathlib.Path(path).read_bytes()
    except OSError as error:
        raise WorldFileError(f"{path}: {error.strerror}") from error
    return loads(raw, root, str(path))


def loads(raw: bytes | str, root: Kind, name: str = "world") -> Document:
    """Read a world file's contents. :raises WorldFileError: as :func:`load`."""
    if len(raw) > MAX_BYTES:
        raise WorldFileError(f"{name}: has more than {MAX_BYTES} bytes")
    try:
        node = yaml.compose(raw, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = mark.line + 1 if mark else 1
        raise WorldFileError(f"{name}:{line}: {error.problem}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise WorldFileError(f"{name}: {error}") from error
    except RecursionError as error:
        raise WorldFileError(f"{name}: is nested too deeply") from error
    reader = _Reader()
    try:
        if node is None:
            # An empty file is a world of defaults.
            node = yaml.compose("{}", Loader=yaml.SafeLoader)
            assert node is not None
        value = reader.read(root, node, ())
    except Problem as found:
        raise _error(name, found.line, found.path, str(found)) from None
    return Document(name, value, reader.lines)


def dumps(value: typing.Any) -> str:
    """A world file's text, which :func:`loads` reads back equal."""
    return yaml.safe_dump(value, sort_keys=False, default_flow_style=False)


# -- kinds ------------------------------------------------------------------


def problem(node: yaml.Node, path: Path, text: str) -> Problem:
    return Problem(path, _line(node), text)


def text(
    default: str | None = None, *, required: bool = False, pattern: str = ""
) -> Kind:
    """A text, all of which fits ``pattern``. A number is none: quote it."""

    def read(_reader: _Reader, node: yaml.Node, path: Path) -> str:
        value = _scalar(node, path, "str", "a text")
        if pattern and re.fullmatch(pattern, value) is None:
            raise problem(node, path, f"{value!r} does not fit {pattern}")
        return value

    return Kind(read, default, required)


def choice(
    values: collections.abc.Sequence[str],
    default: str | None = None,
    *,
    required: bool = False,
) -> Kind:
    """One of some texts."""

    def read(_reader: _Reader, node: yaml.Node, path: Path) -> str:
        value = _scalar(node, path, "str", f"one of {list(values)}")
        if value not in values:
            raise problem(node, path, f"{value!r} is not one of {list(values)}")
        return value

    return Kind(read, default, required)


def integer(
    default: int | None = None,
    *,
    least: int = 0,
    most: int | None = None,
    required: bool = False,
) -> Kind:
    """A whole number."""

    def read(_reader: _Reader, node: yaml.Node, path: Path) -> int:
        raw = _scalar(node, path, "int", "a whole number")
        try:
            value = int(raw.replace("_", ""), 0)
        except ValueError:
            raise problem(node, path, f"{raw!r} is no whole number") from None
        _range(node, path, value, least, most)
        return value

    return Kind(read, default, required)


def number(
    default: float | None = None,
    *,
    least: float = 0,
    most: float | None = None,
    required: bool = False,
) -> Kind:
    """A number, whole or not."""

    def read(_reader: _Reader, node: yaml.Node, path: Path) -> float:
        whole = node.tag.endswith(":int")
        raw = _scalar(node, path, "int" if whole else "float", "a number")
        try:
            value = float(raw.replace("_", ""))
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise problem(node, path, f"{raw!r} is no finite number")
        _range(node, path, value, least, most)
        return value

    return Kind(read, default, required)


def boolean(default: bool = False) -> Kind:
    """``true`` or ``false``."""

    def read(_reader: _Reader, node: yaml.Node, path: Path) -> bool:
        value = _scalar(node, path, "bool", "true or false").lower()
        return value in ("true", "yes", "on")

    return Kind(read, default)


def items(kind: Kind, *, unique: str | None = None) -> Kind:
    """A list; ``unique`` is a field that no two of them share."""

    def read(reader: _Reader, node: yaml.Node, path: Path) -> list[typing.Any]:
        if not isinstance(node, yaml.SequenceNode):
            raise problem(node, path, "must be a list")
        found: list[typing.Any] = []
        seen: set[typing.Any] = set()
        for place, child in enumerate(node.value):
            value = reader.read(kind, child, (*path, place))
            if unique is not None:
                if value[unique] in seen:
                    where = (*path, place, unique)
                    raise problem(child, where, f"{value[unique]!r} is there twice")
                seen.add(value[unique])
            found.append(value)
        return found

    return Kind(read, default=())


def fields(**kinds: Kind) -> Kind:
    """A mapping of just these fields; absent ones get their defaults."""

    def read(reader: _Reader, node: yaml.Node, path: Path) -> dict[str, typing.Any]:
        if not isinstance(node, yaml.MappingNode):
            raise problem(node, path, "must be a mapping of fields")
        found: dict[str, typing.Any] = {}
        for name_node, child in node.value:
            name = str(name_node.value)
            if name not in kinds:
                raise problem(name_node, (*path, name), _unknown(name, kinds))
            if name in found:
                raise problem(name_node, (*path, name), "is there twice")
            found[name] = reader.read(kinds[name], child, (*path, name))
        for name, kind in kinds.items():
            if name in found:
                continue
            if kind.required:
                raise problem(node, (*path, name), "is missing")
            # An absent list is a new empty list, not one that all share.
            found[name] = [] if kind.default == () else kind.default
        return found

    return Kind(read)


def _unknown(name: str, kinds: collections.abc.Mapping[str, Kind]) -> str:
    near = difflib.get_close_matches(name, kinds, 1)
    hint = f"did you mean {near[0]}?" if near else f"known are {sorted(kinds)}"
    return f"unknown field; {hint}"


def _scalar(node: yaml.Node, path: Path, tag: str, wanted: str) -> str:
    if not isinstance(node, yaml.ScalarNode) or not node.tag.endswith(f":{tag}"):
        raise problem(node, path, f"must be {wanted}")
    return str(node.value)


def _range(
    node: yaml.Node, path: Path, value: float, least: float, most: float | None
) -> None:
    if value < least or (most is not None and value > most):
        limit = f"at least {least}" if most is None else f"{least} to {most}"
        raise problem(node, path, f"{value} must be {limit}")


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _error(name: str, line: int, path: Path, text: str) -> WorldFileError:
    where = ""
    for part in path:
        where += f"[{part}]" if isinstance(part, int) else f".{part}"
    field = where.lstrip(".") or "the file"
    return WorldFileError(f"{name}:{line}: {field}: {text}")
