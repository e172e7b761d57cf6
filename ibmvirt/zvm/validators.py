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

"""The extra specs of z/VM for Nova's API, which refuses what is wrong.

Entry point ``nova.api.extra_spec_validators``. The driver checks them again.
"""

from __future__ import annotations

from nova.api.validation.extra_specs import base

from ibmvirt.zvm import pools


def register() -> list[base.ExtraSpecValidator]:
    """Nova calls this once."""
    return [
        base.ExtraSpecValidator(
            name=pools.SPEC,
            description="Disk pool of the server's disks, one of [zvm]disk_pools.",
            value={"type": str, "pattern": r"((ECKD|FBA|eckd|fba):)?\w+"},
        )
    ]
