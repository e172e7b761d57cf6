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

"""Nova's ``capabilities``, derived from what a backend has."""

from __future__ import annotations

import collections.abc

from ibmvirt.common import capability


def capabilities(
    backend: capability.Backend, defaults: collections.abc.Mapping[str, bool]
) -> dict[str, bool]:
    """All of Nova's keys, with those that the backend has set."""
    known = dict(defaults)
    known.update(
        has_imagecache=backend.image_cache is not None,
        supports_attach_interface=backend.hot_plug_networks,
        supports_device_tagging=True,
        supports_tagged_attach_interface=backend.hot_plug_networks,
        supports_tagged_attach_volume=backend.volumes is not None,
        supports_extend_volume=backend.extend_volumes,
        supports_multiattach=backend.multiattach,
        supports_image_type_raw=backend.raw_images,
        supports_image_type_qcow2=backend.qcow2_images,
        supports_trusted_certs=True,
        supports_migrate_to_same_host=False,
        supports_evacuate=False,
    )
    return known
