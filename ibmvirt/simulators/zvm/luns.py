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

"""The storage system's side of the admin API: LUNs come, grow and go.

The requests are those of the NovaLink simulator.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import typing

from ibmvirt.simulators.core import admin, http
from ibmvirt.simulators.zvm import model, storage

Body = dict[str, typing.Any]


def add_routes(control: admin.Admin, zvm: model.Zvm) -> None:
    """``luns`` and ``luns/NUMBER``."""
    found = Luns(zvm)
    control.route("GET", "luns", lambda *_q: found.all())
    control.route("POST", "luns", found.add)
    control.route("PUT", r"luns/(\d+)", found.change)
    control.route("DELETE", r"luns/(\d+)", lambda number, *_q: found.remove(number))
    control.route("GET", r"luns/(\d+)/content", lambda n, *_q: found.content(n))


class Luns:
    """What the routes do. A refusal is ValueError, or KeyError for a number."""

    def __init__(self, zvm: model.Zvm) -> None:
        self._zvm = zvm

    def all(self) -> list[Body]:
        return [_shown(lun) for lun in self._zvm.luns.values()]

    def add(self, body: Body) -> Body:
        """``lun``, ``targets``; ``size`` in MiB, ``initiators``, ``content``."""
        _only(body, "lun", "targets", "size", "initiators", "content")
        blob = ""
        if "content" in body:
            try:
                content = base64.b64decode(str(body["content"]), validate=True)
            except binascii.Error:
                raise ValueError("content: must be base64") from None
            blob = self._zvm.blobs.put(content)
        with self._zvm.world.transaction():
            lun = storage.add(
                self._zvm,
                body.get("lun"),
                _list(body, "targets"),
                _size(body),
                _list(body, "initiators"),
                blob,
            )
        return _shown(lun)

    def change(self, number: str, body: Body) -> Body:
        """``size`` in MiB, or ``initiators``: whom the LUN is shown to."""
        _only(body, "size", "initiators")
        with self._zvm.world.transaction():
            lun = self._found(number)
            if "size" in body:
                lun = dataclasses.replace(lun, size_mib=_size(body))
            if "initiators" in body:
                ports = storage.ports_of(_list(body, "initiators"), "initiators")
                lun = dataclasses.replace(lun, initiators=ports)
            self._zvm.luns[number] = lun
        return _shown(lun)

    def remove(self, number: str) -> None:
        with self._zvm.world.transaction():
            self._found(number)
            del self._zvm.luns[number]

    def content(self, number: str) -> http.Response:
        """The bytes that it was made with."""
        blob = self._found(number).blob
        if not blob:
            return http.Response(200)
        return http.Response(
            200,
            self._zvm.blobs.open(blob),
            {"Content-Type": "application/octet-stream"},
            length=self._zvm.blobs.size(blob),
        )

    def _found(self, number: str) -> model.Lun:
        found = self._zvm.luns.get(number)
        if not isinstance(found, model.Lun):
            raise KeyError(f"LUN {number}")
        return found


def _shown(lun: model.Lun) -> Body:
    return {
        "number": lun.number,
        "lun": lun.lun,
        "targets": list(lun.targets),
        "size": lun.size_mib,
        "initiators": list(lun.initiators),
    }


def _only(body: Body, *known: str) -> None:
    for name in body:
        if name not in known:
            raise ValueError(f"{name}: unknown field; known are {list(known)}")


def _list(body: Body, name: str) -> list[typing.Any]:
    found = body.get(name, [])
    if not isinstance(found, list):
        raise ValueError(f"{name}: must be a list")
    return found


def _size(body: Body) -> int:
    size = body.get("size", 1024)
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise ValueError("size: must be a whole number of MiB")
    return size
