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

"""Images with real bytes, as Glance's v2 API serves them."""

from __future__ import annotations

import hashlib
import time
import uuid

from ibmvirt.simulators.core import http, sparse
from tests.support.smallnova.neighbours import base

_BASE = (
    "id", "name", "status", "disk_format", "container_format", "size",
    "min_disk", "min_ram", "checksum", "os_hash_algo", "os_hash_value",
    "visibility", "owner", "protected", "tags", "created_at", "updated_at",
    "schema", "file", "self", "virtual_size", "os_hidden",
)  # fmt: skip
# Bytes at a time of an image whose property transfer_seconds is set.
_PIECE = 65536
_DATE = "2026-01-01T00:00:00Z"
# Of a listing, beside the properties that images must have.
_PAGING = ("limit", "marker", "sort", "sort_key", "sort_dir", "visibility", "is_public")


class Images(base.Service):
    def __init__(self, directory):
        self.contents = directory / "images"
        self.contents.mkdir(exist_ok=True)
        super().__init__(directory / "images.json")
        route = self.route
        route("GET", "/", lambda r: self.versions())
        route("GET", "/versions", lambda r: self.versions())
        route("GET", "/v2", lambda r: self.versions())
        route("GET", "/v2/schemas/image", lambda r: self.schema())
        route("GET", "/v2/images", self.list)
        route("POST", "/v2/images", self.create)
        route("GET", "/v2/images/([^/]+)", lambda r, i: self.get(i))
        route("PATCH", "/v2/images/([^/]+)", self.patch)
        route("DELETE", "/v2/images/([^/]+)", self.delete)
        route("PUT", "/v2/images/([^/]+)/file", self.upload)
        route("GET", "/v2/images/([^/]+)/file", self.download)

    def versions(self):
        links = [{"rel": "self", "href": f"{self.url}/v2/"}]
        return {"versions": [{"id": "v2.16", "status": "CURRENT", "links": links}]}

    @staticmethod
    def schema():
        return {
            "name": "image",
            "additionalProperties": {"type": "string"},
            "properties": {name: {"is_base": True} for name in _BASE},
        }

    def get(self, identity):
        with self.lock:
            if identity not in self.data:
                raise base.Refused(404, f"no image {identity}")
            return self.data[identity]

    def list(self, request):
        """Images with the properties asked for, the newest first."""
        wanted = {k: v for k, v in request.pairs if k not in _PAGING}
        with self.lock:
            found = [
                dict(image)
                for image in self.data.values()
                if all(str(image.get(k)) == v for k, v in wanted.items())
            ]
        # In the order of their making, turned round.
        return {"images": found[::-1]}

    def create(self, request):
        given = base.body(request)
        identity = given.get("id") or str(uuid.uuid4())
        image = {
            "id": identity,
            "name": "",
            "status": "queued",
            "visibility": "public",
            "owner": "demo",
            "protected": False,
            "min_disk": 0,
            "min_ram": 0,
            "size": None,
            "checksum": None,
            "tags": [],
            "disk_format": None,
            "container_format": None,
            "created_at": _DATE,
            "updated_at": _DATE,
            "file": f"/v2/images/{identity}/file",
            "self": f"/v2/images/{identity}",
            "schema": "/v2/schemas/image",
            **given,
        }
        with self.lock:
            self.data[identity] = image
            self.save()
        return base.reply(image, 201)

    def patch(self, request, identity):
        with self.lock:
            image = self.get(identity)
            for change in base.body(request):
                name = change["path"].lstrip("/")
                if change["op"] == "remove":
                    image.pop(name, None)
                else:
                    image[name] = change["value"]
            self.save()
            return image

    def delete(self, request, identity):
        with self.lock:
            self.get(identity)
            del self.data[identity]
            (self.contents / identity).unlink(missing_ok=True)
            self.save()

    def upload(self, request, identity):
        self.get(identity)
        md5, sha, size = hashlib.md5(), hashlib.sha256(), 0
        partial = self.contents / f"{identity}.part"
        with sparse.SparseFile(partial.open("wb")) as file:
            for piece in request.stream():
                md5.update(piece)
                sha.update(piece)
                size += len(piece)
                file.write(piece)
        partial.replace(self.contents / identity)
        with self.lock:
            self.get(identity).update(
                status="active",
                size=size,
                checksum=md5.hexdigest(),
                os_hash_algo="sha256",
                os_hash_value=sha.hexdigest(),
            )
            self.save()

    def download(self, request, identity):
        image = self.get(identity)
        path = self.contents / identity
        if not path.exists():
            return http.Response(204)
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-MD5": image["checksum"],
        }
        content = path.open("rb")
        if "transfer_seconds" in image:
            pieces = -(-image["size"] // _PIECE)
            content = Slow(content, float(image["transfer_seconds"]) / pieces)
        return http.Response(200, content, headers, length=image["size"])


class Slow:
    """A file that takes its time: ``pause`` seconds before each piece."""

    def __init__(self, file, pause):
        self.file = file
        self.pause = pause

    def read(self, _count):
        time.sleep(self.pause)
        return self.file.read(_PIECE)

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self.file.close()
