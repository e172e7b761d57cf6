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

"""What the guest-side script zvmguestconfigure does with the reader.

It takes files of class X with the types iso, sh and doscript; anything else
stays. The config drive is taken only if its file is ``cfgdrive.iso``, and is
found by its label (documented: zvmguestconfigure). Of scripts, those of the
Connector take effect: volumes, authorization, network files, ephemeral disks.
"""

from __future__ import annotations

import io
import json
import re
import tarfile
import typing

import pycdlib
from pycdlib import pycdlibexception

from ibmvirt.simulators.zvm import model, netfiles, storage

TYPES = ("iso", "sh", "doscript")
LABEL = "config-2"
Seen = dict[str, typing.Any]


def process(zvm: model.Zvm, user: model.User, seen: Seen) -> None:
    """Take from the reader what zvmguestconfigure takes, in its order.

    ``seen`` is what the guest has; its ``configure_status`` is the status that
    the script ends with.
    """
    seen["configure_status"] = 0
    for file in zvm.reader(user.name):
        kind = file.type.lower()
        if file.spool_class != "X" or kind not in TYPES:
            continue
        content = zvm.blobs.path(file.blob).read_bytes()
        del zvm.spool[file.number]
        if kind == "sh":
            _script(zvm, user, file.name, content.decode(errors="replace"), seen)
        elif kind == "doscript":
            _doscript(zvm, user, content, seen)
        elif file.name.lower() == "cfgdrive":
            seen["config_drive"] = file.blob
            seen.update(_drive(content))


_SETTING = re.compile(
    r"""^(fcp_list|input_wwpns|lun|target_filename|is_last_volume)="?([^"\n]*)"?$""",
    re.MULTILINE,
)
_AUTHORIZED = re.compile(r"echo -n (\S+) ?> ?/etc/iucv_authorized_userid")
_REMOVED = re.compile(
    r"^rm -f \S*?(?:eth|enc|ccw-0\.0\.|netplan/)([0-9a-f]{4})\b", re.M
)


def _script(zvm: model.Zvm, user: model.User, name: str, text: str, seen: Seen) -> None:
    """A shell script of the Connector: atvol, devol, DELnnnn, iucvauth."""
    settings = dict(_SETTING.findall(text))
    if "fcp_list" in settings:
        wanted = storage.Wanted(
            tuple(model.vdev_of(d) for d in settings["fcp_list"].split()),
            tuple(w.lower() for w in settings.get("input_wwpns", "").split()),
            settings.get("lun", "").lower(),
        )
        if name.lower().startswith("devol"):
            last = settings.get("is_last_volume") == "1"
            status = storage.detach(zvm, user, wanted, last, seen)
        else:
            target = settings.get("target_filename", "")
            status = storage.attach(zvm, user, wanted, target, seen)
        seen["configure_status"] = status
    found = _AUTHORIZED.search(text)
    if found:
        seen["iucv_authorized"] = found.group(1)
    gone = {vdev.upper() for vdev in _REMOVED.findall(text)}
    seen["networks"] = [n for n in seen["networks"] if n["vdev"].upper() not in gone]


def _doscript(zvm: model.Zvm, user: model.User, content: bytes, seen: Seen) -> None:
    """A tar with invokeScript.sh and what it needs."""
    files: dict[str, str] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            for member in archive.getmembers():
                file = archive.extractfile(member)
                if file is not None:
                    name = member.name.rsplit("/", 1)[-1]
                    files[name] = file.read().decode(errors="replace")
    except tarfile.TarError:
        zvm.say(user.name, "zvmguestconfigure: a doscript is no tar")
        return
    script = files.pop("invokeScript.sh", None)
    if script is None:
        zvm.say(user.name, "zvmguestconfigure: a doscript has no invokeScript.sh")
        return
    found = netfiles.parse(files.values())
    # The first network files of a guest replace those of its image.
    clean = re.search(r"^\s*rm -f \S*\*", script, re.MULTILINE)
    before = [] if clean else seen["networks"]
    merged = {network["vdev"]: network for network in (*before, *found)}
    seen["networks"] = list(merged.values())
    _ephemeral(zvm, user, script, seen)


_SETUP = re.compile(
    r"setupDisk\b.*?vaddr=([0-9a-fA-F]{4})(?:.*?filesys=(\w+))?(?:.*?mntdir=([^\s']+))?"
)


def _ephemeral(zvm: model.Zvm, user: model.User, script: str, seen: Seen) -> None:
    """setupDisk formats a minidisk and mounts it at every boot."""
    mounted = {disk["vdev"]: disk for disk in seen.get("mounts", [])}
    for vdev, file_system, directory in _SETUP.findall(script):
        found = zvm.disks.get(f"{user.name}/{vdev.upper()}")
        if not isinstance(found, model.Minidisk):
            zvm.say(user.name, f"setupDisk: there is no disk {vdev}")
            continue
        kind = file_system or found.file_system
        if found.file_system != kind:
            zvm.put_disk(found.changed(partitions=1, file_system=kind))
        mounted[found.vdev] = {
            "vdev": found.vdev, "file_system": kind, "directory": directory
        }  # fmt: skip
    seen["mounts"] = [mounted[vdev] for vdev in sorted(mounted)]
    seen["ephemeral"] = sorted(mounted)


def _drive(content: bytes) -> Seen:
    """Host name and id by the drive's metadata, if its label is config-2."""
    image = pycdlib.PyCdlib()
    try:
        image.open_fp(io.BytesIO(content))
        label = image.pvd.volume_identifier.decode().strip()
        if label.lower() != LABEL:
            return {"config_drive": None}
        found = io.BytesIO()
        image.get_file_from_iso_fp(found, rr_path="/openstack/latest/meta_data.json")
        meta = json.loads(found.getvalue())
    except (pycdlibexception.PyCdlibException, ValueError, KeyError):
        return {}
    found_name = meta.get("hostname")
    named = {"hostname": found_name} if found_name else {}
    return {**named, "instance_id": meta.get("uuid")}
