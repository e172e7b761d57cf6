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

"""``compute_driver = ibmvirt.PowerVMDriver``."""

from __future__ import annotations

import nova.conf

from ibmvirt.common import capability, driver
from ibmvirt.powervm import backend, options

CONF = nova.conf.CONF
options.register(CONF)


class PowerVMDriver(driver.BaseDriver):
    """Partitions of a Power system that NovaLink manages."""

    def make_backend(self) -> capability.Backend:
        options.register_fabrics(CONF)
        return backend.build(
            CONF.powervm, CONF.state_path, CONF.my_ip, CONF.host, CONF.image_cache
        )
