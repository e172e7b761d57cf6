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

"""Running a flow: independent steps in parallel, all threads joined."""

from __future__ import annotations

import collections.abc
import concurrent.futures
import logging
import typing

from taskflow import engines

from ibmvirt.common import context, step

LOG = logging.getLogger(__name__)

# Threads of one run; no flow has more independent branches.
_WORKERS = 6

_listeners: list[step.Listener] = []


def add_listener(listener: step.Listener) -> None:
    """Let ``listener`` hear of every step of every flow of this process."""
    _listeners.append(listener)


def remove_listener(listener: step.Listener) -> None:
    _listeners.remove(listener)


def _log(record: step.Record) -> None:
    work = context.current()
    where = work.memento if work is not None else record.flow
    if record.event == "failed":
        LOG.warning(
            "%s: %s failed after %.2f s: %s",
            where,
            record.step,
            record.seconds,
            record.error,
        )
    elif record.event != "started":
        LOG.info(
            "%s: %s %s in %.2f s", where, record.step, record.event, record.seconds
        )


def run(flow: typing.Any) -> dict[str, typing.Any]:
    """Run a flow and return the values that its steps provide.

    On a failure every step that ran is reverted, and the first error in time
    is raised as it was.
    """
    this = step.Run(flow.name, [_log, *_listeners])
    for atom, _meta in flow.iter_nodes():
        if isinstance(atom, step.Step):
            atom.bind(this)
    with concurrent.futures.ThreadPoolExecutor(
        _WORKERS, "flow", initializer=context.same_request()
    ) as executor:
        engine = engines.load(flow, engine="parallel", executor=executor)
        try:
            engine.run()
        except Exception:
            if not this.errors:
                raise
        else:
            result: dict[str, typing.Any] = engine.storage.fetch_all()
            return result
    # Not in the handler above, which would replace its cause.
    raise this.errors[0]


def steps(flow: typing.Any) -> collections.abc.Iterator[step.Step]:
    """The steps of a flow, in no order."""
    for atom, _meta in flow.iter_nodes():
        if isinstance(atom, step.Step):
            yield atom
