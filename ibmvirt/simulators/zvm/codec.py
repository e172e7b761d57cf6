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

"""Values of the world as JSON, and made again from it."""

from __future__ import annotations

import collections.abc
import dataclasses
import typing

Load = collections.abc.Callable[[typing.Any], typing.Any]


def plain(value: typing.Any) -> typing.Any:
    """A value's fields, as they are compared and dumped."""
    return dataclasses.asdict(value)


def loader(kind: type, items: collections.abc.Mapping[str, type]) -> Load:
    """Makes a value of what :func:`plain` gave, through JSON.

    :param items: fields whose items are values themselves.
    """

    def load(given: dict[str, typing.Any]) -> typing.Any:
        values = {}
        for name, value in given.items():
            if name in items:
                value = tuple(_checked(items[name](**one)) for one in value)
            values[name] = _tuples(value)
        return _checked(kind(**values))

    return load


def _checked(value: typing.Any) -> typing.Any:
    """:raises ValueError: a field is of another type than the class says."""
    for name, wanted in typing.get_type_hints(type(value)).items():
        plain_type = typing.get_origin(wanted) or wanted
        found = getattr(value, name)
        # To Python a flag is a number, too.
        is_flag = isinstance(found, bool) and plain_type is not bool
        if is_flag or not isinstance(found, plain_type):
            raise ValueError(f"{name}: must be {plain_type.__name__}")
    return value


def _tuples(value: typing.Any) -> typing.Any:
    if isinstance(value, list):
        return tuple(_tuples(item) for item in value)
    return value
