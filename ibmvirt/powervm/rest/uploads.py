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


"""Uploading a stream to a VIOS: descriptor, contents, descriptor removed."""

from __future__ import annotations

import contextlib
import logging
import typing

from pypowervm import exceptions as pypowervm
from pypowervm.wrappers import vios_file

from ibmvirt.powervm.rest import errors, opened

LOG = logging.getLogger(__name__)


class Uploads:
    """Sends files through a pypowervm adapter."""

    def __init__(self, adapter: typing.Any, noted: opened.Opened) -> None:
        self._adapter = adapter
        self._opened = noted

    def send(
        self,
        stream: typing.BinaryIO,
        *,
        name: str,
        size: int,
        vios_uuid: str,
        what: str,
        sha256: str | None = None,
        device: str | None = None,
    ) -> None:
        """Send ``size`` bytes as optical media, or into the disk of UDID ``device``.

        Three calls. The descriptor goes on every path: the platform keeps at most
        100 of them.
        """
        kind = vios_file.FileType.DISK_IMAGE if device else vios_file.FileType.MEDIA_ISO
        wanted = vios_file.File.bld(
            self._adapter,
            name,
            kind,
            vios_uuid,
            sha_chksum=sha256,
            f_size=size,
            tdev_udid=device,
        )
        with self._opened.one(opened.FILE) as note, errors.attempting(what):
            note.asked(name=name, vios=vios_uuid, device=device or "")
            file = wanted.create()
            note.opened(file.uuid)
            try:
                self._adapter.upload_file(file.element, stream)
            finally:
                self._close(file, name, note)

    def _close(self, file: typing.Any, name: str, note: opened.Note) -> None:
        try:
            with contextlib.suppress(pypowervm.HttpNotFound):
                self._adapter.delete("File", file.uuid, service="web")
        except pypowervm.Error as error:
            LOG.warning("the descriptor of %s was not removed: %s", name, error)
        else:
            note.closed()
