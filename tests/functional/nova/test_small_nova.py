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
"""The small Nova itself."""

from __future__ import annotations

import pytest

from tests.support.smallnova import SmallNova, handle


def test_a_service_that_gives_up_is_reported_at_once_with_its_log(tmp_path):
    nova = SmallNova(
        "ibmvirt.NoSuchDriver", options={}, admin_url="http://127.0.0.1:9",
        state=tmp_path,
    )  # fmt: skip
    with pytest.raises(handle.SmallNovaError) as caught:
        nova.start()
    first, *lines = str(caught.value).splitlines()
    assert first == "Nova with ibmvirt.NoSuchDriver did not start: ended with 1"
    assert "nova-compute gave up: its log says why" in lines
    assert any("Class NoSuchDriver cannot be found" in line for line in lines)
    assert nova.child is None
