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

"""What a Linux guest does: at log-on it processes its reader.

As the guest-side script zvmguestconfigure: class X files only, of the types
iso, sh and doscript; anything else stays in the reader. The config drive is
taken only if its file is ``cfgdrive.iso`` (documented: zvmguestconfigure).
"""

from __future__ import annotations

import io
import json
import re
import tarfile
import typing

import pycdlib
from pycdlib import pycdlibexception

from ibmvirt.simulators.zvm import model

_TYPES = ("iso", "sh", "doscript")


def log_on(zvm: model.Zvm, user: model.User, member: str) -> None:
    """IPL: the console fills, the reader is processed."""
    name = user.name
    zvm.say(name, f"00: IPL {_root(user)}\nBooting Linux on {name}")
    guest: dict[str, typing.Any] = {
        "userid": name,
        "hostname": name.lower(),
        "networks": [],
        "config_drive": None,
        **zvm.guests.get(name, {}),
    }
    for file in zvm.reader(name):
        if file.spool_class != "X" or file.type.lower() not in _TYPES:
            continue
        content = zvm.blobs.path(file.blob).read_bytes()
        del zvm.spool[file.number]
        if file.type.lower() == "iso":
            if file.name.lower() == "cfgdrive":
                guest["config_drive"] = file.blob
                guest.update(_drive(content))
        elif file.type.lower() == "doscript":
            guest["networks"] = _networks(content) or guest["networks"]
    zvm.guests[name] = guest
    for network in guest["networks"]:
        zvm.say(name, f"{network['vdev']}: {network['address']} configured")
    zvm.say(name, f"{guest['hostname']} login:")
    zvm.put(user.changed(on=True, paused=False, member=member))


def _root(user: model.User) -> str:
    for line in user.entry:
        if line.startswith("IPL "):
            return line.split()[1]
    return "CMS"


def _drive(content: bytes) -> dict[str, typing.Any]:
    """Host name and id by the drive's metadata, if its label is config-2."""
    image = pycdlib.PyCdlib()
    try:
        image.open_fp(io.BytesIO(content))
        label = image.pvd.volume_identifier.decode().strip()
        if label.lower() != "config-2":
            return {}
        found = io.BytesIO()
        image.get_file_from_iso_fp(found, rr_path="/openstack/latest/meta_data.json")
        meta = json.loads(found.getvalue())
    except (pycdlibexception.PyCdlibException, ValueError, KeyError):
        return {}
    return {"hostname": meta.get("hostname"), "instance_id": meta.get("uuid")}


_FILE = re.compile(r"cat <<EOF >(\S+)|cat << ?EOF ?> ?(\S+)")


def _networks(content: bytes) -> list[dict[str, str]]:
    """Addresses in the scripts of a network.doscript.

    Its tar holds files of the distribution's network configuration; every
    address in them is what the guest configures.
    """
    found = []
    try:
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            for member in archive.getmembers():
                file = archive.extractfile(member)
                if file is not None:
                    found += _addresses(file.read().decode(errors="replace"))
    except tarfile.TarError:
        return []
    unique = {(item["vdev"], item["address"]): item for item in found}
    return list(unique.values())


def _addresses(text: str) -> list[dict[str, str]]:
    found = []
    patterns = (
        r"IPADDR=[\"']?([0-9a-fA-F.:]+)",
        r"-\s+([0-9]+\.[0-9]+\.[0-9]+\.[0-9]+)/\d+",
    )
    vdev = re.search(r"0\.0\.([0-9a-f]{4})", text)
    for pattern in patterns:
        for match in re.finditer(pattern, text):
            found.append(
                {"vdev": vdev.group(1) if vdev else "", "address": match.group(1)}
            )
    return found
