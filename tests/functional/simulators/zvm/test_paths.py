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

"""A state directory whose path the Connector cannot use as it is."""

from __future__ import annotations

import tempfile

from ibmvirt.simulators.zvm import ZVMSimulator
from tests.functional.simulators.zvm.conftest import RAW, Client, make


def test_the_connector_works_in_a_directory_with_blanks(tmp_path, image, monkeypatch):
    room = tmp_path / "100% of a long name" / ("x" * 60)
    room.mkdir(parents=True)
    monkeypatch.setenv("TMPDIR", str(room))
    monkeypatch.setattr(tempfile, "tempdir", str(room))
    with ZVMSimulator() as simulator:
        make(Client(simulator.connector_url), image)
        assert simulator.disk("T1/0100")[: len(RAW)] == RAW
    assert list(room.iterdir()) == []
