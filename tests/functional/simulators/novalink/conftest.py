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

"""The real pypowervm on the simulator's process."""

from __future__ import annotations

import pypowervm.wrappers.job as pvm_job
import pytest

from tests.functional.simulators.novalink import support


@pytest.fixture
def session(novalink):
    """A real session, logged off before the simulator can go."""
    made = support.logon(novalink.systems[0])
    yield made
    made._logoff()


@pytest.fixture
def adapter(session):
    return support.adapter_of(session)


@pytest.fixture
def raw(novalink):
    """HTTP without pypowervm, logged on to the first system."""
    client = support.Raw(novalink.systems[0])
    yield client
    client.close()


@pytest.fixture
def quick_polls(monkeypatch):
    """Polls of jobs without their second of sleep."""
    sleep = pvm_job.time.sleep
    monkeypatch.setattr(pvm_job.time, "sleep", lambda _seconds: sleep(0.01))
