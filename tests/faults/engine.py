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

"""The sweep: one fault at every call of an operation, and what is left.

A cell is an operation and one of its calls, the call's occurrence, a phase,
an effect, once or lasting. For each cell the simulator is reset, the rule
set, the operation run, and the hypervisor compared with what it was.
"""

from __future__ import annotations

import collections
import dataclasses
import threading

# A cell that takes longer than this hangs; a clean run takes a second.
PATIENCE = 60.0
GOOD = ("succeeded", "rolled back", "cleaned", "beneath")
BAD = ("leaked", "obscure", "hung", "wrong")


@dataclasses.dataclass(frozen=True)
class Left:
    """What the platform's own service may leave after a command failed.

    :param item: whether a difference is such a one; gets it, and the server's
        UUID and the names that the hypervisor knows it by.
    :param refusal: what the removal is refused with, if it is.
    :param most: differences; None = any number.
    """

    item: object
    refusal: str = ""
    most: int | None = 1

    def excuses(self, failed, left, names):
        """Whether all that is left, and the failed removal, is of this kind."""
        if failed is not None and not (self.refusal and self.refusal in str(failed)):
            return False
        if self.most is not None and len(left) > self.most:
            return False
        return all(self.item(found, names) for found in left)


@dataclasses.dataclass(frozen=True)
class Effect:
    """What happens to the call; ``name`` is for the table.

    :param beneath: by keys of commands after whose failure the platform's own
        service leaves something, and has no call to remove it, what exactly
        that is: only this counts as "beneath", all else as "leaked".
    """

    name: str
    phase: str
    effect: tuple[tuple[str, object], ...]
    layer: str = "rest"
    lasting: bool = False
    beneath: dict[str, Left] = dataclasses.field(default_factory=dict, hash=False)

    def rule(self, call, memento):
        return {
            "match": {
                "layer": self.layer,
                "key": call["key"],
                "memento": memento,
                # A lasting fault strikes a call whenever it is tried again.
                **({} if self.lasting else {"occurrence": call["occurrence"]}),
            },
            "phase": self.phase,
            "skip": call["occurrence"] - 1 if self.lasting else 0,
            "count": None if self.lasting else 1,
            "effect": dict(self.effect),
        }


@dataclasses.dataclass(frozen=True)
class Operation:
    """Something that a driver does to one server.

    :param prepare: brings the server into the state the operation starts
        from; gets what ``running`` gave, and gives what the others get.
    :param run: the operation.
    :param undo: what an operator would do next, to get rid of everything.
    :param view: what is there, without ids: equal after every success.
    :param options: of the driver, with which it is started.
    :param blind: keys of commands after whose failure the platform's own
        service reports success, and has no call that tells: a result that is
        wrong counts as "beneath" there.
    :param quick: whether it belongs to the sweep of `make test`.
    """

    name: str
    prepare: object
    run: object
    undo: object
    view: object
    options: object = dataclasses.field(default_factory=dict)
    quick: bool = True
    blind: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Cell:
    """One outcome; ``text`` is the error that was raised, or what is left."""

    operation: str
    effect: str
    call: str
    outcome: str
    text: str = ""


class Sweep:
    """Runs cells of operations on one simulator.

    :param running: ``running(simulator)`` is a context with a started
        driver; it makes one a cell, as a service that has just started.
    """

    def __init__(self, simulator, running):
        self.simulator = simulator
        self.running = running
        simulator.reset("clean")

    def calls(self, operation, layer="rest"):
        """The calls of a clean run, and what is there after it."""
        with self._started(operation) as (driven, subject, memento):
            operation.run(driven, subject)
            view = operation.view(driven, subject)
            found = self.simulator.journal(memento=memento, layer=layer)
            operation.undo(driven, subject)
            assert self._left(driven, "clean") == [], operation.name
        seen = {(r["key"], r["occurrence"]): r for r in found}
        return list(seen.values()), view

    def run(self, operation, effect):
        """The outcomes of one effect at every call of an operation."""
        calls, view = self.calls(operation, effect.layer)
        return [self._cell(operation, effect, call, view) for call in calls]

    def _cell(self, operation, effect, call, view):
        name = f"{call['key']} #{call['occurrence']}"
        with self._started(operation) as (driven, subject, memento):
            rule = self.simulator.rule(**effect.rule(call, memento))
            error, hung, struck = self._strike(operation, driven, subject, rule)
            self.simulator.delete_rule()
            if hung:
                outcome, text = "hung", f"no end after {PATIENCE:.0f} s"
            else:
                may_stay = effect.beneath.get(call["key"])
                outcome, text = self._judge(
                    operation, driven, subject, error, view, may_stay
                )
            if outcome == "wrong" and call["key"] in operation.blind:
                outcome = "beneath"
            if not struck and outcome in GOOD:
                outcome, text = "succeeded", "the call was not made"
        return Cell(operation.name, effect.name, name, outcome, text)

    def _strike(self, operation, driven, subject, rule):
        """Run it into the fault: (error or None, whether it hangs, was struck)."""
        error, hung = limited(lambda: operation.run(driven, subject))
        return error, hung, self._struck(rule)

    def _struck(self, number):
        return any(r["id"] == number and r["hits"] for r in self.simulator.rules())

    def _judge(self, operation, driven, subject, error, view, may_stay=None):
        if error is None:
            seen = operation.view(driven, subject)
            outcome = "succeeded" if seen == view else "wrong"
            text = "" if seen == view else f"{seen} is not {view}"
        elif not _names(error, driven, subject):
            outcome, text = "obscure", repr(error)
        else:
            same = self.simulator.compare("before") == []
            outcome, text = "rolled back" if same else "cleaned", str(error)
        # Whatever happened: an operator's delete brings everything back.
        failed, hung = limited(lambda: operation.undo(driven, subject))
        if hung:
            return "hung", "the undo does not end"
        left = self._left(driven, "clean")
        if failed is not None or left:
            uuid = subject.server.uuid
            names = {uuid, *map(str, driven.kept.get(uuid, {}).values())}
            known = may_stay is not None and may_stay.excuses(failed, left, names)
            outcome = "beneath" if known else "leaked"
            return outcome, f"{failed!r} {left} after {error!r}"
        return outcome, text

    def _left(self, driven, mark):
        return [*self.simulator.compare(mark), *_files(driven)]

    def _started(self, operation):
        return _Started(self, operation)


