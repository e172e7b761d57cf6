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

import collections.abc
import re
import types

from ibmvirt.common import exceptions, plan

# zvmsdk/sdkwsgi/validation/parameter_types.py: os_version, without rhcos.
_ACCEPTED = re.compile(
    r"^(rhel[6-9](\.\d)?|redhat[67](\.\d)?|sles(11|12|15)((\.|sp)\d)?"
    r"|suse(11|12|15)((\.|sp)\d)?|ubuntu(16|20|22)(\.\d{1,2}){0,2})$",
    re.IGNORECASE,
)
SHOWN = "rhel6 to rhel9, sles11, sles12, sles15, ubuntu16, ubuntu20, ubuntu22"
Mapping = collections.abc.Mapping[str, str]
_NO_MAPPING: Mapping = types.MappingProxyType({})


def accepted(release: str) -> bool:
    return bool(_ACCEPTED.match(release))


def check_mapping(mapping: Mapping) -> None:
    """:raises InvalidRequest: [zvm]os_version_map leads to what is not accepted."""
    for release, target in mapping.items():
        if not accepted(target):
            raise exceptions.InvalidRequest(
                f"take {release} for {target}, as [zvm]os_version_map says",
                f"the Cloud Connector does not accept {target}",
                f"use one of: {SHOWN}",
            )


def os_version(image: plan.Image | None, mapping: Mapping = _NO_MAPPING) -> str:
    """os_distro and os_version of an image joined: rhel9.4, ubuntu22.04.

    :param mapping: what a release that is not accepted is taken for; the
        longest name that the release begins with counts.
    :raises InvalidRequest: they are missing, or no accepted release.
    """
    what = "deploy a guest without an image"
    if image is None:
        raise exceptions.Unsupported(what, "booting from a volume is not supported")
    joined = _joined(image.properties, "")
    attempted = f"use {image.described}"
    if joined.startswith("rhcos"):
        raise exceptions.Unsupported(
            attempted, f"{joined} is configured by Ignition, which is not supported"
        )
    if accepted(joined):
        return joined
    for release in sorted(mapping, key=len, reverse=True):
        if joined.startswith(release.lower()):
            return mapping[release].lower()
    raise exceptions.InvalidRequest(
        attempted,
        f"its os_distro and os_version say {joined or 'nothing'!r}, which the "
        "Cloud Connector does not accept",
        f"set them to one of: {SHOWN}; or map the release by [zvm]os_version_map",
    )


def recorded(server: plan.Server) -> str:
    """The release of a server by what Nova kept of its image; empty if none.

    nova.virt.zvm kept nothing of its own.
    """
    joined = _joined(server.system_metadata, "image_")
    return joined if accepted(joined) else ""


def _joined(values: plan.Values, prefix: str) -> str:
    distro = str(values.get(f"{prefix}os_distro") or "")
    version = str(values.get(f"{prefix}os_version") or "")
    joined = distro if any(c.isdigit() for c in distro) else f"{distro}{version}"
    return joined.replace(" ", "").lower()


def split(joined: str) -> tuple[str, str]:
    """Distribution and version: ("rhel", "9.4")."""
    distro = joined.rstrip("0123456789.")
    if distro.endswith("sp") and any(c.isdigit() for c in distro):
        # sles15sp5
        distro = distro[:-2].rstrip("0123456789.")
    return distro, joined[len(distro) :]
