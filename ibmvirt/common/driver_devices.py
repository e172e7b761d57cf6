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

"""Nova's questions how block devices are named."""

from __future__ import annotations

import itertools
import typing

from ibmvirt.common import capability, device_names


class Devices:
    """A mixin of BaseDriver."""

    backend: capability.Backend

    def _names(self) -> device_names.Names:
        return device_names.Names(self.backend.disk_names, self.backend.volume_names)

    def default_root_device_name(
        self, instance: typing.Any, image_meta: typing.Any, root_bdm: typing.Any
    ) -> str:
        return self._names().root(root_bdm)

    def default_device_names_for_instance(
        self,
        instance: typing.Any,
        root_device_name: typing.Any,
        *block_device_lists: typing.Any,
    ) -> None:
        for bdm in self._names().fill(list(itertools.chain(*block_device_lists))):
            bdm.save()

    def get_device_name_for_instance(
        self, instance: typing.Any, bdms: typing.Any, block_device_obj: typing.Any
    ) -> str:
        return self._names().next(block_device_obj, bdms)
