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

"""A step of a flow: one action and its revert."""

from __future__ import annotations

import collections.abc
import contextvars
import dataclasses
import logging
import threading
import typing

from taskflow import task
from taskflow.types import failure

from ibmvirt.common import clock, context

LOG = logging.getLogger(__name__)

# Seconds before a revert that failed is tried once more, if it failed within so
# many: who waited for a hypervisor for long need not wait again.
_REVERT_PAUSE, _QUICK = 2.0, 30.0

Action = collections.abc.Callable[..., typing.Any]


@dataclasses.dataclass(frozen=True)
class Record:
    """What a step did: ``event`` is started, done, failed or reverted."""

    flow: str
    step: str
    event: str
    seconds: float = 0.0
    error: str = ""


# Called for every event of every step, from any thread.
Listener = collections.abc.Callable[[Record], None]


class Run:
    """What the steps of one run of a flow share."""

    def __init__(
        self, flow: str, listeners: collections.abc.Sequence[Listener]
    ) -> None:
        self.flow = flow
        self._listeners = tuple(listeners)
        self._lock = threading.Lock()
        self.errors: list[BaseException] = []

    def failed(self, error: BaseException) -> None:
        """Keep the error, in time order, and let the other branches stop."""
        with self._lock:
            self.errors.append(error)
        work = context.current()
        if work is not None:
            work.stop("another step failed")

    def tell(self, record: Record) -> None:
        for listener in self._listeners:
            listener(record)


class Step(task.Task):
    """One action of a flow.

    :param action: called with the values of ``requires`` by name; returns
        the value that ``provides`` names.
    :param revert: called with the same values and with ``result``, which is
        None when the action failed: it may then have happened in half. It
        is idempotent: it is tried once more when it fails. What it raises then
        is logged and never hides the first error.
    :param requires: names of values from other steps.
    :param after: names of steps' values to wait for without using them.
    """

    def __init__(
        self,
        name: str,
        action: Action,
        *,
        revert: Action | None = None,
        provides: str | None = None,
        requires: collections.abc.Iterable[str] = (),
        after: collections.abc.Iterable[str] = (),
    ) -> None:
        self._uses = tuple(requires)
        super().__init__(
            name=name,
            provides=provides,
            requires=[*self._uses, *after],
            revert_requires=[],
            auto_extract=False,
        )
        self._action = action
        self._revert = revert
        self._kwargs: dict[str, typing.Any] = {}
        self._context = contextvars.copy_context()
        self.run: Run | None = None

    @property
    def reverts(self) -> bool:
        """Whether a failure of a later step undoes this one."""
        return self._revert is not None

    def bind(self, run: Run) -> None:
        """Make the step a part of a run, in the calling thread's context."""
        self.run = run
        self._context = contextvars.copy_context()

    def execute(self, **kwargs: typing.Any) -> typing.Any:
        # A copy each: a context runs in one thread at a time.
        return self._context.copy().run(self._execute, kwargs)

    def _execute(self, kwargs: dict[str, typing.Any]) -> typing.Any:
        assert self.run is not None
        self._kwargs = {name: kwargs[name] for name in self._uses}
        started = clock.now()
        try:
            context.check()
            self._tell("started", started)
            result = self._action(**self._kwargs)
        except BaseException as error:
            self._tell("failed", started, str(error))
            self.run.failed(error)
            raise
        self._tell("done", started)
        return result

    def revert(self, result: typing.Any, **_kwargs: typing.Any) -> None:
        if self._revert is None or not self._kwargs.keys() >= set(self._uses):
            return
        self._context.copy().run(self._revert_in_context, result)

    def _revert_in_context(self, result: typing.Any) -> None:
        assert self.run is not None
        if isinstance(result, failure.Failure):
            result = None
        started = clock.now()
        with context.reverting():
            error = self._attempt_revert(result)
            if error is not None and clock.now() - started <= _QUICK:
                # Nova does not always come back to remove what stays.
                LOG.warning(
                    "%s: the revert of %r failed, and is tried once more: %s",
                    self.run.flow,
                    self.name,
                    error,
                )
                clock.sleep(_REVERT_PAUSE)
                error = self._attempt_revert(result)
        if error is None:
            self._tell("reverted", started)
            return
        LOG.error(
            "%s: the revert of %r failed", self.run.flow, self.name, exc_info=error
        )
        self._tell("revert failed", started, str(error))

    def _attempt_revert(self, result: typing.Any) -> Exception | None:
        assert self._revert is not None
        try:
            self._revert(result=result, **self._kwargs)
        except Exception as error:
            return error
        return None

    def _tell(self, event: str, started: float, error: str = "") -> None:
        assert self.run is not None
        seconds = clock.now() - started
        self.run.tell(Record(self.run.flow, self.name, event, seconds, error))
