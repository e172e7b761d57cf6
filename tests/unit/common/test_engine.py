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


"""The engine, its steps and their drawing."""

from __future__ import annotations

import concurrent.futures
import threading

import pytest
from oslo_context import context as oslo_context
from taskflow.patterns import graph_flow, linear_flow

from ibmvirt.common import clock, context, engine, exceptions, render, step


def test_flows_are_drawn_by_level():
    flow = graph_flow.Flow("any").add(
        step.Step("one", lambda: 1, provides="a", revert=lambda result: None),
        step.Step("two", lambda: 2, provides="b"),
        step.Step("both", lambda a, b: 3, requires=["a", "b"], provides="c"),
        step.Step("last", lambda a, c: 3, requires=["a", "c"]),
    )
    assert [line.split() for line in render.text(flow).splitlines()] == [
        ["1", "<", "one"], ["two"], ["2", "both", "after", "one,", "two"],
        ["3", "last", "after", "both"],
    ]  # fmt: skip


def test_the_page_of_the_documentation_names_every_step():
    for flow in render.example().values():
        for item in engine.steps(flow):
            assert item.name in render.page()


def test_values_pass_from_step_to_step():
    flow = graph_flow.Flow("sum").add(
        step.Step("one", lambda: 1, provides="a"),
        step.Step("two", lambda: 2, provides="b"),
        step.Step("both", lambda a, b: a + b, requires=["a", "b"], provides="c"),
    )
    assert engine.run(flow)["c"] == 3


def test_steps_log_under_the_request_of_the_caller():
    """Also where another step has made a context of its own in its thread."""
    request = oslo_context.RequestContext(request_id="req-1", overwrite=False)
    seen = []

    def work():
        seen.append(oslo_context.get_current())
        oslo_context.RequestContext(overwrite=False)

    flow = graph_flow.Flow("wide").add(*(step.Step(name, work) for name in "abc"))
    with concurrent.futures.ThreadPoolExecutor(1) as caller:
        caller.submit(request.update_store)
        caller.submit(engine.run, flow).result()
        assert seen == [request] * 3
    with concurrent.futures.ThreadPoolExecutor(1) as caller:
        caller.submit(engine.run, flow).result()
        assert len(seen) == 6
        assert request not in seen[3:]


def test_independent_steps_run_at_once():
    barrier = threading.Barrier(3, timeout=60)
    flow = graph_flow.Flow("wide").add(
        *(step.Step(name, lambda: barrier.wait() and None) for name in "abc")
    )
    engine.run(flow)


def test_the_operation_reaches_every_thread():
    seen = []
    flow = graph_flow.Flow("wide").add(
        *(
            step.Step(n, lambda: seen.append(context.current_memento()))
            for n in ("a", "b")
        )
    )
    with context.operation(context.Operation("spawn", "u")):
        engine.run(flow)
    assert seen == ["spawn:u", "spawn:u"]


def test_the_first_error_is_raised_as_it_was_and_all_is_reverted_backwards():
    undone = []
    error = exceptions.HypervisorError("do it", "no")

    def fail():
        raise error

    flow = linear_flow.Flow("line").add(
        step.Step("a", lambda: "A", revert=lambda result: undone.append(result)),
        step.Step("b", lambda: "B", revert=lambda result: undone.append(result)),
        step.Step("c", fail, revert=lambda result: undone.append(("c", result))),
        step.Step("d", lambda: None, revert=lambda result: undone.append("d")),
    )
    with pytest.raises(exceptions.HypervisorError) as caught:
        engine.run(flow)
    assert caught.value is error
    # The failed one too: it may have happened in half.
    assert undone == [("c", None), "B", "A"]


def test_the_first_error_keeps_its_cause():
    cause = ConnectionResetError("by the peer")

    def fail():
        raise exceptions.HypervisorError("do it", "no") from cause

    flow = linear_flow.Flow("line").add(step.Step("a", fail))
    with pytest.raises(exceptions.HypervisorError) as caught:
        engine.run(flow)
    assert caught.value.__cause__ is cause


@pytest.mark.parametrize(
    ("failures", "lasting", "attempts", "told"),
    [(1, 0, 2, "reverted"), (9, 0, 2, "revert failed"), (9, 40, 1, "revert failed")],
    ids=["once", "always", "after a long wait"],
)
def test_a_revert_that_fails_is_tried_once_more(
    fast_clock, failures, lasting, attempts, told
):
    """And does not stop the others; nor does who waited for long wait again."""
    undone, tried, records = [], [], []

    def fail(result=None):
        raise exceptions.HypervisorError("do it", "no")

    def undo(result):
        tried.append(result)
        clock.sleep(lasting)
        if len(tried) <= failures:
            fail()

    flow = linear_flow.Flow("line").add(
        step.Step("a", lambda: 1, revert=lambda result: undone.append("a")),
        step.Step("b", lambda: 2, revert=undo),
        step.Step("c", fail),
    )
    engine.add_listener(records.append)
    try:
        with pytest.raises(exceptions.HypervisorError):
            engine.run(flow)
    finally:
        engine.remove_listener(records.append)
    assert tried == [2] * attempts
    assert undone == ["a"]
    assert [r.event for r in records if r.step == "b"] == ["started", "done", told]
    # Each failure is told with its reason; the flow's own was the first.
    assert [r.error for r in records if r.event == "revert failed"] == [
        "Could not do it: no."
    ] * (told == "revert failed")


def test_listeners_hear_of_every_step():
    records = []

    def fail():
        raise exceptions.HypervisorError("do it", "no")

    engine.add_listener(records.append)
    try:
        flow = linear_flow.Flow("line").add(
            step.Step("a", lambda: 1, revert=lambda result: None),
            step.Step("b", fail),
        )
        with pytest.raises(exceptions.HypervisorError):
            engine.run(flow)
    finally:
        engine.remove_listener(records.append)
    assert [(r.step, r.event) for r in records] == [
        ("a", "started"), ("a", "done"), ("b", "started"), ("b", "failed"),
        ("a", "reverted"),
    ]  # fmt: skip
    assert "no" in records[3].error


def test_threads_are_joined():
    before = threading.active_count()
    flow = graph_flow.Flow("wide").add(*(step.Step(n, lambda: None) for n in "abc"))
    engine.run(flow)
    assert threading.active_count() == before


def test_an_error_of_no_kind_of_ours_comes_through():
    def fail():
        raise KeyError("x")

    with pytest.raises(KeyError):
        engine.run(linear_flow.Flow("line").add(step.Step("a", fail)))
