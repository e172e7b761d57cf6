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

"""When a job takes effect, and what others see of it meanwhile."""

from __future__ import annotations

import threading

import pytest
from lxml import etree

from ibmvirt.simulators.core import world
from ibmvirt.simulators.novalink import jobs
from tests.unit.simulators.novalink import build, support

LIMIT = 60
REQUEST = etree.fromstring("<JobRequest/>")
KEY = "PUT LogicalPartition/{id}/do/PowerOn"


class Bench:
    """A system with a partition, and its jobs."""

    def __init__(self, path):
        self.system = support.world(path, lpars=1)
        self.world = self.system.fabric.world
        self.instruments = self.system.fabric.instruments
        self.instruments.offer("job")
        self.jobs = jobs.Jobs(self.system, self.instruments)
        self.world.on_reset(self.jobs.clear)
        self.lpar = self.system.all("LogicalPartition")[0]

    def submit(self, name="PowerOn"):
        call = self.instruments.call(key=KEY)
        return self.jobs.submit("LogicalPartition", self.lpar.uuid, name, REQUEST, call)

    def slowly(self, times=1):
        how = {"progression": "manual", "times": times}
        self.instruments.transitions.set({"job:*": how})

    def state(self):
        found = self.system.find(self.lpar.type, self.lpar.uuid)
        return found.value("PartitionState")


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


def test_nobody_sees_the_state_from_before_the_job_again(bench):
    seen = []
    bench.slowly()
    job = bench.submit()
    until(lambda: bench.state() == "starting")
    bench.system.on_change = lambda *_event: seen.append(bench.state())
    bench.jobs.ask(job.id)
    assert job.settled.wait(LIMIT)
    assert job.status == jobs.OK
    assert set(seen) == {"running"}


def until(condition):
    """Wait for what another thread does."""
    pause = threading.Event()
    for _ in range(LIMIT * 100):
        if condition():
            return
        pause.wait(0.01)
    raise AssertionError("it did not happen")


@pytest.fixture
def operation(monkeypatch):
    """Let an operation be another one."""

    def replace(handler):
        monkeypatch.setitem(jobs.OPERATIONS, ("LogicalPartition", "PowerOn"), handler)

    return replace


def test_what_is_cancelled_while_it_takes_effect_has_none(bench, operation):
    bench.world.mark()
    running = []

    def work(system, target, _parameters):
        build.unit(system, "made")
        (number,) = bench.jobs._jobs
        thread = threading.Thread(target=bench.jobs.cancel, args=(number,))
        thread.start()
        running.append(thread)
        until(lambda: bench.jobs.get(number).status != jobs.RUNNING)
        return ()

    operation(work)
    job = bench.submit()
    running[0].join(LIMIT)
    assert job.status == jobs.CANCELED
    assert bench.world.compare() == []


def test_what_took_effect_cannot_be_cancelled(bench):
    rule = bench.instruments.rules.add(
        {"on": "job", "phase": "after", "effect": {"kind": "hold"}}
    )
    bench.slowly()
    job = bench.submit()
    bench.jobs.ask(job.id)
    assert bench.instruments.rules.wait_parked(rule.id, LIMIT)
    bench.jobs.cancel(job.id)
    bench.instruments.rules.delete(rule.id)
    until(lambda: job.status != jobs.RUNNING)
    assert (job.status, bench.state()) == (jobs.OK, "running")


def test_a_job_that_is_held_shows_what_was_before_it(bench):
    rule = bench.instruments.rules.add({"on": "job", "effect": {"kind": "hold"}})
    bench.slowly()
    job = bench.submit()
    until(lambda: bench.state() == "starting")
    bench.jobs.ask(job.id)
    assert bench.instruments.rules.wait_parked(rule.id, LIMIT)
    assert (job.status, bench.state()) == (jobs.RUNNING, "not activated")
    bench.instruments.rules.delete(rule.id)
    until(lambda: job.status != jobs.RUNNING)
    assert (job.status, bench.state()) == (jobs.OK, "running")


def test_a_defect_of_an_operation_is_told_and_ends_the_job(bench, operation):
    bench.world.mark()

    def work(system, target, _parameters):
        build.unit(system, "made")
        raise ZeroDivisionError("a defect")

    operation(work)
    job = bench.submit()
    assert (job.status, "ZeroDivisionError" in job.message) == (jobs.FAILED, True)
    assert bench.world.compare() == []


class Ending(jobs.Job):
    """It ends while its results are read, if nothing keeps it from that."""

    end = None

    def __getattribute__(self, name):
        look = super().__getattribute__
        end = look("end")
        if name == "results" and end is not None:
            self.end = None
            thread = threading.Thread(target=end)
            thread.start()
            thread.join(0.2)
        return look(name)


def test_an_answer_has_state_and_results_of_one_moment(bench, operation):
    operation(lambda *_arguments: (("answer", "42"),))
    bench.slowly()
    job = bench.submit()
    job.__class__ = Ending
    job.end = lambda: bench.jobs.ask(job.id)
    answer = bench.jobs.render(job)
    assert (jobs.RUNNING.encode() in answer, b"42" in answer) == (True, False)
    until(lambda: job.status != jobs.RUNNING)
    answer = bench.jobs.render(job)
    assert (jobs.OK.encode() in answer, b"42" in answer) == (True, True)


def test_a_reset_lets_no_job_into_the_new_world(bench):
    bench.world.mark()
    with bench.world.as_it_is():
        other = threading.Thread(target=bench.world.reset)
        other.start()
        other.join(LIMIT)
        with pytest.raises(world.Replaced):
            bench.submit()
    assert bench.jobs.left() == []
    assert bench.world.compare() == []
