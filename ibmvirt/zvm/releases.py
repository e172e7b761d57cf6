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

"""The releases of Linux that the Connector 1.6.3 accepts as os_version."""

from __future__ import annotations

import re

from ibmvirt.common import exceptions, plan

# zvmsdk/sdkwsgi/validation/parameter_types.py: os_version.
_ACCEPTED = re.compile(
    r"^(rhel[6-9](\.\d)?|redhat[67](\.\d)?|sles(11|12|15)((\.|sp)\d)?"
    r"|suse(11|12|15)((\.|sp)\d)?|ubuntu(16|20|22)(\.\d{1,2}){0,2}"
    r"|rhcos4(\.\d{1,2}){0,2})$",
    re.IGNORECASE,
)
SHOWN = "rhel6 to rhel9, sles11, sles12, sles15, ubuntu16, 20 and 22, rhcos4"


def os_version(image: plan.Image | None) -> str:
    """os_distro and os_version of an image joined: rhel9.4, ubuntu22.04.

    :raises InvalidRequest: they are missing, or no accepted release.
    """
    what = "deploy a guest without an image"
    if image is None:
        raise exceptions.Unsupported(what, "booting from a volume is not supported")
    joined = _joined(image.properties, "")
    if not _ACCEPTED.match(joined):
        raise exceptions.InvalidRequest(
            f"use the image {image.name} ({image.id})",
            f"its os_distro and os_version say {joined or 'nothing'!r}, which the "
            "Cloud Connector does not accept",
            f"set them to one of: {SHOWN}",
        )
    return joined


def recorded(server: plan.Server) -> str:
    """The release of a server by what Nova kept of its image; empty if none.

    nova.virt.zvm kept nothing of its own.
    """
    joined = _joined(server.system_metadata, "image_")
    return joined if _ACCEPTED.match(joined) else ""


def _joined(values: plan.Values, prefix: str) -> str:
    distro = str(values.get(f"{prefix}os_distro") or "")
    version = str(values.get(f"{prefix}os_version") or "")
    joined = distro if any(c.isdigit() for c in distro) else f"{distro}{version}"
    return joined.replace(" ", "").lower()
