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


"""Power jobs and writes that take their time."""

from __future__ import annotations

import concurrent.futures

import pytest
from pypowervm import const
from pypowervm.wrappers import job as pvm_job
from pypowervm.wrappers import logical_partition as pvm_lpar

from tests.functional.simulators.novalink import support
from tests.unit.simulators.novalink import requests


@pytest.fixture
def slow(novalink):
    """Jobs take ten seconds, RMC thirty, and the test moves the time."""
    novalink.clock(rate=0)
    novalink.transitions(
        **{
            "job:*": {"progression": "time", "seconds": 10},
            "rmc": {"progression": "time", "seconds": 30},
        }
    )
    yield
    novalink.clock(rate=1)


@pytest.fixture
def lpar(adapter):
    return requests.new_lpar(adapter)


def begin(adapter, lpar, name, **parameters):
    """Ask for a job, and leave it running; its id."""
    kind = pvm_lpar.LPAR.schema_type
    found = adapter.read(
        kind, lpar.uuid, suffix_type=const.SUFFIX_TYPE_DO, suffix_parm=name
    )
    job = pvm_job.Job.wrap(found)
    job.add_job_parameters_to_existing(
        *(job.create_job_parameter(key, value) for key, value in parameters.items())
    )
    made = adapter.create_job(job.entry.element, kind, lpar.uuid)
    return pvm_job.Job.wrap(made).job_id


def job_status(adapter, number):
    return pvm_job.Job.wrap(adapter.read("jobs", number)).job_status


def shown(lpar):
    now = lpar.refresh()
    return now.state, now.rmc_state, now.ref_code


def test_a_start_passes_through_its_states(novalink, adapter, lpar, slow):
    number = begin(adapter, lpar, "PowerOn")
    support.until(lambda: shown(lpar) == ("starting", "inactive", "CA000040"))
    assert job_status(adapter, number) == pvm_job.JobStatus.RUNNING
    # It cannot be deleted, nor started once more.
    second = begin(adapter, lpar, "PowerOn")
    novalink.clock(advance=10)
    states = pvm_job.JobStatus
    support.until(lambda: job_status(adapter, second) != states.RUNNING)
    support.until(lambda: job_status(adapter, number) != states.RUNNING)
    ended = {job_status(adapter, one) for one in (number, second)}
    assert ended == {states.COMPLETED_OK, states.COMPLETED_WITH_ERROR}
    assert shown(lpar)[:2] == ("running", "inactive")
    novalink.clock(advance=30)
    support.until(lambda: shown(lpar)[:2] == ("running", "active"))

    number = begin(adapter, lpar, "PowerOff", operation="shutdown", immediate="true")
    support.until(lambda: shown(lpar) == ("shutting down", "inactive", "D200B001"))
    novalink.clock(advance=10)
    support.until(lambda: shown(lpar)[0] == "not activated")


def test_a_start_that_is_cancelled_leaves_it_off(adapter, raw, lpar, slow):
    before = shown(lpar)
    number = begin(adapter, lpar, "PowerOn")
    support.until(lambda: shown(lpar)[0] == "starting")
    assert raw.ask("POST", f"uom/jobs/{number}/cancel")[0] == 204
    assert shown(lpar) == before
    assert job_status(adapter, number) == "CANCELED_WHILE_RUNNING"


def test_a_reset_meanwhile(novalink, adapter, lpar, slow):
    """What began before it does not go on in the world after it."""
    novalink.mark("off")
    begin(adapter, lpar, "PowerOn")
    support.until(lambda: shown(lpar)[0] == "starting")
    novalink.reset("off")
    novalink.clock(advance=100)
    assert shown(lpar)[0] == "not activated"
    assert novalink.compare("off") == []


def test_writes_to_one_vios_wait_for_each_other(novalink, adapter):
    """Each takes two seconds at least; side by side none would take eight."""
    vioses = [requests.vios_with(adapter) for _ in range(4)]
    novalink.latency("realistic")
    novalink.clock(rate=200)
    try:
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda vios: vios.update(), vioses))
    finally:
        novalink.clock(rate=1)
        novalink.latency("none")
    posts = novalink.journal(key="POST VirtualIOServer/{id}")
    assert len(posts) == 4
    assert max(record["dt"] for record in posts) >= 8


def test_rmc_that_is_manual_waits_for_the_world(novalink, adapter, lpar):
    """No client asks for it: being read does not bring it on."""
    novalink.transitions(rmc={"progression": "manual"})
    number = begin(adapter, lpar, "PowerOn")
    assert job_status(adapter, number) == pvm_job.JobStatus.COMPLETED_OK
    for _read in range(3):
        assert shown(lpar)[:2] == ("running", "inactive")
    novalink.world("rmc", partition=lpar.uuid, state="active")
    assert shown(lpar)[:2] == ("running", "active")
