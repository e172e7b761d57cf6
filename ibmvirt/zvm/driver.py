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

"""``compute_driver = ibmvirt.ZVMDriver``."""

from __future__ import annotations

import nova.conf

from ibmvirt.common import capability, driver
from ibmvirt.zvm import backend, options

CONF = nova.conf.CONF
options.register(CONF)


class ZVMDriver(driver.BaseDriver):
    """Guests of a z/VM system with a Cloud Connector."""

    def make_backend(self) -> capability.Backend:
        cache = CONF.image_cache
        age = cache.remove_unused_original_minimum_age_seconds
        return backend.build(
            CONF.zvm,
            CONF.state_path,
            CONF.my_ip,
            CONF.host,
            age if cache.remove_unused_base_images else None,
        )
