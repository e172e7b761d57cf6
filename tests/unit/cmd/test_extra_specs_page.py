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

"""The page of extra specs."""

from __future__ import annotations

from ibmvirt.cmd import extra_specs_page
from ibmvirt.powervm.guests import spec


def test_every_extra_spec_has_its_values():
    page = extra_specs_page.page()
    for name in spec.KNOWN:
        assert f"``powervm:{name}`` (" in page
    assert "``powervm:shared_weight`` (0 to 255)" in page
    assert "``powervm:proc_units`` (0.05 to 256.0)" in page
    assert "``powervm:ppt_ratio`` (1:64, 1:128," in page
