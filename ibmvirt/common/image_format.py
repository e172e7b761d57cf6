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

"""What an image really is, from its first bytes; its registration is not trusted.

A disk that is written as it is must be a disk. A qcow2, vmdk or other container
that somebody registered as raw would be deployed as it is, and never boot.
"""

from __future__ import annotations

import io

from oslo_utils.imageutils import format_inspector

from ibmvirt.common import exceptions, plan, qcow2

# Bytes that the inspectors need to decide; the last one wants VHDX's region table.
HEAD = 256 << 10

# A disk with partitions is a raw disk. Its boot record is not judged: those of
# AIX and of PReP boot partitions are of kinds of their own.
_SAME = {"gpt": "raw"}


def disk_size(image: plan.Image, head: bytes) -> int:
    """Bytes of the raw disk that an image holds.

    :param head: its first :data:`HEAD` bytes, or all of them if it has less.
    :raises InvalidRequest: it is not what it is registered as, or refers to
        something outside of it.
    """
    check(image, head)
    if image.disk_format != "qcow2":
        return image.size
    inspector = format_inspector.QcowInspector()
    try:
        inspector.eat_chunk(head)
        inspector.safety_check()
        return qcow2.header(head).size
    except (
        ValueError,
        format_inspector.ImageFormatError,
        format_inspector.SafetyCheckFailed,
    ) as error:
        raise exceptions.InvalidRequest(
            f"use {image.described} as qcow2", str(error)
        ) from error


def check(image: plan.Image, head: bytes) -> None:
    """:raises InvalidRequest: the bytes are of another format than registered."""
    found = detect(head)
    if {_SAME.get(name, name) for name in found} == {image.disk_format}:
        return
    raise exceptions.InvalidRequest(
        f"use {image.described}",
        f"it is registered as {image.disk_format}, its content is "
        + " and ".join(sorted(found)),
        "register it with its real format, or convert it: qemu-img convert -O raw",
    )


def detect(head: bytes) -> frozenset[str]:
    """The names of all formats that the bytes match; raw if of none."""
    wrapper = format_inspector.InspectWrapper(
        io.BytesIO(head), allowed_formats=_candidates(head)
    )
    wrapper.read(len(head))
    wrapper.close()
    return frozenset(str(found) for found in wrapper.formats or ())


def _candidates(head: bytes) -> list[str]:
    """All formats but those whose inspector cannot judge these bytes.

    oslo.utils 10 takes a text of 512 characters for a VMDK's description, and
    fails with AttributeError where other bytes follow it: so begins every
    image of the Cloud Connector. A VMDK has its signature or its key word.
    """
    known = list(format_inspector.ALL_FORMATS)
    if head.startswith(b"KDMV") or b"createtype=" in head.lower():
        return known
    return [name for name in known if name != "vmdk"]
