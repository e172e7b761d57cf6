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

"""Config drives in the media repository."""

from __future__ import annotations

import hashlib
import io
import re
import threading
import typing

from pypowervm.wrappers import storage as storage_wrapper
from pypowervm.wrappers import virtual_io_server

from ibmvirt.common import capability, plan
from ibmvirt.powervm import writer
from ibmvirt.powervm.rest import topology, uploads

# Longest name of optical media (pypowervm const.MaxLen.VOPT_NAME).
_NAME_MAX = 37


def drive_name(server: plan.Server) -> str:
    """cfg_<UUID>.iso as nova-powervm cuts it."""
    digits = re.sub("[^0-9a-f]", "", server.uuid.lower())
    return f"cfg_{digits[: _NAME_MAX - 8]}.iso"


class Media(capability.Media):
    """Uploaded from memory, mapped by Storage, removed with the server.

    The drive gives the guest the server's UUID, as Nova's metadata service
    does, and not the partition's (nova-powervm), which differs in one bit for
    half of the servers.
    """

    def __init__(self, adapter: typing.Any, places: topology.Topology) -> None:
        self._adapter = adapter
        self._topology = places
        self._lock = threading.Lock()
        self._repository: topology.Repository | None = None
        self._current: writer.Writer | None = None

    def upload(self, server: plan.Server, content: bytes) -> plan.MediaRef:
        name = drive_name(server)
        uploads.upload(
            self._adapter,
            io.BytesIO(content),
            name=name,
            size=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            vios_uuid=self._topology.repository().vios.uuid,
            what=f"upload the config drive of {server.name}",
        )
        return plan.MediaRef(name, name, len(content))

    def leftovers(self, server: plan.Server) -> tuple[plan.MediaRef, ...]:
        name = drive_name(server)
        return (plan.MediaRef(name, name),)

    def delete(self, media: plan.MediaRef) -> None:
        """Two calls: the volume group is read and written."""

        def remove(group: typing.Any) -> bool:
            gone = [
                (home, item)
                for home in group.vmedia_repos
                for item in home.optical_media
                if item.name == media.name
            ]
            for home, item in gone:
                home.optical_media.remove(item)
            return bool(gone)

        self._writer().apply(remove, f"remove the config drive {media.name}")

    def _writer(self) -> writer.Writer:
        """Removals at the same time are one write of the volume group."""
        repository = self._topology.repository()
        with self._lock:
            if self._repository != repository:
                self._repository = repository
                # Not kept: every upload changes the group.
                self._current = writer.Writer(
                    f"the media repository of {repository.vios.name}",
                    lambda: storage_wrapper.VG.get(
                        self._adapter,
                        uuid=repository.group_uuid,
                        parent_type=virtual_io_server.VIOS,
                        parent_uuid=repository.vios.uuid,
                    ),
                    keep=False,
                )
            assert self._current is not None
            return self._current