class KillSweep(Sweep):
    """Kills the platform's service at a call that is held, and starts it again.

    :param restart: does so; requests that it had are lost.
    """

    def __init__(self, simulator, running, restart):
        super().__init__(simulator, running)
        self.restart = restart

    def _strike(self, operation, driven, subject, rule):
        outcome = []
        thread = threading.Thread(
            target=lambda: outcome.append(
                limited(lambda: operation.run(driven, subject))
            ),
            daemon=True,
        )
        thread.start()
        while thread.is_alive() and not self._parked(rule):
            thread.join(0.02)
        struck = thread.is_alive()
        if struck:
            self.restart()
            self.simulator.delete_rule()
        thread.join()
        return (*outcome[0], struck)

    def _parked(self, number):
        return any(r["id"] == number and r["parked"] for r in self.simulator.rules())


class _Started:
    """A reset simulator, a new driver and a prepared server."""

    def __init__(self, sweep, operation):
        self._sweep = sweep
        self._operation = operation

    def __enter__(self):
        simulator = self._sweep.simulator
        simulator.reset("clean")
        self._context = self._sweep.running(simulator, **self._operation.options)
        driven = self._context.__enter__()
        subject = self._operation.prepare(driven)
        simulator.mark("before")
        simulator.admin("DELETE", "journal")
        memento = f"{self._operation.name.split(',')[0]}:{subject.server.uuid}"
        return driven, subject, memento

    def __exit__(self, *error):
        self._context.__exit__(*error)


# What belongs to no server is named as itself.
_SHARED = (
    "shared storage pool", "vios", "media repository", "list the guests",
    "fibre channel", "fabric", "ssi cluster",
)  # fmt: skip


def _files(driven):
    """What is left of ours elsewhere: files on their way, captured images."""
    names = driven.left() if hasattr(driven, "left") else []
    return [{"path": name, "was": None, "is": "of the driver"} for name in names]


def _names(error, driven, subject):
    """Whether an error says what was attempted, and on which object."""
    attempted = getattr(error, "attempted", "").lower()
    server, image = subject.server, subject.image
    # PowerVM sets the first bit of a UUID to 0 and shortens it in names.
    names = {server.name, server.name.replace("-", "_")}
    names.update((server.uuid[1:], server.uuid.replace("-", "")[:20]))
    names.update((image.id, image.name, *_SHARED))
    names.update(vif.id for vif in subject.guest.vifs)
    names.update(getattr(driven, "named", ()))
    # A z/VM server's userid.
    names.update(str(v) for v in driven.kept.get(server.uuid, {}).values())
    return any(name.lower() in attempted for name in names)


def limited(action):
    """(error or None, whether it did not end) of an action."""
    errors = []

    def work():
        try:
            action()
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    return (errors[0] if errors else None), thread.is_alive()


def table(cells):
    """Lines: operation and effect, and how many runs ended how."""
    counts = collections.defaultdict(collections.Counter)
    for cell in cells:
        counts[cell.operation, cell.effect][cell.outcome] += 1
    head = ("operation", "effect", "runs", *GOOD, *BAD)
    rows = [
        (*key, str(found.total()), *(str(found[name]) for name in (*GOOD, *BAD)))
        for key, found in counts.items()
    ]
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    return [
        "  ".join(
            text.ljust(width) if i < 2 else text.rjust(width)
            for i, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (head, *rows)
    ]
