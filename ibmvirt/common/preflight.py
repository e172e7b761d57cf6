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

"""What a check of a host finds, each thing with its remedy."""

from __future__ import annotations

import collections.abc
import dataclasses

from ibmvirt.common import exceptions

OK, WARNING, FAILURE = "ok", "warning", "failure"


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that was looked at. ``detail`` gives the remedy too."""

    name: str
    result: str
    detail: str


def look(
    name: str,
    what: collections.abc.Callable[[], str],
    *,
    remedy: str = "",
    otherwise: str = FAILURE,
) -> Finding:
    """What ``what`` tells, or its error with a remedy.

    :param remedy: for an error that has none of its own.
    :param otherwise: the result of an error.
    """
    try:
        return Finding(name, OK, what())
    except exceptions.IBMVirtError as error:
        text = str(error)
        if remedy and not error.remedy:
            text = f"{text} {remedy[0].upper()}{remedy[1:]}."
        return Finding(name, otherwise, text)
