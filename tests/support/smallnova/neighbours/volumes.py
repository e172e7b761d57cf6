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

"""Volumes, as far as Nova asks Cinder when a server has none.

Listing attachments of a server is part of its deletion.
"""

from __future__ import annotations

from tests.support.smallnova.neighbours import base


class Volumes(base.Service):
    def __init__(self, directory):
        super().__init__(directory / "volumes.json")
        self.route("GET", "/", lambda r: self.versions())
        self.route("GET", "/v3/demo/volumes(?:/detail)?", lambda r: {"volumes": []})
        self.route("GET", "/v3/demo/attachments", lambda r: {"attachments": []})

    def versions(self):
        version = {
            "id": "v3.0",
            "status": "CURRENT",
            "version": "3.60",
            "min_version": "3.0",
            "links": [{"rel": "self", "href": f"{self.url}/v3/"}],
        }
        return {"versions": [version]}
