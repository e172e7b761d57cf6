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

"""pypowervm's errors in words of what was attempted, with what to do."""

from __future__ import annotations

import pytest
from pypowervm import adapter
from pypowervm import exceptions as pypowervm

from ibmvirt.common import exceptions
from ibmvirt.powervm.rest import errors


def refused(status, text=""):
    answer = adapter.Response("GET", "/rest/api/uom/Cluster", status, text, {})
    error = pypowervm.HttpError(answer)
    error.args = (text,)
    return error


@pytest.mark.parametrize(
    ("error", "kind", "remedy"),
    [
        (
            pypowervm.SSLError("certificate verify failed"),
            exceptions.HypervisorUnavailable,
            "novalink_ca_file",
        ),
        (
            pypowervm.ConnectionError("refused"),
            exceptions.HypervisorUnavailable,
            "pvm-rest",
        ),
        (
            pypowervm.TimeoutError("read timed out"),
            exceptions.HypervisorUnavailable,
            "pvm-rest",
        ),
        (
            refused(401, "no logon"),
            exceptions.HypervisorUnavailable,
            "restart nova-compute",
        ),
        (refused(503, "starting"), exceptions.HypervisorUnavailable, "pvm-rest"),
        (refused(500, "HSCL03A5 no room"), exceptions.OutOfResources, ""),
        (refused(500, "HSCL2957 no RMC"), exceptions.WrongState, "RMC"),
        (refused(500, "odd"), exceptions.HypervisorError, ""),
    ],
)
def test_an_error_names_what_was_attempted_and_what_to_do(error, kind, remedy):
    with (
        pytest.raises(exceptions.IBMVirtError) as raised,
        errors.attempting("read the pool"),
    ):
        raise error
    assert type(raised.value) is kind
    assert str(raised.value).startswith("Could not read the pool: ")
    assert remedy in raised.value.remedy
    assert bool(raised.value.remedy) == bool(remedy)
