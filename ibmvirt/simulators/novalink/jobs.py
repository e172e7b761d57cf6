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

"""Jobs: templates, requests, states, results."""

from __future__ import annotations

import collections.abc
import dataclasses
import logging
import random
import threading
import uuid as uuids

from ibmvirt.simulators.core import calls, rules, transitions
from ibmvirt.simulators.novalink import atom, store
from ibmvirt.simulators.novalink.refusals import Refusal, refuse
from ibmvirt.simulators.novalink.schema import xml

LOG = logging.getLogger(__name__)

OK = "COMPLETED_OK"
FAILED = "COMPLETED_WITH_ERROR"
RUNNING = "RUNNING"
CANCELED = "CANCELED_WHILE_RUNNING"
# Jobs kept until a client deletes them; a client that does not is refused.
LIMIT = 1000
# Real seconds that a job may need to be over once its time has come.
_SETTLE = 60.0

Parameters = dict[str, str]
Results = collections.abc.Sequence[tuple[str, str]]


class JobFailed(Exception):
    """The operation ran and failed; the text is the job's message."""

    def __init__(self, message: str, results: Results = ()) -> None:
        super().__init__(message)
        self.results = results


class _Cancelled(Exception):
    """The job was cancelled while it took effect: it must not."""


@dataclasses.dataclass
class Job:
    """A job as it is now; changed under the jobs' lock."""

    id: str
    operation: str
    group: str
    target: str
    parameters: Parameters
    status: str = RUNNING
    results: Results = ()
    message: str = ""
    progress: transitions.Progress | None = None
    take_back: collections.abc.Callable[[], None] | None = None
    # It took effect: too late to cancel it.
    committed: bool = False
    # It is over, or a rule keeps it from being so.
    settled: threading.Event = dataclasses.field(default_factory=threading.Event)


# Does the work of an operation: (system, target, parameters) -> results.
Handler = collections.abc.Callable[[store.System, store.SimObject, Parameters], Results]
OPERATIONS: dict[tuple[str, str], Handler] = {}
# What shows while an operation runs: (system, target) -> how to take it back.
Beginning = collections.abc.Callable[
    [store.System, store.SimObject], collections.abc.Callable[[], None]
]
BEGINNINGS: dict[str, Beginning] = {}
# Simulated seconds that an operation takes with the profile "realistic".
DURATIONS: dict[str, tuple[float, float]] = {
    "PowerOn": (5.0, 20.0),
    "PowerOff": (2.0, 10.0),
    "LUARecovery": (3.0, 10.0),
}


def operation(name: str, *kinds: str) -> collections.abc.Callable[[Handler], Handler]:
    """Register a handler for an operation of these types."""

    def keep(handler: Handler) -> Handler:
        for kind in kinds:
            OPERATIONS[kind, name] = handler
        return handler

    return keep


