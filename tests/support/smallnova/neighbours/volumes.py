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

"""Volumes on LUNs of the simulated hypervisor, as Cinder's v3 API serves them."""

from __future__ import annotations

import uuid

from tests.support.smallnova.neighbours import attachments, base, storage

_DATE = "2026-01-01T00:00:00.000000"
# The types of volumes: protocol, and whether several servers may have one.
TYPES = {
    "fc": ("fibre_channel", False),
    "fc-shared": ("fibre_channel", True),
    "iscsi": ("iscsi", False),
    # The hypervisor shall encrypt it; limit it.
    "fc-encrypted": ("fibre_channel", False),
    "fc-limited": ("fibre_channel", False),
}
_LUKS = {
    "provider": "luks",
    "cipher": "aes-xts-plain64",
    "key_size": 256,
    "control_location": "front-end",
    "encryption_key_id": str(uuid.uuid5(uuid.NAMESPACE_DNS, "key.small")),
}
_LIMIT = {"total_iops_sec": "100"}


class Volumes(base.Service):
    """Volumes and snapshots; see also :class:`attachments.Attachments`.

    :param platform: ``zvm`` or ``powervm``.
    :param admin_url: of the simulator.
    :param images: the images' stand-in, for volumes made of an image.
    :param events: called with a list of external events for Nova.
    """

    def __init__(self, directory, platform, admin_url, images, events):
        self.storage = storage.Storage(admin_url, platform)
        self.images = images
        self.events = events
        super().__init__(directory / "volumes.json")
        self.attachments = attachments.Attachments(self)
        route = self.route
        home = "/v3/demo"
        # Clients ask at the catalogue's address, which ends with the project.
        route("GET", "(?:/|/v3|/v3/demo)", lambda r: self.versions())
        route("GET", f"{home}/limits", lambda r: _LIMITS)
        route("GET", f"{home}/types", lambda r: {"volume_types": _types()})
        route("GET", f"{home}/volumes(?:/detail)?", self.list)
        route("POST", f"{home}/volumes", self.create)
        route("GET", f"{home}/volumes/([^/]+)", lambda r, i: {"volume": self.view(i)})
        route("GET", f"{home}/volumes/([^/]+)/encryption", self.encryption)
        route("DELETE", f"{home}/volumes/([^/]+)", self.delete)
        route("POST", f"{home}/volumes/([^/]+)/action", self.act)
        route("POST", f"{home}/snapshots", self.create_snapshot)
        route("GET", f"{home}/snapshots(?:/detail)?", self.list_snapshots)
        route("GET", f"{home}/snapshots/([^/]+)", self.show_snapshot)
        route("DELETE", f"{home}/snapshots/([^/]+)", self.delete_snapshot)
        self.attachments.add_routes(home)

    def initial(self):
        return {
            "volumes": {},
            "snapshots": {},
            "attachments": {},
            "next_lun": storage.FIRST_LUN,
        }

    @staticmethod
    def fault(refused):
        """As Cinder's faults are."""
        return {"fault": {"code": refused.status, "message": str(refused)}}

    def versions(self):
        version = {
            "id": "v3.0",
            "status": "CURRENT",
            "version": "3.71",
            "min_version": "3.0",
            "links": [{"rel": "self", "href": f"{self.url}/v3/"}],
        }
        return {"versions": [version]}

    # -- volumes ------------------------------------------------------------

    def find(self, identity):
        if identity not in self.data["volumes"]:
            raise base.Refused(404, f"Volume {identity} could not be found.")
        return self.data["volumes"][identity]

    def list(self, request):
        with self.lock:
            return {"volumes": [self.view(v) for v in self.data["volumes"]]}

    def view(self, identity):
        """A volume as it is shown: with its attachments."""
        with self.lock:
            volume = dict(self.find(identity))
            del volume["lun"]
            volume["attachments"] = self.attachments.shown(identity)
            return volume

    def create(self, request):
        given = base.body(request)["volume"]
        kind = given.get("volume_type") or "fc"
        if kind not in TYPES:
            raise base.Refused(404, f"Volume type {kind} could not be found.")
        protocol, multiattach = TYPES[kind]
        metadata = self._image_metadata(given)
        with self.lock:
            size = given.get("size")
            snapshot = self.data["snapshots"].get(given.get("snapshot_id"))
            if snapshot is not None:
                size = size or snapshot["size"]
            number = self.data["next_lun"]
            self.data["next_lun"] += 1
            volume = {
                "id": str(uuid.uuid4()),
                "name": given.get("name"),
                "description": given.get("description"),
                "status": "available",
                "size": size,
                "availability_zone": "nova",
                "created_at": _DATE,
                "volume_type": kind,
                "snapshot_id": given.get("snapshot_id"),
                "source_volid": None,
                "bootable": str(bool(metadata or snapshot)).lower(),
                "encrypted": kind == "fc-encrypted",
                "multiattach": multiattach,
                "metadata": given.get("metadata") or {},
                "shared_targets": False,
                "service_uuid": None,
                "migration_status": (given.get("metadata") or {}).get("migrating"),
                "lun": self.storage.create(number, size, protocol),
            }
            if metadata:
                volume["volume_image_metadata"] = metadata
            self.data["volumes"][volume["id"]] = volume
            self.save()
            return base.reply({"volume": self.view(volume["id"])}, 202)

    def _image_metadata(self, given):
        """What a volume keeps of the image it is made of."""
        if not given.get("imageRef"):
            return None
        image = self.images.get(given["imageRef"])
        names = ("name", "disk_format", "container_format", "checksum", "size",
                 "min_disk", "min_ram", "os_distro", "os_version",
                 "os_require_quiesce")  # fmt: skip
        kept = {name: str(image[name]) for name in names if image.get(name) is not None}
        return {**kept, "image_id": image["id"], "image_name": image["name"]}

    def encryption(self, request, identity):
        """How the hypervisor shall encrypt a volume; nothing for most."""
        with self.lock:
            return _LUKS if self.find(identity)["encrypted"] else {}

    @staticmethod
    def asked_of_the_hypervisor(volume):
        """What a connection says beside how to reach the LUN."""
        limited = volume["volume_type"] == "fc-limited"
        return {
            "encrypted": volume["encrypted"],
            "qos_specs": _LIMIT if limited else None,
        }

    def delete(self, request, identity):
        with self.lock:
            volume = self.find(identity)
            if volume["status"] not in ("available", "error"):
                raise base.Refused(400, f"Volume {identity} is {volume['status']}.")
            self.storage.remove(volume["lun"])
            del self.data["volumes"][identity]
            self.save()
        return base.reply(None, 202)

    def set_status(self, volume, status):
        """The lock is held."""
        volume["status"] = status
        self.save()

    # -- actions -------------------------------------------------------------

    def act(self, request, identity):
        ((name, fields),) = base.body(request).items()
        actions = {
            "os-begin_detaching": self._begin_detaching,
            "os-roll_detaching": self._roll_detaching,
            "os-extend": self._extend,
            "os-reimage": self._reimage,
            "os-migrate_volume_completion": self._migrated,
        }
        if name not in actions:
            raise base.Refused(400, f"There is no such action: {name}")
        answer = actions[name](identity, fields or {})
        return answer or base.reply(None, 202)

    def _begin_detaching(self, identity, _fields):
        with self.lock:
            volume = self.find(identity)
            if volume["status"] != "in-use":
                raise base.Refused(400, f"Volume {identity} is {volume['status']}.")
            self.set_status(volume, "detaching")

    def _roll_detaching(self, identity, _fields):
        with self.lock:
            volume = self.find(identity)
            if volume["status"] == "detaching":
                self.set_status(volume, "in-use")

    def _extend(self, identity, fields):
        """The LUN grows; whoever has it attached is told of it."""
        with self.lock:
            volume = self.find(identity)
            size = int(fields["new_size"])
            if size <= volume["size"] or volume["status"] not in (
                "available",
                "in-use",
            ):
                raise base.Refused(400, f"Volume {identity} cannot be extended.")
            self.storage.grow(volume["lun"], size)
            volume["size"] = size
            self.save()
            servers = self.attachments.servers(identity)
        if servers:
            self.events(
                [
                    {"name": "volume-extended", "server_uuid": server, "tag": identity,
                     "status": "completed"}
                    for server in servers
                ]
            )  # fmt: skip

    def _migrated(self, identity, fields):
        """Nova has copied a volume to another, or could not: it stays as it is."""
        with self.lock:
            volume = self.find(identity)
            volume["migration_status"] = "error" if fields["error"] else "success"
            self.save()
        kept = identity if fields["error"] else fields["new_volume"]
        return base.reply({"save_volume_id": kept})

    def _reimage(self, identity, fields):
        with self.lock:
            volume = self.find(identity)
            metadata = self._image_metadata({"imageRef": fields["image_id"]})
            volume["volume_image_metadata"] = metadata
            self.save()
            servers = self.attachments.servers(identity, attached=False)
        self.events(
            [
                {"name": "volume-reimaged", "server_uuid": server, "tag": identity,
                 "status": "completed"}
                for server in servers
            ]
        )  # fmt: skip

    # -- snapshots -----------------------------------------------------------

    def create_snapshot(self, request):
        given = base.body(request)["snapshot"]
        with self.lock:
            volume = self.find(given["volume_id"])
            snapshot = {
                "id": str(uuid.uuid4()),
                "name": given.get("name"),
                "description": given.get("description"),
                "status": "available",
                "progress": "100%",
                "volume_id": volume["id"],
                "size": volume["size"],
                "project_id": "demo",
                "created_at": _DATE,
                "metadata": {},
            }
            self.data["snapshots"][snapshot["id"]] = snapshot
            self.save()
        return base.reply({"snapshot": snapshot}, 202)

    def list_snapshots(self, request):
        with self.lock:
            return {"snapshots": list(self.data["snapshots"].values())}

    def show_snapshot(self, request, identity):
        with self.lock:
            if identity not in self.data["snapshots"]:
                raise base.Refused(404, f"Snapshot {identity} could not be found.")
            return {"snapshot": self.data["snapshots"][identity]}

    def delete_snapshot(self, request, identity):
        self.show_snapshot(request, identity)
        with self.lock:
            del self.data["snapshots"][identity]
            self.save()
        return base.reply(None, 202)


def _types():
    return [
        {
            "id": name,
            "name": name,
            "is_public": True,
            "description": None,
            "extra_specs": {"multiattach": "<is> True"} if shared else {},
        }
        for name, (_protocol, shared) in TYPES.items()
    ]


_LIMITS = {
    "limits": {
        "rate": [],
        "absolute": {
            "maxTotalVolumes": -1,
            "maxTotalSnapshots": -1,
            "maxTotalVolumeGigabytes": -1,
            "totalVolumesUsed": 0,
            "totalSnapshotsUsed": 0,
            "totalGigabytesUsed": 0,
        },
    }
}
