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

"""``python -m ibmvirt.cmd.extra_specs_page``: extra specs, for the documentation."""

from __future__ import annotations

import sys
import typing

from nova.api.validation.extra_specs import base

from ibmvirt.powervm.guests import spec, validators
from ibmvirt.zvm import validators as zvm_validators

_HEAD = """\
===========
Extra specs
===========

PowerVM
=======

Extra specs of a flavor, with the names and meanings of nova-powervm. An unknown
one of the namespace, a wrong value and what contradicts itself are refused
before anything is created. Where ibmvirt is installed beside Nova's API, that
refuses the first two when the flavor gets them (microversion 2.86 and later).

"""

_ZVM = """\
z/VM
====

A pool that ``[zvm]disk_pools`` does not have, or that is not of the image's disk
type, is refused before anything is created.

"""


def page() -> str:
    """The page of the documentation."""
    parts = [_HEAD, *_list(validators.register())]
    return "".join([*parts, _ZVM, *_list(zvm_validators.register())])


def _list(found: list[base.ExtraSpecValidator]) -> list[str]:
    return [
        f"``{spec.name}`` ({_value(spec.name, spec.value)})\n    {spec.description}\n\n"
        for spec in found
    ]


def _value(name: str, value: dict[str, typing.Any]) -> str:
    limits = spec.FLOATS.get(name.removeprefix(spec.PREFIX))
    if limits is not None:
        return f"{limits[0]} to {limits[1]}"
    if "min" in value:
        return f"{value['min']} to {value['max']}"
    return ", ".join(value.get("enum", ["text"]))


if __name__ == "__main__":
    sys.stdout.write(page())
