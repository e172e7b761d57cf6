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


"""What a backend wants to be kept of a server and its volumes, by Nova."""

from __future__ import annotations

import collections.abc
import contextlib
import logging
import typing

import nova.exception
from nova.virt import driver as nova_driver

from ibmvirt.common import capability, plan, planning

LOG = logging.getLogger(__name__)


def keep(instance: typing.Any, record: plan.Values) -> None:
    """Write values into Nova's database, if they are not there."""
    if any(instance.system_metadata.get(k) != v for k, v in record.items()):
        instance.system_metadata.update(record)
        instance.save()


@contextlib.contextmanager
def during(instance: typing.Any, record: plan.Values) -> collections.abc.Iterator[None]:
    """Keep values as long as the block runs; they stay when it fails.

    What the block did is done, also if Nova's database is away after it: then
    they are forgotten with the next change of the server.
    """
    keep(instance, record)
    yield
    if not record:
        return
    for name in record:
        instance.system_metadata.pop(name, None)
    try:
        instance.save()
    except Exception as error:
        LOG.warning("%s: %s stays: %s", instance.uuid, ", ".join(record), error)


def reread(instance: typing.Any) -> None:
    """Take over what was kept since Nova read this instance.

    A request brings the instance as the API read it, and another request may
    have been carried out meanwhile.
    """
    from nova import objects

    try:
        current = objects.Instance.get_by_uuid(
            instance._context, instance.uuid, expected_attrs=["system_metadata"]
        )
    except nova.exception.InstanceNotFound:
        return
    for name, value in current.system_metadata.items():
        instance.system_metadata.setdefault(name, value)


def keep_connections(
    volumes: capability.Volumes | None, block_device_info: typing.Any
) -> None:
    """Write into Nova's database what shall be kept of the volumes of a build."""
    mappings = nova_driver.block_device_info_get_mapping(block_device_info)
    for mapping, volume in zip(
        mappings, planning.volumes(block_device_info), strict=True
    ):
        values = volumes.kept(volume) if volumes is not None else plan.NOTHING
        if values:
            mapping["connection_info"]["data"].update(values)
            mapping.save()
