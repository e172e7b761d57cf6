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

"""Attachments of volumes to servers: Cinder's API of 3.27 to 3.44 and later.

Nova makes an attachment without a connector, which reserves the volume, gives
it the host's connector, which connects the LUN, and completes it when the
guest has the disk. Deleting it takes all of that back.
"""

from __future__ import annotations

import uuid

from tests.support.smallnova.neighbours import base, storage

_DATE = "2026-01-01T00:00:00.000000"


class Attachments:
    """The attachments of a volume service, in its data and under its lock."""

    def __init__(self, volumes):
        self._volumes = volumes

    def add_routes(self, home):
        route = self._volumes.route
        one = f"{home}/attachments/([^/]+)"
        route("GET", f"{home}/attachments(?:/detail)?", self.list)
        route("POST", f"{home}/attachments", self.create)
        route("GET", one, self.show)
        route("PUT", one, self.update)
        route("DELETE", one, self.delete)
        route("POST", f"{one}/action", self.act)

    @property
    def _all(self):
        return self._volumes.data["attachments"]

    def _find(self, identity):
        if identity not in self._all:
            raise base.Refused(404, f"Attachment {identity} could not be found.")
        return self._all[identity]

    def _of(self, volume_id):
        return [a for a in self._all.values() if a["volume_id"] == volume_id]

    def shown(self, volume_id):
        """The attachments of a volume as it shows them (lock held)."""
        return [
            {
                "id": volume_id,
                "volume_id": volume_id,
                "attachment_id": found["id"],
                "server_id": found["instance"],
                "host_name": found["connector"].get("host"),
                "device": found["connector"].get("mountpoint"),
                "attached_at": _DATE,
            }
            for found in self._of(volume_id)
            if found["status"] == "attached"
        ]

    def servers(self, volume_id, attached=True):
        """Servers that have a volume, or also those that reserved it."""
        return [
            found["instance"]
            for found in self._of(volume_id)
            if not attached or found["status"] == "attached"
        ]

    # -- requests ------------------------------------------------------------

    def list(self, request):
        wanted = request.query
        with self._volumes.lock:
            found = [
                self._view(one)
                for one in self._all.values()
                if wanted.get("instance_id") in (None, one["instance"])
                and wanted.get("volume_id") in (None, one["volume_id"])
            ]
        return {"attachments": found}

    def show(self, request, identity):
        with self._volumes.lock:
            return {"attachment": self._view(self._find(identity))}

    def create(self, request):
        given = base.body(request)["attachment"]
        with self._volumes.lock:
            volume = self._volumes.find(given["volume_uuid"])
            server = given.get("instance_uuid")
            self._check(volume, server)
            made = {
                "id": str(uuid.uuid4()),
                "volume_id": volume["id"],
                "instance": server,
                "status": "reserved",
                "connector": {},
                "connection": {},
            }
            if given.get("connector"):
                self._connect(volume, made, given["connector"])
            self._all[made["id"]] = made
            self._settle(volume)
            return {"attachment": self._view(made)}

    def _check(self, volume, server):
        """A volume is free, shared, or already this server's: Nova replaces an
        attachment by making the new one first."""
        own = any(a["instance"] == server for a in self._of(volume["id"]))
        shared = volume["multiattach"] and volume["status"] == "in-use"
        if volume["status"] == "available" or own or shared:
            return
        raise base.Refused(
            400,
            f"Invalid volume: Volume {volume['id']} status must be available or "
            f"downloading to reserve, but the current status is {volume['status']}.",
        )

    def update(self, request, identity):
        connector = base.body(request)["attachment"].get("connector")
        if not connector:
            raise base.Refused(400, "Invalid input: connector is required.")
        with self._volumes.lock:
            found = self._find(identity)
            volume = self._volumes.find(found["volume_id"])
            self._connect(volume, found, connector)
            self._settle(volume)
            return {"attachment": self._view(found)}

    def _connect(self, volume, attachment, connector):
        try:
            made = self._volumes.storage.connection(volume["lun"], connector)
        except storage.Unreachable as error:
            raise base.Refused(500, f"Unable to update attachment: {error}") from None
        attachment.update(connector=connector, connection=made, status="attaching")

    def act(self, request, identity):
        ((name, _fields),) = base.body(request).items()
        if name != "os-complete":
            raise base.Refused(400, f"There is no such action: {name}")
        with self._volumes.lock:
            found = self._find(identity)
            if not found["connection"]:
                raise base.Refused(400, f"Attachment {identity} is not connected.")
            found["status"] = "attached"
            self._settle(self._volumes.find(found["volume_id"]))
        return base.reply(None)

    def delete(self, request, identity):
        with self._volumes.lock:
            found = self._find(identity)
            del self._all[identity]
            self._settle(self._volumes.find(found["volume_id"]))
            rest = [self._view(one) for one in self._of(found["volume_id"])]
        return {"attachments": rest}

    def _settle(self, volume):
        """A volume's status follows from those of its attachments."""
        found = {one["status"] for one in self._of(volume["id"])}
        for attachment, status in (
            ("attaching", "attaching"),
            ("reserved", "reserved"),
            ("attached", "in-use"),
        ):
            if attachment in found:
                self._volumes.set_status(volume, status)
                return
        self._volumes.set_status(volume, "available")

    def _view(self, found):
        shown = {
            "id": found["id"],
            "volume_id": found["volume_id"],
            "instance": found["instance"],
            "status": found["status"],
            "attach_mode": "rw" if found["connection"] else "null",
            "attached_at": _DATE if found["status"] == "attached" else "",
            "detached_at": "",
            "connection_info": {},
        }
        if found["connection"]:
            shown["connection_info"] = {
                **found["connection"],
                "attachment_id": found["id"],
                "volume_id": found["volume_id"],
                "access_mode": "rw",
                "cacheable": False,
                **self._volumes.asked_of_the_hypervisor(
                    self._volumes.find(found["volume_id"])
                ),
            }
        return shown