class Jobs:
    """Jobs of one system."""

    def __init__(self, system: store.System, instruments: calls.Instruments) -> None:
        self._system = system
        self._in = instruments
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {}
        # The same durations in every run.
        self._random = random.Random(0)

    def template(self, kind: str, uuid: str, name: str) -> bytes:
        """The JobRequest that a client fills in.

        :raises Refusal: the operation is not supported here.
        """
        self._system.get(kind, uuid)
        if (kind, name) not in OPERATIONS:
            raise refuse("not_supported", operation=f"{kind}/do/{name}")
        request = xml.node(
            "JobRequest",
            xml.node(
                "RequestedOperation",
                xml.leaf("OperationName", name, "ROR", ns=xml.WEB),
                xml.leaf("GroupName", kind, "ROR", ns=xml.WEB),
                xml.leaf("ProgressType", "DISCRETE", "ROR", ns=xml.WEB),
                kb="CUR",
                ns=xml.WEB,
            ),
            xml.node("JobParameters", kb="CUR", ns=xml.WEB),
            kb=None,
            ns=xml.WEB,
        )
        identity = str(uuids.uuid4())
        href = self._system.url(kind, uuid, "do", name)
        return atom.entry("JobRequest", identity, href, xml.wrap(request), space="web")

    def submit(
        self, kind: str, uuid: str, name: str, body: xml.Element, record: calls.Call
    ) -> Job:
        """Take a job; without latency it is done when this returns.

        :raises Refusal: unknown operation, or too many jobs are kept.
        """
        handler = OPERATIONS.get((kind, name))
        if handler is None:
            raise refuse("not_supported", operation=f"{kind}/do/{name}")
        target = self._system.get(kind, uuid)
        job = Job(
            id=str(self._system.fabric.next_number("job", 1_400_000_000_000)),
            operation=name,
            group=kind,
            target=target.key,
            parameters=_parameters(body),
        )
        # A reset ends all jobs under the world's lock.
        with self._system.fabric.world.transaction(), self._lock:
            if len(self._jobs) >= LIMIT:
                raise refuse("jobs", limit=LIMIT)
            self._jobs[job.id] = job
            natural = self._random.uniform(*DURATIONS.get(name, (0.5, 1.0)))
        job.progress = self._in.transitions.begin(
            f"job:{name}",
            natural,
            at_once=self._in.latency.profile == "none",
        )
        if job.progress.done():
            self._finish(job, handler, record.record)
        else:
            threading.Thread(
                target=self._run_late, args=(job, handler, record.record), daemon=True
            ).start()
        return job

    def _run_late(self, job: Job, handler: Handler, record: dict[str, object]) -> None:
        assert job.progress is not None
        self._begin(job)
        job.progress.wait(lambda: job.status != RUNNING)
        self._finish(job, handler, record)
        for action in self._system.fabric.settled:
            action()

    def _begin(self, job: Job) -> None:
        """Let the target show that the operation runs."""
        begin = BEGINNINGS.get(job.operation)
        if begin is not None:
            with self._system.fabric.world.transaction():
                target = self._system.find(*job.target.split("/"))
                if target is not None and job.status == RUNNING:
                    job.take_back = begin(self._system, target)

    def _finish(self, job: Job, handler: Handler, record: dict[str, object]) -> None:
        """Commit the job: it takes effect when it completes."""
        try:
            self._commit(job, handler, record)
        finally:
            job.settled.set()

    def _commit(self, job: Job, handler: Handler, record: dict[str, object]) -> None:
        world = self._system.fabric.world
        results: Results = ()
        status, message = OK, ""
        before = self._strike(job, record, "before")
        with world.transaction():
            # In one step with the effect: nobody sees what was before again.
            self._take_back(job)
            if job.status != RUNNING:
                return
            if before is not None:
                status, message = before
            else:
                try:
                    results = self._take_effect(job, handler)
                except _Cancelled:
                    return
                except JobFailed as error:
                    status, message, results = FAILED, str(error), error.results
                except Refusal as error:
                    status, message = FAILED, error.message
                except Exception as error:
                    # A defect of the simulator: loud here and there.
                    LOG.exception("job %s failed", job.operation)
                    status = FAILED
                    message = f"the simulator failed: {type(error).__name__}: {error}"
        if before is None:
            after = self._strike(job, record, "after")
            if after is not None:
                status, message = after
        with self._lock:
            if job.status == RUNNING:
                job.results, job.message, job.status = results, message, status

    def _take_effect(self, job: Job, handler: Handler) -> Results:
        """As a whole, or not at all."""
        with self._system.fabric.world.transaction():
            kind, uuid = job.target.split("/")
            target = self._system.get(kind, uuid)
            results = handler(self._system, target, job.parameters)
            with self._lock:
                if job.status != RUNNING:
                    raise _Cancelled
                job.committed = True
        return results

    def _take_back(self, job: Job) -> None:
        """Show what was before the job again."""
        take_back, job.take_back = job.take_back, None
        if take_back is not None:
            with self._system.fabric.world.transaction():
                take_back()

    def _strike(
        self, job: Job, record: dict[str, object], phase: str
    ) -> tuple[str, str] | None:
        """A fault rule ``on: job`` makes it fail, hang or wait."""
        for rule in self._in.rules.pick(record, phase, "job"):
            # Before it takes effect nothing has changed.
            self._take_back(job)
            if rule.effect["kind"] != "job":
                job.settled.set()
                self._hold(rule)
            if rule.dropped:
                # The world was reset meanwhile: the job is of another one.
                with self._lock:
                    job.status = CANCELED
            effect = rule.effect
            if effect["kind"] == "job":
                return (
                    str(effect.get("status", FAILED)),
                    str(effect.get("message", f"{job.operation} failed")),
                )
        return None

    def _hold(self, rule: rules.Rule) -> None:
        kind = rule.effect["kind"]
        if kind in ("hold", "hang"):
            self._in.rules.park(rule)
        elif kind == "delay":
            seconds = float(rule.effect.get("seconds", 1))
            with self._in.rules.parked(rule):
                self._in.clock.sleep(seconds, rule.deleted.is_set)

    def get(self, number: str) -> Job:
        """:raises Refusal: no such job."""
        with self._lock:
            found = self._jobs.get(number)
        if found is None:
            raise refuse("not_found", type="job", uuid=number)
        return found

    def ask(self, number: str) -> Job:
        """The job that a client asks for; it may go on by being asked.

        :raises Refusal: no such job.
        """
        job = self.get(number)
        if job.status == RUNNING and job.progress is not None and job.progress.ask():
            # Its thread is at it.
            job.settled.wait(_SETTLE)
        return job

    def cancel(self, number: str) -> None:
        job = self.get(number)
        with self._lock:
            if job.status == RUNNING and not job.committed:
                job.status = CANCELED
        # What it showed meanwhile is taken back, unless a rule holds it.
        job.settled.wait(_SETTLE)

    def delete(self, number: str) -> None:
        job = self.get(number)
        if job.status == RUNNING:
            raise refuse("malformed", detail=f"job {number} runs")
        with self._lock:
            self._jobs.pop(number, None)

    def left(self) -> list[str]:
        """Jobs that no client has deleted."""
        with self._lock:
            return [f"{job.operation} {job.id}" for job in self._jobs.values()]

    def clear(self) -> None:
        with self._lock:
            for job in self._jobs.values():
                if job.status == RUNNING:
                    job.status = CANCELED
            self._jobs.clear()

    def _request_url(self, job: Job) -> str:
        return self._system.url(*job.target.split("/"), "do", job.operation)

    def render(self, job: Job) -> bytes:
        """The JobResponse (captured: job_response_completed_ok.txt)."""
        with self._lock:
            # Its state and its results are of one moment.
            job = dataclasses.replace(job)
        leaf, node = xml.leaf, xml.node
        results = [
            node(
                "JobParameter",
                leaf("ParameterName", name, "ROR", ns=xml.WEB),
                leaf("ParameterValue", value, "CUR", ns=xml.WEB),
                kb=None,
                ns=xml.WEB,
            )
            for name, value in job.results
        ]
        if job.status == OK and not results:
            results.append(
                node(
                    "JobParameter",
                    leaf("ParameterName", "returnCode", "ROR", ns=xml.WEB),
                    leaf("ParameterValue", "0", "CUR", ns=xml.WEB),
                    kb=None,
                    ns=xml.WEB,
                )
            )
        response = node(
            "JobResponse",
            leaf("RequestURL", self._request_url(job), "ROR", ns=xml.WEB),
            leaf("JobID", job.id, "ROR", ns=xml.WEB),
            leaf("TimeStarted", 0, "ROR", ns=xml.WEB),
            leaf("TimeCompleted", 0, "ROR", ns=xml.WEB),
            leaf("Status", job.status, "ROR", ns=xml.WEB),
            node(
                "ResponseException",
                leaf("Message", job.message, "ROR", ns=xml.WEB),
                leaf("StackTrace", "", "ROR", ns=xml.WEB),
                kb="ROR",
                ns=xml.WEB,
            )
            if job.message
            else None,
            node("Results", *results, kb="ROR", ns=xml.WEB) if results else None,
            kb=None,
            ns=xml.WEB,
        )
        href = f"{self._system.base_url}/rest/api/uom/jobs/{job.id}"
        return atom.entry("JobResponse", job.id, href, xml.wrap(response), space="web")


def _parameters(body: xml.Element) -> Parameters:
    found = {}
    for parameter in xml.findall(body, "JobParameters/JobParameter"):
        name = xml.value(parameter, "ParameterName")
        found[name] = xml.value(parameter, "ParameterValue")
    return found
