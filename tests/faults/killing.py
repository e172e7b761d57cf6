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


"""A service that is killed at a call, and another one that cleans up after it.

The call is held, before or after it took effect; then the process is killed
with SIGKILL, and the call goes on without it, as a request that is under way
does. A new service deletes the server, and nothing must be left, nor open in
the platform.
"""

from __future__ import annotations

import multiprocessing
import os
import re
import signal

from ibmvirt.common import clock
from tests.faults import engine

# What a driver reaches in its child process within this many seconds.
_PATIENCE = 30.0


class Killing:
    """Kills a driver at calls of operations on one simulator.

    :param running: ``running(simulator)`` is a context with a started driver.
    :param manager: of ``multiprocessing``, where what the driver lets Nova keep
        matters afterwards.
    """

    def __init__(self, simulator, running, manager=None):
        self._simulator = simulator
        self._running = running
        self._manager = manager

    def _shared(self, kept):
        """What Nova keeps in its database is there after a kill too."""
        return self._manager.dict(kept) if self._manager is not None else kept

    def run(self, operation, phase, *, every=1):
        """The outcome of a kill at every call, or at every ``every``-th one."""
        sweep = engine.Sweep(self._simulator, self._running)
        calls, _view = sweep.calls(operation)
        return [self._cell(operation, phase, call) for call in calls[::every]]

    def _cell(self, operation, phase, call):
        simulator = self._simulator
        simulator.reset("clean")
        with self._running(simulator, **operation.options) as before:
            subject = operation.prepare(before)
            kept, launched = self._shared(before.kept), before.launched
        simulator.admin("DELETE", "journal")
        memento = f"{operation.name.split(',')[0]}:{subject.server.uuid}"
        where = {"key": call["key"], "memento": memento}
        rule = simulator.rule(
            match={**where, "occurrence": call["occurrence"]},
            phase=phase,
            effect={"kind": "hold"},
        )
        child = multiprocessing.get_context("fork").Process(
            target=_serve,
            args=(self._running, simulator, operation, subject, kept, launched),
            daemon=True,
        )
        child.start()
        parked = simulator.wait_parked(rule, _PATIENCE)
        os.kill(child.pid, signal.SIGKILL)
        child.join()
        simulator.delete_rule()
        # The call that was held is over when the next service looks.
        simulator.wait_journal(count=call["occurrence"], done=True, **where)
        name = f"{call['key']} #{call['occurrence']}"
        with self._running(simulator, **operation.options) as after:
            after.kept, after.launched = kept, launched
            after.named = getattr(before, "named", ())
            failed, hung = engine.limited(lambda: operation.undo(after, subject))
            left = simulator.compare("clean")
            if left and not (failed or hung):
                # An image that was half uploaded belongs to no server: the
                # next build that wants it sees to it.
                failed, hung = engine.limited(lambda: _build(after))
                left = simulator.compare("clean")
            left += left_open(simulator)
        outcome = "hung" if hung else "leaked" if failed or left else "cleaned"
        text = f"{failed!r} {left}" if outcome != "cleaned" else ""
        if not parked and outcome == "cleaned":
            text = "the call was not made"
        return engine.Cell(operation.name, f"killed {phase}", name, outcome, text)


def left_open(simulator):
    """Transfers and jobs that are open still.

    NovaLink has no list of jobs. So one that was just being asked for stays:
    nobody was told its number, and no call has named it.
    """
    named = {record["target"] for record in simulator.journal(layer="rest")}
    found = []
    for text in simulator.verify():
        job = re.search(r": job \w+ (\d+) was not deleted$", text)
        if text.endswith(" is open") or (job and job[1] in named):
            found.append(text)
    return found


def _build(driven):
    """Another server of the same image comes and goes."""
    spawn = driven.plan(77)
    driven.spawn(spawn)
    driven.destroy(spawn)


def _serve(running, simulator, operation, subject, kept, launched):
    """The service that is killed."""
    clock.use(clock.SystemClock(scale=0.01))
    with running(simulator, **operation.options) as driven:
        driven.kept, driven.launched = kept, launched
        operation.run(driven, subject)
