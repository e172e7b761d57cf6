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

"""The time that pycdlib writes into an image.

pycdlib asks the clock wherever it makes a record and has no parameter for
it. Its modules get a stand-in for the module ``time`` once, at import: it is
the real one unless the calling context has fixed the time. A context
variable, not a patch around each build, so that threads do not disturb each
other.
"""

from __future__ import annotations

import collections.abc
import contextlib
import contextvars
import time
import typing

import pycdlib.dates
import pycdlib.headervd
import pycdlib.pycdlib

_StructTime = time.struct_time

_fixed: contextvars.ContextVar[float | None] = contextvars.ContextVar(
    "ibmvirt_configdrive_time", default=None
)


class _Time:
    """The module ``time``, but for what a fixed time changes."""

    def __getattr__(self, name: str) -> typing.Any:
        return getattr(time, name)

    @staticmethod
    def time() -> float:
        fixed = _fixed.get()
        return time.time() if fixed is None else fixed

    @staticmethod
    def localtime(seconds: float | None = None) -> _StructTime:
        # A fixed time is written in UTC: the same bytes in every time zone.
        if _fixed.get() is None:
            return time.localtime(seconds)
        return time.gmtime(seconds)

    @staticmethod
    def gmtime(seconds: float | None = None) -> _StructTime:
        return time.gmtime(seconds)


for _module in (pycdlib.dates, pycdlib.headervd, pycdlib.pycdlib):
    setattr(_module, "time", _Time())  # noqa: B010 - mypy knows a module there


@contextlib.contextmanager
def fixed(seconds: float | None) -> collections.abc.Iterator[None]:
    """Let pycdlib see this time, seconds since the epoch, in this context."""
    token = _fixed.set(seconds)
    try:
        yield
    finally:
        _fixed.reset(token)
